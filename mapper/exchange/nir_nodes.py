"""The NIR node of one op, in doubles that come back as the same single-precision numbers."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mapper.frontend.nir.rules import DEFAULT_DT
from mapper.ir.core import FLOAT, Array, Const, Graph, Op, Scalar, State, param
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.hardware import ScaledAdd
from mapper.ir.network import (
    Add,
    AvgPool2d,
    Concat,
    FakeQuantize,
    MaxPool2d,
    Merge,
    Move,
    Reshape,
    Scale,
    SumPool2d,
)
from mapper.ir.neurons import IntegerNeuron, Neuron
from mapper.ir.products import MatMul, Multiply
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Conv2d, ConvTranspose2d, Linear, Synapse
from mapper.ir.tables import OpTable
from mapper.ir.windows import Sides

Data = dict[str, Any]


class NotInNirError(Exception):
    """Something NIR has no words for; the text goes into a diagnostic."""

    def __init__(self, message: str, loc: str) -> None:
        super().__init__(message)
        self.loc = loc


class NodeWriter:
    """Turns ops into the fields of NIR nodes; ``notes`` says what only metadata carries."""

    def __init__(self, graph: Graph, states: Mapping[str, State]) -> None:
        self.graph = graph
        self.states = states
        self.notes: list[str] = []

    def nodes_of(self, op: Op) -> list[Data]:
        """Return the node of an op, and for a neuron that never resets a second one."""
        write = NODES.entry(type(op))
        if write is None:
            raise NotInNirError(f"it has no node for {op.mnemonic}", op.loc)
        return write(self, op)

    def line_of(self, op: Conv2d) -> Data:
        """Return the node of a convolution over a plane one high: a ``Conv1d``."""
        return self._convolution(op, line=True)

    # --- layers ----------------------------------------------------------------------------

    def linear(self, op: Linear) -> list[Data]:
        kind = "Linear" if op.bias is None else "Affine"
        return [{"type": kind, **self._weights(op)}]

    def conv(self, op: Conv2d) -> list[Data]:
        return [self._convolution(op, line=False)]

    def _weights(self, op: Synapse) -> Data:
        held = self.graph.constants[op.weight.name]
        data: Data = {"weight": np.asarray(held), "metadata": {"names": {}}}
        data["metadata"]["names"]["weight"] = op.weight.name
        if op.bias is not None:
            data["bias"] = np.asarray(self.graph.constants[op.bias.name])
            data["metadata"]["names"]["bias"] = op.bias.name
        return data

    def _convolution(self, op: Conv2d, line: bool) -> Data:
        data = self._weights(op)
        if op.bias is None:
            data["bias"] = np.zeros(op.result.shape[0], np.float32)
            data["metadata"]["bias"] = "none"
        sizes = {
            "stride": op.stride,
            "dilation": op.dilation,
            "padding": _symmetric(op.padding, op.loc),
            "input_shape": op.x.shape[1:],
        }
        for name, pair in sizes.items():
            data[name] = int(pair[1]) if line else np.array(pair)
        if line:
            data["weight"] = data["weight"][:, :, 0]
            data["metadata"]["names"] |= {"x": op.x.name, "plane": op.result.name}
        return {"type": "Conv1d" if line else "Conv2d", "groups": op.groups, **data}

    def pool(self, op: SumPool2d | AvgPool2d) -> list[Data]:
        window = op.window
        if window.dilation != (1, 1):
            raise NotInNirError("pools have no dilation", op.loc)
        node = {
            "type": type(op).__name__,
            "kernel_size": np.array(window.kernel),
            "stride": np.array(window.stride),
            "padding": np.array(_symmetric(window.padding, op.loc)),
        }
        return [node]

    def scale(self, op: Scale) -> list[Data]:
        if np.any(param(self.graph.constants, op.offset, FLOAT) != 0):
            raise NotInNirError("a scale has no offset", op.loc)
        factor = self._full(op.factor, op.x.shape)
        names = _named("factor", op.factor)
        return [{"type": "Scale", "scale": factor, "metadata": {"names": names}}]

    def flatten(self, op: Reshape) -> list[Data]:
        old, new = op.x.shape, op.result.shape
        for first in range(len(old)):
            last = first + len(old) - len(new)
            if last < len(old) and new == (
                *old[:first],
                int(np.prod(old[first : last + 1])),
                *old[last + 1 :],
            ):
                ends = {"start_dim": first, "end_dim": last}
                return [{"type": "Flatten", **ends, "input_type": np.array(old)}]
        raise NotInNirError(f"{old} becomes {new}, which is not flattening", op.loc)

    # --- neurons ---------------------------------------------------------------------------

    def neuron(self, op: Neuron) -> list[Data]:
        if op.leak_rounding.unit or op.current_rounding.unit:
            raise NotInNirError("a leak that is rounded", op.loc)
        if not op.levels.is_spike:
            told = f"{op.levels.low}..{op.levels.high}"
            raise NotInNirError(f"a neuron gives several levels a step ({told})", op.loc)
        fires = op.spike is not None
        resets = op.reset.kind != "none"
        metadata: Data = {"names": self._neuron_names(op)}
        leak = self._full(op.leak, op.x.shape)
        is_compare = fires and not resets and op.current is None and not leak.any()
        if is_compare and op.gain == 1.0 and op.bias == 0.0 and op.strict and op.floor is None:
            above = self._full(op.threshold, op.x.shape)
            return [{"type": "Threshold", "threshold": above, "metadata": metadata}]
        data = self._body(op, leak, "F" if resets else "")
        data["metadata"] = metadata
        if fires and not resets and (not op.strict or op.floor is not None):
            raise NotInNirError("a neuron that never resets fires above its threshold only", op.loc)
        if resets:
            self._firing(op, data)
        elif op.floor is not None:
            raise NotInNirError("a floor under a membrane that never fires", op.loc)
        more = {"type": "Threshold", "threshold": self._full(op.threshold, op.x.shape)}
        return [data, more] if fires and not resets else [data]

    def _body(self, op: Neuron, leak: Array, ending: str) -> Data:
        """Undo the Euler step: constants whose step has exactly these coefficients."""
        gain, bias = (self._full(s, op.x.shape) for s in (op.gain, op.bias))
        if op.current is None and (leak == 1).all():
            if bias.any():
                raise NotInNirError("a membrane that does not leak has a bias", op.loc)
            return {"type": f"I{ending}", "r": gain / DEFAULT_DT}
        share = 1 - leak
        if (share <= 0).any():
            raise NotInNirError(f"a membrane leaks by {leak.max():g}", op.loc)
        data = {"tau": DEFAULT_DT / share, "r": gain / share, "v_leak": bias / share}
        if op.current is None:
            return {"type": f"LI{ending}", **data}
        fed, kept, flows = (
            self._full(s, op.x.shape) for s in (op.current_input, op.current_leak, op.current_gain)
        )
        if (kept >= 1).any() or (fed == 0).any():
            raise NotInNirError("a synaptic current that never decays or is never fed", op.loc)
        scale = gain / fed  # what the membrane takes of the new current
        if (np.float32(scale * kept) != np.float32(flows)).any():
            raise NotInNirError("a membrane reads the synaptic current of the step before", op.loc)
        data["r"] = scale / share
        data["tau_mem"] = data.pop("tau")
        data |= {"tau_syn": DEFAULT_DT / (1 - kept), "w_in": fed / (1 - kept)}
        return {"type": f"CubaLI{ending}", **data}

    def _firing(self, op: Neuron, data: Data) -> None:
        threshold = self._full(op.threshold, op.x.shape)
        amount = self._full(op.reset.amount, op.x.shape)
        data["v_threshold"] = threshold
        data["v_reset"] = amount if op.reset.kind == "value" else np.zeros_like(threshold)
        data["metadata"]["reset"] = op.reset.kind
        if (op.reset.phase, op.spike_phase) != ("same", "same"):
            data["metadata"] |= {"reset_phase": op.reset.phase, "spike_phase": op.spike_phase}
            self.notes.append("resets or spikes come in another step")
        if op.reset.kind == "subtract":
            if (amount != threshold).any():
                raise NotInNirError("a reset subtracts other than the threshold", op.loc)
            self.notes.append("resets subtract the threshold")
        if not op.strict:
            data["metadata"]["fires_at"] = ">="
            self.notes.append("neurons fire at the threshold itself")
        if op.floor is not None:
            if isinstance(op.floor, Const):
                raise NotInNirError("floors differ from neuron to neuron", op.loc)
            data["metadata"]["floor"] = float(op.floor)
            self.notes.append("membranes have a floor")

    def _neuron_names(self, op: Neuron) -> Data:
        names: dict[str, str] = {}
        for key, value in (
            ("v", op.membrane),
            ("v_next", op.membrane_next if op.spike is not None else None),
            ("i", op.current),
            ("i_next", op.current_next),
        ):
            if value is not None:
                names[key] = value.name
        kept = [s for s in self.graph.states if op.spike is not None and s.next == op.spike.name]
        if len(kept) > 1:
            raise NotInNirError("a spike is kept twice", op.loc)
        if kept:
            names["before"] = kept[0].read.name
        for key in ("v", "i", "before"):
            if key in names:
                names[f"{key}_returned"] = self.states[names[key]].output
        scalars = ("leak", "gain", "bias", "current_leak", "current_input", "current_gain")
        for key in (*scalars, "threshold", "floor"):
            names |= _named(key, getattr(op, key))
        return names | _named("reset", op.reset.amount)

    def _full(self, scalar: Scalar, shape: tuple[int, ...]) -> Array:
        """Return a parameter under the layer's full shape, in doubles."""
        single = param(self.graph.constants, scalar, FLOAT)
        return np.broadcast_to(single, shape).astype(np.float64)


