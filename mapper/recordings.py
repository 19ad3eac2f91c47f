"""Recordings the user brings: ``.npz`` files or arrays in, checked arrays and input codes out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from mapper.diagnostics import Diagnostic, MappingError, refuse
from mapper.inputs import check_labels, take_inputs
from mapper.ir.core import SPIKE, Array, Coding, Const, Graph, IntType, Value
from mapper.ir.counter import read_keys
from mapper.ir.noise import key_inputs, recorded_inputs
from mapper.layout import IN_STEPS, Presentation, Taken
from mapper.npz import UNREADABLE, read_npz
from passes import InputCode

_ANALOGUE_BITS = 8
"""Width of the code of an analogue input: the bit depth of common image files."""

_WIDEST_CODE = 32
"""Bits of an input that holds integers; no target takes more than 16."""

_SMALLEST_RANGE = 1e-30
"""Of an analogue input: the step of its code must be a number in single precision."""


def read_arrays(path: Path | str) -> dict[str, Array]:
    """Read a ``.npz`` file of numbers; nothing is unpickled, see ``mapper.npz``.

    Raises:
        MappingError: ``bad-recording`` where the file is missing, damaged, too large, or holds
            anything but finite numbers.
    """
    path = Path(path)
    try:
        arrays = read_npz(path)
    except UNREADABLE as error:
        raise _bad(path, f"not a readable .npz file: {error}") from error
    if problem := next(_number_problems(arrays), ""):
        raise _bad(path, problem)
    return arrays


def _number_problems(arrays: Mapping[str, Array]) -> Iterator[str]:
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            yield f"array {name!r} holds {array.dtype}, not numbers"
        elif array.dtype.kind == "f" and not np.isfinite(array).all():
            yield f"array {name!r} holds NaN or infinity"


def checked_arrays(arrays: Mapping[str, ArrayLike] | ArrayLike) -> dict[str, Array]:
    """Return arrays by name that are numbers, from arrays by name or from one array.

    Raises:
        MappingError: ``bad-recording`` for anything but finite numbers.
    """
    given = arrays if isinstance(arrays, Mapping) else {_UNNAMED: arrays}
    try:
        held = {str(name): np.asarray(array) for name, array in given.items()}
    except (RuntimeError, TypeError, ValueError) as error:  # ragged lists, tensors with gradients
        raise refuse("bad-recording", f"this is no array: {error}", loc=IN_MEMORY) from error
    if problem := next(_number_problems(held), ""):
        raise refuse("bad-recording", problem, loc=IN_MEMORY)
    return held


IN_MEMORY = "arrays in memory"
"""Where a recording is from that is no file."""

_UNNAMED = "array"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a user recorded: the inputs of a network, and everything else that came with them."""

    where: str
    """The path of the file, or ``IN_MEMORY``."""
    inputs: Mapping[str, Array]
    """``[T, B, *shape]`` by input name, as the network takes them."""
    taken: Taken
    """What the arrays of the inputs were taken for."""
    arrays: Mapping[str, Array]

    @classmethod
    def read(
        cls,
        path: Path,
        values: tuple[Value, ...],
        presented: Presentation = IN_STEPS,
        layout: str | None = None,
    ) -> "Recording":
        """Read a file for a network with these inputs; see ``read_arrays``, ``take_inputs``.

        Raises:
            MappingError: what these raise, and ``input-shape`` for labels of other samples.
        """
        return cls._of(read_arrays(path), str(path), values, presented, layout)

    @classmethod
    def of(
        cls,
        arrays: Mapping[str, ArrayLike] | ArrayLike,
        values: tuple[Value, ...],
        presented: Presentation = IN_STEPS,
        layout: str | None = None,
    ) -> "Recording":
        """Take arrays in memory, by name or one array, as ``read`` takes those of a file."""
        return cls._of(checked_arrays(arrays), IN_MEMORY, values, presented, layout)

    @classmethod
    def _of(
        cls,
        arrays: Mapping[str, Array],
        where: str,
        values: tuple[Value, ...],
        presented: Presentation,
        layout: str | None,
    ) -> "Recording":
        inputs, taken = take_inputs(arrays, values, where, presented=presented, layout=layout)
        if "labels" in arrays:
            check_labels(arrays["labels"], taken.samples, where)
        return cls(where=where, inputs=inputs, taken=taken, arrays=arrays)

    def labelled(self, labels: ArrayLike) -> "Recording":
        """Return the recording with the class of each sample, ``[B]``."""
        return replace(self, arrays={**self.arrays, **checked_arrays({"labels": labels})})

    @property
    def samples(self) -> int:
        return self.taken.samples


def _bad(path: Path, reason: str) -> MappingError:
    return refuse(
        "bad-recording", reason, loc=str(path), help="write it with numpy.savez(path, x=array)"
    )


