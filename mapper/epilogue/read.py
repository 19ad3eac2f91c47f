"""Read an epilogue of a build that may come from anyone, with its entry in ``mapping.json``."""

from collections.abc import Mapping
from math import prod
from typing import Any, Literal

import numpy as np

from mapper.epilogue.file import EpilogueError
from mapper.epilogue.model import Answer, Epilogue, codes_of
from mapper.ir.core import Value
from mapper.ir.serialize import load

_MOST_OUTPUTS = 1 << 10


def read_epilogue(content: bytes, entry: Mapping[str, Any], outputs: tuple[Value, ...]) -> Epilogue:
    """Return an epilogue that may come from anyone, of a graph with these outputs.

    Raises:
        EpilogueError: It is none, or not that of the entry, or not of such outputs.
        KeyError, TypeError, ValueError: The entry is none.
    """
    of = load(Literal["sequence", "step"], entry["of"])
    found = Epilogue(
        content=content,
        whole=of == "sequence",
        reads=load(tuple[str, ...], entry["reads"]),
        answers=load(tuple[Answer, ...], entry["outputs"]),
    )
    if found.digest != entry["sha256"]:
        raise EpilogueError("it is not the one that mapping.json is of")
    if found.reads != tuple(value.name for value in outputs):
        raise EpilogueError("it does not read the outputs of the network")
    _check_ports(found, outputs)
    return found


def _check_ports(found: Epilogue, outputs: tuple[Value, ...]) -> None:
    graph, facts = found.model.graph, found._facts
    names = tuple(port.name for port in graph.output)
    if not 0 < len(names) <= _MOST_OUTPUTS or names != tuple(a.name for a in found.answers):
        raise EpilogueError("its outputs are not those that mapping.json lists")
    if len(graph.input) != len(outputs):
        told = f"{len(graph.input)} tensors, the network gives {len(outputs)}"
        raise EpilogueError(f"it reads {told}")
    for port, value in zip(graph.input, outputs, strict=True):
        dims = port.type.tensor_type.shape.dim
        inner = dims[1:] if found.whole else dims
        if prod(d.dim_value for d in inner) != prod(value.shape) or (found.whole and not dims):
            raise EpilogueError(f"its input {port.name!r} has not the shape of {value.name!r}")
        if found.whole and (dims[0].dim_value or 0) != found.steps:
            raise EpilogueError("its inputs have different numbers of time steps")
    _check_apart(found)
    for answer in found.answers:
        shape = facts[answer.name].shape
        axes = [a for a in (answer.time_axis, answer.batch_axis) if a is not None]
        if len(set(axes)) < len(axes) or any(not 0 <= axis < len(shape) for axis in axes):
            raise EpilogueError(f"output {answer.name!r} has no such axes")
        if answer.batch_axis is not None and shape[answer.batch_axis] != 1:
            raise EpilogueError(f"output {answer.name!r} is of several samples")
        if answer.time_axis is not None and not found.whole:
            raise EpilogueError(f"output {answer.name!r} is of one step, with a time axis")
        _check_over_time(answer, found.whole)


def _check_over_time(answer: Answer, whole: bool) -> None:
    if whole and answer.over_time != "each":
        told = f"the {answer.over_time} over time of a function of the whole sequence"
        raise EpilogueError(f"output {answer.name!r} is {told}")
    if (answer.step is not None) != (answer.over_time == "one") or (answer.step or 0) < 0:
        told = f"step {answer.step} of {answer.over_time!r} over time"
        raise EpilogueError(f"output {answer.name!r} is {told}, a step from 0 is of 'one' alone")
    if not abs(answer.scale) <= float(np.finfo(np.float32).max):
        raise EpilogueError(f"output {answer.name!r} has scale {answer.scale}")


def _check_apart(found: Epilogue) -> None:
    """See that answers and codes have names of their own in a file of both."""
    answers, codes = {a.name for a in found.answers}, {codes_of(name) for name in found.reads}
    if both := sorted(answers & codes):
        raise EpilogueError(f"its output {both[0]!r} is called like integers of the network")
