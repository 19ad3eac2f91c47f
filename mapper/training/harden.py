"""From a float model to its hardware-aware twin, and from the twin to what the chip computes."""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, fx, nn

from mapper.ir.core import FLOAT, Coding, Graph, param
from mapper.pipeline import make_passes, run_passes
from mapper.training.geometry import Weighted
from mapper.training.integer import IntegerNetwork
from mapper.training.layers import Awareness, Granularity, Hardened
from mapper.training.modules import traced
from mapper.training.network import network_graph
from mapper.training.neurons import over_time
from mapper.training.settle import settle
from targets import Macro, Target, load_target


def harden(
    model: nn.Module,
    target: str | Target = "adcless-64",
    *,
    weight_bits: int | None = None,
    scale: Granularity = "layer",
    input_bits: int = 1,
) -> "HardwareModel":
    """Return the hardware-aware twin of a float model; the model itself is left as it is.

    Layers of weights become crossbars of the target: the first layer on the macro that takes
    codes of ``input_bits``, the others on the one that takes spikes. Sums are exact until
    ``HardwareModel.raise_awareness`` is called.

    Args:
        model: ``nn.Conv2d``, ``nn.ConvTranspose2d``, ``nn.Linear``, batch norm, pooling, ``LIF``,
            their sums and concatenations.
        target: Name of a target, a path to its file, or the target.
        weight_bits: 2..8; the macro's own where None.
        scale: Granularity of the layers' scales.
        input_bits: Width of the unsigned codes of the model's input; 1 for spikes.

    Raises:
        MappingError: The target cannot be read.
        TypeError: The model holds what the hardware has no counterpart for.
        ValueError: The model's ``forward`` cannot be followed.
    """
    facts = load_target(target) if isinstance(target, str) else target
    network = traced(copy.deepcopy(model))
    first = True
    for node in network.graph.nodes:
        if node.op != "call_module":
            continue
        layer = network.get_submodule(str(node.target))
        if not isinstance(layer, Weighted):
            continue
        bits = input_bits if first else 1
        twin = Hardened(
            layer, _macro_for(facts, bits), weight_bits=weight_bits, scale=scale, input_bits=bits
        )
        network.set_submodule(str(node.target), twin)
        first = False
    return HardwareModel(network, facts, input_bits)


class HardwareModel(nn.Module):
    """A network on crossbars. ``forward`` takes ``[T, B, ...]`` and returns ``[T, B, ...]``.

    In training its weights, references, scales and neurons learn through the readout's errors. In
    evaluation (``.eval()``) it computes the integers of the compiled network, bit for bit.
    """

    def __init__(self, network: fx.GraphModule, target: Target, input_bits: int) -> None:
        super().__init__()
        self.network, self.target, self.input_bits = network, target, input_bits

    def layers(self) -> Iterator[Hardened]:
        """Yield the layers of weights in the order they run."""
        for node in self.network.graph.nodes:
            if node.op == "call_module":
                module = self.network.get_submodule(str(node.target))
                if isinstance(module, Hardened):
                    yield module

    def raise_awareness(self, awareness: Awareness, x: Tensor) -> None:
        """Let every layer feel more of the hardware, set from data, one layer after the other.

        Args:
            awareness: ``Awareness()`` is the target's own readout.
            x: Input codes ``[T, B, ...]``; a few dozen samples.
        """
        for layer in self.layers():
            settle(layer, awareness, self._input_of(layer, x))

    @torch.no_grad()
    def _input_of(self, layer: Hardened, x: Tensor) -> Tensor:
        seen: list[Tensor] = []

        def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen.append(inputs[0])
            raise _Seen

        handle = layer.register_forward_pre_hook(keep)
        norms = self.network.training
        self.network.eval()  # batch norm as it will run; neurons and layers do not differ
        try:
            over_time(self.network, x)
        except _Seen:
            pass
        finally:
            handle.remove()
            self.network.train(norms)
        return seen[0]

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return over_time(self.network, x)
        hardware = self.hardware(x)
        codes = IntegerNetwork(hardware, x.device).run(x.round())
        return _reals(hardware, codes)

    def graph(self, example: Tensor) -> Graph:
        """Return the network as it is exported; of ``example[T, B, ...]`` the shape counts."""
        return network_graph(self.network, example, input_bits=self.input_bits)

    def hardware(self, example: Tensor) -> Graph:
        """Return the network as the target runs it: what ``spikeloom compile`` makes."""
        bits = next(self.layers()).encoding.weight_bits
        steps = make_passes(self.target, weight_bits=bits)
        lowered, _ = run_passes(self.graph(example), self.target, steps)
        return lowered


class _Seen(Exception):  # noqa: N818 - no error: it ends a pass that has shown what was wanted
    pass


def _reals(graph: Graph, codes: Tensor) -> Tensor:
    """Return what integer outputs stand for, in single precision."""
    output = graph.outputs[0]
    coding = graph.codings.get(output.name, Coding())
    scale, offset = (
        torch.from_numpy(np.asarray(param(graph.constants, number, FLOAT))).to(codes.device)
        for number in (coding.scale, coding.offset)
    )
    return codes.to(torch.float32) * scale + offset


def _macro_for(target: Target, input_bits: int) -> Macro:
    """Return the first macro kind that takes such inputs, as ``partition`` chooses."""
    accepted = "spikes" if input_bits == 1 else "codes"
    for macro in target.macros:
        if accepted in macro.accepts and input_bits <= macro.max_input_bits:
            return macro
    raise ValueError(f"no macro of {target.name} takes inputs of {input_bits} bits")