def measure_codes(inputs: Mapping[str, Array]) -> dict[str, InputCode]:
    """Choose how each input is coded, from recordings ``[T, B, *shape]``.

    Integers get the width of their greatest value; analogue values 8 bits over their range.

    Raises:
        MappingError: ``input-range`` where integers are wider than any code, or analogue values
            too close to zero for one.
    """
    return {name: _measure(name, array) for name, array in inputs.items()}


def _measure(name: str, array: Array) -> InputCode:
    low, high = float(array.min()), float(array.max())
    if array.dtype.kind in "biu" or (array == np.rint(array)).all():
        type = IntType.spanning(min(0, int(low)), max(1, int(high)))
        if type.bits > _WIDEST_CODE:
            raise _no_code(name, f"takes {type.bits} bits, at most {_WIDEST_CODE} are coded", array)
        return InputCode(type=type)
    if max(-low, high) < _SMALLEST_RANGE:
        raise _no_code(name, f"needs a magnitude of {_SMALLEST_RANGE:g} or more", array)
    type = IntType(_ANALOGUE_BITS, signed=low < 0)
    step = max(high / type.max, low / type.min if low < 0 else 0.0)
    return InputCode(type=type, step=step)


def _no_code(name: str, reason: str, array: Array) -> MappingError:
    return refuse("input-range", f"input {name!r} spans {array.min():g}..{array.max():g}: {reason}")


def check_no_keys(graph: Graph, recorded: Recording) -> None:
    """Refuse keys of noise in a recording: they follow from the seed of the run.

    Raises:
        MappingError: ``input-name``.
    """
    for value in key_inputs(graph):
        if value.name in recorded.arrays:
            raise refuse(
                "input-name",
                f"array '{value.name}' is the key of this die's read noise, and of no recording",
                loc=recorded.where,
                help="leave it out; --run-seed (in Python run_seed=) says which noise it is",
            )


def to_codes(
    graph: Graph, inputs: Mapping[str, Array], where: str, seed: int = 0
) -> dict[str, Array]:
    """Return the integer codes of real inputs, as the graph's codings say.

    A die whose reads have noise takes keys, too: those of ``seed``.

    Raises:
        MappingError: ``input-range`` where a value is outside the code's range, or is no integer
            though the input carries plain integers.
    """
    codes, problems = {}, []
    for value in recorded_inputs(graph):
        coding = graph.codings.get(value.name, Coding())
        assert not isinstance(coding.scale, Const)
        array = inputs[value.name]
        found = _range_problems(value, array, coding.scale, where)
        problems += found
        if not found:  # what is out of range may not even fit 64 bits
            codes[value.name] = _coded(array, coding.scale)
    if problems:
        raise MappingError(problems)
    steps, samples = next(iter(inputs.values())).shape[:2]
    keys = {value.name: read_keys(seed, steps, samples) for value in key_inputs(graph)}
    return {**codes, **keys}


def _coded(array: Array, step: float) -> Array:
    """Code ``[T, ...]`` a time step at a time: recordings are large, and reals are larger."""
    codes = np.empty(array.shape, np.int64)
    for t, now in enumerate(array):
        codes[t] = np.rint(now / step)
    return codes


def _range_problems(value: Value, array: Array, step: float, where: str) -> list[Diagnostic]:
    assert isinstance(value.type, IntType)
    # Division and rounding keep the order, so the ends have the least and the greatest code.
    low, high = (int(np.rint(end / step)) for end in (array.min(), array.max()))
    if not value.type.holds(low, high):
        kind = "spikes (0 or 1)" if value.type == SPIKE else f"{value.type} codes"
        return [
            Diagnostic(
                code="input-range",
                message=f"input {value.name!r} spans {low * step:g}..{high * step:g}, the network "
                f"was compiled for {kind}: {value.type.min * step:g}..{value.type.max * step:g}",
                loc=where,
                help="compile again with --calibrate and recordings of this kind",
            )
        ]
    if step == 1 and any((now != np.rint(now)).any() for now in array):
        return [
            Diagnostic(
                code="input-range",
                message=f"input {value.name!r} holds values that are no integers, "
                f"the network was compiled for {value.type} codes",
                loc=where,
                help="compile again with --calibrate and recordings of this kind",
            )
        ]
    return []


def to_reals(graph: Graph, outputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return the real numbers that integer outputs ``[T, B, *shape]`` stand for."""
    reals = {}
    for name, array in outputs.items():
        scale, offset = coding_tables(graph, name)
        reals[name] = array * scale + offset
    return reals


def coding_tables(graph: Graph, name: str) -> tuple[Array, Array]:
    """Return scale and offset of a port: single numbers, or arrays that broadcast to its shape."""
    coding = graph.codings.get(name, Coding())
    scale, offset = (
        np.asarray(graph.constants[table.name] if isinstance(table, Const) else table)
        for table in (coding.scale, coding.offset)
    )
    return scale, offset
