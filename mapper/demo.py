"""The demo: the main job on a bundled network and recording, for someone who has neither."""

from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from mapper import __version__
from mapper.build.folder import DEMO_SCHEMA, check_replaceable, write_build, written_aside
from mapper.build.make import source_of
from mapper.compare.measure import build_on, row_of
from mapper.frontend import Imported, import_model
from mapper.recordings import Recording
from mapper.threads import one_blas_thread
from mapper.verify import reference_ring, verify_recorded
from mapper.verify.record import described_file, keep
from mapper.writing import json_text
from targets import DEFAULT_PRESET, Target, load_preset, load_target

Progress = Callable[[str], None]

DEMO_TARGETS = ("ideal-128", "hpadc-flash5-64", "adcless-64", "adcless-diff-64")


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
        (aside / "demo.json").write_text(json_text(answer) + "\n", encoding="utf-8")
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
    compared = build_on(target, imported, None, recorded, source=source_of(model))
    build = compared.build
    write_build(build, folder / target.name)
    reference = reference_ring(model, build, recorded.inputs, lambda text: None)
    checked = verify_recorded(
        build, recorded, reference, lambda text: progress(f"{target.name}: {text}")
    ).as_dict()
    given = {"input": recording, "model": model}
    keep(folder / target.name, checked, {k: described_file(path) for k, path in given.items()})
    return {**row_of(compared, load_preset(DEFAULT_PRESET)), "verification": checked}
