"""From a float model to its hardware-aware twin, and from the twin to what the chip computes."""

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, fx, nn

from mapper.diagnostics import MappingError
from mapper.ir.assignment import DIGITAL, UNASSIGNED, Assignment
from mapper.ir.core import Graph, IntType
from mapper.pipeline import make_passes, run_passes
from mapper.recordings import coding_tables
from mapper.training.hardening.integer import engine_on
from mapper.training.hardening.network import network_graph
from mapper.training.hardening.settle import check_codes, set_window, settle
from mapper.training.nets.geometry import Weighted
from mapper.training.nets.layers import Awareness, Granularity, Hardened
from mapper.training.nets.modules import traced
from mapper.training.nets.neurons import LIF, over_time
from mapper.training.nets.norms import keep_factors_positive, moments_of_the_batch
from targets import Macro, Target, assignment_problems, choose_macro, load_target


def harden(
    model: nn.Module,
    target: str | Target = "adcless-64",
    *,
    weight_bits: int | None = None,
    scale: Granularity = "layer",
    input_bits: int = 1,
    digital: Iterable[str] | None = None,
    example: Tensor | None = None,
    assignment: Assignment = UNASSIGNED,
) -> "HardwareModel":
    """Return the hardware-aware twin of a float model; the model itself is left as it is.

    Layers of weights become crossbars of the target: the first layer on the macro that takes
    codes of ``input_bits``, the others on the one that takes spikes, unless they are assigned to
    another or to the digital unit. References, steps and scales
    are set from data: from ``example``, else from the first batch that the model sees, unless
    ``HardwareModel.raise_awareness`` is called before.

    Args:
        model: ``nn.Conv2d``, ``nn.ConvTranspose2d``, ``nn.Linear``, batch norm, pooling, ``LIF``,
            their sums and concatenations.
        target: Name of a target, a path to its file, or the target.
        weight_bits: 2..8; the macro's own where None.
        scale: Granularity of the layers' scales.
        input_bits: Width of the unsigned codes of the model's input, 1..8; 1 for spikes.
        digital: Names of layers that the digital unit computes, with exact sums; where None, what
            the model's own ``digital`` names: the predictions of the flow networks.
        example: Input codes ``[T, B, ...]`` to set references and scales from; a few dozen samples.
        assignment: What is decided for layers, by their names in the model: a macro, the digital
            unit, a width of weights in place of ``weight_bits``.

    Raises:
        MappingError: The target cannot be read, or cannot follow the assignment.
        TypeError: The model holds what the hardware has no counterpart for.
        ValueError: The model's ``forward`` cannot be followed, it has no layer of weights or uses
            one twice, a batch norm turns the sign of what is no layer's output, or an option is out
            of its range.
    """
    _check(weight_bits, scale, input_bits)
    facts = load_target(target) if isinstance(target, str) else target
    network = traced(copy.deepcopy(model))
    called = [str(node.target) for node in network.graph.nodes if node.op == "call_module"]
    layers = [name for name in called if isinstance(network.get_submodule(name), Weighted)]
    _check_layers(network, called, layers)
    assignment = replace(assignment, weight_bits=weight_bits or assignment.weight_bits)
    if wrong := list(assignment_problems(facts, assignment, layers)):
        raise MappingError(wrong)
    beside = _digital(model, digital, assignment, layers)
    keep_factors_positive(network)
    for name in layers:
        bits = input_bits if name == layers[0] else 1
        twin = Hardened(
            network.get_submodule(name),
            _macro_for(facts, assignment, name, bits),
            weight_bits=assignment.bits_of(name),
            scale=scale,
            input_bits=bits,
            digital=name in beside,
        )
        network.set_submodule(name, twin)
    for module in network.modules():
        if isinstance(module, LIF):
            module.unit = facts.neuron
    twin_model = HardwareModel(network, facts, input_bits)
    if example is not None:
        twin_model.raise_awareness(Awareness(), example)
    return twin_model


