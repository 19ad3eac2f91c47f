"""The way in: a model file becomes a checked graph, with what the file knew beyond it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto

from mapper.arguments import PATH, Takes, check_arguments
from mapper.diagnostics import refuse
from mapper.exchange.canonical import (
    canonical_tensors,
    claims_training,
    from_model,
    from_trained,
)
from mapper.executor.onnx.lowered import Interface
from mapper.frontend.nir import NirOptions, is_nir, read_nir
from mapper.frontend.onnx.constants import MAX_ELEMENTS
from mapper.frontend.onnx.load import read_stored, without_functions
from mapper.frontend.onnx.located import Located
from mapper.frontend.recognise import recognise, recognised_step
from mapper.frontend.result import Imported, Port
from mapper.frontend.time.step import StepModel
from mapper.ir.core import Graph
from mapper.ir.units import held_values
from mapper.presented import read_presented

_TAKES = {"path": PATH, "options": Takes(words="mapper.NirOptions", types=(NirOptions,))}


@np.errstate(all="ignore")  # numbers of a file may overflow; what is written is checked
def import_model(path: Path | str, options: NirOptions | None = None) -> Imported:
    """Read a trained network into a graph of float network ops that computes one time step.

    Args:
        path: An ONNX model, or a NIR file (HDF5, whatever its suffix).
        options: What a NIR file leaves open; nothing else takes any.

    Raises:
        MappingError: The model cannot be read; ``docs/frontend.md`` and ``docs/nir.md`` list the
            codes. ``nir-option`` for options with an ONNX file, ``bad-argument``.
    """
    check_arguments(_TAKES, {"path": path}, {"options": options})
    path, options = Path(path), options or NirOptions()
    if is_nir(path):
        return _import_nir(path, options)
    if options.given:
        raise refuse(
            "nir-option",
            "--dt, --reset, --integration and --library are for NIR files; an ONNX file says all "
            "of this itself",
            loc=path.name,
        )
    stored = read_stored(path)
    canonical = from_model(stored)
    if canonical is not None:
        tensors = canonical_tensors(stored).items()
        located = {value: Located(tensor=tensor) for value, tensor in tensors}
        return replace(_as_written(stored, path, *canonical), located=located)
    trained = from_trained(stored)
    if trained is not None:
        return _as_trained(stored, path, *trained)
    if claims_training(stored):
        raise refuse(
            "trained-file-changed",
            "the file says that it was trained for hardware, but its contents are not what "
            "this version writes for such a network",
            loc=path.name,
            help="write it again with export_onnx; no other tool may optimise or convert it",
        )
    inlined = without_functions(stored, path)
    del stored  # weights are many, and what comes next reads them from the other model
    return recognise(inlined, path)


def read_step(path: Path | str) -> StepModel:
    """Return the time step that ``import_model`` recognises in a file of many, as a model.

    Raises:
        MappingError: as ``import_model``.
    """
    path = Path(path)
    return recognised_step(without_functions(read_stored(path), path), path)


def _import_nir(path: Path, options: NirOptions) -> Imported:
    read = read_nir(path, options)
    graph = read.graph
    shapes = {v.name: v.shape for v in (*graph.inputs, *graph.outputs)}
    for state in graph.states:
        shapes.setdefault(state.read.name, state.read.shape)
        shapes.setdefault(state.output or state.read.name, state.read.shape)
    ports = (
        Port(name=name, model_shape=shape, graph_shape=shape, batch_axis=None)
        for name, shape in shapes.items()
    )
    return Imported(
        graph=graph,
        time_form="step",
        producer=f"nir {read.version}",
        opset=None,
        ports=tuple(ports),
        warnings=read.warnings,
        notes=read.notes,
    )


def _as_trained(
    model: ModelProto, path: Path, graph: Graph, target: str, interface: Interface
) -> Imported:
    """Return a network that was trained for hardware: the integers, references and all."""
    notes = [f"trained for target {target!r}: integers, with their crossbars and references"]
    written = _as_written(model, path, graph, {"notes": notes}, interface)
    return replace(written, trained_for=target)


def _as_written(
    model: ModelProto, path: Path, graph: Graph, facts: Mapping[str, Any], interface: Interface
) -> Imported:
    """Return what a file in canonical form says it is; nothing has to be recognised."""
    for value in held_values(graph):
        if prod(value.shape) > MAX_ELEMENTS:
            raise refuse(
                "model-too-large",
                f"{value.name!r} has {prod(value.shape)} elements, at most {MAX_ELEMENTS} are read",
                loc=path.name,
            )
    notes = facts.get("notes")
    try:
        presented = read_presented(facts.get("presented"), [v.name for v in graph.inputs])
    except ValueError as error:
        raise refuse("invalid-model", f"cannot be read: {error}", loc=path.name) from error
    return Imported(
        graph=graph,
        time_form="step",
        producer=model.producer_name,
        opset=next(o.version for o in model.opset_import if not o.domain),
        ports=tuple(_written_ports(graph, interface)),
        notes=tuple(map(str, notes)) if isinstance(notes, list) else (),
        unreturned={s.name: s.following for s in interface.states if not s.output},
        presented=presented,
    )


def _written_ports(graph: Graph, interface: Interface) -> Iterator[Port]:
    reads = [state.read for state in graph.states]
    named = (
        ([port.tensor for port in interface.inputs], graph.inputs),
        ([port.tensor for port in interface.states], reads),
        ([port.tensor for port in interface.outputs], graph.outputs),
        ([port.following for port in interface.states], reads),
    )
    for tensors, values in named:
        for name, value in zip(tensors, values, strict=True):
            shape = value.shape
            yield Port(name=name, model_shape=(1, *shape), graph_shape=shape, batch_axis=0)
