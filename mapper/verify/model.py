"""Verify a model file: the imported network against ONNX Runtime on the original."""

from collections.abc import Mapping
from math import prod
from pathlib import Path

import numpy as np

from mapper.build.files import sha256
from mapper.build.model import Build
from mapper.diagnostics import refuse
from mapper.frontend import Imported, NirOptions, import_model
from mapper.frontend.onnx.load import check_file
from mapper.inputs import take_inputs
from mapper.ir.core import SPIKE, Array, Graph
from mapper.ir.firing import NETWORK, firing_of
from mapper.ir.verify import graph_problems
from mapper.layout import Taken
from mapper.progress import Progress, silent
from mapper.verify import reference, sequence
from mapper.verify.answers import agreement, classes, judged, score, wanted_classes
from mapper.verify.outputs import compare
from mapper.verify.reference import output_types
from mapper.verify.result import RULES, Ring, Verification
from mapper.verify.stepped import counted

EXPECTED = "3-expected-outputs"


def verify_model(
    path: Path,
    arrays: Mapping[str, Array],
    where: str,
    progress: Progress = silent,
    nir: NirOptions | None = None,
    layout: str | None = None,
) -> Verification:
    """Run ring 1 and ring 3 of a model.

    Args:
        path: The model.
        arrays: Inputs by name, in the shapes that a model of many time steps has itself, with any
            number of steps, or as ``mapper.layout`` says; initial states ``[B, ...]`` by the name
            of a state input; reference outputs ``expected_<output>``.
        where: The file the arrays are from.
        progress: Called with a line about what comes next.
        nir: What a NIR file leaves open.
        layout: What the first axis of an input counts, ``steps`` or ``samples``; None takes the
            model's own shapes first.
    """
    progress("import")
    imported = import_model(path, nir)
    graph = imported.graph
    inputs, taken = _inputs(imported, arrays, where, layout)
    initial = _starts(graph, arrays, taken.samples, where)
    types = output_types(imported)
    asked = [name for name in types if f"expected_{name}" in arrays]
    given = reference.Given(path=path, imported=imported, inputs=inputs, initial=initial)
    ring, ran = reference.reference_ring(given, keep=asked, progress=progress)
    firing = firing_of(graph, {**counted(inputs), **ran.counts}, inputs, ran.outputs)
    found = sequence.read_out(imported, ran.outputs)
    rings = [_rules(graph), ring]
    expected = _expected(imported, arrays, found, where)
    if expected:
        rings.append(compare(EXPECTED, types, found, expected))
    spikes = [name for name in expected if types[name] == SPIKE]
    output = next(iter(found))
    wanted = {f"expected_{name}": array for name, array in expected.items()}
    votes = imported.epilogue.votes if imported.epilogue else None
    answers = votes(found[output]) if votes else found[output]
    labels = wanted_classes(
        {**arrays, **wanted} if imported.readouts or votes else arrays,
        output,
        taken.samples,
        prod(answers.shape[2:]),
        where,
        votes,
    )
    firing = judged(firing, classes(answers), labels)
    return Verification(
        rings=tuple(rings),
        accuracy=None if labels is None else score(answers, labels).share,
        accuracy_of=None if labels is None else labels.size,
        spike_agreement=agreement(found, expected, spikes) if spikes else None,
        firing=firing,
        warnings=(*imported.warnings, *firing.warnings(NETWORK)),
        taken=taken,
    )


def _inputs(
    imported: Imported, arrays: Mapping[str, Array], where: str, layout: str | None
) -> tuple[dict[str, Array], Taken]:
    """Return inputs ``[T, B, *shape]``, and what they were taken for."""
    own = sequence.own_shapes(imported) if layout is None else {}
    return take_inputs(
        sequence.own_inputs(imported, arrays) if own else arrays,
        imported.graph.inputs,
        where,
        [state.read.name for state in imported.graph.states],
        presented=imported.presented,
        layout=layout,
        own=own,
    )


def _starts(
    graph: Graph, arrays: Mapping[str, Array], samples: int, where: str
) -> dict[str, Array]:
    """Return the initial states that a recording gives, as ``[B, *shape]``; one may serve all."""
    found = {}
    for state in graph.states:
        name, wanted = state.read.name, (samples, *state.read.shape)
        if name not in arrays:
            continue
        try:
            found[name] = np.broadcast_to(arrays[name], wanted)
        except ValueError as error:
            raise refuse(
                "input-shape",
                f"the initial state {name!r} has shape {arrays[name].shape}, expected {wanted}",
                loc=where,
            ) from error
    return found


def _expected(
    imported: Imported, arrays: Mapping[str, Array], found: Mapping[str, Array], where: str
) -> dict[str, Array]:
    """Return the reference outputs of a recording, shaped as what was found."""
    given = {name: arrays[f"expected_{name}"] for name in found if f"expected_{name}" in arrays}
    for name, array in given.items():
        if array.size != found[name].size:
            raise refuse(
                "input-shape",
                f"array 'expected_{name}' has shape {array.shape}, the output {found[name].shape}",
                loc=where,
            )
    if imported.readouts:
        return {name: sequence.in_graph(imported, name, array) for name, array in given.items()}
    return {name: array.reshape(found[name].shape) for name, array in given.items()}


def _rules(graph: Graph) -> Ring:
    problem = next(graph_problems(graph), "")
    if problem:
        return Ring(name=RULES, status="mismatch", reason=problem)
    return Ring(name=RULES, status="equal", reason=f"{len(graph.ops)} ops", max_abs_diff=0.0)


def reference_ring(
    path: Path,
    build: Build,
    inputs: Mapping[str, Array],
    progress: Progress,
    nir: NirOptions | None = None,
) -> Ring:
    """Run ring 3 for a build, with the model it was compiled from.

    Raises:
        MappingError: ``other-model`` where the build was compiled from another file.
    """
    check_source(path, build)
    progress("import")
    imported = import_model(path, nir)
    return imported_ring(path, imported, inputs, progress)


def check_source(path: Path, build: Build) -> None:
    """Refuse a model that a build was not made from.

    Raises:
        MappingError: ``other-model``; ``no-such-file`` and ``model-too-large`` for what is no file
            of a model.
    """
    check_file(path)
    made_from, found = build.source.get("sha256", "?"), sha256(path)
    if found != made_from:
        raise refuse(
            "other-model",
            f"the build was made from a file of hash {made_from[:16]}, this one has {found[:16]}",
            loc=str(path),
            help="give the model the build was compiled from",
        )


def imported_ring(
    path: Path, imported: Imported, inputs: Mapping[str, Array], progress: Progress = silent
) -> Ring:
    """Run ring 3 of a model that was imported from ``path``, whatever it is mapped onto."""
    ring, _ = reference.reference_ring(
        reference.Given(path=path, imported=imported, inputs=inputs, initial={}), progress=progress
    )
    return ring