def _check(weight_bits: int | None, scale: str, input_bits: int) -> None:
    if weight_bits is not None and not 2 <= weight_bits <= 8:
        raise ValueError(f"weights have 2 to 8 bits, got {weight_bits}")
    if scale not in get_args(Granularity):
        raise ValueError(f"scale is one of {get_args(Granularity)}, got {scale!r}")
    if not 1 <= input_bits <= 8:
        raise ValueError(f"input codes have 1 to 8 bits, got {input_bits}")


def _check_layers(network: fx.GraphModule, called: list[str], layers: list[str]) -> None:
    if not layers:
        raise ValueError("the model has no layer of weights")
    memory = [name for name in called if isinstance(network.get_submodule(name), Weighted | LIF)]
    twice = [name for name, times in Counter(memory).items() if times > 1]
    if twice:
        raise ValueError(f"{twice[0]!r} is called more than once; use a layer for each call")


def _digital(
    model: nn.Module, named: Iterable[str] | None, assignment: Assignment, layers: list[str]
) -> set[str]:
    """Name the layers on the digital unit; an assignment outweighs what the model says itself."""
    assigned = {name: assignment.of(name).macro for name in layers if assignment.of(name).macro}
    given = set(() if named is None else named)
    if both := sorted(name for name in given if assigned.get(name, DIGITAL) != DIGITAL):
        raise ValueError(f"digital names {both[0]!r}, which is assigned to {assigned[both[0]]!r}")
    own = set(getattr(model, "digital", ()) if named is None else ()) - set(assigned)
    beside = given | own | {name for name, macro in assigned.items() if macro == DIGITAL}
    _check_digital(beside, layers)
    return beside


def _check_digital(beside: set[str], layers: list[str]) -> None:
    unknown = sorted(beside - set(layers))
    if unknown:
        raise ValueError(f"digital names {unknown}, the layers of weights are {layers}")
    if beside >= set(layers):
        raise ValueError("every layer is digital: nothing is left for the crossbars")


