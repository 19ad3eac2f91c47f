"""What a network's outputs are worth: classes, accuracy, agreement."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from mapper.inputs import check_classes, check_labels
from mapper.ir.core import Array
from mapper.ir.firing import Firing
from mapper.proportions import Score


def classes(output: Array) -> Array:
    """Return the class of each sample of ``output[T, B, ...]``: the greatest sum over time."""
    votes = output.sum(axis=0).reshape(output.shape[1], -1)
    return np.asarray(votes.argmax(axis=1))


def right_answers(output: Array, labels: Array) -> Array:
    """Say of each sample ``[B]`` whether its class is its label ``[B]``."""
    return np.asarray(classes(output) == labels)


def score(output: Array, labels: Array) -> Score:
    """Count the samples whose class is their label ``[B]``."""
    return score_of(right_answers(output, labels))


def score_of(right: Array) -> Score:
    """Count what ``right_answers`` gave."""
    return Score(int(np.count_nonzero(right)), right.size)


def judged(firing: Firing, given: Array, labels: Array | None) -> Firing:
    """Say of a run where all samples were given one class, ``[B]``, and their labels differ.

    A single wrong answer says nothing.
    """
    if labels is None or (labels == labels[0]).all() or np.count_nonzero(labels != given) < 2:
        return firing
    return replace(firing, one_class=int(given[0])) if (given == given[0]).all() else firing


def wanted_classes(
    arrays: Mapping[str, Array],
    output: str,
    samples: int,
    number: int,
    where: str,
    votes: Callable[[Array], Array] | None = None,
) -> Array | None:
    """Return the classes a recording asks for: its ``labels``, or those of its reference output.

    Args:
        arrays: Of the recording, by name.
        output: The output that says a class of each sample.
        samples: How many there are.
        number: Of classes: the elements of the output, or those that it names one of.
        where: The recording's file.
        votes: Returns ``[T, B, ...]`` whose greatest sum over time is the class from a reference
            output; None: that is what the reference output is.

    Raises:
        MappingError: ``input-shape`` where there is not one for each sample, ``input-range`` where
            one is no class of the output.
    """
    labels = arrays.get("labels")
    expected = arrays.get(f"expected_{output}")
    if labels is None and expected is not None and number > 1:
        expected = expected if votes is None else votes(expected)
        labels = classes(expected) if expected.ndim >= 3 else None
    if labels is not None:
        check_labels(labels, samples, where)
        check_classes(labels, number, where)
    return labels


def agreement(
    found: Mapping[str, Array], expected: Mapping[str, Array], names: Sequence[str]
) -> float:
    """Return the share of equal elements over some values; 1 where there are none."""
    equal = sum(int((found[name] == expected[name]).sum()) for name in names)
    return equal / max(1, sum(expected[name].size for name in names)) if names else 1.0
