"""Large networks: a choice of rings and recordings, runs that are stopped, memory, time left."""

import json
import shutil
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mapper as spikeloom
from mapper import cli
from mapper.build.folder import RECORD
from mapper.build.make import make_build
from mapper.build.model import Build
from mapper.build.page import PAGE
from mapper.diagnostics import MappingError
from mapper.executor.engine import ENGINES
from mapper.frontend import import_model
from mapper.ir.core import Array, Graph
from mapper.recordings import read_arrays
from mapper.verify import build as rings_of_a_build
from mapper.verify import rings
from mapper.verify.asked import Asked, Rings
from mapper.verify.build import verify_build
from mapper.verify.record import recall, record_of
from mapper.verify.result import NOT_CHOSEN, RINGS, STOPPED, Verification
from targets import load_target
from tests.files import DEMO_MODEL, DEMO_RECORDING

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def build() -> Build:
    made = make_build(import_model(DEMO_MODEL), load_target("adcless-64"), None, None, source={})
    assert made is not None
    return made


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("asked") / "b"
    spikeloom.compile(DEMO_MODEL, "adcless-64").save(folder)
    return folder


@pytest.fixture
def folder(compiled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(compiled, tmp_path / "b"))


def codes(steps: int, samples: int = 1) -> dict[str, Array]:
    return {"x": read_arrays(DEMO_RECORDING)["x"][:steps, :samples].astype(np.int64)}


def verify(folder: Path, *options: str, code: int = 0) -> str:
    arguments = ["verify", str(folder), "--input", str(DEMO_RECORDING), *options]
    done = RUNNER.invoke(cli.app, arguments)
    assert done.exit_code == code, done.output
    return done.stdout


# --- what is asked for -------------------------------------------------------------------------


def test_rings_are_chosen_by_number_or_name_and_the_others_say_so(folder, tmp_path):
    text = verify(folder, "--rings", "2,4-executor", "--steps", "4", "--samples", "3", "--json")
    told = json.loads(text)
    ran = {ring["name"] for ring in told["rings"] if ring["status"] == "equal"}
    assert ran == {"2-exact-passes", "4-executor"}
    assert {r["reason"] for r in told["rings"] if r["name"] not in ran} == {NOT_CHOSEN}
    assert [ring["name"] for ring in told["rings"]] == list(RINGS)
    extent = {"steps": 4, "of_steps": 20, "samples": 3, "of_samples": 18}
    assert extent.items() <= told["recording"].items()
    assert told["recording"]["told"] == "3 samples of 4 time steps"
    assert told["firing"]["steps"] == 4
    assert "inexact_passes" not in told
    held = json.loads((folder / RECORD).read_text())["verification"]
    assert held["recording"] == told["recording"]
    assert "2 rings equal, 6 skipped" in (folder / "report.html").read_text()
    assert "bit-exact in rings 2, 4 of 8" in (folder / "report.html").read_text()
    compared = RUNNER.invoke(cli.app, ["compare", str(folder), "-o", str(tmp_path / "c")])
    assert compared.exit_code == 0
    assert "(rings 2, 4 of 8)" in (tmp_path / "c" / "compare.html").read_text()


def test_the_text_says_how_much_was_verified(folder):
    lines = " ".join(verify(folder, "--rings", "4", "--steps", "2", "--samples", "1").split())
    assert "on the first 1 of 18 samples, the first 2 of 20 time steps" in lines
    assert "bit-exact, ring 4 of 8" in lines


def test_passes_alone_prove_no_engine_and_refute_none(folder):
    text = verify(folder, "--rings", "1,2", "--steps", "1", "--samples", "1")  # exit code 0
    assert "nothing was compared, rings 1-2 of 8" in " ".join(text.split())


def test_more_than_there_is_is_all_there_is(compiled):
    x = read_arrays(DEMO_RECORDING)["x"][:3, :2]
    found = spikeloom.load(compiled).verify(x, rings=[4], steps=99, samples=99)
    assert found.extent.whole
    assert str(found.extent) == "2 samples of 3 time steps"