def _named(key: str, scalar: Scalar | None) -> Data:
    return {key: scalar.name} if isinstance(scalar, Const) else {}


def _symmetric(padding: Sides, loc: str) -> tuple[int, int]:
    top, left, bottom, right = padding
    if (top, left) != (bottom, right) or min(padding) < 0:
        raise NotInNirError(f"padding {padding} is not the same on both sides", loc)
    return top, left


_NO_NODE = "NIR has no such node"
_HARDWARE = "NIR describes networks before they are mapped"

NODES: OpTable[Callable[[NodeWriter, Any], list[Data]]] = OpTable(
    what="ops that NIR has nodes for",
    entries={
        Linear: NodeWriter.linear,
        Conv2d: NodeWriter.conv,
        SumPool2d: NodeWriter.pool,
        AvgPool2d: NodeWriter.pool,
        Scale: NodeWriter.scale,
        Reshape: NodeWriter.flatten,
        Neuron: NodeWriter.neuron,
    },
    without={
        Add: "two edges into one node are the sum",
        Concat: _NO_NODE,
        ConvTranspose2d: _NO_NODE,
        FakeQuantize: _NO_NODE,
        MatMul: _NO_NODE,
        MaxPool2d: _NO_NODE,
        Merge: _NO_NODE,
        Move: _NO_NODE,
        Multiply: _NO_NODE,
        IntegerNeuron: _HARDWARE,
        CrossbarMvm: _HARDWARE,
        CountActive: _HARDWARE,
        SenseAmpRead: _HARDWARE,
        AdcRead: _HARDWARE,
        ShiftAndAdd: _HARDWARE,
        ScaledAdd: _HARDWARE,
    },
)
"""The nodes of one op; what has none is refused."""
