"""Verify a model file: the imported network against ONNX Runtime on the original."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from mapper.build.folder import sha256
from mapper.build.model import Build
from mapper.diagnostics import MappingError, refuse
from mapper.executor import engine
from mapper.frontend import Imported, NirOptions, import_model
from mapper.ir.core import FLOAT, SPIKE, Array, Graph, Type
from mapper.ir.evaluate import initial_states, recorded_names
from mapper.ir.firing import NETWORK, firing_of_values, used_spikes
from mapper.ir.verify import graph_problems
from mapper.recordings import pick_inputs
from mapper.verify import sequence
from mapper.verify.answers import accuracy, agreement, wanted_classes
from mapper.verify.original import read_original
from mapper.verify.result import REFERENCE, RULES, Place, Ring, Verification
from mapper.verify.rings import difference

EXPECTED = "3-expected-outputs"

TOLERANCE = 1e-5
"""Of the greatest magnitude of an analogue output: single-precision sums in another order."""


def verify_model(
    path: Path,
    arrays: Mapping[str, Array],
    where: str,
    progress: Callable[[str], None] = lambda text: None,
    nir: NirOptions | None = None,
) -> Verification:
    """Run ring 1 and ring 3 of a model.

    Args:
        path: The model.
        arrays: Inputs by name, ``[T, B, ...]``, or in the shapes that a model of many time steps
            has itself, with any number of steps; initial states ``[B, ...]`` by the name of a
            state input; reference outputs ``expected_<output>``.
        where: The file the arrays are from.
        progress: Called with a line about what comes next.
        nir: What a NIR file leaves open.
    """
    progress("import")
    imported = import_model(path, nir)
    graph = imported.graph
    states = [state.read.name for state in graph.states]
    if imported.readouts:
        inputs = sequence.own_inputs(imported, arrays, where)
    else:
        inputs = pick_inputs(arrays, graph.inputs, where, states)
    initial = _starts(graph, arrays, next(iter(inputs.values())).shape[1], where)
    progress("imported network")
    fired = [spike.name for _, spike in used_spikes(graph)]
    ran = engine.run(graph, inputs, "definition", initial=initial, watch=fired).outputs
    firing = firing_of_values(graph, {**inputs, **ran})
    found = _outputs(imported, {name: ran[name] for name in recorded_names(graph, ())})
    rings = [_rules(graph)]
    progress("ONNX Runtime")
    rings.append(_against_runtime(path, imported, inputs, initial, found))
    expected = _expected(imported, arrays, found, where)
    types = _output_types(imported)
    if expected:
        rings.append(compare(EXPECTED, types, found, expected))
    spikes = [name for name in expected if types[name] == SPIKE]
    output = next(iter(found)) if imported.readouts else graph.outputs[0].name
    samples = next(iter(inputs.values())).shape[1]
    asked = {f"expected_{name}": array for name, array in expected.items()}
    labels = wanted_classes(
        {**arrays, **asked} if imported.readouts else arrays, output, samples, where
    )
    return Verification(
        rings=tuple(rings),
        accuracy=None if labels is None else accuracy(found[output], labels),
        spike_agreement=agreement(found, expected, spikes) if spikes else None,
        firing=firing,
        warnings=(*imported.warnings, *firing.warnings(NETWORK)),
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


def _outputs(imported: Imported, found: Mapping[str, Array]) -> Mapping[str, Array]:
    """Return what the model returns: of a model of many time steps, its readout."""
    return sequence.read_out(imported, found) if imported.readouts else found


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


def _against_runtime(
    path: Path,
    imported: Imported,
    inputs: Mapping[str, Array],
    initial: Mapping[str, Array],
    found: Mapping[str, Array],
) -> Ring:
    states = imported.fed_back
    batch = next(iter(inputs.values())).shape[1]
    if reason := sequence.runs(imported, inputs):
        return Ring(name=REFERENCE, status="skipped", reason=reason)
    starts = initial_states(imported.graph, batch, initial)
    initial = {name: array for name, array in starts.items() if name in states}
    try:
        original = read_original(path)
        if imported.readouts:
            theirs = sequence.by_runtime(original, imported, inputs, initial)
            return compare(REFERENCE, _output_types(imported), found, theirs)
        samples = [
            original.over_time(*_one_sample(imported, inputs, initial, b), states)
            for b in range(batch)
        ]
    except MappingError as error:
        reason = "; ".join(diagnostic.message for diagnostic in error.diagnostics)
        return Ring(name=REFERENCE, status="skipped", reason=reason)
    expected = {
        name: np.concatenate([_in_graph(imported, name, sample[name]) for sample in samples], 1)
        for name in samples[0]
    }
    return compare_finite(_output_types(imported), found, expected)


def compare_finite(
    types: Mapping[str, Type], found: Mapping[str, Array], expected: Mapping[str, Array]
) -> Ring:
    """Compare with the model up to the step in which its own numbers overflow.

    After that step ``0 * inf`` of a model that resets by multiplying is NaN, where a neuron that
    resets is at rest: neither says what the network computes.
    """
    steps = min(len(array) for array in expected.values())
    finite = min(_finite_steps(array) for array in expected.values())
    if finite == 0:
        reason = "the model's own numbers overflow in the first time step"
        return Ring(name=REFERENCE, status="skipped", reason=reason)
    ring = compare(
        REFERENCE,
        types,
        {name: array[:finite] for name, array in found.items()},
        {name: array[:finite] for name, array in expected.items()},
    )
    if finite == steps:
        return ring
    return replace(ring, reason=f"{finite} of {steps} time steps; then the model itself overflows")


def _finite_steps(array: Array) -> int:
    """Return how many steps ``[T, ...]`` hold numbers only, from the first."""
    broken = (step for step, held in enumerate(array) if not np.isfinite(held).all())
    return next(broken, len(array))


def _one_sample(
    imported: Imported, inputs: Mapping[str, Array], initial: Mapping[str, Array], index: int
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return one sample's inputs ``[T, *model shape]`` and initial states ``[*model shape]``."""
    chosen = {
        name: imported.port(name).to_model(array[:, index : index + 1])
        for name, array in inputs.items()
    }
    starts = {
        name: imported.port(name).to_model(array[None, index : index + 1])[0]
        for name, array in initial.items()
    }
    return chosen, starts