def test_labels_are_cut_with_their_samples(compiled):
    arrays = read_arrays(DEMO_RECORDING)
    loaded = spikeloom.load(compiled)
    part = loaded.verify(arrays, rings="4", samples=5)
    alone = loaded.verify({"x": arrays["x"][:, :5], "labels": arrays["labels"][:5]}, rings="4")
    assert part.accuracy == alone.accuracy
    assert part.firing == alone.firing


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"rings": "9"}, "unknown-ring"),
        ({"rings": ""}, "unknown-ring"),
        ({"rings": "4;5"}, "unknown-ring"),
        ({"steps": 0}, "verify-extent"),
        ({"samples": -1}, "verify-extent"),
    ],
)
def test_what_is_no_choice_is_refused_with_those_there_are(given, code):
    with pytest.raises(MappingError) as caught:
        Asked.of(**given)
    assert caught.value.diagnostics[0].code == code


def test_a_model_has_no_such_choice():
    done = RUNNER.invoke(
        cli.app, ["verify", str(DEMO_MODEL), "--input", str(DEMO_RECORDING), "--steps", "1"]
    )
    assert done.exit_code == 2


# --- runs that are stopped ---------------------------------------------------------------------


def stopped(folder: Path, monkeypatch: pytest.MonkeyPatch, at: str, *options: str) -> None:
    """Verify a build and stop the run in a part of it."""

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rings_of_a_build, at, stop)
        arguments = ["verify", str(folder), "--input", str(DEMO_RECORDING), *options]
        assert RUNNER.invoke(cli.app, arguments).exit_code != 0


def test_rings_that_ended_are_kept_when_a_run_is_stopped(folder, monkeypatch, tmp_path):
    stopped(folder, monkeypatch, "inexact_passes", "--steps", "2", "--samples", "1")
    found = recall(folder).found
    assert found.partial
    assert found.coverage == "rings 1-7 of 8"
    assert [ring.reason for ring in found.rings if ring.reason == STOPPED] == [STOPPED]
    assert [ring.status for ring in found.rings[:2]] == ["equal"] * 2
    shown = (folder / PAGE).read_text()
    assert "(rings 1-7 of 8, then stopped)" in shown  # without asking for a report
    page = tmp_path / "page.html"
    assert RUNNER.invoke(cli.app, ["report", str(folder), "-o", str(page)]).exit_code == 0
    assert "(rings 1-7 of 8, then stopped)" in page.read_text()
    verify(folder, "--steps", "2", "--samples", "1")
    whole = recall(folder).found
    assert (whole.partial, whole.coverage) == (False, "")


def test_a_run_that_is_stopped_early_keeps_what_there_was(folder, monkeypatch):
    stopped(folder, monkeypatch, "engine_rings", "--steps", "2", "--samples", "1")
    assert recall(folder).found.coverage == "rings 1-3 of 8"
    told = RUNNER.invoke(cli.app, ["cost", str(folder)]).stdout
    assert "no engine ran beside the definition (rings 1-3 of 8, then stopped)" in " ".join(
        told.split()
    )
    verify(folder, "--rings", "4", "--steps", "1", "--samples", "1")
    before = (folder / RECORD).read_bytes()
    stopped(folder, monkeypatch, "engine_rings", "--steps", "2", "--samples", "1")
    assert (folder / RECORD).read_bytes() == before  # of a run that ended


def test_a_mismatch_is_not_taken_back_by_other_rings_or_less_of_the_recording(folder):
    verify(folder, "--rings", "4,8", "--steps", "3", "--samples", "2")
    held = recall(folder)
    wrong = tuple(
        replace(ring, status="mismatch") if ring.name == "4-executor" else ring
        for ring in held.found.rings
    )
    own = json.loads((folder / RECORD).read_text())["build"]
    (folder / RECORD).write_bytes(record_of(own, replace(held.found, rings=wrong), held.files))
    for options in (("--rings", "5"), ("--rings", "4", "--steps", "2", "--samples", "2")):
        verify(folder, *options)
        assert recall(folder).found.bit_exact is False, options
    verify(folder, "--rings", "4", "--steps", "3", "--samples", "2")
    assert recall(folder).found.bit_exact is True


# --- a few steps at a time ---------------------------------------------------------------------


