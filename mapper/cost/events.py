"""Driven wordlines, and the cells on them: what the energy of a crossbar read depends on."""

from collections.abc import Mapping

import numpy as np

from mapper.cost.model import Activity, Events
from mapper.diagnostics import Diagnostic, MappingError
from mapper.ir.core import Array, Constants, Graph, IntType, Value
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.synapses import Synapse
from mapper.ir.windows import sliding

ROWS_AT_ONCE = 256  # of a weight matrix: its bit-slices take S times 8 bytes a weight


def events_of(op: CrossbarMvm, driven: Array, constants: Constants) -> Events:
    """Weigh ``driven[groups, K]``, how often each wordline of each group was driven."""
    assert op.encoding is not None, "crossbars are counted after slice-weights"
    width = op.outputs // op.groups
    blocks = np.bincount([span.start // width for span in op.columns], minlength=op.groups)
    by_group = driven.sum(axis=1)
    weight = constants[op.weight.name]
    levels = 0
    for start in range(0, len(weight), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        digits = np.abs(op.encoding.digits(weight[rows])).sum(axis=0)  # [rows, N]
        by_row = digits.reshape(len(digits), op.groups, width).sum(axis=2)
        levels += int((by_row.T * driven[:, rows]).sum())
    return Events(
        wordlines=int((by_group * blocks).sum()),
        cells=int(by_group.sum()) * width * op.encoding.bitlines_per_weight,
        levels=levels,
    )


def full_drive(op: CrossbarMvm) -> Array:
    """Return ``[groups, K]`` of one time step in which every input bit is 1.

    Wordlines that see padding, or the zeros between the inputs of a transposed convolution, are
    driven less often than others.
    """
    ones = np.broadcast_to(np.int64(1), (1, *op.x.shape))
    return op.planes * driven_counts(ones, op)


def measured_drive(op: CrossbarMvm, x: Array) -> Array:
    """Return ``[groups, K]`` of input codes ``x[T, B, *shape]``, summed over time and samples."""
    assert isinstance(op.x.type, IntType)
    total = np.zeros((op.groups, op.rows[-1].stop), np.int64)
    for step in x:
        codes = step.astype(np.int64)
        for plane in range(op.x.type.bits):
            total += driven_counts((codes >> plane) & 1, op)
    return total


def driven_counts(bits: Array, op: CrossbarMvm) -> Array:
    """Count the ones that each wordline of each group sees in ``bits[B, *shape]``."""
    if op.window is None:
        return np.asarray(bits.sum(axis=0).reshape(op.groups, -1))
    taps = sliding(bits, op.window).sum(axis=(0, 2, 3))  # [C, kh, kw]
    grouped = taps.reshape(op.groups, -1, *op.window.kernel)
    # Wordlines are ordered (kernel row, kernel column, channel).
    return np.asarray(grouped.transpose(0, 2, 3, 1).reshape(op.groups, -1))


def measured_values(graph: Graph) -> tuple[str, ...]:
    """List the values that ``measure`` needs: the inputs of the layers on crossbars."""
    names = dict.fromkeys(op.x.name for op in graph.ops if isinstance(op, CrossbarMvm))
    return tuple(names)


def measure(graph: Graph, values: Mapping[str, Array]) -> Activity:
    """Count the events of a recorded run, ``values[name][T, B, *shape]``.

    Raises:
        MappingError: where a recorded array is missing or cannot be of this network.
    """
    layers = [op for op in graph.ops if isinstance(op, CrossbarMvm | Synapse)]
    problems = [
        problem
        for op in layers
        if isinstance(op, CrossbarMvm)
        for problem in _problems(op.x, values)
    ]
    lengths = {values[name].shape[:2] for name in measured_values(graph) if name in values}
    if not problems and len(lengths) > 1:
        shown = " and ".join(f"{steps}x{samples}" for steps, samples in sorted(lengths))
        problems = [_problem(f"the recorded values have {shown} time steps and samples")]
    if problems:
        raise MappingError(dict.fromkeys(problems))
    steps, samples = next(iter(lengths), (1, 1))
    return Activity(
        steps=steps,
        samples=samples,
        events=tuple(_measured(op, values, graph.constants) for op in layers),
    )


def _measured(
    op: CrossbarMvm | Synapse, values: Mapping[str, Array], constants: Constants
) -> Events:
    if isinstance(op, Synapse):
        return Events(0, 0, 0)
    return events_of(op, measured_drive(op, values[op.x.name]), constants)


def _problems(value: Value, values: Mapping[str, Array]) -> list[Diagnostic]:
    if value.name not in values:
        return [_problem(f"the recording has no array {value.name!r}")]
    array = values[value.name]
    if array.shape[2:] != value.shape or min(array.shape[:2], default=0) < 1:
        expected = ", ".join(map(str, ("T", "B", *value.shape)))
        return [_problem(f"array {value.name!r} is {list(array.shape)}, expected [{expected}]")]
    if array.dtype.kind not in "biu":
        return [_problem(f"array {value.name!r} holds {array.dtype}, expected integers")]
    low, high = int(array.min()), int(array.max())
    if not isinstance(value.type, IntType) or not value.type.holds(low, high):
        return [_problem(f"array {value.name!r} spans {low}..{high}, expected {value.type}")]
    return []


def _problem(message: str) -> Diagnostic:
    help = "record it with run --trace from the same build folder"
    return Diagnostic(code="activity-array", message=message, help=help)
