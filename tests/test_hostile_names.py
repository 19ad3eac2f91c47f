"""Names from a model are data: they reach no interpreter, no browser and no path."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from mapper import cli
from mapper.recordings import read_arrays

MARK = "owned.txt"
BAD = (
    f'"""\nimport pathlib; pathlib.Path("{MARK}").touch()\n#<script>alert(1)</script>../../x\x1b[2J'
)


def hostile_model(path: Path) -> None:
    """One linear layer and one LIF layer; every name carries the same poison."""

    def port(name: str, *shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name + BAD, TensorProto.FLOAT, shape)

    def constant(name: str, array: object) -> onnx.TensorProto:
        return numpy_helper.from_array(np.asarray(array, np.float32), name + BAD)

    def node(kind: str, inputs: list[str], output: str, **attributes: int) -> onnx.NodeProto:
        named = [name + BAD for name in inputs]
        return helper.make_node(kind, named, [output + BAD], name=kind + BAD, **attributes)

    weights = np.random.default_rng(0).normal(0, 0.5, (4, 6))
    graph = helper.make_graph(
        [
            node("Gemm", ["x", "w", "b"], "y", transB=1),
            node("Mul", ["v", "leak"], "kept"),
            node("Add", ["kept", "y"], "h"),
            node("GreaterOrEqual", ["h", "th"], "c"),
            node("Cast", ["c"], "s", to=TensorProto.FLOAT),
            node("Mul", ["s", "th"], "r"),
            node("Sub", ["h", "r"], "v_out"),
        ],
        "g" + BAD,
        [port("x", 1, 6), port("v", 1, 4)],
        [port("s", 1, 4), port("v_out", 1, 4)],
        [
            constant("w", weights),
            constant("b", np.zeros(4)),
            constant("th", 1.0),
            constant("leak", 0.9),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    hostile_model(folder / "m.onnx")
    spikes = np.random.default_rng(1).random((5, 2, 6)) < 0.4
    np.savez(folder / "x.npz", events=spikes.astype(np.uint8))
    run(folder, "compile", "m.onnx", "--target", "adcless-64", "-o", "build")
    return folder


def run(folder: Path, *args: str) -> str:

    with contextlib.chdir(folder):
        done = CliRunner().invoke(cli.app, list(args))
    assert done.exit_code == 0, done.output
    return done.output


def test_the_build_folder_has_only_its_own_file_names(work):
    assert {path.name for path in (work / "build").iterdir()} == {
        *("mapping.json", "weights.npz", "source.npz", "executor.py", "cost.py"),
        *("lowered.onnx", "report.html", "manifest.json"),
    }


def test_every_ring_holds_and_outputs_keep_their_name(work):
    answer = run(work, "verify", "build", "--input", "x.npz", "--model", "m.onnx", "--json")
    told, _ = json.JSONDecoder().raw_decode(answer[answer.index("{") :])  # warnings stand around it
    assert told["bit_exact"] is True
    run(work, "run", "build", "--input", "x.npz", "--output", "y.npz", "--trace")
    assert list(read_arrays(work / "y.npz")) == ["s" + BAD]
    run(work, "cost", "build", "--activity", "y.trace.npz")


@pytest.mark.parametrize("command", [("executor.py", "../x.npz", "../z.npz"), ("cost.py", "0.2")])
def test_generated_programs_run_and_execute_nothing_of_it(work, command):
    subprocess.run([sys.executable, *command], check=True, cwd=work / "build", capture_output=True)
    assert list(work.rglob(MARK)) == []


def test_the_report_shows_the_name_as_text(work):
    page = (work / "build" / "report.html").read_text()
    assert "<script>alert" not in page
    assert page.count("<script") == page.count('<script type="')  # none but those of the frame
    assert "&lt;script&gt;" in page


TURNED = "bu\u202eild"
"""A folder of that name turns the rest of a line around on a terminal that believes it."""

COMMANDS = [
    ("inspect", "m.onnx"),
    ("inspect", "m.onnx", "--target", "adcless-64"),
    ("compile", "m.onnx", "--target", "hpadc-sar5-64", "--calibrate", "x.npz", "-o", TURNED),
    ("run", TURNED, "--input", "x.npz", "--output", f"{TURNED}.npz", "--trace"),
    ("verify", TURNED, "--input", "x.npz", "--model", "m.onnx"),
    ("cost", TURNED, "--details"),
    ("cost", TURNED, "--sensitivity"),
    ("report", TURNED, "-o", f"{TURNED}.html"),
    ("compare", "build", TURNED),
    ("compare", "build", TURNED, "-o", f"side {TURNED}"),
    ("compare", "m.onnx", "--targets", "adcless-64,hpadc-sar5-64"),
    ("figures", TURNED, "-o", f"drawn {TURNED}"),
]


def test_a_terminal_sees_no_control_characters(work):
    """None of any command, in the order in which a user would call them."""
    for command in COMMANDS:
        seen = {c for c in run(work, *command) if not c.isprintable()}
        assert seen <= {"\n"}, (command, seen)
