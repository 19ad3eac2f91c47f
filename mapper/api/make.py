"""From models to builds and files: compile a model, load a folder, export for other tools."""

from collections.abc import Callable, Mapping
from pathlib import Path

from mapper.api.arguments import check_given
from mapper.api.build import Build
from mapper.api.inputs import (
    Inputs,
    Model,
    model_file,
    read_inputs_if,
    read_model,
    read_target,
)
from mapper.build.folder import identity, read_build
from mapper.build.make import looked_at, make_build
from mapper.exchange.export import Export, format_of
from mapper.exchange.export import export as write_export
from mapper.executor.engine import chosen_backend
from mapper.frontend import Imported, NirOptions
from mapper.ir.assignment import Assignment
from mapper.pipeline import After
from mapper.recordings import IN_MEMORY, checked_arrays, read_arrays
from mapper.report import render_report
from mapper.threads import one_blas_thread
from mapper.verify import Verification
from mapper.verify.known import check_own_page, known
from mapper.verify.model import verify_model as rings_of_model
from passes.options import checked
from passes.ran import NONE, PassOptions, Plain
from targets import Target, given_assignment
from targets.devices import Device


def compile(
    model: Model | Imported,
    target: str | Path | Target,
    *,
    device: str | Path | Device | None = None,
    weight_bits: int | None = None,
    assignment: Assignment | str | Path | None = None,
    spread_steps: bool | None = None,
    calibrate: Inputs | None = None,
    layout: str | None = None,
    passes: Mapping[str, Mapping[str, Plain]] | None = None,
    nir: NirOptions | None = None,
    after: After | None = None,
) -> Build:
    """Map a trained network onto a target.

    Args:
        model: The path of an ONNX or NIR file, an ``onnx.ModelProto``, or what ``import_model``
            returns.
        target: The name of a target, the path of a ``.toml`` file, or a ``Target``.
        device: What its chips are made of, in place of what the target names: a name, a file, or a
            ``Device``. The conductances of its levels price the cells, where it says them.
        weight_bits: Width of a weight, 1..8, of all layers that have none of their own in
            ``assignment``, whose ``weight_bits`` it takes the place of; where both are None, what
            the target's crossbars have.
        assignment: What is decided for layers, or a file of it: a macro or the digital unit, a
            width of weights of their own, packing, copies.
        spread_steps: Whether layers that read counts of spikes, ``0 .. D``, read them in ``D``
            binary steps and not in bit planes, unless ``assignment`` decides it for a layer.
        calibrate: Recordings that set input codes and readout, as ``Build.run`` takes them.
        layout: Of these recordings, as ``Build.run`` takes it.
        passes: Options of passes, ``{"replicate": {"max_copies": 4}}``; the command
            ``spikeloom passes NAME`` lists them.
        nir: What a NIR file leaves open.
        after: Called with each pass and the graph that it made.

    Raises:
        MappingError: for anything wrong with the model, the target, the recordings or the options.
    """
    check_given({}, assignment=assignment, spread_steps=spread_steps, passes=passes, after=after)
    built = passes_over(
        model,
        target,
        device=device,
        weight_bits=weight_bits,
        assignment=assignment,
        spread_steps=spread_steps,
        calibrate=calibrate,
        layout=layout,
        options=checked(passes or {}),
        nir=nir,
        after=after,
    )
    assert built is not None  # nothing stops it before the end
    return built


