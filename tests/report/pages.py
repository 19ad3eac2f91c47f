"""Pages that several tests look at: the demo with its recording, and one of hostile names."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.paper_networks import dvsnet
from mapper.api.paths import CompareOptions, compare_model
from mapper.build.make import make_build
from mapper.build.model import Build
from mapper.compare.read import read_sides
from mapper.exploration.closer import Closer
from mapper.exploration.run import explore_space
from mapper.exploration.sampling import Sampling
from mapper.frontend import import_model
from mapper.ir.core import Graph
from mapper.recordings import Recording
from mapper.report import render_report
from mapper.report.comparison.page import render_comparison
from mapper.report.exploration.data import ExplorationReport
from mapper.report.exploration.page import render_exploration
from mapper.verify.evidence import gather_evidence
from targets import load_target
from tests.explore.works import SPACE, Formulas
from tests.files import DEMO

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`${1}{{1}}&amp;\x1b[2J"


def demo_build(target: str = "adcless-diff-64") -> Build:
    imported = import_model(DEMO / "model.onnx")
    recorded = Recording.read(DEMO / "recording.npz", imported.graph.inputs)
    build = make_build(
        imported, load_target(target), None, recorded.inputs, source={"file": "model.onnx"}
    )
    assert build is not None
    return build


def demo_recording(build: Build) -> Recording:
    """Return the bundled recording as a build of the bundled model takes it."""
    return Recording.read(DEMO / "recording.npz", build.hardware.inputs)


def recorded_page(build: Build) -> str:
    evidence = gather_evidence(build, recording=demo_recording(build))
    return render_report(build.report(evidence))


def hostile_build() -> Build:
    """The demo's build, every name from its model poisoned; values need no name in the model."""
    build = demo_build()
    ops = tuple(
        replace(op, loc=f"m.onnx:{index}{HOSTILE}") for index, op in enumerate(build.hardware.ops)
    )
    poisoned = replace(build.hardware, name=f"=1+1{HOSTILE}", ops=ops)
    return replace(build, hardware=poisoned, source={"file": HOSTILE, "sha256": "0" * 64})


def dvsnet_graph(size: int = 64) -> Graph:
    return dvsnet(size)


def written(folder: Path, name: str, page: str) -> Path:
    path = folder / f"{name}.html"
    path.write_text(page, encoding="utf-8")
    return path


COMPARED = ("hpadc-flash5-64", "adcless-64")


def hostile_comparison(name: str) -> dict[str, Any]:
    """The demo on two targets; the network and the second target have a name of others."""
    answer = compare_model(DEMO / "model.onnx", CompareOptions(targets=COMPARED)).as_dict()
    answer["network"] = answer["targets"][1]["target"] = name
    for way in answer["waterfalls"]:
        way["target"] = name
    rates = answer["frame_rates"]
    rates["sides"][1]["target"] = rates["pairs"][0]["target"] = name
    for equal in answer["equal_columns"]:
        equal["targets"][1]["target"] = name
    return answer


def crowded_page() -> str:
    """Nine targets whose costs lie close together, some in one place, with accuracies."""
    answer = hostile_comparison(COMPARED[1])
    first = answer["targets"][0]
    for index in range(7):
        row = copy.deepcopy(answer["targets"][1])
        row["target"], row["accuracy"] = f"adcless-diff-{index}", 0.9 - 0.1 * (index // 3)
        for value in row["cost"]["energy_pj"].values():
            value["nominal"] *= 1 + 0.02 * (index // 2)
        answer["targets"].append(row)
    first["accuracy"] = 0.95
    return render_comparison(read_sides(answer))


def comparison_page(name: str) -> str:
    return render_comparison(read_sides(hostile_comparison(name)))


def exploration_report() -> ExplorationReport:
    """An exploration of 288 points by formulas, its front with commands and a closer look."""
    found = explore_space(Formulas(), SPACE, Sampling(kind="grid"))
    front = [point.number for point in found.front]
    commands = {number: f"spikeloom compile net.onnx -o point-{number}" for number in front}
    target = load_target("adcless-64")
    return ExplorationReport(
        found=replace(found, commands=commands, network="net.onnx", target=target.name),
        built={number: Closer(target=target, fj_per_bit=(1.0, 2.0, 4.0)) for number in front},
    )


def exploration_page() -> str:
    return render_exploration(exploration_report())
