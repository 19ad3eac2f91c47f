"""``mapper.explore`` and ``spikeloom explore``: points of a real network, while it runs too."""

import io
import json
import shlex
import threading
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console, RenderableType
from typer.testing import CliRunner

import mapper as spikeloom
from mapper import cli
from mapper.api.exploration import DATA, Exploration, read_explored
from mapper.cli.explore import explored as explored_text
from mapper.diagnostics import MappingError
from mapper.exploration.space import load_space
from mapper.study import RECORDS
from tests.files import DEMO_MODEL, DEMO_RECORDING

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "explore"

TABLES = {
    "axes": {"array": [32, 64], "weight_bits": [2, 4], "columns_per_readout": [1, 4]},
    "objectives": {"energy": "min", "latency": "min", "area": "min"},
    "constraints": {"area_mm2": {"at_most": 1.2}},
    "sampler": {"kind": "grid"},
}
TOML = """
[axes]
array = [32, 64]
weight_bits = [2, 4]
columns_per_readout = [1, 4]
[objectives]
energy = "min"
latency = "min"
area = "min"
[constraints]
area_mm2 = { at_most = 1.2 }
[sampler]
kind = "grid"
"""


@pytest.fixture(scope="module")
def model() -> spikeloom.Imported:
    return spikeloom.import_model(DEMO_MODEL)


def explored(model: spikeloom.Imported, **given) -> Exploration:
    return spikeloom.explore(model, given.pop("space", TABLES), "adcless-64", **given)


def run(*args: object, code: int = 0) -> str:
    done = CliRunner().invoke(cli.app, [*map(str, args)])
    assert done.exit_code == code, done.output
    return done.stdout if code == 0 else done.output


def test_a_point_is_what_compiling_its_design_costs(model, tmp_path):
    """To the last bit: energy, latency and area, and the spikes that a recording sets."""
    for inputs in (None, DEMO_RECORDING):
        going = explored(model, inputs=inputs, sampler="random", points=2)
        assert going.found.samples == (18 if inputs else 0)
        for point in going.points:
            file = tmp_path / "target.toml"
            file.write_text(going.design(point.number)["target.toml"])
            bits = point.point["weight_bits"]
            build = spikeloom.compile(model, file, weight_bits=bits, calibrate=inputs)
            run = build.run(inputs, trace=True) if inputs else None
            cost = build.cost(run)
            if run is not None:
                assert point.record["accuracy"] == run.accuracy(np.load(inputs)["labels"])
            assert point.record["energy_uj"] == [end / 1e6 for end in cost.energy_pj]
            assert point.record["latency_us"] == [end / 1e3 for end in cost.latency_ns]
            assert point.record["area_mm2"] == [end / 1e6 for end in cost.area_um2]


# --- while it runs -------------------------------------------------------------------------------


@pytest.fixture
def held(monkeypatch) -> tuple[threading.Event, threading.Event]:
    """Points wait after the third: events for "three are known" and "go on"."""
    three, on = threading.Event(), threading.Event()
    plain = Exploration._watch

    def watch(self: Exploration, point) -> None:
        plain(self, point)
        if len(self._known) == 3:
            three.set()
            on.wait(60)

    monkeypatch.setattr(Exploration, "_watch", watch)
    return three, on


def test_it_is_used_while_it_runs(model, held):
    three, on = held
    going = explored(model, wait=False)
    assert three.wait(60)
    assert going.running
    assert [point.number for point in going.points] == [0, 1, 2]
    assert len(going.table["energy_uj"]) == 3
    assert "exploration, running" in going._repr_html_()
    assert "5 points not looked at yet" in going._repr_html_()
    assert repr(going).startswith("Exploration(running; Explored(3 of 8 points")
    on.set()
    assert len(going.wait().points) == 8
    assert not going.running
    assert repr(going).startswith("Exploration(done; Explored(8 of 8 points")
    assert going.found == explored(model).found
    assert going.best("area") in going.front
    assert json.loads(going.to_json()) == json.loads(json.dumps(going.as_dict()))


