"""What is known of a model, as classes: ports, layers, neurons; ``describe`` fills them.

``as_dict`` of each is its part of the JSON of ``spikeloom inspect``.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from mapper.diagnostics import many, printable
from mapper.ir.edges import Edge
from mapper.layout import IN_STEPS, Presentation
from mapper.report.on_host import OnHost


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A parameter with a number for each neuron or channel."""

    name: str
    """Of the constant in the graph."""
    shape: tuple[int, ...]
    min: float
    max: float

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "shape": list(self.shape), "min": self.min, "max": self.max}


Parameter = float | int | Spread
"""One number, or the range of several."""


def plain(parameter: Parameter) -> float | dict[str, Any]:
    """Return a parameter as JSON."""
    return parameter.as_dict() if isinstance(parameter, Spread) else parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class PortInfo:
    """A tensor that goes into a layer or comes out of it."""

    name: str
    shape: tuple[int, ...]
    """Without the axes of time and batch."""
    carries: str
    """In a word: ``spikes``, ``analogue values``, ``integers (i8)``."""
    edge: Edge
    """The same as the hardware sees it, with its bit planes."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "shape": list(self.shape),
            "carries": self.carries,
            "edge": self.edge.as_dict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StateInfo:
    """A membrane, a current or a past value that a step hands to the next one."""

    port: PortInfo
    returned_as: str | None
    """Name of the model's output that has it; None where none has."""
    initial: Parameter

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.port.as_dict(),
            "returned_as": self.returned_as,
            "initial": plain(self.initial),
        }


def of_time(reduction: str, step: int | None) -> str:
    """Say in words what an output is of the steps: ``the sum``, ``step 3``."""
    return f"the {reduction}" if step is None else f"step {step + 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadoutInfo:
    """How an output of a model of many time steps follows from those of one."""

    name: str
    of: str
    over_time: str
    """``each``, ``last``, ``sum``, ``mean``, ``max``, ``min``, or ``one`` step before the last."""
    scale: float
    time_axis: int | None
    step: int | None = None
    """Which step, from 0, where it is ``one``."""

    def as_dict(self) -> dict[str, Any]:
        return {spec.name: getattr(self, spec.name) for spec in fields(self)}


# --- what is said of a layer beside its ports ------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """A window in two dimensions, in elements; padding is top, left, bottom, right."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    stuffing: tuple[int, ...] | None = None
    """Of the window that a crossbar sees: ``stuffing - 1`` zeros between neighbouring inputs."""
    groups: int | None = None
    """None for pooling."""

    def as_dict(self) -> dict[str, Any]:
        named = {
            "kernel": self.kernel,
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "stuffing": self.stuffing,
        }
        sides = {name: list(held) for name, held in named.items() if held is not None}
        return sides if self.groups is None else {**sides, "groups": self.groups}


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixInfo:
    """The weights of a layer, as the matrix that crossbars hold at every output position."""

    weights: int
    """How many there are."""
    name: str
    """Of the constant in the graph."""
    shape: tuple[int, ...]
    values: str
    """``floats``, or ``integers low..high``."""
    bits: int | None
    """Two's complement bits that integers need; None for floats."""
    wordlines: int
    columns: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "weights": self.weights,
            "weight_name": self.name,
            "weight_shape": list(self.shape),
            "weight_values": self.values,
            "weight_bits": self.bits,
            "wordlines": self.wordlines,
            "columns": self.columns,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SynapseInfo:
    """A layer of weights: linear, convolution, transposed convolution."""

    matrix: MatrixInfo
    bias: bool
    positions: int
    """Output positions of one time step."""
    geometry: Geometry | None = None
    """Of a convolution, as the model has it."""

    def as_dict(self) -> dict[str, Any]:
        geometry = {} if self.geometry is None else self.geometry.as_dict()
        facts = {**self.matrix.as_dict(), "bias": self.bias, "positions": self.positions}
        return {**facts, **geometry}


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossbarInfo:
    """A layer that comes with its crossbars, from a network trained for hardware."""

    matrix: MatrixInfo
    positions: int
    """Output positions of one time step."""
    geometry: Geometry | None = None
    """Of the window that slides over the input; with its stuffing."""

    def as_dict(self) -> dict[str, Any]:
        facts = {**self.matrix.as_dict(), "positions": self.positions}
        return facts if self.geometry is None else facts | {"window": self.geometry.as_dict()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetInfo:
    """What a spike does to the membrane."""

    kind: str
    """``none``, ``subtract`` or ``value``."""
    amount: Parameter
    phase: str

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "amount": plain(self.amount), "phase": self.phase}


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuronInfo:
    """A layer of neurons."""

    neurons: int
    """How many there are."""
    kind: str
    """In the words of the field: ``leaky integrate-and-fire``."""
    parameters: Mapping[str, Parameter]
    fires_at: str
    reset: ResetInfo
    spike_phase: str
    """``next`` where a spike leaves one time step late."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "neurons": self.neurons,
            "neuron": self.kind,
            "parameters": {name: plain(value) for name, value in self.parameters.items()},
            "fires_at": self.fires_at,
            "reset": self.reset.as_dict(),
            "spike_phase": self.spike_phase,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolInfo:
    """A layer of pooling."""

    geometry: Geometry

    def as_dict(self) -> dict[str, Any]:
        return {"window": self.geometry.as_dict()}


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeInfo:
    """Spikes of several layers joined into one."""

    kind: str

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class GridInfo:
    """Rounding to a grid of the model's own: its lowest and highest code."""

    low: int
    high: int

    def as_dict(self) -> dict[str, Any]:
        return {"codes": [self.low, self.high]}


