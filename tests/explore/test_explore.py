"""An exploration is the same whoever runs its points and however often it was killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mapper.diagnostics import MappingError
from mapper.exploration.found import Explored
from mapper.exploration.run import explore_space
from mapper.exploration.sampling import ADAPTIVE, SAMPLERS, Sampling
from mapper.exploration.space import Space
from mapper.study import RECORDS
from tests.explore.works import AXES, DATA, SPACE, Formulas, formulas

ROOT = Path(__file__).resolve().parents[2]
FEW = Sampling(kind="random", points=24, batch=6)


@pytest.fixture(params=SAMPLERS)
def kind(request: pytest.FixtureRequest) -> str:
    """Every sampler; those of Optuna where it is there."""
    if request.param in ADAPTIVE:
        pytest.importorskip("optuna")
    return request.param


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Dask scheduler with workers in threads of this process."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0"
    ) as made:
        yield made.scheduler_address


def explored(folder: Path | None = None, sampling: Sampling = FEW, **given) -> Explored:
    work = given.pop("work", Formulas())
    return explore_space(work, given.pop("space", SPACE), sampling, folder=folder, **given)


def records(folder: Path) -> bytes:
    return (folder / RECORDS).read_bytes()


def test_points_are_asked_looked_at_and_numbered(kind):
    found = explored(sampling=Sampling(kind=kind, points=20, batch=6))
    assert [point.number for point in found.points] == list(range(20))
    assert [point.batch for point in found.points] == [number // 6 for number in range(20)]
    assert all(point.record == formulas(point.point) for point in found.points)
    assert all(list(point.point) == list(SPACE.axes) for point in found.points)
    assert found.asked == 20


@pytest.mark.parametrize("scheduler", ["threads", "cluster"])
def test_threads_and_a_cluster_give_the_same_bytes(tmp_path, request, scheduler, kind):
    name = request.getfixturevalue("cluster") if scheduler == "cluster" else scheduler
    same_bytes(tmp_path, name, Sampling(kind=kind, points=20, batch=6))


@pytest.mark.campaign(1)
@pytest.mark.parametrize("scheduler", ["processes", "dask"])
def test_processes_give_the_same_bytes(tmp_path, scheduler):
    pytest.importorskip("optuna")
    pytest.importorskip("distributed")
    same_bytes(tmp_path, scheduler, Sampling(kind="nsga2", points=20, batch=6))


def same_bytes(folder: Path, scheduler: str, sampling: Sampling) -> None:
    serial = explored(folder / "serial", sampling)
    found = explored(folder / "found", sampling, scheduler=scheduler, workers=2)
    assert found == serial
    assert records(folder / "found") == records(folder / "serial")


def test_an_exploration_in_memory_is_that_of_a_folder(tmp_path, kind):
    sampling = Sampling(kind=kind, points=14, batch=6)
    assert explored(None, sampling) == explored(tmp_path, sampling)


# --- going on ----------------------------------------------------------------------------------


def test_a_run_goes_on_wherever_it_was_cut_with_the_same_bytes(tmp_path, kind):
    sampling = Sampling(kind=kind, points=20, batch=6)
    whole = explored(tmp_path / "whole", sampling)
    lines = records(tmp_path / "whole").splitlines(keepends=True)
    for kept in (1, 2, 9, 14, 20):  # whole lines; the first names the study
        log, folder = tmp_path / f"log{kept}", tmp_path / f"cut{kept}"
        folder.mkdir()
        # Of the last batch, the first two are lost: points finish in any order.
        left = [lines[0], *lines[1:kept][:-3], *lines[1:kept][-1:]] if kept > 4 else lines[:kept]
        (folder / RECORDS).write_bytes(b"".join(left) + b'{"torn')
        assert explored(folder, sampling, work=Formulas(log=log)) == whole
        assert records(folder) == records(tmp_path / "whole")
        assert len(log.read_text().split()) == 20 - (len(left) - 1)


def test_more_points_are_those_of_a_run_that_asked_for_all_at_once(tmp_path, kind):
    few, more = (Sampling(kind=kind, points=points, batch=6) for points in (8, 20))
    explored(tmp_path / "grown", few)
    log = tmp_path / "log"
    told: list[str] = []
    found = explored(tmp_path / "grown", more, work=Formulas(log=log), progress=told.append)
    assert found == explored(tmp_path / "at-once", more)
    assert records(tmp_path / "grown") == records(tmp_path / "at-once")
    assert sorted(map(int, log.read_text().split())) == list(range(8, 20))
    assert told[0] == "12 points, 8 more from an earlier run"
    # Fewer than are there: the others stay in the folder.
    assert len(explored(tmp_path / "grown", few).points) == 8


def test_nothing_is_run_or_said_where_all_is_known(tmp_path, kind):
    sampling = Sampling(kind=kind, points=8, batch=6)
    found = explored(tmp_path, sampling)
    log, told = tmp_path / "log", []
    assert explored(tmp_path, sampling, work=Formulas(log=log), progress=told.append) == found
    assert not log.exists()
    assert told == []


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"sampling": Sampling(kind="grid", points=24, batch=6)}, "sampler"),
        ({"sampling": Sampling(points=24, batch=6, seed=1)}, "sampler"),
        ({"sampling": Sampling(points=24, batch=7)}, "sampler"),
        ({"work": Formulas(name="others")}, "work"),
        ({"space": Space.of_data({**DATA, "objectives": {"area": "min"}})}, "space"),
    ],
)
def test_another_exploration_in_the_folder_is_refused(tmp_path, given, what):
    explored(tmp_path)
    with pytest.raises(MappingError, match=rf"other-study.*they differ in {what}"):
        explored(tmp_path, **given)


def test_another_version_of_optuna_is_another_study(tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    sampling = Sampling(kind="tpe", points=3)
    explored(tmp_path, sampling)
    monkeypatch.setattr("mapper.exploration.by_optuna.optuna_version", lambda: "5.99.0")
    with pytest.raises(MappingError, match=r"other-study.*they differ in sampler"):
        explored(tmp_path, sampling)


# --- kills -------------------------------------------------------------------------------------


PROGRAM = """
from pathlib import Path
from mapper.exploration.run import explore_space
from mapper.exploration.sampling import Sampling
from tests.explore.works import SPACE, Formulas
if __name__ == "__main__":
    sampling = Sampling(kind={kind!r}, points=30, batch=8)
    explore_space(Formulas(slow=0.05), SPACE, sampling, folder=Path({folder!r}),
                  scheduler={scheduler!r}, workers=2)
