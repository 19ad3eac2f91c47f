"""The same network on several targets, side by side; and the demo, which does that for you."""

import json
from collections.abc import Callable, Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from mapper import __version__
from mapper.build import DEMO_SCHEMA, Build, check_replaceable, write_build, written_aside
from mapper.cost import (
    DENSITY,
    Activity,
    Cost,
    costs_along,
    estimate,
    measure,
    ratio_waterfall,
    steps_between,
    waterfall,
)
from mapper.diagnostics import refuse
from mapper.frontend import Imported, NirOptions, import_model
from mapper.mapping import make_build, source_of, summary
from mapper.recordings import Recording, to_codes, to_reals
from mapper.report.comparison import render_comparison
from mapper.report.comparison_tables import as_csv, as_latex, as_markdown
from mapper.threads import one_blas_thread
from mapper.verify import reference_ring, trace_executor, verify_recorded
from mapper.verify.answers import accuracy, wanted_classes
from mapper.writing import whole_file
from targets import DEFAULT_PRESET, Preset, Target, load_preset, load_target

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
    steps: int = 1,
    preset: str = DEFAULT_PRESET,
    progress: Progress = lambda text: None,
) -> dict[str, Any]:
    """Map a model onto several targets; with recordings, calibrate, run and count real spikes.

    ``steps`` are the time steps of an inference where nothing is recorded. The answer also leads
    from the preset ``paper`` to ``physical``, one assumption at a time.
    """
    chosen = load_preset(preset)
    loaded = [load_target(name) for name in targets]
    if not loaded:
        raise refuse("unknown-target", "no targets to compare", loc="--targets")
    if output is not None:
        _check_names([target.name for target in loaded])
    imported = import_model(model, nir)
    recorded = None if recording is None else Recording.read(recording, imported.graph.inputs)
    rows, builds, waterfalls = [], [], _Waterfalls()
    for target in loaded:
        progress(target.name)
        build, row, activity = _compared(
            imported, target, weight_bits, recorded, source_of(model), steps, chosen
        )
        rows.append(row)
        row["waterfall"] = waterfalls.add(build, activity, steps)
        builds.append(build)
    answer = {
        "schema": "spikeloom/compare/1",
        "network": imported.graph.name,
        "activity": "measured" if recorded is not None else f"density {DENSITY:g}",
        "preset": chosen.name,
        "targets": rows,
        "warnings": list(imported.warnings),
        "waterfalls": waterfalls.ratios(),
    }
    if output is not None:  # all of them are there: nothing is left of a comparison that failed
        for build in builds:
            write_build(build, output / build.target.name)
        _write(answer, loaded, output)
    return answer


def _check_names(names: list[str]) -> None:
    """Refuse targets whose builds would not each have a folder of their own in the output."""
    for place, name in enumerate(names):
        plain = Path(name).name == name and name not in {"", ".", ".."} and "\\" not in name
        if not plain:
            raise refuse(
                "target-value",
                f"a target named {name[:80]!r} cannot be the name of a folder",
                loc="--targets",
                help="change 'name' in its file, or leave -o out",
            )
        if name in names[:place]:
            raise refuse(
                "target-value",
                f"two targets are named {name[:80]!r}: one build would replace the other",
                loc="--targets",
                help="give them different names, or leave -o out",
            )


def _write(answer: dict[str, Any], targets: list[Target], folder: Path) -> None:
    """Put the answer beside the builds: as a page, as data, and as tables."""
    texts = {
        "compare.html": render_comparison(answer, targets),
        "comparison.json": json.dumps(answer, indent=1) + "\n",
        "comparison.csv": as_csv(answer),
        "comparison.md": as_markdown(answer),
        "comparison.tex": as_latex(answer),
    }
    for name, text in texts.items():
        with whole_file(folder / name) as path:
            path.write_text(text, encoding="utf-8")


class _Waterfalls:
    """Collects the way from ``paper`` to ``physical`` on several targets."""

    def __init__(self) -> None:
        self._steps = steps_between(load_preset("paper"), load_preset("physical"))
        self._found: list[tuple[Target, tuple[Cost, ...]]] = []

    def add(self, build: Build, activity: Activity | float, steps: int) -> list[dict[str, Any]]:
        costs = costs_along(build.hardware, build.target, activity, steps, self._steps)
        self._found.append((build.target, costs))
        return waterfall(self._steps, costs)

    def ratios(self) -> list[dict[str, Any]]:
        """Return the ratio of every target with ADCs over every one of sense amplifiers alone."""
        return [
            {
                "target": high.name,
                "over": low.name,
                "steps": ratio_waterfall(self._steps, base, other),
            }
            for low, base in self._found
            for high, other in self._found
            if _all_adc(high) and _all_sensed(low)
        ]


def _all_adc(target: Target) -> bool:
    return all(macro.readout.is_adc for macro in target.macros)


def _all_sensed(target: Target) -> bool:
    kinds = {macro.readout.kind for macro in target.macros}
    return kinds <= {"sense-amp", "ternary"}


def _compared(
    imported: Imported,
    target: Target,
    weight_bits: int | None,
    recording: Recording | None,
    source: Mapping[str, str],
    steps: int,
    preset: Preset,
) -> tuple[Build, dict[str, Any], Activity | float]:
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
    row["cost"] = estimate(build.hardware, target, activity, steps, preset).as_dict()
    return build, row, activity


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
    physical = load_preset(DEFAULT_PRESET)
    build, row, _ = _compared(imported, target, None, recorded, source_of(model), 1, physical)
    write_build(build, folder / target.name)
    reference = reference_ring(model, build, recorded.inputs, lambda text: None)
    checked = verify_recorded(
        build, recorded, reference, lambda text: progress(f"{target.name}: {text}")
    )
    return {**row, "verification": checked.as_dict()}
