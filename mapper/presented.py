"""How a model takes its inputs, as JSON: in ``mapping.json``, and in a file in canonical form."""

from collections.abc import Collection
from typing import Any

from mapper.layout import IN_STEPS, MOST_NUMBERS, Presentation

_LISTS = ("images", "samples_first", "batches_of_one")


def presented_entry(presented: Presentation) -> dict[str, Any]:
    """Return the entry ``presented``; none where the model says nothing of time."""
    steps, *lists = presented
    named = {key: list(names) for key, names in zip(_LISTS, lists, strict=True) if names}
    return {"presented": {"steps": steps, **named}} if steps else {}


def read_presented(data: object, inputs: Collection[str]) -> Presentation:
    """Return what an entry says of a network with these inputs.

    Raises:
        ValueError: ``presented_entry`` does not write it.
    """
    if data is None:
        return IN_STEPS
    if not isinstance(data, dict) or not {"steps"} <= data.keys() <= {"steps", *_LISTS}:
        raise ValueError("'presented' is not how a model takes its inputs")
    steps = data["steps"]
    if type(steps) is not int or not 1 <= steps <= MOST_NUMBERS:
        raise ValueError(f"the model has {steps!r:.80} time steps, not 1 to {MOST_NUMBERS}")
    return Presentation(steps, *(_names(data.get(key, []), inputs) for key in _LISTS))


def _names(data: object, inputs: Collection[str]) -> tuple[str, ...]:
    if not isinstance(data, list) or not all(isinstance(name, str) for name in data):
        raise ValueError(f"names of inputs are {data!r:.80}")
    if unknown := [name for name in data if name not in inputs]:
        raise ValueError(f"no input is named {unknown[0]!r:.80}")
    return tuple(data)