def test_the_answer_does_not_depend_on_how_many_steps_are_together(build, monkeypatch):
    whole = verify_build(build, codes(7, 3), codes(7, 3))
    monkeypatch.setattr(rings, "_CHUNK", 1)  # two steps
    monkeypatch.setattr(rings, "_ELEMENTS", 1)  # one sample
    assert verify_build(build, codes(7, 3), codes(7, 3)) == whole


@dataclass(frozen=True)
class Wrong:
    """NumPy that gives a wrong number where the input is what step 5 of sample 1 has."""

    at: Array
    name: str = "wrong"

    def unavailable(self) -> str:
        return ""

    def prepare(self, graph: Graph, **options: object) -> "Wrong._Prepared":
        return Wrong._Prepared(ENGINES["numpy"].prepare(graph), self.at)

    @dataclass(frozen=True)
    class _Prepared:
        sound: object
        at: Array

        def run(self, inputs: Mapping[str, Array], *initial: Mapping[str, Array]) -> dict:
            found = self.sound.run(inputs, *initial)
            for t, b in np.ndindex(inputs["x"].shape[:2]):
                if np.array_equal(inputs["x"][t, b], self.at):
                    for array in found.values():
                        array[t, b].flat[0] += 1
            return found


@pytest.mark.parametrize(("chunk", "elements"), [(1, 1), (1, 1 << 24), (1 << 24, 1 << 24)])
def test_a_fault_in_a_late_step_has_its_own_step_and_sample(build, chunk, elements, monkeypatch):
    monkeypatch.setattr(rings, "_CHUNK", chunk)
    monkeypatch.setattr(rings, "_ELEMENTS", elements)
    inputs = codes(7, 2)
    wrong = Wrong(inputs["x"][5, 1])
    (ring,), _ = rings.engine_rings(build.hardware, inputs, {"4": wrong}, ())
    assert ring.status == "mismatch"
    assert (ring.first_mismatch.step, ring.first_mismatch.sample) == (5, 1)


def test_an_engine_that_does_not_hand_its_states_on_is_found(build, monkeypatch):
    """Within two steps it has to, whatever it is given to start from."""

    class Forgetful(Wrong):
        def prepare(self, graph: Graph, **options: object) -> object:
            sound = ENGINES["numpy"].prepare(graph)

            class Prepared:
                def run(self, inputs: Mapping[str, Array], *initial: object) -> dict[str, Array]:
                    steps = [sound.run({"x": step[None]}, *initial) for step in inputs["x"]]
                    return {name: np.concatenate([s[name] for s in steps]) for name in steps[0]}

            return Prepared()

    monkeypatch.setattr(rings, "_CHUNK", 1)
    inputs = codes(8)
    (ring,), _ = rings.engine_rings(build.hardware, inputs, {"4": Forgetful(inputs["x"][0])}, ())
    assert ring.status == "mismatch"


def test_memory_does_not_grow_with_time_steps(build, monkeypatch):
    monkeypatch.setattr(rings, "_CHUNK", 1)
    chosen = Asked.of("2,4,8")

    def peak(steps: int) -> int:
        inputs = {"x": np.tile(codes(2)["x"], (steps // 2, 1, 1, 1, 1))}
        tracemalloc.start()
        verify_build(build, inputs, inputs, rings=Rings(asked=chosen))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    few = peak(4)
    assert peak(12) < few + (1 << 20)  # a step of all layers takes 10 MB; of what is kept 3 kB


# --- how long it takes -------------------------------------------------------------------------


def test_every_ring_with_a_long_way_to_go_says_how_far_it_is(build, monkeypatch):
    monkeypatch.setattr("mapper.progress._PAUSE", 0.0)
    lines: list[str] = []
    verify_build(build, codes(4), codes(4), progress=lines.append)
    told = {line.partition(":")[0] for line in lines if line.endswith(" left")}
    engines = "4-executor, 5-native-kernels, 6-lowered-onnx"
    assert told == {"2-exact-passes", engines, "8-inexact-passes"}


def test_an_answer_of_all_rings_says_nothing_of_a_choice(build):
    found = verify_build(build, codes(2), codes(2))
    assert isinstance(found, Verification)
    assert (found.coverage, found.partial) == ("", False)