def test_one_that_is_stopped_goes_on_in_its_folder(model, held, tmp_path):
    three, on = held
    going = explored(model, wait=False, folder=tmp_path)
    assert three.wait(60)
    going._stopping.set()
    on.set()
    assert 3 <= len(going.stop().points) <= 4
    assert repr(going).startswith("Exploration(ended early")
    assert not (tmp_path / DATA).exists()
    told: list[str] = []
    again = explored(model, folder=tmp_path, progress=told.append)
    assert any("more from an earlier run" in text for text in told)
    assert again.found.points == explored(model).found.points


def test_what_ends_it_is_raised_by_whoever_waits(model, monkeypatch):
    def fails(self: Exploration, point) -> None:
        raise ZeroDivisionError("no")

    monkeypatch.setattr(Exploration, "_watch", fails)
    going = explored(model, wait=False)
    with pytest.raises(ZeroDivisionError):
        going.wait()
    assert "no" in going._repr_html_()
    assert going.points == ()


def test_a_space_is_a_file_tables_or_a_space(model, tmp_path):
    file = tmp_path / "space.toml"
    file.write_text(TOML)
    one = explored(model, space=file).found
    other = explored(model).found
    assert (one.points, one.identity) == (other.points, other.identity)
    assert explored(model, space=other.space, points=3).found.points == other.points[:3]


@pytest.mark.parametrize(("name", "size"), [("dvsnet", 480), ("nmnist", 48)])
def test_the_spaces_of_the_docs_are_as_large_as_they_say(name, size):
    assert load_space(EXAMPLES / f"{name}.toml").size == size


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("space") / "space.toml"
    file.write_text(TOML)
    return file


def test_the_front_comes_with_commands_that_build_it(space, tmp_path, monkeypatch, golden):
    monkeypatch.chdir(tmp_path)
    args = ("explore", DEMO_MODEL, "--target", "adcless-64", "--space", space, "-o", "found")
    golden(run(*args))
    answer = json.loads(run(*args, "--json"))
    assert answer == json.loads((tmp_path / "found" / DATA).read_text())
    assert [*map(int, answer["commands"])] == sorted(answer["front"])
    number = answer["front"][-1]
    program, *words = shlex.split(answer["commands"][str(number)])
    assert program == "spikeloom"
    monkeypatch.chdir("found")
    run(*words)
    costs = json.loads(run("cost", f"point-{number}", "--json"))
    held = [costs["energy_pj"]["total"][end] for end in ("low", "nominal", "high")]
    assert answer["points"][number]["energy_uj"] == [end / 1e6 for end in held]


def test_files_are_the_same_wherever_they_are(space, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.onnx").write_bytes(DEMO_MODEL.read_bytes())
    for folder in ("one", "other"):
        run("explore", "net.onnx", "--target", "adcless-64", "--space", space, "-o", folder)
    one, other = (
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*.*")}
        for folder in (tmp_path / "one", tmp_path / "other")
    )
    assert one == other
    written = {f"explore.{kind}" for kind in ("json", "csv", "md", "tex")}
    assert {*written, "index.html", "records.jsonl", "target.toml"} == {f.name for f in one}
    assert b"net.onnx" in one[Path("index.html")]
    assert b"spikeloom compile ../net.onnx --target designs/" in one[Path(DATA)]


def test_figures_of_a_folder_are_those_of_its_exploration(model, tmp_path):
    pytest.importorskip("vl_convert", reason="needs the extra 'figures'")
    going = explored(model, folder=tmp_path / "found")
    told = going.figures(tmp_path / "one").as_dict()
    answer = json.loads(run("figures", tmp_path / "found", "-o", tmp_path / "other", "--json"))
    assert answer == told | {"folder": str(tmp_path / "other")}
    one, other = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()}
        for name in ("one", "other")
    )
    assert one == other
    names = {figure["name"] for figure in told["figures"]}
    assert {"front-latency", "front-area", "parallel", "importance"} <= names
    assert "8 points of 8 in the space" in told["figures"][0]["caption"]
    again = run("figures", tmp_path / "found", "-o", tmp_path / "no", "--steps", 3, code=1)
    assert "explore-inputs" in again