Facts = SynapseInfo | CrossbarInfo | NeuronInfo | PoolInfo | MergeInfo | GridInfo


# --- layers and models ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerInfo:
    """One op of a network."""

    name: str
    """The node of the model it comes from."""
    op: str
    """Mnemonic of the graph: ``net.conv2d``."""
    runs_on: str
    """``crossbars``, ``digital unit``, ``folded`` into its neighbours, ``wiring``."""
    reads: tuple[PortInfo, ...]
    writes: tuple[PortInfo, ...]
    parameters_stored: int
    facts: Facts | None = None
    """What is particular to its kind; None where its ports say it all."""

    @property
    def matrix(self) -> MatrixInfo | None:
        """Its weights; None for a layer without."""
        return self.facts.matrix if isinstance(self.facts, SynapseInfo | CrossbarInfo) else None

    @property
    def neuron(self) -> NeuronInfo | None:
        """Its neurons; None for a layer without."""
        return self.facts if isinstance(self.facts, NeuronInfo) else None

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "op": self.op,
            "runs_on": self.runs_on,
            "reads": [port.as_dict() for port in self.reads],
            "writes": [port.as_dict() for port in self.writes],
            "parameters_stored": self.parameters_stored,
            **({} if self.facts is None else self.facts.as_dict()),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """How much of everything a model has."""

    parameters: int
    weights: int
    neurons: int
    bytes: int
    """Of all stored parameters."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ModelInfo:
    """What was recognised in a model: layers, neurons, time form, parameters."""

    name: str
    producer: str
    opset: int | None
    """None for a NIR file."""
    time_form: str
    """How the file holds time: ``step``, ``unrolled``, ``sequence``, ``loop``, ``scan``."""
    steps: int
    """Time steps that the file holds; 0 where that is open, or the file holds one step."""
    inputs: tuple[PortInfo, ...]
    outputs: tuple[PortInfo, ...]
    states: tuple[StateInfo, ...]
    readout: tuple[ReadoutInfo, ...]
    """Of a model of many time steps."""
    layers: tuple[LayerInfo, ...]
    totals: Totals
    warnings: tuple[str, ...]
    """What was assumed in reading it."""
    notes: tuple[str, ...]
    host: OnHost | None = None
    """What a host computes of the outputs, which are then not yet those of the file."""
    presented: Presentation = IN_STEPS
    """How it takes its inputs: which are images, and for how many steps they are shown."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom inspect``, without its schema; images where there are."""
        return {
            **self.presented.images_entry,
            "name": self.name,
            "producer": self.producer,
            "opset": self.opset,
            "time_form": self.time_form,
            "steps": self.steps,
            "inputs": [port.as_dict() for port in self.inputs],
            "outputs": [port.as_dict() for port in self.outputs],
            "states": [state.as_dict() for state in self.states],
            "readout": [readout.as_dict() for readout in self.readout],
            **({} if self.host is None else {"on_host": self.host.as_dict()}),
            "layers": [layer.as_dict() for layer in self.layers],
            "totals": self.totals.as_dict(),
            "warnings": list(self.warnings),
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        totals = self.totals
        return printable(
            f"ModelInfo({self.name}: {many(totals.weights, 'weight')}, "
            f"{many(totals.neurons, 'neuron')}, time form {self.time_form})"
        )