@one_blas_thread
def passes_over(
    model: Model | Imported,
    target: str | Path | Target,
    *,
    device: str | Path | Device | None = None,
    weight_bits: int | None = None,
    assignment: Assignment | str | Path | None = None,
    spread_steps: bool | None = None,
    calibrate: Inputs | None = None,
    layout: str | None = None,
    options: PassOptions = NONE,
    nir: NirOptions | None = None,
    after: After | None = None,
    stop_after: str | None = None,
) -> Build | None:
    """Run the passes as ``compile`` does; None where ``stop_after`` names one before the last."""
    check_given({}, assignment=assignment)
    decided = given_assignment(assignment)
    facts = read_target(target, device)
    imported, source = read_model(model, nir)
    recorded = read_inputs_if(calibrate, imported.graph.inputs, imported.presented, layout)
    reals = None if recorded is None else recorded.inputs
    mapped = make_build(
        imported,
        facts,
        weight_bits,
        reals,
        source=source,
        assignment=decided,
        spread_steps=spread_steps,
        options=options,
        after=after,
        stop_after=stop_after,
    )
    if mapped is None:
        return None
    known = None if isinstance(model, Imported) else model
    mapped = looked_at(mapped, reals)
    warnings = (
        *imported.warnings,
        *mapped.of_passes,
        *mapped.told,
        *mapped.read_otherwise,
        *mapped.uncalibrated,
    )
    return Build(
        mapped=mapped,
        model=known,
        nir=nir,
        warnings=warnings,
        recording=None if recorded is None else recorded.taken,
    )


def load(folder: str | Path, *, page: bool = False) -> Build:
    """Read a build folder, which may come from someone else, and trust nothing in it.

    Every file must have the hash that ``manifest.json`` has, and the generated code must be what
    this version generates from ``mapping.json``; no file in it is executed. Constants come back in
    the narrowest integers that hold them, so compare its graph with the one that was compiled by
    ``mapper.ir.identity.digest``; ``==`` compares the types of constants, too.

    Args:
        folder: What ``Build.save`` or ``spikeloom compile`` wrote.
        page: Lay the page out again and compare it, too: for someone who is about to open it.

    Raises:
        MappingError: ``not-a-build``, ``build-changed``, ``build-version``, ``bad-mapping``,
            ``bad-weights``.
    """
    check_given({"folder": folder, "page": page})
    folder = Path(folder)
    mapped, own = read_build(folder), identity(folder)
    if page:
        told = known(mapped, folder)
        check_own_page(mapped, folder, own, told, render_report(mapped.report(told)))
    warnings = (
        *mapped.of_passes,
        *mapped.told,
        *mapped.read_otherwise,
        *mapped.uncalibrated,
    )
    return Build(mapped=mapped, folder=folder, identity=own, warnings=warnings)


def export(model: Model | Imported, path: str | Path, *, nir: NirOptions | None = None) -> Export:
    """Write the imported network in canonical form, for other tools: ``.onnx`` or ``.nir``.

    Args:
        model: The path of an ONNX or NIR file, an ``onnx.ModelProto``, or what ``import_model``
            returns.
        path: The file; its suffix names the form. It is written whole or not at all.
        nir: What a NIR file leaves open.

    Raises:
        MappingError: for anything wrong with the model, or ``export-format``, ``not-exportable``.
    """
    check_given({"path": path})
    format_of(Path(path))
    imported, _ = read_model(model, nir)
    return write_export(imported, Path(path))


@one_blas_thread
def verify_model(
    model: Model,
    inputs: Inputs,
    *,
    layout: str | None = None,
    nir: NirOptions | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Verification:
    """Compare what was imported of a model with ONNX Runtime, and with given outputs.

    Args:
        model: The path of an ONNX or NIR file, or an ``onnx.ModelProto``.
        inputs: Arrays by name or the path of a ``.npz`` file: inputs ``[T, B, ...]``, of a model of
            many time steps in its own shapes; initial states ``[B, ...]`` by the name of a state
            input; ``expected_<output>``, which takes the place of ONNX Runtime where that cannot
            run the file; ``labels`` ``[B]``.
        layout: What the first axis of an input counts, ``steps`` or ``samples``; None takes the
            model's own shapes, then those that a build takes.
        nir: What a NIR file leaves open.
        progress: Called with what comes next.

    Raises:
        MappingError: for anything wrong with the model or the arrays.
    """
    check_given({"progress": progress}, nir=nir, layout=layout)
    if isinstance(inputs, str | Path):
        arrays, where = read_arrays(inputs), str(inputs)
    else:
        arrays, where = checked_arrays(inputs), IN_MEMORY
    with model_file(model) as path:
        return rings_of_model(path, arrays, where, progress, nir, layout)


def check_backend(backend: str | None) -> None:
    """Refuse ``unknown-backend`` or ``backend-unavailable``, before a folder is read to run."""
    chosen_backend(backend)
