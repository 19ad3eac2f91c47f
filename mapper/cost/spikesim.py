"""SpikeSim's cost rule: a fixed energy for each cycle of a processing element (PE).

SpikeSim (Moitra et al., TCAD 2023) charges constants of a PE cycle, whatever the spikes do. That
has no counterpart among the actions of a ``Library``, so it is a rule of its own: what the
constants in ``targets/components/spikesim-65nm.toml`` cost under it, in exact decimal arithmetic.

A PE holds ``kernel^2`` crossbars and works on ``crossbar`` input and output channels. A layer
takes a PE cycle for each output position and each block of channels. Not in the rule: spikes,
linear layers, the sequence of layers other than their overlap.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from mapper.cost.result import Range
from targets import Interval, PartList

End = Literal["low", "nominal", "high"]
Amounts = dict[str, Fraction]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvLayer:
    """A convolution: channels, and the sides of its square input and output."""

    inputs: int
    outputs: int
    input_side: int
    output_side: int

    @property
    def positions(self) -> int:
        return self.output_side**2


@dataclass(frozen=True, slots=True, kw_only=True)
class PeShape:
    """What a PE and a tile consist of, and how long a PE cycle takes."""

    crossbar: int = 64
    kernel: int = 3
    columns_per_adc: int = 8
    pes_per_tile: int = 8
    clock_ns: int = 4
    cycles: int = 26
    subtractions_per_adc: int = 16
    neurons_per_cycle: int = 4
    memory_bits: int = 22
    """Bits of one membrane, and of one input value."""
    overlap: Fraction = Fraction(3, 4)
    """Share of a layer's outputs after which the next layer starts."""
    membrane_layers: int = 5
    """Layers whose outputs have a membrane memory of their own in the area."""

    @property
    def cycle_ns(self) -> int:
        return self.cycles * self.clock_ns

    @property
    def adcs(self) -> int:
        """Count the converters of a PE."""
        return self.crossbar // self.columns_per_adc


@dataclass(frozen=True, slots=True, kw_only=True)
class PeCost:
    """Totals of one inference, and the parts they are the sums of, at the nominal end."""

    pes: int
    tiles: int
    pe_cycles: tuple[int, ...]
    """By layer, in one time step."""
    energy_pj: dict[str, float]
    total_pj: Range
    latency_ns: float
    serial_ns: float
    """With all outputs one after the other."""
    area_um2: dict[str, float]
    total_um2: Range


VGG9 = tuple(
    ConvLayer(inputs=i, outputs=o, input_side=before, output_side=after)
    for i, o, before, after in (
        (3, 64, 32, 32),
        (64, 64, 32, 16),
        (64, 128, 16, 16),
        (128, 128, 16, 8),
        (128, 256, 8, 8),
        (256, 256, 8, 8),
        (256, 256, 8, 4),
    )
)
"""The convolutions of the VGG9 for CIFAR-10 that its script prints the cost of."""


def spikesim_cost(
    layers: tuple[ConvLayer, ...], parts: PartList, *, steps: int, shape: PeShape | None = None
) -> PeCost:
    """Apply the rule to convolutions, ``steps`` time steps, with the constants of ``parts``."""
    shape = shape or PeShape()
    cycles = tuple(_blocks(layer, shape) * layer.positions for layer in layers)
    pes = sum(_blocks(layer, shape) for layer in layers)
    tiles = -(-pes // shape.pes_per_tile)
    runs = sum(cycles) * steps

    def energy(end: End) -> Amounts:
        return {name: pj * runs for name, pj in cycle_energy(parts, shape, end).items()}

    def area(end: End) -> Amounts:
        return _area(layers, tiles, parts, shape, end)

    outputs = [layer.positions * layer.outputs for layer in layers]
    overlapped = shape.overlap * sum(outputs[:-1]) + outputs[-1]
    return PeCost(
        pes=pes,
        tiles=tiles,
        pe_cycles=cycles,
        energy_pj=_floats(energy("nominal")),
        total_pj=_total(energy),
        latency_ns=float(overlapped * steps * shape.cycle_ns),
        serial_ns=float(sum(outputs) * steps * shape.cycle_ns),
        area_um2=_floats(area("nominal")),
        total_um2=_total(area),
    )


def cycle_energy(parts: PartList, shape: PeShape, end: End = "nominal") -> Amounts:
    """Return pJ of one PE cycle by part."""
    adcs = shape.adcs
    uses = {
        "tile_buffer": 1,
        "h_tree": 1,
        "memory_fetch": 1,
        "neuron": shape.neurons_per_cycle,
        "crossbar": adcs * shape.kernel**2,
        "adc": adcs * adcs,
        "mux": adcs * adcs,
        "subtractor": adcs * shape.subtractions_per_adc,
        "temporary_buffer": adcs,
    }
    return {name: count * _exact(parts.part(name).energy_pj, end) for name, count in uses.items()}


def _area(
    layers: tuple[ConvLayer, ...], tiles: int, parts: PartList, shape: PeShape, end: End
) -> Amounts:
    """Return um2 by part: those of every tile, then the memory of inputs and membranes."""
    in_pe = {"crossbar": shape.kernel**2, "adc": shape.adcs, "mux": shape.adcs}
    in_tile = {
        **{name: shape.pes_per_tile * count for name, count in in_pe.items()},
        "subtractor": shape.adcs,
        "temporary_buffer": 1,
        "tile_buffer": 1,
        "h_tree": 1,
    }
    values = sum(layer.inputs * layer.input_side**2 for layer in layers)
    membranes = sum(layer.outputs * layer.positions for layer in layers[: shape.membrane_layers])
    bit = _exact(parts.part("neuron_memory").area_um2, end)
    return {
        **{
            name: tiles * count * _exact(parts.part(name).area_um2, end)
            for name, count in in_tile.items()
        },
        "input_memory": values * shape.memory_bits * bit,
        "neuron_memory": membranes * shape.memory_bits * bit,
    }


def _blocks(layer: ConvLayer, shape: PeShape) -> int:
    return -(-layer.inputs // shape.crossbar) * -(-layer.outputs // shape.crossbar)


def _exact(value: Interval | None, end: End) -> Fraction:
    """Return the decimal that the file states, not its nearest binary fraction."""
    assert value is not None, "the rule needs this constant"
    return Fraction(repr(getattr(value, end)))


def _floats(amounts: Amounts) -> dict[str, float]:
    return {name: float(value) for name, value in amounts.items()}


def _total(amounts: Callable[[End], Amounts]) -> Range:
    low, nominal, high = (
        float(sum(amounts(end).values(), Fraction(0))) for end in ("low", "nominal", "high")
    )
    return Range(low, nominal, high)
