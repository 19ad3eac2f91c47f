"""Random dies: cells, references and noise of their own in the layers of any hardware graph."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from mapper.ir.core import Array, Const, Graph, Op, Value
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.infer import infer_types
from mapper.ir.noise import KEY_TYPE, NOISE_LEVELS
from mapper.ir.readout import AdcRead, SenseAmpRead

Read = TypeVar("Read", SenseAmpRead, AdcRead)
FRACTION = 6
KEY = Value("read_key", KEY_TYPE, ())
CELLS = ("none", "fine", "digits", "halves", "small", "signed", "large")
"""What cells of a die may be: absent, of any size, or whole multiples that other kernels count."""


def die_of(
    graph: Graph, rng: np.random.Generator, kinds: Sequence[str] = CELLS, *, noisy: bool = False
) -> Graph:
    """Return a graph whose crossbars and readouts are those of a die, at random."""
    die = _Die(graph, rng, kinds, noisy)
    ops = tuple(die.op(op) for op in graph.ops)
    inputs = (*graph.inputs, KEY) if die.keyed else graph.inputs
    return infer_types(replace(graph, ops=ops, inputs=inputs, constants=die.constants))


class _Die:
    def __init__(
        self, graph: Graph, rng: np.random.Generator, kinds: Sequence[str], noisy: bool
    ) -> None:
        self.constants = dict(graph.constants)
        self.rng, self.kinds, self.noisy = rng, kinds, noisy
        self.keyed = False
        self.layers: dict[str, CrossbarMvm] = {}

    def op(self, op: Op) -> Op:
        if isinstance(op, CrossbarMvm):
            op = self._crossbars(op)
            self.layers[op.partial_sum.name] = op
        elif isinstance(op, SenseAmpRead):
            return self._sense(op)
        elif isinstance(op, AdcRead):
            return self._adc(op)
        return op

    def _crossbars(self, op: CrossbarMvm) -> CrossbarMvm:
        copies = int(self.rng.choice([1, 1, 2, 3, 7]))
        placed = replace(op, placement=replace(op.placement, copies=copies))
        kind = self.rng.choice(self.kinds)
        if kind == "none":
            return placed
        own = int(self.rng.choice([1, copies]))
        slices, outputs = op.partial_sum.shape[2], op.outputs
        wordlines = op.packed * op.rows[-1].stop
        name = f"{op.partial_sum.name}.cells"
        self.constants[name] = self._cells(kind, (own, slices, wordlines, outputs)) * op.there
        return replace(placed, cells=Const(name), fraction=FRACTION)

    def _cells(self, kind: str, shape: tuple[int, ...]) -> Array:
        unit, rng = 1 << FRACTION, self.rng
        if kind == "large":
            return rng.integers(-(1 << 14), 1 << 14, shape, dtype=np.int32)
        found = {
            "fine": lambda: rng.integers(-2 * unit, 2 * unit, shape),
            "digits": lambda: unit * rng.integers(0, rng.choice([2, 4, 16]), shape),
            "halves": lambda: unit // 2 * rng.choice([-1, 1], shape),
            "small": lambda: unit // 2 * rng.integers(-2, 3, shape),
            "signed": lambda: unit * rng.integers(-1, 2, shape),
        }[kind]()
        return found.astype(np.int16)

    def _table(self, op: SenseAmpRead | AdcRead, spread: int, copies: int) -> Array:
        """Return random integers for a grid, each axis whole or of length 1."""
        grid = op.partial_sum.shape[1:4]
        shape = tuple(int(self.rng.choice([1, full])) for full in grid)
        leading = (copies,) if copies > 1 else ()
        return self.rng.integers(-spread, spread + 1, (*leading, *shape))

    def _scale(self, mvm: CrossbarMvm) -> int:
        """Return about how far from 0 sums are."""
        if mvm.cells is None:
            return 3
        cells = self.constants[mvm.cells.name]
        return max(1, int(2 * np.abs(cells).mean(dtype=float)))

    def _sense(self, op: SenseAmpRead) -> SenseAmpRead:
        mvm = self.layers[op.partial_sum.name]
        own = int(self.rng.choice([1, mvm.placement.copies]))
        held = self.constants[op.thresholds.name]
        rises = [self._table(op, self._scale(mvm), own)]
        rises += [np.abs(self._table(op, self._scale(mvm), own)) for _ in held[1:]]
        full = np.broadcast_shapes(*(rise.shape for rise in rises))
        name = f"{op.partial_sum.name}.references"
        table = np.cumsum([np.broadcast_to(rise, full) for rise in rises], axis=0)
        self.constants[name] = table
        op = replace(op, active=None)  # half of what is driven is in the cells of a die
        return self._noise(replace(op, thresholds=Const(name)), self._scale(mvm))

    def _adc(self, op: AdcRead) -> AdcRead:
        mvm = self.layers[op.partial_sum.name]
        scale = self._scale(mvm)
        own = int(self.rng.choice([1, mvm.placement.copies]))
        names = [f"{op.partial_sum.name}.{field}" for field in ("first", "width")]
        self.constants[names[0]] = self._table(op, scale, own)
        self.constants[names[1]] = 1 + np.abs(self._table(op, max(2, scale), own))
        bits = min(op.bits, 5)
        changed = replace(op, first=Const(names[0]), width=Const(names[1]), bits=bits)
        return self._noise(changed, scale)

    def _noise(self, op: Read, scale: int) -> Read:
        if not self.noisy or self.rng.random() < 0.3:
            return op
        name = f"{op.partial_sum.name}.noise"
        drawn = np.sort(self.rng.normal(0, self.rng.choice([0, 0.3, 1]) * scale, NOISE_LEVELS))
        self.constants[name] = np.rint(drawn).astype(np.int32)
        self.keyed = True
        return replace(op, key=KEY, noise=Const(name), stream=int(self.rng.integers(0, 99)))