"""


@pytest.mark.campaign(1)
@pytest.mark.parametrize(("kind", "scheduler"), [("nsga2", "dask"), ("tpe", "processes")])
def test_a_client_that_is_killed_goes_on_with_the_same_bytes(tmp_path, kind, scheduler):
    pytest.importorskip("optuna")
    pytest.importorskip("distributed")
    folder, script = tmp_path / "killed", tmp_path / "program.py"
    script.write_text(PROGRAM.format(kind=kind, folder=str(folder), scheduler=scheduler))
    child = subprocess.Popen(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        until(lambda: (folder / RECORDS).exists() and records(folder).count(b"\n") >= 13)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    had = records(folder).count(b"\n") - 1
    assert 12 <= had < 30
    log = tmp_path / "log"
    sampling = Sampling(kind=kind, points=30, batch=8)
    found = explored(folder, sampling, work=Formulas(log=log))
    assert len(log.read_text().split()) == 30 - had
    assert found == explored(tmp_path / "whole", sampling)
    assert records(folder) == records(tmp_path / "whole")


@pytest.mark.campaign(1)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_is_killed_on_a_cluster_changes_nothing(tmp_path, workers):
    pytest.importorskip("optuna")
    pytest.importorskip("distributed")
    sampling = Sampling(kind="nsga2", points=30, batch=8)
    gone = tmp_path / "gone"
    given = {"scheduler": "dask", "workers": workers}
    found = explored(tmp_path / "killed", sampling, work=Formulas(killed=gone), **given)
    assert gone.exists()
    assert found == explored(tmp_path / "whole", sampling)
    assert records(tmp_path / "killed") == records(tmp_path / "whole")


@pytest.mark.campaign(0)
@pytest.mark.parametrize("scheduler", ["threads", "processes", "dask"])
def test_five_hundred_points_are_the_same_by_every_scheduler(tmp_path, scheduler):
    """And with a worker that is killed on the way, where the cluster outlives that."""
    pytest.importorskip("optuna")
    space = Space.of_data({**DATA, "axes": {**AXES, "array": list(range(16, 272, 8))}})
    sampling = Sampling(kind="nsga2", points=500, batch=25)
    gone = tmp_path / "gone" if scheduler == "dask" else None
    given = {"space": space, "scheduler": scheduler, "workers": 2}
    found = explored(tmp_path / "found", sampling, work=Formulas(killed=gone), **given)
    assert found == explored(tmp_path / "serial", sampling, space=space)
    assert records(tmp_path / "found") == records(tmp_path / "serial")
    assert len(found.points) == 500


def until(happened) -> None:
    """Wait for something that takes a second or two on an idle machine."""
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)
