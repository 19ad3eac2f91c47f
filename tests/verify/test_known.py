"""The page of a build tells what ``verify`` and ``run --trace`` found, and no more than that."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mapper
from mapper import cli
from mapper.build.files import sha256
from mapper.build.folder import ACTIVITY, RECORD, identity, read_build
from mapper.build.page import PAGE, with_page
from mapper.ir.weights import write_arrays
from mapper.proportions import Score
from mapper.recordings import read_arrays
from mapper.report import render_report
from mapper.verify import known
from mapper.verify.activity import ABOUT, recall_activity
from tests.files import DEMO_MODEL, DEMO_RECORDING

RUNNER = CliRunner()
STEPS, SAMPLES = 4, 3


def run(*args: object, code: int = 0) -> str:
    done = RUNNER.invoke(cli.app, [str(arg) for arg in args])
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("known") / "few.npz"
    arrays = read_arrays(DEMO_RECORDING)
    np.savez(path, x=arrays["x"][:STEPS, :SAMPLES], labels=arrays["labels"][:SAMPLES])
    return path


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("known") / "compiled"
    run("compile", DEMO_MODEL, "--target", "adcless-64", "-o", folder)
    return folder


@pytest.fixture(scope="module")
def verified(compiled: Path, recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(compiled, tmp_path_factory.mktemp("known") / "verified"))
    run("verify", folder, "--input", recording)
    return folder


@pytest.fixture
def build(verified: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(verified, tmp_path / "build"))


def page_of(folder: Path) -> str:
    """Return the words of a page."""
    text = (folder / PAGE).read_text()
    body = text[text.index("<main") : text.index("</main>")]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


# --- what is written -----------------------------------------------------------------------


def test_the_page_of_a_build_that_was_verified_says_so(compiled, verified, recording):
    before, after = page_of(compiled), page_of(verified)
    assert "Nothing was verified for this page" in before
    assert "Nothing was recorded for this page" in before
    assert "spikeloom verify BUILD --input recordings.npz --model model.onnx" in before
    assert "Nothing was" not in after
    digest = sha256(recording)
    right = recall_activity(read_build(verified), verified)[0].counted.right
    assert f"Counted on few.npz, SHA-256 {digest}: 3 samples of 4 time steps" in after
    assert f"right on {Score(right, 3)}" in after
    assert "A neuron spikes in" in after
    head = (verified / PAGE).read_text()
    assert "One inference of 4 time steps" in head
    assert "spikes measured on 3 samples of few.npz" in head


def test_the_cost_on_the_page_is_that_of_the_recording(build, recording, tmp_path):
    told = mapper.load(build).report(None)
    run("run", build, "--input", recording, "--output", tmp_path / "y.npz", "--trace")
    counted = mapper.load(build).cost(tmp_path / "y.trace.npz")
    assert told.cost == counted.cost
    assert mapper.load(build).cost(build / ACTIVITY).cost == counted.cost
    assert told.cost != mapper.load(build).cost().cost  # of one time step, as before


def test_a_traced_run_alone_tells_spikes_and_accuracy(compiled, recording, tmp_path):
    folder = Path(shutil.copytree(compiled, tmp_path / "b"))
    run("run", folder, "--input", recording, "--output", tmp_path / "y.npz")
    assert (folder / PAGE).read_bytes() == (compiled / PAGE).read_bytes()
    run("run", folder, "--input", recording, "--output", tmp_path / "y.npz", "--trace")
    page = page_of(folder)
    assert "Nothing was verified for this page" in page
    assert "3 samples of 4 time steps, of which the mapping is right on" in page


def test_arrays_in_memory_leave_a_build_as_it_is(compiled, recording, tmp_path):
    folder = Path(shutil.copytree(compiled, tmp_path / "b"))
    mapper.load(folder).run(read_arrays(recording), trace=True)
    mapper.load(folder).verify(read_arrays(recording))
    assert {p.name: sha256(p) for p in folder.iterdir()} == {
        p.name: sha256(p) for p in compiled.iterdir()
    }


def test_every_hash_of_the_manifest_holds_and_the_build_stays_the_same(compiled, verified):
    before, after = (json.loads((f / "manifest.json").read_text()) for f in (compiled, verified))
    assert after["files"] == {name: sha256(verified / name) for name in after["files"]}
    assert after == with_page(before, (verified / PAGE).read_bytes())
    assert identity(compiled) == identity(verified)


def test_the_page_is_a_function_of_mapping_and_records(verified, tmp_path):
    build = read_build(verified)
    again = render_report(build.report(known.known(build, verified)))
    assert "recorded, not run again" in again
    run("report", verified, "-o", tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == again
    folder = Path(shutil.copytree(verified, tmp_path / "copy"))
    assert "as compiled" not in run("report", folder)
    assert (folder / PAGE).read_text() == again
    mapper.load(folder, page=True)


def test_a_page_says_what_its_own_command_verified_and_a_later_one_that_it_is_a_record(
    verified, recording, tmp_path
):
    folder, file = Path(shutil.copytree(verified, tmp_path / "b")), f"few.npz, {digest(recording)}"
    line = f"5 rings equal, 2 skipped, on {file}; they ran when this page was laid out"
    assert re.search(f"Verified bit-exact; .* {line}", page_of(folder))
    assert "not run again" not in page_of(folder)
    assert "recorded run" not in (folder / PAGE).read_text()
    run("report", folder)
    assert "Verified recorded, not run again" in page_of(folder)
    assert f"a record of {file}: 5 rings equal, 2 skipped; verify runs them again" in page_of(
        folder
    )
    assert "bit-exact" not in page_of(folder)
    run("verify", folder, "--input", recording)
    assert (folder / PAGE).read_bytes() == (verified / PAGE).read_bytes()


def digest(file: Path) -> str:
    return f"SHA-256 {sha256(file)[:12]}"


def test_a_later_run_leaves_what_was_verified_before_it_a_record(build, recording, tmp_path):
    run("run", build, "--input", recording, "--output", tmp_path / "y.npz", "--trace")
    assert "Verified recorded, not run again" in page_of(build)
    assert "it was not run again for this page" not in page_of(build)  # the spikes were


@pytest.mark.parametrize("command", ["verify", "run"])
def test_a_page_stays_as_its_own_command_laid_it_out_where_nobody_can_write(
    build, recording, tmp_path, monkeypatch, command
):
    if command == "run":
        run("run", build, "--input", recording, "--output", tmp_path / "y.npz", "--trace")
    held = (build / PAGE).read_bytes()

    def refused(*args: object, **kwargs: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(known, "changed_files", refused)
    assert "recorded, not run again" in run("report", build)
    assert (build / PAGE).read_bytes() == held
    forge_page(build)
    assert "the records give" in run("report", build, "--json", code=1)


def test_a_comparison_writes_pages_that_tell_what_it_ran(tmp_path, recording):
    options = ("--targets", "adcless-64", "--input", recording, "-o", tmp_path / "c")
    run("compare", DEMO_MODEL, *options)
    folder = tmp_path / "c" / "adcless-64"
    page = page_of(folder)
    assert "Counted on few.npz" in page
    assert "Nothing was verified" in page
    mapper.load(folder, page=True)


# --- where it cannot be written ------------------------------------------------------------


def test_a_build_that_may_not_be_written_is_noted_and_the_command_succeeds(
    build, recording, tmp_path, monkeypatch
):
    held = {p.name: p.read_bytes() for p in build.iterdir()}

    def refused(*args: object, **kwargs: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(known, "changed_files", refused)
    note = "the result is not stored with the build: Read-only file system"
    answer = json.loads(run("verify", build, "--input", recording, "--json"))
    assert answer["warnings"][-1] == note
    options = ("--input", recording, "--output", tmp_path / "y.npz", "--trace", "--json")
    assert note in json.loads(run("run", build, *options))["notes"]
    assert {p.name: p.read_bytes() for p in build.iterdir()} == held


def test_a_record_that_came_later_is_on_the_page_before_it_is_opened(build, compiled, tmp_path):
    folder = Path(shutil.copytree(compiled, tmp_path / "b"))
    shutil.copy(build / RECORD, folder / RECORD)
    run("report", folder)
    run("report", folder, "-o", tmp_path / "page.html")
    assert (folder / PAGE).read_bytes() == (tmp_path / "page.html").read_bytes()
    assert "recorded, not run again" in page_of(folder)
    assert "a record of few.npz" in page_of(folder)
    run("cost", folder)


def test_what_was_found_does_not_go_into_another_build_that_took_the_place(
    build, compiled, recording, tmp_path
):
    loaded = mapper.load(build)
    shutil.rmtree(build)
    run("compile", DEMO_MODEL, "--target", "ideal-128", "-o", build)
    held = {p.name: p.read_bytes() for p in build.iterdir()}
    told = "the result is not stored with the build: another build has taken its place"
    assert loaded.verify(recording).warnings[-1] == told
    assert told in loaded.run(recording, trace=True).notes
    assert {p.name: p.read_bytes() for p in build.iterdir()} == held
    shutil.rmtree(build)
    assert "not stored with the build" in loaded.run(recording, trace=True).notes[-1]


# --- what is not believed ------------------------------------------------------------------


def test_a_page_that_was_changed_is_refused(build):
    page = (build / PAGE).read_bytes()
    (build / PAGE).write_bytes(page.replace(b"bit-exact", b"certified"))
    answer = json.loads(run("cost", build, "--json", code=1))
    assert [error["code"] for error in answer["errors"]] == ["build-changed"]


def test_a_page_that_someone_put_into_the_manifest_does_not_come_to_be_opened(build, compiled):
    run("report", build)
    before = (build / PAGE).read_bytes()
    forge_page(build)
    run("report", build)
    assert (build / PAGE).read_bytes() == before
    (build / RECORD).unlink()
    (build / ACTIVITY).unlink()
    forge_page(build)
    assert "the records give" in run("report", build, "--json", code=1)


def forge_page(build: Path) -> None:
    (build / PAGE).write_text("<script>")
    manifest = json.loads((build / "manifest.json").read_text())
    (build / "manifest.json").write_text(json.dumps(with_page(manifest, b"<script>")))


def forged(build: Path, change: Callable[[dict], object]) -> Path:
    """Change what an activity record says of itself."""
    arrays = read_arrays(build / ACTIVITY)
    about = json.loads(arrays[ABOUT].tobytes())
    change(about)
    arrays[ABOUT] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    write_arrays(build / ACTIVITY, arrays)
    return build


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda about: about.update(schema="x"), "it is not of schema"),
        (lambda about: about.pop("input"), "'input'"),
        (lambda about: about.update(input=3), "it does not name its recording"),
        (lambda about: about.update(right=4), "4 of 3 right answers"),
        (lambda about: about.update(right=-1), "-1 of 3 right answers"),
        (lambda about: about.update(right=True), "True of 3 right answers"),
        (lambda about: about.update(right=None), "None of 3 right answers"),
        (lambda about: about.update(right=4, labelled=9), "9 labels for 3 samples"),
    ],
)
def test_an_activity_record_that_run_would_not_write_is_refused(build, change, reason):
    told = run("report", forged(build, change), "--json", code=1)
    (error,) = json.loads(told)["errors"]
    assert error["code"] == "bad-activity"
    assert reason in error["message"]


def test_an_activity_record_that_is_a_pipe_is_refused(build):
    (build / ACTIVITY).unlink()
    os.mkfifo(build / ACTIVITY)
    assert "this is no plain file" in run("report", build, "--json", code=1)


def test_counts_that_the_network_cannot_give_are_refused(build):
    arrays = read_arrays(build / ACTIVITY)
    write_arrays(build / ACTIVITY, {**arrays, "x": arrays["x"] + 10**6})
    (error,) = json.loads(run("report", build, "--json", code=1))["errors"]
    assert error["code"] == "bad-activity"
    assert "counts 1000" in error["message"]


def test_an_activity_record_of_another_build_or_version_does_not_hold(build):
    forged(build, lambda about: about.update(version="0.0.0"))
    assert recall_activity(read_build(build), build) is None
    forged(build, lambda about: about.update(version=mapper.__version__, build="0" * 64))
    assert recall_activity(read_build(build), build) is None
