"""Arrays of a recording as the inputs of a network, or why they are not.

``mapper.layout`` decides what their axes mean; here is who is told what, for every command.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from mapper.diagnostics import Diagnostic, MappingError, many, refuse
from mapper.ir.core import Array, Value
from mapper.layout import (
    IN_STEPS,
    LAYOUTS,
    LayoutError,
    Presentation,
    Taken,
    fitting,
    misfit,
    together,
    with_time,
)

LARGEST_INPUT = 1e30
"""Greatest magnitude of an input: far beyond any recording, and its products stay finite."""


def take_inputs(
    arrays: Mapping[str, Array],
    values: tuple[Value, ...],
    where: str,
    states: Sequence[str] = (),
    *,
    presented: Presentation = IN_STEPS,
    layout: str | None = None,
    own: Mapping[str, str] | None = None,
) -> tuple[dict[str, Array], Taken]:
    """Return the input arrays of a network as ``[T, B, *shape]``, and what they were taken for.

    ``mapper.layout`` says what the axes of an array mean.

    Args:
        arrays: By name; what is no input does not count: ``labels``, ``expected_*`` and names of
            ``states``. If the network has one input and there is one array, names need not match.
        values: Inputs of the network.
        where: The file, for messages.
        states: Names of states, whose arrays are initial values.
        presented: How the model takes its inputs.
        layout: What the first axis of an array counts, ``steps`` or ``samples``.
        own: In words, the shape that the model itself has for an input, where the caller takes it.

    Raises:
        MappingError: ``input-layout`` for another layout; ``input-name``, ``input-shape`` or
            ``input-range``, all problems together.
    """
    if layout is not None and layout not in LAYOUTS:
        raise refuse(
            "input-layout",
            f"no layout is named '{layout}'",
            loc="--layout",
            help=f"the first axis of an array counts {' or '.join(LAYOUTS)}",
        )
    arrays = named(arrays, values, states)
    problems: list[Diagnostic] = []
    found: dict[str, tuple[Array, bool]] = {}
    for value in values:
        array, image = arrays.get(value.name), value.name in presented.images
        axes = 0 if array is None else array.ndim
        shape = presented.of_one_sample(value.name, value.shape, axes)
        fits = fitting(shape, image, layout)
        itself = (own or {}).get(value.name, "")
        if itself and itself not in fits:
            fits += f" or, as the model has it, {itself}"
        if array is None:
            problems.append(_missing(value, arrays, fits, where))
            continue
        taken = with_time(array, shape, image, layout)
        if taken is None:
            shown = presented.steps if image else 0
            problems.append(_misshapen(value, array, fits, shown, where))
        elif (greatest := _greatest(array)) > LARGEST_INPUT:
            problems.append(_too_great(value, greatest, where))
        else:
            laid, still = taken
            found[value.name] = laid.reshape(*laid.shape[:2], *value.shape), still
    if problems:
        raise MappingError(problems)
    try:
        return together(found, presented, layout)
    except LayoutError as error:
        raise refuse("input-shape", str(error), loc=where) from error


def check_labels(labels: Array, samples: int, where: str) -> None:
    """Refuse labels that are not one class for each sample.

    Raises:
        MappingError: ``input-shape``: samples and time steps are most often mixed up then.
    """
    if labels.shape != (samples,):
        raise refuse(
            "input-shape",
            f"labels have shape {labels.shape}, expected ({samples},)",
            loc=where,
            help=f"one class for each sample; the inputs were taken for {many(samples, 'sample')}, "
            "--layout steps or --layout samples says what their first axis counts",
        )


def check_classes(labels: Array, number: int, where: str) -> None:
    """Refuse labels that are no classes: each would count as a wrong answer.

    Raises:
        MappingError: ``input-range`` for anything but whole numbers from 0 below ``number``.
    """
    good = (labels >= 0) & (labels < number) & (labels == np.floor(labels))
    if not good.all():
        sample = int(np.argmin(good))
        if number == 1:
            raise refuse(
                "input-range",
                f"sample {sample} has the label {labels[sample]}, but no class can be read of an "
                "output of one element that names none",
                loc=where,
                help="let the model return a sum of each class, or ArgMax of them",
            )
        raise refuse(
            "input-range",
            f"sample {sample} has the label {labels[sample]}, "
            f"the output has {many(number, 'class', 'classes')}, from 0 to {number - 1}",
            loc=where,
            help="a label is the place of the right class among the elements of the output",
        )


def check_unused(layout: str | None) -> None:
    """Refuse a layout where there is no recording for it to be of.

    Raises:
        MappingError: ``input-layout``.
    """
    if layout is not None:
        raise refuse(
            "input-layout",
            "a layout is of a recording, and none is given",
            loc="--layout",
            help="give the recording too, or leave the layout out",
        )


def named(
    arrays: Mapping[str, Array], values: tuple[Value, ...], states: Sequence[str] = ()
) -> dict[str, Array]:
    """Return the arrays that may be inputs; one array alone gets the name of the one input."""
    inputs = {value.name for value in values}
    held = {n: a for n, a in arrays.items() if n in inputs or not _is_extra(n, states)}
    if len(values) == 1 and len(held) == 1 and values[0].name not in held:
        return {values[0].name: next(iter(held.values()))}
    return held


def _is_extra(name: str, states: Sequence[str]) -> bool:
    return name == "labels" or name.startswith("expected_") or name in states


def _missing(value: Value, arrays: Mapping[str, Array], fits: str, where: str) -> Diagnostic:
    held = ", ".join(repr(name) for name in arrays) or "nothing"
    return Diagnostic(
        code="input-name",
        message=f"no array for input {value.name!r}; there is {held}",
        loc=where,
        help=f"name an array {value.name!r}, of shape {fits}",
    )


def _misshapen(value: Value, array: Array, fits: str, shown: int, where: str) -> Diagnostic:
    told = f"input {value.name!r} has shape {array.shape}{misfit(array.shape, fits)}"
    first = "T time steps and B samples come first, all at least 1"
    images = f"the images are each shown for {shown} time steps; " if shown else ""
    return Diagnostic(code="input-shape", message=told, loc=where, help=f"{images}{first}")


def _greatest(array: Array) -> float:
    return max(abs(float(array.min())), abs(float(array.max())))


def _too_great(value: Value, greatest: float, where: str) -> Diagnostic:
    return Diagnostic(
        code="input-range",
        message=f"input {value.name!r} holds {greatest:g}, at most {LARGEST_INPUT:g} is read",
        loc=where,
        help="the recording is damaged, or in another unit",
    )