def _in_graph(imported: Imported, name: str, array: Array) -> Array:
    """Return a model output ``[T, *model shape]`` as ``[T, B, *shape]``."""
    return imported.port(name).to_graph(array)


def compare(
    name: str, types: Mapping[str, Type], found: Mapping[str, Array], expected: Mapping[str, Array]
) -> Ring:
    """Compare outputs with a reference: spikes bit for bit, analogue values within tolerance."""
    missing = [output for output in types if output not in expected]
    if missing and name == REFERENCE:
        return Ring(name=name, status="mismatch", reason=f"no reference output {missing[0]!r}")
    worst, bad = 0.0, []
    for output in (output for output in types if output in expected):
        mine = found[output]
        theirs = expected[output]
        off = _differs(mine, theirs, TOLERANCE if types[output] == FLOAT else 0.0)
        worst = max(worst, difference(mine, theirs))
        if off.any():
            bad.append(_place(output, off, mine, theirs))
    if not bad:
        return Ring(name=name, status="equal", max_abs_diff=worst)
    first = min(bad, key=lambda place: place.step)
    return Ring(name=name, status="mismatch", max_abs_diff=worst, first_mismatch=first)


def _differs(found: Array, expected: Array, tolerance: float) -> Array:
    """Say where numbers differ; what has overflowed must have overflowed alike."""
    mine, theirs = found.astype(np.float64), expected.astype(np.float64)
    greatest = float(np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0))
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        close = np.abs(mine - theirs) <= tolerance * greatest
    differs: Array = ~(close | (mine == theirs) | (np.isnan(mine) & np.isnan(theirs)))
    return differs


def _output_types(imported: Imported) -> dict[str, Type]:
    """Map each output of a model to its type."""
    if imported.readouts:
        return sequence.output_types(imported)
    graph = imported.graph
    types = {v.name: v.type for v in graph.outputs}
    types.update({s.output: s.read.type for s in graph.states if s.output})
    return types


def _place(output: str, off: Array, found: Array, expected: Array) -> Place:
    index = tuple(int(i) for i in np.argwhere(off)[0])
    return Place(
        step=index[0],
        sample=index[1],
        layer=output,
        position=index[2:],
        found=float(found[index]),
        expected=float(expected[index]),
    )


def reference_ring(
    path: Path,
    build: Build,
    inputs: Mapping[str, Array],
    progress: Callable[[str], None],
    nir: NirOptions | None = None,
) -> Ring:
    """Run ring 3 for a build, with the model it was compiled from.

    Raises:
        MappingError: ``other-model`` where the build was compiled from another file.
    """
    check_source(path, build)
    progress("import")
    imported = import_model(path, nir)
    progress("ONNX Runtime")
    return imported_ring(path, imported, inputs)


def check_source(path: Path, build: Build) -> None:
    """Refuse a model that a build was not made from.

    Raises:
        MappingError: ``other-model``.
    """
    made_from, found = build.source.get("sha256", "?"), sha256(path)
    if found != made_from:
        raise refuse(
            "other-model",
            f"the build was made from a file of hash {made_from[:16]}, this one has {found[:16]}",
            loc=str(path),
            help="give the model the build was compiled from",
        )


def imported_ring(path: Path, imported: Imported, inputs: Mapping[str, Array]) -> Ring:
    """Run ring 3 of a model that was imported from ``path``, whatever it is mapped onto."""
    outputs = _outputs(imported, engine.run(imported.graph, inputs, "definition").outputs)
    return _against_runtime(path, imported, inputs, {}, outputs)
