"""A command does its work once: what is counted, priced, generated and drawn, call by call.

The bundled network has three layers on crossbars, and each is counted once. A cost is one price. A
page prices twelve steps from one preset to another besides, and where sense amplifiers read also
the same mapping with a third level. What the totals hang on takes 83 points: one as it is, and one
for each of 82 ends of constants in force.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mapper import api, cli
from mapper.cost.estimate import price
from mapper.cost.events import row_levels
from mapper.cost.generate import generate_cost
from mapper.cost.layer_counts import count_actions
from mapper.cost.points import totals
from mapper.executor.numpy.generate import generate_executor
from mapper.executor.numpy.run import load_executor
from mapper.executor.onnx.lowered import lowered_bytes, to_lowered_onnx
from mapper.frontend.imported import import_model
from mapper.kernels.core import unavailable
from mapper.pipeline import _checked as run_pass
from mapper.recordings import to_codes
from mapper.report.charts.network import network_nodes
from mapper.report.data import report_of
from mapper.report.headline import headline
from mapper.report.page.render import render_report
from mapper.verify.original import read_original
from tests.calls import counted_calls
from tests.files import DEMO_MODEL, short_recording

COUNTED = (
    *(count_actions, row_levels, price, totals, report_of, headline, render_report, network_nodes),
    *(generate_cost, generate_executor, load_executor, lowered_bytes, to_lowered_onnx),
    *(import_model, run_pass, to_codes, read_original),
)
TARGET = "adcless-64"

MAPPED = {"import_model": 1, "_checked": 16}
"""A model through the passes."""
PROGRAMS = {
    "count_actions": 1,
    "row_levels": 3,
    "generate_cost": 1,
    "generate_executor": 1,
    "lowered_bytes": 1,
}
"""To write a build folder, or to trust its programs: each is generated once. A run uses none."""
PRICED = {"report_of": 1, "price": 1}
ANSWERED = {"headline": 1, "count_actions": 1, "price": 1}
"""What people ask next: counted and priced once more, with a third level, cells as they are."""
DRAWN = {"render_report": 1, "network_nodes": 1, "price": 12, "totals": 83}
COUNTED_FOR_PAGE = {"count_actions": 1, "row_levels": 3}
PAGED = Counter(PRICED) + Counter(ANSWERED) + Counter(DRAWN)
RUN = {"to_codes": 1}
RINGS = {
    "_checked": 16,
    "load_executor": 2,  # the graph as it is, then with every layer's result
    "generate_executor": 1,  # the latter: the former is in the folder
    "to_lowered_onnx": 1,
}
"""Every ring on a recording."""
MODEL_RINGS = {"import_model": 1, "read_original": 1}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Return a folder with a model, its build, a recording of two samples and what it spiked."""
    place = tmp_path_factory.mktemp("once")
    np.savez(place / "x.npz", **short_recording(steps=3, samples=2))
    (place / "model.onnx").write_bytes(DEMO_MODEL.read_bytes())
    api.compile_model(place / "model.onnx", TARGET, place / "build", calibrate=place / "x.npz")
    api.run_build(place / "build", place / "x.npz", place / "spikes.npz", trace=True)
    return place


@pytest.fixture
def calls(place, monkeypatch):
    """Return a function that counts the calls of one command."""
    monkeypatch.chdir(place)

    def run(command: str) -> Counter[str]:
        with counted_calls(*COUNTED) as counts:
            done = CliRunner().invoke(cli.app, command.split())
        assert done.exit_code == 0, done.output
        return counts

    return run


def together(*parts: dict[str, int]) -> Counter[str]:
    return sum(map(Counter, parts), Counter())


