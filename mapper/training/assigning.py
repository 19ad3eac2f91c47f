"""A short hardening for each assignment that ``mapper.assign`` tries."""

import copy
import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mapper.frontend import Imported, import_model
from mapper.ir.assignment import Assignment, layer_name
from mapper.ir.synapses import Synapse
from mapper.training.hardening.export import export_onnx
from mapper.training.hardening.harden import harden
from mapper.training.hardening.stages import staged
from mapper.training.hardening.tasks import Task
from mapper.training.hardening.trainer import Options, Run
from mapper.training.importing.from_onnx import from_onnx
from mapper.training.nets.geometry import Weighted
from mapper.training.nets.modules import traced
from targets import Target


@dataclass(frozen=True, kw_only=True)
class Hardening:
    """Trains a network for each assignment: ``mapper.assign(..., train=Hardening(...))``.

    Every training starts from the same weights. The same task, seed and number of threads of torch
    give the same bits on a CPU.

    Example:
        >>> short = Hardening(model="float.onnx", target=load_target("readouts-64"), task=task)
        >>> mapper.assign("float.onnx", "readouts-64", inputs=recordings, train=short)
    """

    model: Path | str
    """The float network's file, the one that is assigned."""
    target: Target
    task: Task
    epochs: int = 1
    """At the target's readout; scales and references are set from data before."""
    seed: int = 0
    input_bits: int = 1

    def identity(self) -> Mapping[str, Any]:
        """Return what determines a trained network beside its assignment."""
        seen = hashlib.sha256()
        for x, wanted in self.task.batches(0, self.seed):
            for held in (x, wanted):
                if isinstance(held, Tensor):
                    seen.update(held.contiguous().numpy().tobytes())
        return {
            "task": self.task.name,
            "data": seen.hexdigest(),
            "epochs": self.epochs,
            "seed": self.seed,
            "input_bits": self.input_bits,
            "torch": torch.__version__,
        }

    @cached_property
    def network(self) -> nn.Module:
        """The float network as a module; each training has a copy."""
        return from_onnx(self.model)

    def __call__(self, assignment: Assignment) -> Imported:
        """Return the network trained for an assignment, which its graph carries.

        Raises:
            MappingError: What ``harden``, ``Run`` and ``export_onnx`` raise.
        """
        own = self._named(assignment)
        twin = harden(
            copy.deepcopy(self.network), self.target, assignment=own, input_bits=self.input_bits
        )
        options = Options(
            schedule=staged(0, target=self.epochs),
            seed=self.seed,
            input_bits=self.input_bits,
            device="cpu",
        )
        trained = Run(twin, self.task, self.target, options, report=_quiet).train()
        x, _ = next(iter(self.task.batches(0, self.seed)))
        with tempfile.TemporaryDirectory(prefix="spikeloom.") as folder:
            path = Path(folder) / "trained.onnx"
            export_onnx(trained.eval(), path, x[:, :1])
            made = import_model(path)
        return replace(made, graph=replace(made.graph, assignment=own))

    def _named(self, assignment: Assignment) -> Assignment:
        """Return an assignment by the names of modules, which mostly are those of the file."""
        network = traced(copy.deepcopy(self.network))
        called = [str(node.target) for node in network.graph.nodes if node.op == "call_module"]
        modules = [name for name in called if isinstance(network.get_submodule(name), Weighted)]
        names = dict(zip(_layers_of(self.model), dict.fromkeys(modules), strict=True))
        layers = {names.get(name, name): choice for name, choice in assignment.layers.items()}
        return replace(assignment, layers=layers)


def _layers_of(model: Path | str) -> list[str]:
    """Return the names of layers of weights, in the order they are computed."""
    graph = import_model(model).graph
    return list(dict.fromkeys(layer_name(op.loc) for op in graph.ops if isinstance(op, Synapse)))


def _quiet(text: str) -> None:
    """Say nothing of an epoch."""
