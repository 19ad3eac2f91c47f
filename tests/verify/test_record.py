"""What ``verify`` keeps with a build: told while it holds, and never for another build."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from mapper import __version__, api, cli
from mapper.build.files import sha256
from mapper.build.folder import RECORD, identity, read_build
from mapper.cli import tables
from mapper.diagnostics import MappingError
from mapper.progress import silent
from mapper.recordings import read_arrays
from mapper.report.headline import judged
from mapper.verify import reference
from mapper.verify.measured import _Change
from mapper.verify.read import read_verification
from mapper.verify.record import Verified, recall, record_of, staying
from mapper.verify.result import (
    EXECUTOR,
    LISTED,
    NOT_CHOSEN,
    PASSES,
    REFERENCE,
    RULES,
    STOPPED,
    Extent,
    Ring,
    Tie,
    Verification,
)
from mapper.writing import json_text
from tests.files import DEMO_MODEL, DEMO_RECORDING

RUNNER = CliRunner()


def run(*args: object, code: int = 0) -> str:
    done = RUNNER.invoke(cli.app, [str(arg) for arg in args])
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verified") / "one.npz"
    arrays = read_arrays(DEMO_RECORDING)
    np.savez(path, x=arrays["x"][:3, :1], labels=arrays["labels"][:1])
    return path


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, recording: Path) -> Path:
    """A build that was verified."""
    folder = tmp_path_factory.mktemp("verified") / "build"
    run("compile", DEMO_MODEL, "--target", "adcless-64", "-o", folder)
    run("verify", folder, "--input", recording)
    return folder


@pytest.fixture
def build(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "build"))


def record(build: Path) -> dict[str, Any]:
    held: dict[str, Any] = json.loads((build / RECORD).read_text())
    return held


def changed(build: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    held = record(build)
    change(held)
    (build / RECORD).write_text(json.dumps(held))
    return build


def mismatched(held: dict[str, Any]) -> None:
    """Make the record one of a mismatch in ring 4."""
    held["verification"]["bit_exact"] = False
    place = {"step": 2, "sample": 0, "layer": "N1", "source": "m:/n", "found": 1, "expected": 0}
    ring = held["verification"]["rings"][3]
    ring.update(status="mismatch", max_abs_diff=1.0, first_mismatch=place)


def test_what_was_found_is_kept_with_the_build_and_its_recording(kept, recording):
    held = record(kept)
    manifest = json.loads((kept / "manifest.json").read_text())
    assert held["build"] == identity(kept)
    assert manifest["files"]["report.html"] == sha256(kept / "report.html")
    assert held["files"] == {"input": f"one.npz, SHA-256 {sha256(recording)}"}
    assert held["verification"]["bit_exact"] is True
    found = recall(kept)
    assert found.files == held["files"]
    assert json.loads(json_text(found.found.as_dict())) == held["verification"]


def test_reports_cost_and_comparison_tell_it(build, tmp_path):
    page = tmp_path / "page.html"
    answer = json.loads(run("report", build, "-o", page, "--json"))
    assert (answer["bit_exact"], answer["recorded"]) == (None, True)
    assert answer["verification"] == record(build)["verification"]
    text = page.read_text()
    first = text[text.index("Verified") :][:400]
    assert "recorded, not run again" in first
    assert "a record of one.npz, SHA-256" in first
    assert "nothing was run again for this page" in text
    assert "recorded, input" in text
    compared = json.loads(run("compare", build, "--json"))["targets"][0]
    assert compared["verification"] == record(build)["verification"]
    assert compared["recorded"] is True
    run("run", build, "--input", DEMO_RECORDING, "--output", tmp_path / "y.npz")  # still a build


def test_a_record_is_never_told_as_proof(build, recording, tmp_path):
    """Whoever keeps the folder can write into it that all rings agree."""
    run("compare", build, "-o", tmp_path / "c")
    told = [run("cost", build), run("report", build), run("compare", build)]
    told += [(tmp_path / "c" / "compare.html").read_text()]
    for text in told:
        words = " ".join(text.split())
        assert "recorded, not run again" in words
        assert "bit-exact" not in words
    fresh = ("report", build, "--input", recording, "-o", tmp_path / "page.html")
    assert "Verified" in run(*fresh)
    assert "bit-exact" in (tmp_path / "page.html").read_text()
    answer = json.loads(run(*fresh, "--json"))
    assert (answer["bit_exact"], answer["recorded"]) == (True, False)


def test_a_mismatch_is_told_with_its_place_and_exits_1(build, tmp_path):
    changed(build, mismatched)
    text = run("report", build, code=1)
    assert "not bit-exact" in text
    told = " ".join(text.split())
    assert "mismatch in 4-executor, first at step 2, sample 0, layer N1: 1 for 0" in told
    run("compare", build, "-o", tmp_path / "c")
    page = (tmp_path / "c" / "compare.html").read_text()
    assert "mismatch in 4-executor, first at step 2" in page
    assert "is not bit-exact: see its verification" in page


def test_a_record_of_another_build_or_version_does_not_hold(build, tmp_path):
    other = tmp_path / "other"
    run("compile", DEMO_MODEL, "--target", "ideal-128", "-o", other)
    shutil.copy(build / RECORD, other / RECORD)
    assert recall(other) == Verified(
        found=None, reason="the verification in the folder is of another build"
    )
    page = tmp_path / "page.html"
    assert "bit_exact" not in json.loads(run("report", other, "-o", page, "--json"))
    assert "the verification in the folder is of another build" in page.read_text()
    changed(build, lambda held: held.update(version=f"{__version__}.1"))
    assert recall(build).found is None


def test_compiling_again_forgets_it(build):
    run("compile", DEMO_MODEL, "--target", "adcless-64", "-o", build)
    assert not (build / RECORD).exists()


def test_a_mismatch_stays_until_its_own_recording_agrees(build, recording, tmp_path):
    changed(build, mismatched)
    changed(build, lambda held: held["files"].update(input="other.npz, SHA-256 00"))
    answer = json.loads(run("verify", build, "--input", recording, "--json"))
    assert answer["warnings"][-1:] == [
        "the mismatch on other.npz, SHA-256 00 stays in verification.json: "
        "verify on that recording again"
    ]
    assert recall(build).found.bit_exact is False
    again = record(build)
    sound = recall(build).found
    rings = list(sound.rings)
    rings[3] = Ring(name=rings[3].name, status="equal", reason="now", max_abs_diff=0.0)
    found = replace(sound, rings=tuple(rings))
    assert staying(build, again["files"]) == ""
    (build / RECORD).write_bytes(record_of(identity(build), found, again["files"]))
    assert recall(build).found == found
    assert staying(build, {"input": "any"}) == ""


def test_a_folder_that_cannot_be_written_is_verified_all_the_same(build, recording):
    (build / RECORD).unlink()
    (build / RECORD).mkdir()
    (build / RECORD / "x").write_text("")
    answer = json.loads(run("verify", build, "--input", recording, "--json"))
    assert answer["bit_exact"] is True
    *_, warning = answer["warnings"]
    assert warning.startswith("the result is not stored with the build: ")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda held: held.update(schema="x"), "schema 'x'"),
        (lambda held: held.update(verification=3), "it has no rings"),
        (lambda held: held["verification"]["rings"].pop(), "its rings are not 1-graph-rules"),
        (lambda held: held["verification"]["rings"].insert(0, 5), "its rings are not"),
        (lambda held: held["verification"].update(bit_exact=False), "bit_exact is False, its"),
        (lambda held: held["verification"]["rings"][3].update(status="mismatch"), "bit_exact is"),
        (lambda held: held["verification"]["rings"][3].update(status=[]), "has status []"),
        (lambda held: held["verification"]["rings"][3].update(reason=None), "has no reason"),
        (lambda held: held["verification"]["rings"][3].update(max_abs_diff="1"), "differs by '1'"),
        (lambda held: held["verification"]["rings"][3].update(first_mismatch=1), "is no place"),
        (lambda held: held["verification"].update(accuracy=1.5), "accuracy is 1.5, not a share"),
        (lambda held: held["verification"].update(accuracy="1"), "accuracy is '1', not a share"),
        (lambda held: held["verification"].update(inexact_passes=[1]), "an inexact pass is 1"),
        (
            lambda held: held["verification"]["inexact_passes"][0].update(output_error="x"),
            "the output error of 'encode-inputs' is 'x'",
        ),
        (lambda held: held.update(files={}), "it does not name its recording"),
        (lambda held: held.update(files={"input": 3}), "it does not name its recording"),
    ],
)
def test_what_verify_would_not_write_is_refused(build, change, reason):
    with pytest.raises(MappingError) as refused:
        recall(changed(build, change))
    (problem,) = refused.value.diagnostics
    assert problem.code == "bad-verification"
    assert reason in problem.message


def test_an_output_that_overflows_has_no_number_and_is_told(build, recording, tmp_path):
    lowered = read_build(build).report().graph
    shape = (1, *lowered.outputs[0].shape)
    ran = {value.name: np.zeros(shape, np.int64) for value in lowered.outputs}
    source = {value.name: np.full(shape, np.inf) for value in lowered.outputs}
    change = _Change("any", lowered, [])
    change.add(ran, source)
    assert change.found.output_error is None
    change.add(ran, ran)
    error = change.found.output_error
    assert error is None
    changed(
        build, lambda held: held["verification"]["inexact_passes"][0].update(output_error=error)
    )
    assert '"output_error": null' in (build / RECORD).read_text()
    page = tmp_path / "page.html"
    run("report", build, "-o", page)
    assert "<td>overflows</td>" in page.read_text()
    found = recall(build).found
    console = Console(width=200)
    with console.capture() as printed:
        console.print(tables.verification(found))
    assert "overflows" in printed.get()


def test_a_record_that_is_no_json_is_refused_until_verify_writes_it_again(build, recording):
    (build / RECORD).write_text("{")
    answer = json.loads(run("cost", build, "--json", code=1))
    assert [error["code"] for error in answer["errors"]] == ["bad-verification"]
    api.verify(build, recording)
    assert recall(build).found.bit_exact


def tied_rings(count: int) -> Verification:
    """Eight rings, the third equal but for ties."""
    tie = Tie(step=3, sample=0, layer="s2", position=(4, 7, 7), distance=1.5e-7, bound=4e-7)
    names = ("1-graph-rules", "2-exact-passes", "3-onnxruntime", "4-executor")
    names += ("5-native-kernels", "6-lowered-onnx", "7-trained-export", "8-inexact-passes")
    rings = [Ring(name=name, status="equal") for name in names]
    rings[2] = replace(rings[2], ties=count, tied=(tie,) * min(count, LISTED))
    return Verification(rings=tuple(rings))


@pytest.mark.parametrize("count", [0, 1, 20, 1000])
def test_ties_are_written_and_read_again(count):
    found = tied_rings(count)
    told = found.as_dict()
    assert read_verification(json.loads(json_text(told))) == found
    assert found.bit_exact is True
    if count == 0:
        assert "ties" not in told["rings"][2]
        return
    assert told["rings"][2]["ties"] == count
    assert told["rings"][2]["tied"][0] == {
        "step": 3,
        "sample": 0,
        "layer": "s2",
        "position": [4, 7, 7],
        "distance": 1.5e-7,
        "bound": 4e-7,
    }
    assert str(found.rings[2]) == (
        f"3-onnxruntime: equal but for {count:,} {'tie' if count == 1 else 'ties'}"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda ring: ring.update(ties=0),
        lambda ring: ring.update(ties=True),
        lambda ring: ring.update(ties=3),
        lambda ring: ring.update(tied=[]),
        lambda ring: ring.update(status="mismatch"),
        lambda ring: ring["tied"][0].update(distance=5e-7),
        lambda ring: ring["tied"][0].update(position="4"),
        lambda ring: ring["tied"][0].pop("bound"),
    ],
)
def test_ties_that_verify_does_not_write_are_refused(change):
    told = json.loads(json_text(tied_rings(1).as_dict()))
    change(told["rings"][2])
    told["bit_exact"] = all(ring["status"] != "mismatch" for ring in told["rings"])
    with pytest.raises(ValueError, match=r"ring 3-onnxruntime"):
        read_verification(told)


def test_a_terminal_lists_the_first_ties_and_counts_the_rest():
    console = Console(record=True, width=200)
    console.print(tables.verification(tied_rings(1000)))
    text = console.export_text()
    at = "step 3, sample 0, layer s2, position [4, 7, 7]"
    line = f"  tie at {at}: 1.5e-07 from its threshold, rounding reaches 4.0e-07\n"
    assert text.count(line) == LISTED
    assert "  and 980 more\n" in text
    assert text.rstrip().endswith("\nbit-exact")


def test_what_was_verified_of_a_recording_is_written_and_read_again():
    extent = Extent(steps=5, of_steps=20, samples=1, of_samples=32)
    found = replace(tied_rings(0), extent=extent, partial=True)
    told = json.loads(json_text(found.as_dict()))
    assert told["recording"] == {"steps": 5, "of_steps": 20, "samples": 1, "of_samples": 32}
    assert told["partial"] is True
    assert read_verification(told) == found
    assert str(extent) == "the first 1 of 32 samples, the first 5 of 20 time steps"
    told["recording"]["steps"] = 21
    with pytest.raises(ValueError, match=r"recording"):
        read_verification(told)


def test_rings_that_were_left_out_are_told_by_number():
    assert tied_rings(0).coverage == ""
    rings = list(tied_rings(0).rings)
    for k, reason in {2: NOT_CHOSEN, 4: "no compiler", 5: NOT_CHOSEN, 7: STOPPED}.items():
        rings[k] = replace(rings[k], status="skipped", reason=reason)
    assert replace(tied_rings(0), rings=tuple(rings)).coverage == "rings 1-2, 4-5, 7 of 8"


def test_where_nothing_was_compared_nothing_is_said_to_be_exact(tmp_path, monkeypatch):
    """The only engine beside ours cannot run the file."""
    told = Ring(name=REFERENCE, status="skipped", reason="no engine takes it")
    whole = reference.reference_ring
    monkeypatch.setattr(
        reference,
        "reference_ring",
        lambda given, keep=(), progress=silent: (told, whole(given, keep)[1]),
    )
    text = run("verify", DEMO_MODEL, "--input", DEMO_RECORDING, code=1)
    assert "nothing was compared" in text
    assert "bit-exact" not in text
    answer = json.loads(run("verify", DEMO_MODEL, "--input", DEMO_RECORDING, "--json", code=1))
    assert (answer["bit_exact"], answer["verdict"]) == (False, "nothing was compared")


def test_rings_of_the_definition_alone_compare_nothing():
    alone = [Ring(name=name, status="equal") for name in (RULES, PASSES)]
    skipped = Ring(name=EXECUTOR, status="skipped", reason="not there")
    nothing = Verification(rings=(*alone, skipped))
    assert (nothing.bit_exact, nothing.verdict) == (False, "nothing was compared")
    verdict = judged(nothing, {})
    assert (verdict.short, verdict.style) == ("nothing was compared", "warn")
    ran = Verification(rings=(*alone, replace(skipped, status="equal")))
    assert (ran.bit_exact, ran.verdict) == (True, "bit-exact")
    wrong = Verification(rings=(replace(alone[0], status="mismatch"), skipped))
    assert (wrong.bit_exact, wrong.verdict) == (False, "NOT bit-exact")
