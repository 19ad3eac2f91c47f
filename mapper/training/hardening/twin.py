"""A network on crossbars: what trains, and the integers it computes in evaluation."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from mapper.arguments import Takes, check_arguments
from mapper.diagnostics import MappingError
from mapper.ir.assignment import UNASSIGNED, Assignment
from mapper.ir.core import Graph, IntType
from mapper.ir.crossbar import CrossbarMvm
from mapper.pipeline import make_passes, run_passes
from mapper.recordings import coding_tables
from mapper.training.backends.noise import Noise
from mapper.training.hardening.devices import Chips, noise_for
from mapper.training.hardening.integer import engine_on
from mapper.training.hardening.network import network_graph
from mapper.training.hardening.settle import check_codes, set_window, settle
from mapper.training.nets.layers import Awareness, Hardened
from mapper.training.nets.modules import evaluating
from mapper.training.nets.norms import moments_of_the_batch
from mapper.training.nets.refused import TrainingError, refused
from mapper.training.nets.steps import as_numbers, check_fits, over_time
from passes import Partition, Replicate
from targets import Target

_TAKES = {"awareness": Takes(words="mapper.training.Awareness", types=(Awareness,))}


class HardwareModel(nn.Module):
    """A network on crossbars. ``forward`` takes ``[T, B, ...]`` and returns ``[T, B, ...]``.

    In training its weights, references, scales and neurons learn through the readout's errors. In
    evaluation (``.eval()``) it computes the integers of the compiled network, bit for bit.
    """

    def __init__(
        self,
        network: fx.GraphModule,
        target: Target,
        input_bits: int,
        copying: Assignment = UNASSIGNED,
    ) -> None:
        super().__init__()
        self.network, self.target, self.input_bits = network, target, input_bits
        self.copying = copying
        self.register_buffer("settled", torch.tensor(False))
        self._known_settled = False  # asking a GPU for its buffer makes it wait
        self._known_codes = False
        self._copies: dict[tuple[int, ...], dict[str, int]] = {}

    copying: Assignment
    """Copies of layers that are decided: each has noise of its own."""

    settled: Tensor
    """Whether references and scales have been set from data."""

    def layers(self) -> Iterator[Hardened]:
        """Yield the layers of weights in the order they run."""
        for node in self.network.graph.nodes:
            if node.op == "call_module":
                module = self.network.get_submodule(str(node.target))
                if isinstance(module, Hardened):
                    yield module

    def feels(self, awareness: Awareness) -> bool:
        """Whether every layer feels just so much of the hardware, with references of its own."""
        return bool(self.settled) and all(layer.awareness == awareness for layer in self.layers())

    def disturb(self, chips: Chips | None, *, age: float | None = None) -> None:
        """Let columns of every layer be those of chips as they come from the fab, in training.

        Args:
            chips: A device, its name or its file; ``Noise`` in counts; None for ideal chips.
            age: Of chips of a device, in seconds after programming; None: as programmed.

        Raises:
            MappingError: There is no such device, or its cells hold fewer levels than a layer's.
            ValueError: Noise is by level, and the cells of a layer have other levels.
        """
        self.meet([noise_for(layer, chips, age) for layer in self.layers()])

    @property
    def noise(self) -> tuple[Noise | None, ...]:
        """What chips do to each layer in training, in the order of ``layers``."""
        return tuple(layer.noise for layer in self.layers())

    def meet(self, noise: Sequence[Noise | None]) -> None:
        """Let chips do to each layer what ``noise`` said of them earlier."""
        for layer, own in zip(self.layers(), noise, strict=True):
            layer.noise = own

    def raise_awareness(self, awareness: Awareness, x: Tensor) -> None:
        """Let every layer feel more of the hardware, set from data, one layer after the other.

        Args:
            awareness: ``Awareness()`` is the target's own readout.
            x: Input codes ``[T, B, ...]``; a few dozen samples.

        Raises:
            MappingError: ``x`` is no input of the network, or the target has no room for it.
        """
        check_arguments(_TAKES, {"awareness": awareness}, {})
        x = self.checked(x)
        for layer in self.layers():
            settle(layer, awareness, self._input_of(layer, x))
        self._set_windows(x)
        self._check_mapping(x)
        self.settled.fill_(True)

    def checked(self, x: Tensor) -> Tensor:
        """Return inputs ``[T, B, ...]`` as numbers, where evaluation would take them.

        On a GPU only the first batch is looked at for its values: each look makes it wait.

        Raises:
            TrainingError: ``input-type``, ``input-shape`` or ``input-range``.
        """
        x = self._shaped(x)
        if x.device.type == "cpu" or not self._known_codes:
            check_codes(x, self.input_bits, "the first")
            self._known_codes = True
        return x

    def check(self, x: Tensor) -> None:
        """Refuse what evaluation or export would refuse of inputs, and of the network on them.

        Thresholds that a membrane is too narrow for are left: training moves them.

        Raises:
            MappingError: ``x`` is no input of the network, or the target has no room for it.
        """
        self._check_mapping(self.checked(x))

    def _shaped(self, x: Tensor) -> Tensor:
        x = as_numbers(x, self.network)
        if x.dtype not in (torch.float32, torch.float64):
            raise refused(
                "input-type",
                f"the numbers of the network are {x.dtype}, which does not hold its sums",
                help="train and evaluate in torch.float32",
            )
        check_fits(self.network, x)
        return x

    def _check_mapping(self, x: Tensor) -> None:
        """Refuse what the compiler would, but for what training may yet change."""
        try:
            self.hardware(x, stop_after="partition")
        except MappingError as error:
            lasting = [d for d in error.diagnostics if d.code not in _LEARNED]
            if lasting:
                raise TrainingError(lasting) from error

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
            with evaluating(self.network), moments:
                over_time(self.network, x)
        finally:
            for handle in handles:
                handle.remove()

    def _settle(self, x: Tensor) -> None:
        """Set references from the first batch, where they are not set yet."""
        self._known_settled = self._known_settled or bool(self.settled)
        if not self._known_settled:
            self.raise_awareness(Awareness(), x)

    def _set_copies(self, x: Tensor) -> None:
        """Tell layers with noise how many copies of them there are: each has its own."""
        layers = list(self.layers())
        if all(layer.noise is None for layer in layers):
            return
        shape = tuple(x.shape[2:])
        if shape not in self._copies:
            graph = replace(self.graph(x), assignment=self.copying)
            self._copies[shape] = copies_of(graph, self.target)
        for name, layer in self.network.named_modules():
            if isinstance(layer, Hardened):
                layer.copies = self._copies[shape].get(name, 1)

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
            with evaluating(self.network):
                over_time(self.network, x)
        except _Seen:
            pass
        finally:
            handle.remove()
        return seen[0]

    def forward(self, x: Tensor) -> Tensor:
        x = self.checked(x)
        self._settle(x)
        if self.training:
            self._set_copies(x)
            return over_time(self.network, x)
        return self.compiled(x)(x)

    def compiled(self, example: Tensor) -> Callable[[Tensor], Tensor]:
        """Return what evaluation computes, compiled once: for many batches of one shape.

        It has a copy of the numbers as they are now. Inputs are codes ``[T, B, ...]`` and are
        refused (``MappingError``) where they are not.
        """
        self._settle(example)
        hardware = self.hardware(example)
        prepared = engine_on(example.device).prepare(hardware, threads=torch.get_num_threads())
        (source,), (result,) = hardware.inputs, hardware.outputs

        def run(x: Tensor) -> Tensor:
            x = self.checked(x)
            codes = x.detach().to(torch.int64).cpu().numpy()
            found = torch.from_numpy(prepared.run({source.name: codes})[result.name])
            return _reals(hardware, found.to(x.device))

        return run

    def graph(self, example: Tensor) -> Graph:
        """Return the network as it is trained; of ``example[T, B, ...]`` the shape counts."""
        codes = IntType(self.input_bits, signed=False)
        return network_graph(self.network, self._shaped(example), input=codes)

    def hardware(self, example: Tensor, *, stop_after: str | None = None) -> Graph:
        """Return the network as the target runs it: what ``spikeloom compile`` makes."""
        graph = self.graph(example)
        lowered, _ = run_passes(graph, self.target, make_passes(), stop_after=stop_after)
        return lowered

    def integers(self, example: Tensor) -> Graph:
        """Return the network in integers, before it is placed on chips: what is exported.

        A model that has seen no data yet is settled on ``example``.

        Raises:
            TrainingError: A layer does not feel the target's own readout yet.
        """
        self._settle(example)
        short = [layer.awareness for layer in self.layers() if layer.awareness.reading != "target"]
        if short:
            raise refused(
                "not-exportable",
                f"{len(short)} layers feel {short[0].reading!r} sums and not yet the readout of "
                f"{self.target.name!r}: train the stage 'target' or call raise_awareness",
            )
        return self.hardware(example, stop_after="lower-neurons")


_LEARNED = ("membrane-too-narrow", "nan-weights")
"""Refusals that depend on numbers which training moves."""


def copies_of(graph: Graph, target: Target) -> dict[str, int]:
    """Return how many copies the compiler makes of each layer on crossbars, by name.

    Of a network as it is trained; neurons need not fit the digital unit yet.
    """
    placed = Replicate().run(Partition().run(graph, target), target)
    return {op.loc: op.placement.copies for op in placed.ops if isinstance(op, CrossbarMvm)}


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
