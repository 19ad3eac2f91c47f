"""A study gives the same records whoever runs its cases, and goes on where it was stopped."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mapper.diagnostics import MappingError
from mapper.study import RECORDS, CaseError, run_study
from mapper.study.schedulers import scheduler_of
from tests.study.works import LONG, Odd, Squares

ROOT = Path(__file__).resolve().parents[2]
SEEDS = [{"seed": seed} for seed in range(12)]
INSIDE = ("serial", "threads")
"""Schedulers that start no process."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Dask scheduler with workers in threads of this process."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as made:
        yield f"dask:{made.scheduler_address}"


@pytest.fixture(params=[*INSIDE, "processes", "dask"])
def scheduler(request: pytest.FixtureRequest) -> str:
    """Every scheduler; of Dask the cluster at an address."""
    return request.getfixturevalue("cluster") if request.param == "dask" else request.param


def lines(log: Path, begin: str) -> list[str]:
    return [line for line in log.read_text().splitlines() if line.startswith(begin)]


def test_every_scheduler_gives_the_same_records_and_the_same_bytes(tmp_path, scheduler):
    log = tmp_path / "log"
    run_study(Squares(), SEEDS, folder=tmp_path / "expected")
    found = run_study(
        Squares(log=log), SEEDS, folder=tmp_path / "found", scheduler=scheduler, workers=2
    )
    assert [record["square"] for record in found.records] == [seed**2 for seed in range(12)]
    assert found.records[3]["share"] == 3 / 7
    both = [(tmp_path / name / RECORDS).read_bytes() for name in ("expected", "found")]
    assert both[0] == both[1]
    assert len(lines(log, "seed")) == 12
    assert len(lines(log, "prepared")) <= (2 if scheduler == "processes" else 1)


def test_records_in_memory_are_those_of_a_folder(tmp_path):
    kept = run_study(Squares(), SEEDS, folder=tmp_path)
    assert run_study(Squares(), SEEDS) == kept


def test_a_case_that_occurs_twice_runs_once(tmp_path):
    log = tmp_path / "log"
    found = run_study(Squares(log=log), [{"seed": 3}, {"seed": 2}, {"seed": 3}])
    assert [record["square"] for record in found.records] == [9, 4, 9]
    assert len(lines(log, "seed")) == 2


def test_more_cases_run_only_what_is_missing(tmp_path):
    log, told = tmp_path / "log", []
    run_study(Squares(), SEEDS[4:7], folder=tmp_path / "grown")
    more = run_study(
        Squares(log=log), SEEDS, folder=tmp_path / "grown", what="dies", progress=told.append
    )
    run_study(Squares(), SEEDS, folder=tmp_path / "at-once")
    assert more.reused == 3
    assert len(lines(log, "seed")) == 9
    assert told[0] == "9 dies, 3 more from an earlier run"
    both = [(tmp_path / name / RECORDS).read_bytes() for name in ("grown", "at-once")]
    assert both[0] == both[1]


def test_nothing_is_prepared_where_all_is_known(tmp_path):
    run_study(Squares(), SEEDS, folder=tmp_path)
    log = tmp_path / "log"
    again = run_study(Squares(log=log), SEEDS[:5], folder=tmp_path)
    assert again.reused == 5
    assert not log.exists()


def test_progress_tells_how_long_the_rest_may_take(monkeypatch):
    monkeypatch.setattr("mapper.progress._PAUSE", 0.0)
    told: list[str] = []
    run_study(Squares(), SEEDS, what="dies", progress=told.append)
    assert told[0] == "12 dies"
    assert told[1] == "12 dies: 16 %, about 1 s left"
    assert len(told) == 11


# --- a case that fails -----------------------------------------------------------------------

FAILURES = {
    "refuses": (
        MappingError,
        "error[bad-option]: 5 is too many\n  --> case seed=5: layer 1\n  help: take fewer",
    ),
    "memory": (MemoryError, "case seed=5: an allocation failed"),
    "file": (OSError, "[Errno 2] case seed=5: No such file or directory: 'gone.npz'"),
    "bug": (CaseError, "case seed=5: ZeroDivisionError: division by zero"),
}


@pytest.mark.parametrize("how", FAILURES)
@pytest.mark.parametrize("who", [*INSIDE, "dask"])
def test_an_error_names_its_case_and_keeps_the_others(tmp_path, request, who, how):
    scheduler = request.getfixturevalue("cluster") if who == "dask" else who
    kind, text = FAILURES[how]
    given = {"folder": tmp_path, "scheduler": scheduler, "workers": 1}
    with pytest.raises(kind) as caught:
        run_study(Squares(bad={5: how}), SEEDS, **given)
    assert str(caught.value) == text
    again = run_study(Squares(), SEEDS, **given)
    assert 1 <= again.reused <= 11
    assert len(again.records) == 12


def test_an_error_in_another_process_names_its_case(tmp_path):
    given = {"folder": tmp_path, "scheduler": "processes", "workers": 1}
    with pytest.raises(CaseError) as caught:
        run_study(Squares(bad={5: "bug"}), SEEDS, **given)
    assert str(caught.value) == FAILURES["bug"][1]
    # Where it happened is known, too.
    assert "has_a_bug" in "".join(caught.value.__cause__.__notes__)