class HardwareModel(nn.Module):
    """A network on crossbars. ``forward`` takes ``[T, B, ...]`` and returns ``[T, B, ...]``.

    In training its weights, references, scales and neurons learn through the readout's errors. In
    evaluation (``.eval()``) it computes the integers of the compiled network, bit for bit.
    """

    def __init__(self, network: fx.GraphModule, target: Target, input_bits: int) -> None:
        super().__init__()
        self.network, self.target, self.input_bits = network, target, input_bits
        self.register_buffer("settled", torch.tensor(False))
        self._known_settled = False  # asking a GPU for its buffer makes it wait

    settled: Tensor
    """Whether references and scales have been set from data."""

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
        x = _numbers(x)
        for layer in self.layers():
            settle(layer, awareness, self._input_of(layer, x))
        self._set_windows(x)
        self.settled.fill_(True)

    @torch.no_grad()
    def _set_windows(self, x: Tensor) -> None:
        """Set the windows of gradients from sums as training will see them.

        A readout without training lets neurons fall silent, layer by layer, where batch norms
        are as they were before it. In training they follow the batch and neurons fire again:
        windows from sums of silent layers would be too narrow for almost all of their gradient.
        """
        one = x.shape[0] * x.shape[1] == 1  # without a variance
        moments = nullcontext() if one else moments_of_the_batch(self.network)
        handles = [layer.register_forward_pre_hook(_set_window) for layer in self.layers()]
        try:
            with self._evaluating(), moments:
                over_time(self.network, x)
        finally:
            for handle in handles:
                handle.remove()

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Let batch norms run as they will, and nothing be disturbed; the rest does not differ."""
        training = self.network.training
        self.network.eval()
        try:
            yield
        finally:
            self.network.train(training)

    def _settle(self, x: Tensor) -> None:
        """Set references from the first batch, where they are not set yet."""
        self._known_settled = self._known_settled or bool(self.settled)
        if not self._known_settled:
            self.raise_awareness(Awareness(), x)

    def _load_from_state_dict(self, *given: Any, **named: Any) -> None:
        super()._load_from_state_dict(*given, **named)
        self._known_settled = False

    @torch.no_grad()
    def _input_of(self, layer: Hardened, x: Tensor) -> Tensor:
        seen: list[Tensor] = []

        def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen.append(inputs[0])
            raise _Seen

        handle = layer.register_forward_pre_hook(keep)
        try:
            with self._evaluating():
                over_time(self.network, x)
        except _Seen:
            pass
        finally:
            handle.remove()
        return seen[0]

    def forward(self, x: Tensor) -> Tensor:
        x = _numbers(x)
        self._settle(x)
        if self.training:
            return over_time(self.network, x)
        return self.compiled(x)(x)

    def compiled(self, example: Tensor) -> Callable[[Tensor], Tensor]:
        """Return what evaluation computes, compiled once: for many batches of one shape.

        It has a copy of the numbers as they are now. Inputs are codes ``[T, B, ...]`` and are
        refused (``ValueError``) where they are not.
        """
        self._settle(example)
        hardware = self.hardware(example)
        prepared = engine_on(example.device).prepare(hardware, threads=torch.get_num_threads())
        (source,), (result,) = hardware.inputs, hardware.outputs

        def run(x: Tensor) -> Tensor:
            x = _numbers(x)
            check_codes(x, self.input_bits, "the first")
            codes = x.detach().to(torch.int64).cpu().numpy()
            found = torch.from_numpy(prepared.run({source.name: codes})[result.name])
            return _reals(hardware, found.to(x.device))

        return run

    def graph(self, example: Tensor) -> Graph:
        """Return the network as it is trained; of ``example[T, B, ...]`` the shape counts."""
        codes = IntType(self.input_bits, signed=False)
        return network_graph(self.network, example, input=codes)

    def hardware(self, example: Tensor, *, stop_after: str | None = None) -> Graph:
        """Return the network as the target runs it: what ``spikeloom compile`` makes."""
        graph = self.graph(example)
        lowered, _ = run_passes(graph, self.target, make_passes(), stop_after=stop_after)
        return lowered

    def integers(self, example: Tensor) -> Graph:
        """Return the network in integers, before it is placed on chips: what is exported.

        A model that has seen no data yet is settled on ``example``.

        Raises:
            ValueError: A layer does not feel the target's own readout yet.
        """
        self._settle(example)
        short = [layer.awareness for layer in self.layers() if layer.awareness.reading != "target"]
        if short:
            raise ValueError(
                f"{len(short)} layers feel {short[0].reading!r} sums and not yet the readout of "
                f"{self.target.name!r}: train the stage 'target' or call raise_awareness"
            )
        return self.hardware(example, stop_after="lower-neurons")


def _numbers(x: Tensor) -> Tensor:
    """Return inputs ``[T, B, ...]`` as numbers: spikes may be true and false.

    Raises:
        ValueError: Axes are missing, or one is empty.
    """
    if x.dim() < 3 or 0 in x.shape:
        raise ValueError(f"inputs are [T, B, ...], got a tensor of shape {tuple(x.shape)}")
    return x.float() if x.dtype == torch.bool else x


def _set_window(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    assert isinstance(layer, Hardened)
    set_window(layer, inputs[0])


class _Seen(Exception):  # noqa: N818 - no error: it ends a pass that has shown what was wanted
    pass


def _reals(graph: Graph, codes: Tensor) -> Tensor:
    """Return what integer outputs stand for, in single precision."""
    tables = coding_tables(graph, graph.outputs[0].name)
    scale, offset = (torch.from_numpy(np.array(table)).to(codes.device) for table in tables)
    return (codes * scale.double() + offset.double()).float()


def _macro_for(target: Target, assignment: Assignment, name: str, input_bits: int) -> Macro:
    """Return the macro that a layer runs on; one that stays digital has its weights as for it."""
    macro = choose_macro(target, assignment, name, input_bits)
    if macro is None:
        macro = choose_macro(target, UNASSIGNED, name, input_bits)
    if macro is None:
        raise ValueError(f"no macro of {target.name} takes inputs of {input_bits} bits")
    return macro