WRONG = {
    "schema": (("schema",), "x"),
    "space": (("space", "axes"), {"arrray": [1]}),
    "names": (("network",), 3),
    "points": (("points",), {}),
    "number": (("points", 1, "number"), 7),
    "batch": (("points", 1, "batch"), -1),
    "axis": (("points", 1, "point", "array"), 7),
    "state": (("points", 1, "state"), "x"),
    "energy": (("points", 1, "energy_uj"), [1.0]),
}


@pytest.fixture(scope="module")
def written(model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("written")
    explored(model, folder=folder, points=3)
    return folder


def test_a_folder_is_read_to_what_was_found(model, written):
    read = read_explored(written).found
    found = explored(model, points=3).found
    assert read.points == found.points
    assert (read.front, read.network, read.target) == (found.front, found.network, found.target)


@pytest.mark.parametrize("name", WRONG)
def test_what_explore_does_not_write_is_refused(written, tmp_path, name):
    path, value = WRONG[name]
    answer = held = json.loads((written / DATA).read_text())
    for key in path[:-1]:
        held = held[key]
    held[path[-1]] = value
    (tmp_path / DATA).write_text(json.dumps(answer))
    with pytest.raises(MappingError) as caught:
        read_explored(tmp_path)
    code = "bad-space" if name == "space" else "bad-exploration"
    assert caught.value.diagnostics[0].code == code


def test_the_design_of_any_point_is_written_for_who_asks(space, tmp_path):
    args = ("explore", DEMO_MODEL, "--target", "adcless-64", "--space", space, "-o", tmp_path)
    off = next(
        point["number"]
        for point in json.loads(run(*args, "--json"))["points"]
        if not point["feasible"]
    )
    before = (tmp_path / RECORDS).read_bytes()
    assert not (tmp_path / "designs" / str(off)).exists()
    text = run(*args, "--build", off)
    assert f"-o point-{off}" in text.replace("\n", " ")
    assert (tmp_path / "designs" / str(off) / "target.toml").is_file()
    assert (tmp_path / RECORDS).read_bytes() == before
    assert "unknown-point" in run(*args, "--build", 99, code=1)


def test_a_terminal_shows_the_first_rows_of_a_long_front(model, monkeypatch):
    going = explored(model)
    lines = rich_text(explored_text(going, None, ()))
    monkeypatch.setattr("mapper.cli.explore._MOST_ROWS", 1)
    assert len(going.front) == 2
    short = rich_text(explored_text(going, None, ()))
    assert short.count("and 1 more, in --json") == 1
    assert "more, in --json" not in lines


def rich_text(shown: RenderableType) -> str:
    console = Console(width=140, file=io.StringIO(), record=True)
    console.print(shown)
    return console.export_text()


def test_wrong_words_are_refused(space, tmp_path):
    args = ("explore", DEMO_MODEL, "--target", "adcless-64", "--space", space)
    assert "no sampler is called 'tpee'" in run(*args, "--sampler", "tpee", code=1)
    assert "it needs a folder" in run(*args, "--build", 3, code=2)
    assert "bad-argument" not in run(*args, "--points", 2)
    assert "no-such-file" in run(*args[:4], "--space", tmp_path / "none.toml", code=1)


def test_designs_need_a_folder(model):
    with pytest.raises(MappingError, match=r"bad-argument.*written into a folder"):
        explored(model, build=[1])


def test_a_point_that_is_not_there_has_no_design(model):
    with pytest.raises(MappingError, match=r"unknown-point.*no point 8: the exploration has 8"):
        explored(model).design(8)