def test_what_cannot_be_prepared_names_no_case(tmp_path, scheduler):
    with pytest.raises(MappingError) as caught:
        run_study(Squares(bad={-1: "unprepared"}), SEEDS, scheduler=scheduler, workers=1)
    assert str(caught.value) == "error[not-a-build]: nothing there\n  --> build"


def test_a_record_that_is_no_data_names_its_case():
    with pytest.raises(CaseError, match=r"^case seed=0: ValueError: Out of range float"):
        run_study(Odd(), SEEDS)


# --- a run that ends early -------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_is_killed_is_replaced_and_its_case_runs_again(tmp_path, workers):
    log, killed, whole = tmp_path / "log", tmp_path / "killed", tmp_path / "whole"
    work = Squares(log=log, bad={3: "killed once", 7: "killed once"})
    found = run_study(work, SEEDS, folder=killed, scheduler="processes", workers=workers)
    assert [len(lines(log, f"seed {seed} ")) for seed in range(9)] == [1, 1, 1, 2, 1, 1, 1, 2, 1]
    assert len(lines(log, "prepared")) <= workers + 2
    assert found.records == run_study(Squares(), SEEDS, folder=whole).records
    assert (killed / RECORDS).read_bytes() == (whole / RECORDS).read_bytes()


def test_a_case_that_ends_every_worker_is_told_and_the_others_are_kept(tmp_path):
    log, given = tmp_path / "log", {"folder": tmp_path, "scheduler": "processes", "workers": 1}
    with pytest.raises(MappingError) as caught:
        run_study(Squares(log=log, bad={5: "killed"}), SEEDS, **given)
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.loc) == ("worker-lost", "case seed=5")
    assert problem.message.startswith("3 worker processes ended")
    assert len(lines(log, "seed 5 ")) == 3
    assert run_study(Squares(), SEEDS, folder=tmp_path).reused == 5


def test_a_run_that_a_user_stops_says_what_it_kept(tmp_path):
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run_study(Squares(bad={5: "stopped"}), SEEDS, folder=tmp_path, progress=told.append)
    assert told[-1] == f"stopped: 5 cases are kept in {tmp_path}; the same call goes on from there"
    assert run_study(Squares(), SEEDS, folder=tmp_path).reused == 5


@pytest.mark.parametrize(("scheduler", "long"), [("processes", "sleeps"), ("threads", "naps")])
def test_a_failed_case_waits_for_no_other(scheduler, long):
    work, cases = Squares(bad={1: long, 2: "fails_late"}), [{"seed": 1}, {"seed": 2}]
    began = time.monotonic()
    with pytest.raises(CaseError, match="case seed=2"):
        run_study(work, cases, scheduler=scheduler, workers=2)
    assert time.monotonic() - began < LONG[long]


def test_a_killed_run_leaves_no_process_and_goes_on(tmp_path):
    log, folder = tmp_path / "log", tmp_path / "study"
    program = (
        "from pathlib import Path\n"
        "from mapper.study import run_study\n"
        "from tests.study.works import Squares\n"
        "if __name__ == '__main__':\n"
        f"    work = Squares(log=Path({str(log)!r}), bad={{5: 'sleeps'}})\n"
        "    cases = [{'seed': seed} for seed in range(12)]\n"
        f"    run_study(work, cases, folder=Path({str(folder)!r}), scheduler='processes',"
        " workers=1)\n"
    )
    script = tmp_path / "program.py"
    script.write_text(program)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, str(script)], env=environment)
    try:
        # Five are stored, and the next one sleeps.
        until(
            lambda: (
                (folder / RECORDS).exists() and (folder / RECORDS).read_bytes().count(b"\n") == 6
            )
        )
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    worker = int(lines(log, "prepared")[0].split()[-1])
    until(lambda: not alive(worker))
    assert run_study(Squares(), SEEDS, folder=folder).reused == 5
    run_study(Squares(), SEEDS, folder=tmp_path / "at-once")
    assert (folder / RECORDS).read_bytes() == (tmp_path / "at-once" / RECORDS).read_bytes()


def until(happened) -> None:
    """Wait for something that takes a second or two on an idle machine."""
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(process: int) -> bool:
    """Say whether a process runs; one that ended may wait to be collected."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


# --- arguments -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["thread", "processes:2", "", "dask:"])
def test_an_unknown_scheduler_is_refused(name):
    with pytest.raises(MappingError) as caught:
        scheduler_of(name)
    (problem,) = caught.value.diagnostics
    assert problem.code == "unknown-scheduler"
    assert problem.help == "schedulers: serial, threads, processes, dask, tcp://HOST:PORT"


def test_a_scheduler_that_is_meant_is_named():
    with pytest.raises(MappingError, match="'thread'; did you mean 'threads'"):
        scheduler_of("thread")


def test_dask_is_missed_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MappingError, match=r"error\[missing-extra\].*\n.*spikeloom\[dask\]"):
        run_study(Squares(), SEEDS, scheduler="dask")


def test_a_dask_address_where_nobody_answers_is_told(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("mapper.study.schedulers._PATIENCE", 0.2)
    with pytest.raises(MappingError, match=r"error\[unknown-scheduler\]: no Dask scheduler"):
        run_study(Squares(), SEEDS, scheduler="dask:tcp://127.0.0.1:9")


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"scheduler": 3}, {"folder": 1.5}])
def test_wrong_arguments_are_refused_by_name(wrong):
    with pytest.raises(MappingError, match=r"error\[bad-argument\]"):
        run_study(Squares(), SEEDS, **wrong)
