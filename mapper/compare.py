"""The same network on several targets, side by side; and the demo, which does that for you."""

import json
from collections.abc import Callable, Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from mapper import __version__
from mapper.build import DEMO_SCHEMA, Build, check_replaceable, write_build, written_aside
from mapper.cost import DENSITY, Activity, estimate, measure
from mapper.diagnostics import refuse
from mapper.frontend import Imported, NirOptions, import_model
from mapper.mapping import make_build, source_of, summary
from mapper.recordings import Recording, to_codes, to_reals
from mapper.threads import one_blas_thread
from mapper.verify import reference_ring, trace_executor, verify_recorded
from mapper.verify.answers import accuracy, wanted_classes
from targets import Target, load_target

Progress = Callable[[str], None]

DEMO_TARGETS = ("ideal-128", "hpadc-flash5-64", "adcless-64", "adcless-diff-64")


@one_blas_thread
def compare_model(
    model: Path,
    targets: tuple[str, ...],
    *,
    recording: Path | None = None,
    output: Path | None = None,
    weight_bits: int | None = None,
    nir: NirOptions | None = None,
    progress: Progress = lambda text: None,
) -> dict[str, Any]:
    """Map a model onto several targets; with recordings, calibrate, run and count real spikes."""
    loaded = [load_target(name) for name in targets]
    if not loaded:
        raise refuse("unknown-target", "no targets to compare", loc="--targets")
    imported = import_model(model, nir)
    recorded = None if recording is None else Recording.read(recording, imported.graph.inputs)
    rows = []
    for target in loaded:
        progress(target.name)
        build, row = _compared(imported, target, weight_bits, recorded, source_of(model))
        rows.append(row)
        if output is not None:
            write_build(build, output / target.name)
    return {
        "schema": "spikeloom/compare/1",
        "network": imported.graph.name,
        "activity": "measured" if recorded is not None else f"density {DENSITY:g}",
        "targets": rows,
        "warnings": list(imported.warnings),
    }


def _compared(
    imported: Imported,
    target: Target,
    weight_bits: int | None,
    recording: Recording | None,
    source: Mapping[str, str],
) -> tuple[Build, dict[str, Any]]:
    reals = None if recording is None else recording.inputs
    build = make_build(imported, target, weight_bits, reals, source=source)
    assert build is not None  # nothing stopped the passes
    row = summary(build)
    activity: Activity | float = DENSITY
    if recording is not None:
        graph, output = build.hardware, build.hardware.outputs[0].name
        outputs, trace = trace_executor(graph, to_codes(graph, recording.inputs, recording.where))
        activity = measure(graph, trace)
        labels = wanted_classes(recording.arrays, output, recording.samples, recording.where)
        if labels is not None:
            row["accuracy"] = accuracy(to_reals(graph, outputs)[output], labels)
    row["cost"] = estimate(build.hardware, target, activity).as_dict()
    return build, row


@one_blas_thread
def demo(output: Path, progress: Progress = lambda text: None) -> dict[str, Any]:
    """Map the bundled network onto four targets, verify each mapping, compare them."""
    check_replaceable(output)
    rows = []
    with as_file(files("mapper") / "data" / "demo") as data, written_aside(output) as aside:
        model, recording = data / "model.onnx", data / "recording.npz"
        imported = import_model(model)
        for name in DEMO_TARGETS:
            row = _demonstrated(load_target(name), imported, model, recording, progress, aside)
            rows.append(row)
        answer = {
            "schema": DEMO_SCHEMA,
            "version": __version__,
            "bit_exact": all(row["verification"]["bit_exact"] for row in rows),
            "targets": rows,
        }
        (aside / "demo.json").write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
    return {**answer, "folder": str(output)}


def _demonstrated(
    target: Target,
    imported: Imported,
    model: Path,
    recording: Path,
    progress: Progress,
    folder: Path,
) -> dict[str, Any]:
    """Compile, keep, verify and cost the demo's network on one target."""
    progress(f"{target.name}: compile")
    recorded = Recording.read(recording, imported.graph.inputs)
    build, row = _compared(imported, target, None, recorded, source_of(model))
    write_build(build, folder / target.name)
    reference = reference_ring(model, build, recorded.inputs, lambda text: None)
    checked = verify_recorded(
        build, recorded, reference, lambda text: progress(f"{target.name}: {text}")
    )
    return {**row, "verification": checked.as_dict()}
