"""What a target file and a mapped graph say, as ``recomputed`` reads them."""

import tomllib
from dataclasses import dataclass, field
from math import ceil, prod
from pathlib import Path

import numpy as np

from mapper.ir.core import Array, Const, Constants, Graph, Op, Value
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.network import MaxPool2d
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd

TARGETS = Path(__file__).parents[2] / "targets"


def width(low: int, high: int) -> int:
    """Return the bits that hold ``low..high``, in two's complement where below 0."""
    if low < 0:
        return 1 + max((-low - 1).bit_length(), high.bit_length())
    return max(high.bit_length(), 1)


class Chip:
    """The numbers of a target file and of its library, nominal."""

    def __init__(self, name: str) -> None:
        self.file = tomllib.loads((TARGETS / f"{name}.toml").read_text())
        library = TARGETS / "components" / f"{self.file['components']}.toml"
        self.facts = tomllib.loads(library.read_text())
        (self.macro,) = self.file["macro"]
        self.mux = self.macro["readout"]["columns_per_readout"]
        self.tile = self.file["chip"]["crossbars_per_tile"]
        self.side = ceil(self.file["chip"]["tiles"] ** 0.5)
        self.cycle = float(self.file["clock"]["logic_ns"])  # physical: the logic's own
        self.word = self.facts["buffer_read"]["word_bits"]
        kind, bits = self.macro["readout"]["kind"], self.macro["readout"]["bits"]
        self.adc = kind == "sar"
        found = [one for one in self.facts["sar_adc"] if one["bits"] == bits]
        self.readout = found[0] if self.adc else self.facts["sense_amp"]
        if self.readout.get("latency_law") == "sar":
            law = bits * (0.00653 * self.macro["wordlines"] + 0.640)
            self.readout = {**self.readout, "latency_ns": {"nominal": law}}

    def of(self, part: str, what: str) -> float:
        return float(self.facts[part][what]["nominal"])

    def ns(self, part: str) -> float:
        """Return the time of an action of the logic, in whole cycles."""
        return ceil(self.of(part, "latency_ns") / self.cycle) * self.cycle

    def at(self, slot: int) -> tuple[int, int]:
        tile = slot // self.tile
        return tile % self.side, tile // self.side


@dataclass
class Layer:
    """A layer as the graph has it, and what the formulas make of it."""

    mvm: CrossbarMvm
    depth: int
    add: ShiftAndAdd | None = None
    counts: dict[str, int] = field(default_factory=dict)
    energy: dict[str, float] = field(default_factory=dict)
    area: dict[str, float] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    hops: int = 0

    def __post_init__(self) -> None:
        mvm = self.mvm
        self.p = prod(mvm.partial_sum.shape[4:])
        self.g, self.c, self.a = len(mvm.rows), len(mvm.columns), mvm.placement.copies
        self.k, self.n = mvm.rows[-1].stop, mvm.outputs
        self.share = ceil(self.p / self.a)
        self.input_bits = prod(mvm.x.shape)
        self.operands: dict[str, int] = {}
        """Bits of residual operands, by what computed them."""
        self.moved: dict[str, int] = {}
        """Those that are not the layer's input already."""


def layers_of(graph: Graph) -> tuple[dict[str, int], list[Layer]]:
    """Assign ops to the latest layer that feeds them; pools pass on where spikes come from."""
    homes: dict[str, int] = {}
    layers: list[Layer] = []
    for op in graph.ops:
        home = max((homes.get(value.name, -1) for value in op.operands), default=-1)
        if isinstance(op, CrossbarMvm):
            depth = 0 if home < 0 else layers[home].depth + 1
            home = len(layers)
            layers.append(Layer(op, depth))
        elif isinstance(op, ShiftAndAdd):
            home = homes[op.codes.name]
            layers[home].add = op
        homes |= {value.name: home for value in op.results}
    return homes, layers


def driven_of(mvm: CrossbarMvm, x: Array) -> Array:
    """Return ``[T * B, positions, K]``: the wordlines that spikes drive, by im2col."""
    flat = x.reshape(-1, *x.shape[2:])
    if mvm.window is None:
        return flat[:, None, :]
    (kh, kw), (sy, sx) = mvm.window.kernel, mvm.window.stride
    top, left, bottom, right = mvm.window.padding
    padded = np.pad(flat, ((0, 0), (0, 0), (top, bottom), (left, right)))
    high, wide = mvm.partial_sum.shape[4:]
    rows = [
        padded[:, :, i * sy : i * sy + kh, j * sx : j * sx + kw].transpose(0, 2, 3, 1)
        for i in range(high)
        for j in range(wide)
    ]
    return np.stack([row.reshape(len(flat), -1) for row in rows], axis=1)


def levels_of(ops: list[Op], constants: Constants) -> tuple[int, int]:
    """Return the least and the greatest number that a code stands for."""
    for op in ops:
        if isinstance(op, SenseAmpRead):
            return min(op.levels), max(op.levels)
        if isinstance(op, AdcRead):
            step, base = (numbers_of(number, constants) for number in (op.step, op.base))
            return int(base.min()), int((base + step * ((1 << op.bits) - 1)).max())
    raise AssertionError("no readout")


def origin_of(value: Value, graph: Graph) -> str:
    """Return what a pool of spikes was made of."""
    makers = {found.name: op for op in graph.ops for found in op.results}
    maker = makers.get(value.name)
    return origin_of(maker.x, graph) if isinstance(maker, MaxPool2d) else value.name


def numbers_of(scale: Const | int, constants: Constants) -> Array:
    return np.asarray(constants[scale.name] if isinstance(scale, Const) else scale)