needs_kernels = pytest.mark.skipif(bool(unavailable()), reason=unavailable())


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        ("inspect model.onnx", [{"import_model": 1}]),
        (f"inspect model.onnx --target {TARGET}", [MAPPED]),
        # The JSON has the price of every layer.
        (
            f"inspect model.onnx --target {TARGET} --json",
            [MAPPED, PRICED, {"count_actions": 1, "row_levels": 3}],
        ),
        (
            f"compile model.onnx --target {TARGET} --calibrate x.npz -o new",
            [MAPPED, PROGRAMS, PRICED, ANSWERED, DRAWN],
        ),
        # With ideal readouts nobody asks for a third level, and fewer constants are in force.
        (
            "compile model.onnx --target ideal-128 -o new",
            [MAPPED, PROGRAMS, PRICED, {"headline": 1}, {**DRAWN, "totals": 77}],
        ),
        (
            "run build --input x.npz --output y.npz --backend numpy",
            [RUN, {"generate_executor": 1, "load_executor": 1}],
        ),
        pytest.param(
            "run build --input x.npz --output y.npz --backend native",
            [RUN],
            marks=needs_kernels,
        ),
        # A run that is traced, and every verification, lays the page of the build out at its end.
        (
            "run build --input x.npz --output y.npz --backend numpy --trace",
            [COUNTED_FOR_PAGE, RUN, {"generate_executor": 1, "load_executor": 1}, PAGED],
        ),
        pytest.param(
            "run build --input x.npz --output y.npz --backend native --trace",
            [COUNTED_FOR_PAGE, RUN, PAGED],
            marks=needs_kernels,
        ),
        pytest.param(
            "verify build --input x.npz", [PROGRAMS, RUN, RINGS, PAGED], marks=needs_kernels
        ),
        pytest.param(
            "verify build --input x.npz --model model.onnx",
            [PROGRAMS, RUN, RINGS, MODEL_RINGS, PAGED],
            marks=needs_kernels,
        ),
        ("verify model.onnx --input x.npz", [MODEL_RINGS]),
        ("cost build", [PROGRAMS, PRICED, ANSWERED]),
        ("cost build --json", [PROGRAMS, PRICED]),
        ("cost build --sensitivity --json", [PROGRAMS, PRICED, {"totals": 83}]),
        ("cost build --activity spikes.trace.npz --json", [PROGRAMS, PRICED]),
        ("report build -o page.html", [PROGRAMS, PRICED, ANSWERED, DRAWN]),
        pytest.param(
            "report build -o page.html --input x.npz --model model.onnx",
            [PROGRAMS, PRICED, ANSWERED, DRAWN, RUN, RINGS, MODEL_RINGS],
            marks=needs_kernels,
        ),
        # The folder's own page is laid out and compared before someone opens it.
        ("report build", [PROGRAMS, PRICED, ANSWERED, DRAWN]),
        ("figures build -o figs", [PROGRAMS, PRICED, {"network_nodes": 1, "totals": 83}]),
        pytest.param(
            f"compare model.onnx --targets {TARGET} --input x.npz",
            [MAPPED, RUN, {"price": 13, "count_actions": 1, "row_levels": 3}],
            marks=needs_kernels,
        ),
        # The page is of the spikes that were counted, layers in the data are as compiled.
        pytest.param(
            f"compare model.onnx --targets {TARGET} --input x.npz -o sides",
            [MAPPED, RUN, PRICED, PROGRAMS, PAGED, {"price": 13}],
            marks=needs_kernels,
        ),
        pytest.param(
            "compare build --input x.npz",
            [PROGRAMS, RUN, {"price": 13}],
            marks=needs_kernels,
        ),
        # The JSON also has every layer, and what it costs as compiled.
        pytest.param(
            "compare build --input x.npz --json",
            [PROGRAMS, RUN, PRICED, {"price": 13}],
            marks=needs_kernels,
        ),
        ("export model.onnx -o again.onnx", [{"import_model": 1}]),
    ],
)
def test_a_command_does_its_work_once(calls, command, parts):
    assert calls(command) == together(*parts)


def test_the_demo_runs_the_model_file_once_for_all_targets(calls, monkeypatch):
    few = short_recording(steps=2, samples=1)
    monkeypatch.setattr("mapper.recordings.read_arrays", lambda path: few)
    found = calls("demo -o demo")
    assert found["import_model"] == found["read_original"] == 1
    assert found["render_report"] == 4
    assert found["report_of"] == 4 * 2  # as it ran, for the page, and as compiled, for the data
    assert found["row_levels"] == 4 * 3
    assert found["generate_executor"] == 4 * 2  # for the folder, and with every layer's result
