"""``benchmarks/same_results.py`` finds what differs, on a command line that answers as asked."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.same_results import (
    ROOT,
    TARGETS,
    CommandLine,
    Results,
    differences,
    main,
    measured,
    models,
)

# What 'spikeloom' writes and says, in short; constants, outputs and so on as the tree's file says.
ANSWERS = """
import json, os, sys
from pathlib import Path
import numpy as np

facts = json.loads((Path(os.environ["PYTHONPATH"]) / "facts.json").read_text())
command, subject, *options = sys.argv[1:]
given = dict(zip(options, options[1:]))
answer = {}
if facts["refused"] == command:
    print(json.dumps({"errors": [{"code": "too-large", "message": facts["message"]}]}))
    sys.exit(1)
if command == "inspect":
    answer = {"inputs": [{"name": "x", "shape": [2]}]}
elif command == "compile":
    build = Path(given["-o"])
    build.mkdir()
    names = np.frombuffer(json.dumps(["fc.w"]).encode(), np.uint8)
    np.savez(build / "weights.npz", names=names, c0=np.array(facts["constant"], np.int8))
    (build / "mapping.json").write_text(json.dumps({"hardware": {"ops": [{"op": facts["op"]}]}}))
    answer = {"folder": str(build)}
elif command == "run":
    x = np.load(given["--input"])["x"]
    assert x.shape == (3, 1, 2), x.shape
    np.savez(given["--output"], spk=x + facts["output"][given["--backend"]])
    np.savez(given["--output"].replace(".npz", ".trace.npz"), x=x)
    answer = {"outputs": {"spk": {"scale": 1}}}
elif command == "cost":
    assert Path(given["--activity"]).exists()
    answer = {
        "energy_pj": {"total": {"nominal": facts["energy"]}},
        "latency_ns": {"inference_pipelined": {}},
        "area_um2": {"total": {}},
    }
print(json.dumps(answer))
"""

FACTS = {
    "refused": "",
    "message": "300 rows",
    "constant": [1, 2],
    "op": "imc.crossbar_mvm",
    "output": {"native": 0, "numpy": 0},
    "energy": 1.5,
}


@pytest.fixture
def measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function from facts and options to the exit code and the lines on stdout."""
    model = tmp_path / "models" / "mlp" / "model.onnx"
    model.parent.mkdir(parents=True)
    model.touch()
    np.savez(model.with_name("io.npz"), in_x=np.ones((1, 3, 2)), torch_spk=np.ones(3))
    (tmp_path / "answers.py").write_text(ANSWERS, encoding="utf-8")

    def run(facts: dict[str, object], *options: str) -> tuple[int, list[str]]:
        (tmp_path / "facts.json").write_text(json.dumps(FACTS | facts), encoding="utf-8")
        command = f"{sys.executable} {tmp_path / 'answers.py'}"
        arguments = ["--tree", str(tmp_path), "--command", command, "--only", "mlp"]
        monkeypatch.setattr(sys, "argv", ["same_results", str(tmp_path / "models"), *arguments])
        sys.argv += ["--target", "adcless-64", *options]
        capsys.readouterr()
        try:
            main()
        except SystemExit as exit:
            return int(exit.code or 0), capsys.readouterr().out.splitlines()[1:]
        return 0, []

    return run


@pytest.mark.campaign(3)
@pytest.mark.parametrize(
    ("facts", "what"),
    [
        ({"constant": [1, 3]}, ["constants/fc.w"]),
        ({"constant": [[1, 2]]}, ["constants/fc.w"]),  # the same bytes in another shape
        ({"op": "imc.adc_read"}, ["structure/all", "structure/imc.adc_read", "structure/imc.cro"]),
        ({"output": {"native": 1, "numpy": 0}}, ["native/outputs/spk"]),
        ({"output": {"native": 0, "numpy": 1}}, ["numpy/outputs/spk"]),
        ({"energy": 1.25}, ["cost/all", "cost/energy_pj"]),
    ],
)
def test_what_differs_from_an_earlier_version_is_printed_and_fails(measure, tmp_path, facts, what):
    old = str(tmp_path / "old.json")
    measure({}, "--output", old)
    assert measure({}, "--against", old) == (0, ["all equal"])
    code, lines = measure(facts, "--against", old)
    assert code == 1
    assert len(lines) == len(what)
    for line, each in zip(lines, what, strict=True):
        assert line.startswith(f"mlp adcless-64 {each}")


def test_refusals_must_be_equal_in_code_and_message(measure, tmp_path):
    old = str(tmp_path / "old.json")
    measure({"refused": "compile"}, "--output", old)
    assert measure({"refused": "compile"}, "--against", old) == (0, ["all equal"])
    code, lines = measure({"refused": "compile", "message": "301 rows"}, "--against", old)
    told = "mlp adcless-64 refused: too-large: 300 rows -> too-large: 301 rows"
    assert (code, lines) == (1, [told])
    code, lines = measure({}, "--against", old)
    assert code == 1
    assert "mlp adcless-64 refused: too-large: 300 rows -> absent" in lines


def test_a_model_that_one_of_two_results_lacks_is_a_difference():
    old: Results = {"mlp adcless-64": {"constants/fc.w": "1"}}
    assert differences(old, {}) == ["mlp adcless-64 constants/fc.w: 1 -> absent"]
    assert differences({}, old) == ["mlp adcless-64 constants/fc.w: absent -> 1"]


@pytest.mark.campaign(0)
def test_the_bundled_network_is_measured_by_the_real_command_line(tmp_path):
    (model,) = models(tmp_path, "bundled")
    recording = tmp_path / "x.npz"
    np.savez(recording, x=model.inputs["x"][:2, None])
    line = CommandLine(command=[sys.executable, "-m", "mapper"], tree=ROOT)
    facts = measured(line, model, "adcless-64", recording, tmp_path)
    assert "refused" not in facts
    assert TARGETS["adcless-64"]  # calibrated, so the biases are those of the recording
    assert any(name.endswith("calibrated_bias") for name in facts)
    kinds = {name.partition("/")[0] for name in facts}
    assert kinds == {"compile", "constants", "structure", "native", "numpy", "cost"}
    outputs = {
        b: [v for k, v in facts.items() if k.startswith(f"{b}/out")] for b in ("native", "numpy")
    }
    assert outputs["native"] == outputs["numpy"] != []
