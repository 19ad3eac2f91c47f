"""The demo: the main job on a bundled network and recording, for someone who has neither."""

from collections.abc import Callable, Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from mapper import __version__
from mapper.build.folder import DEMO_SCHEMA, check_replaceable, write_build, written_aside
from mapper.build.make import source_of
from mapper.compare.measure import Compared, build_on, row_of
from mapper.frontend import import_model
from mapper.recordings import Recording
from mapper.threads import one_blas_thread
from mapper.verify import Ring
from mapper.verify.build import verify_recorded
from mapper.verify.model import imported_ring
from mapper.verify.record import described_file, keep
from mapper.writing import json_text
from targets import DEFAULT_PRESET, load_preset, load_target

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
        recorded = Recording.read(recording, imported.graph.inputs)
        progress("ONNX Runtime on the network")
        reference = imported_ring(model, imported, recorded.inputs)
        source = source_of(model)
        files_of = {"input": described_file(recording), "model": described_file(model)}
        for name in DEMO_TARGETS:
            progress(f"{name}: compile")
            compared = build_on(load_target(name), imported, None, recorded, source=source)
            rows.append(_demonstrated(compared, recorded, reference, files_of, progress, aside))
        answer = {
            "schema": DEMO_SCHEMA,
            "version": __version__,
            "bit_exact": all(row["verification"]["bit_exact"] for row in rows),
            "targets": rows,
        }
        (aside / "demo.json").write_text(json_text(answer) + "\n", encoding="utf-8")
    return {**answer, "folder": str(output)}


def _demonstrated(
    compared: Compared,
    recorded: Recording,
    reference: Ring,
    files_of: Mapping[str, str],
    progress: Progress,
    folder: Path,
) -> dict[str, Any]:
    """Write, verify and cost the demo's network on one target."""
    build = compared.build
    place = folder / build.target.name
    write_build(build, place)
    checked = verify_recorded(
        build, recorded, reference, lambda text: progress(f"{build.target.name}: {text}")
    )
    keep(place, checked, files_of)
    return {**row_of(compared, load_preset(DEFAULT_PRESET)), "verification": checked.as_dict()}
