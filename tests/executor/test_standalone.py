"""``executor.py`` as a program of its own: no package of ours, files in, files out."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mapper.executor.numpy.generate import generate_executor
from mapper.ir.core import Graph, IntType
from mapper.ir.evaluate import evaluate
from mapper.ir.weights import save_constants
from tests.builders import Builder, sense_amp
from tests.small_graphs import dvs_net, one_layer, random_spikes, random_weights

# Runs the program as `python executor.py` does, but where our packages cannot be imported.
ALONE = (
    "import runpy, sys\n"
    "sys.modules.update(dict.fromkeys(('mapper', 'passes', 'targets', 'tests')))\n"
    "sys.argv = sys.argv[1:]\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')\n"
)


def written(graph: Graph, folder: Path) -> Path:
    (folder / "executor.py").write_bytes(generate_executor(graph).encode())
    save_constants(graph, folder / "weights.npz")
    return folder / "executor.py"


def run(program: Path, *arguments: object, before: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-c", before + ALONE, str(program), *map(str, arguments)],
        cwd="/",
        env={},
        text=True,
        capture_output=True,
        check=False,
    )


@pytest.fixture
def net() -> Graph:
    return dvs_net(size=8, channels=2)


@pytest.fixture
def program(net: Graph, tmp_path: Path) -> Path:
    return written(net, tmp_path)


def test_it_reads_inputs_and_writes_outputs_and_a_trace(net, program, tmp_path):
    spikes = random_spikes(4, 3, 2, 8, 8)
    np.savez(tmp_path / "x.npz", events=spikes)
    done = run(program, tmp_path / "x.npz", tmp_path / "y.npz", "--trace", tmp_path / "trace.npz")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "3 samples of 4 time steps\n"
    expected = evaluate(net, {"events": spikes}, watch=["lif1"])
    with np.load(tmp_path / "y.npz") as found:
        assert found.files == ["out.v.next"]
        assert found["out.v.next"].dtype == np.int64
        assert np.array_equal(found["out.v.next"], expected["out.v.next"])
    with np.load(tmp_path / "trace.npz") as traced:
        assert traced["events"].tolist() == spikes.sum(axis=(2, 3, 4)).tolist()
        assert traced["lif1"].tolist() == expected["lif1"].sum(axis=(2, 3, 4)).tolist()


def test_it_writes_the_same_bytes_each_time(program, tmp_path):
    np.savez(tmp_path / "x.npz", events=random_spikes(2, 1, 2, 8, 8))
    for name in ("one.npz", "two.npz"):
        assert run(program, tmp_path / "x.npz", tmp_path / name).returncode == 0
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_one_array_may_have_any_name_any_number_type_and_no_batch(net, program, tmp_path):
    spikes = random_spikes(3, 1, 2, 8, 8)
    np.savez(tmp_path / "x.npz", recording=spikes[:, 0].astype(np.float32))
    assert run(program, tmp_path / "x.npz", tmp_path / "y.npz").returncode == 0
    with np.load(tmp_path / "y.npz") as found:
        expected = evaluate(net, {"events": spikes})["out.v.next"]
        assert np.array_equal(found["out.v.next"], expected)


def test_it_starts_from_integers_of_a_file_of_their_own(net, program, tmp_path):
    spikes, start = random_spikes(2, 2, 2, 8, 8), np.arange(5)
    np.savez(tmp_path / "x.npz", recorded=spikes, labels=np.zeros(2))
    np.savez(tmp_path / "start.npz", **{"out.v": start})
    done = run(program, tmp_path / "x.npz", tmp_path / "y.npz", "--start", tmp_path / "start.npz")
    assert (done.returncode, done.stdout) == (0, "2 samples of 2 time steps\n")
    with np.load(tmp_path / "y.npz") as found:
        expected = evaluate(net, {"events": spikes}, {"out.v": np.tile(start, (2, 1))})
        assert np.array_equal(found["out.v.next"], expected["out.v.next"])


def test_a_start_beside_the_recording_is_of_the_model_and_not_used(net, program, tmp_path):
    spikes = random_spikes(2, 2, 2, 8, 8)
    np.savez(tmp_path / "x.npz", **{"events": spikes, "out.v": np.full(5, 0.5)})
    done = run(program, tmp_path / "x.npz", tmp_path / "y.npz")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1] == (
        "note: the recording's start of 'out.v' is not used: states start as the build says; "
        "executor.py --start takes other starts, in integers"
    )
    with np.load(tmp_path / "y.npz") as found:
        expected = evaluate(net, {"events": spikes})
        assert np.array_equal(found["out.v.next"], expected["out.v.next"])


@pytest.mark.parametrize("name", ["../up", "file", "allow_pickle", "a b\n'c'", "x.npy", "\u00e9"])
def test_arrays_keep_names_that_are_no_identifiers(name, tmp_path):
    net = Builder()
    x = net.input(name, (3,))
    net.output(net.crossbars(x, random_weights(3, 2), sense_amp(1), name="y"), x)
    program = written(net.graph(), tmp_path)
    np.savez(tmp_path / "x.npz", other=random_spikes(2, 1, 3))
    assert run(program, tmp_path / "x.npz", tmp_path / "y.npz").returncode == 0
    assert run(program, tmp_path / "y.npz", tmp_path / "z.npz").returncode == 1  # two arrays
    with np.load(tmp_path / "y.npz") as found:
        assert found.files == ["y", name]


GOOD = random_spikes(2, 3, 4)


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"a": GOOD}, "error[input-name]: there is no array for the input 'b'"),
        ({"a": GOOD, "b": GOOD, "c": GOOD}, "error[input-name]: no input is named 'c'"),
        ({"a": GOOD, "b": GOOD[:1]}, "error[input-shape]: time steps and samples differ"),
        ({"a": GOOD, "b": GOOD[:, :1]}, "error[input-shape]: time steps and samples differ"),
        ({"a": GOOD, "b": GOOD[..., 0, 0]}, "error[input-shape]: 'b' is (2,), expected [T, B, 4]"),
        ({"a": GOOD, "b": GOOD[..., :3]}, "error[input-shape]: 'b' is (2, 3, 3)"),
        ({"a": GOOD[:0], "b": GOOD[:0]}, "'a' is (0, 3, 4): no time steps or samples"),
        ({"a": GOOD[:, :0], "b": GOOD}, "'a' is (2, 0, 4): no time steps or samples"),
        ({"a": GOOD, "b": GOOD + 4}, "expected integers from -4 to 3"),
        ({"a": GOOD, "b": GOOD - 0.5}, "error[input-range]: 'b' is "),
        ({"a": GOOD * np.nan, "b": GOOD}, "error[input-range]: 'a' is nan at time step 0, [0, 0]"),
        ({"a": GOOD + np.inf, "b": GOOD}, "error[input-range]: 'a' is inf at time step 0, [0, 0]"),
        ({"a": GOOD.astype(str), "b": GOOD}, "error[input-type]: 'a' holds <U21, not numbers"),
        ({"a": GOOD + 1j, "b": GOOD}, "error[input-type]: 'a' holds complex128, not numbers"),
        ({"n.v": GOOD[0, :2]}, "error[input-shape]: 'n.v' is (2, 4)"),
        ({"n.v": GOOD[0] + 9999}, "error[input-range]: 'n.v' is "),
        ({"n.w": GOOD[0]}, "error[input-name]: no state is named 'n.w'"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(arrays, complaint, tmp_path):
    net = Builder()
    a, b = net.input("a", (4,)), net.input("b", (4,), IntType(3, signed=True))
    net.output(net.integer_neurons(net.sum(a, b), name="n", threshold=3))
    program = written(net.graph(), tmp_path)
    starts = {name: array for name, array in arrays.items() if name.startswith("n.")}
    np.savez(tmp_path / "start.npz", **starts)
    np.savez(tmp_path / "x.npz", **({"a": GOOD, "b": GOOD} if starts else arrays))
    done = run(program, tmp_path / "x.npz", tmp_path / "y.npz", "--start", tmp_path / "start.npz")
    assert (done.returncode, done.stdout) == (1, "")
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "y.npz").exists()


def test_a_bad_code_is_reported_where_it_is(program, tmp_path):
    spikes = random_spikes(3, 2, 2, 8, 8)
    spikes[1, 0, 1, 5, 6] = 7
    np.savez(tmp_path / "x.npz", events=spikes)
    done = run(program, tmp_path / "x.npz", tmp_path / "y.npz")
    assert done.stderr == (
        "error[input-range]: 'events' is 7 at time step 1, [0, 1, 5, 6];"
        " expected integers from 0 to 1\n"
    )


@pytest.mark.parametrize("content", [b"", b"not a zip file", b"PK\3\4 cut off"])
def test_files_that_are_no_archives_are_refused(content, program, tmp_path):
    (tmp_path / "x.npz").write_bytes(content)
    done = run(program, tmp_path / "x.npz", tmp_path / "y.npz")
    assert done.returncode == 1
    assert "error[bad-recording]" in done.stderr
    assert "Traceback" not in done.stderr


def test_files_that_unpack_to_very_much_and_pipes_are_refused(program, tmp_path):
    np.savez_compressed(tmp_path / "x.npz", events=np.zeros(1 << 24, np.uint8))
    os.mkfifo(tmp_path / "pipe.npz")
    for name, reason in (("x.npz", "unpack to 16777216 numbers"), ("pipe.npz", "no regular file")):
        done = run(program, tmp_path / name, tmp_path / "y.npz")
        assert (done.returncode, reason in done.stderr) == (1, True)
        assert "Traceback" not in done.stderr


def test_labels_that_are_not_one_a_sample_are_refused(program, tmp_path):
    np.savez(tmp_path / "x.npz", events=random_spikes(4, 3, 2, 8, 8), labels=np.zeros(4, int))
    done = run(program, tmp_path / "x.npz", tmp_path / "y.npz")
    assert done.stderr == (
        "error[input-shape]: labels have shape (4,), expected (3,):"
        " --layout says what the first axis counts\n"
    )
    assert not (tmp_path / "y.npz").exists()


def test_pickled_objects_are_refused(program, tmp_path):
    np.savez(tmp_path / "x.npz", events=np.array([{"no": "thanks"}], dtype=object))
    done = run(program, tmp_path / "x.npz", tmp_path / "y.npz")
    assert done.returncode == 1
    assert "error[bad-recording]" in done.stderr


def test_a_missing_file_and_an_impossible_output_are_refused(program, tmp_path):
    assert "error[bad-recording]" in run(program, tmp_path / "none.npz", tmp_path / "y.npz").stderr
    np.savez(tmp_path / "x.npz", events=random_spikes(1, 1, 2, 8, 8))
    done = run(program, tmp_path / "x.npz", tmp_path / "no" / "y.npz")
    assert (done.returncode, "error[bad-recording]: cannot write" in done.stderr) == (1, True)


def test_an_output_that_cannot_be_written_whole_stays_as_it_was(program, tmp_path):
    np.savez(tmp_path / "x.npz", events=random_spikes(1, 1, 2, 8, 8))
    outputs = tmp_path / "outputs"
    (outputs / "folder").mkdir(parents=True)
    (outputs / "old.npz").write_text("old")
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
    for name in ("new.npz", "old.npz", "folder", "old.npz/y.npz"):
        done = run(program, tmp_path / "x.npz", outputs / name, before=limit)
        assert (done.returncode, "error[bad-recording]: cannot write" in done.stderr) == (1, True)
    assert sorted(path.name for path in outputs.iterdir()) == ["folder", "old.npz"]
    assert (outputs / "old.npz").read_text() == "old"


def test_weights_of_another_network_are_refused(program, tmp_path):
    save_constants(one_layer(3, 2), tmp_path / "weights.npz")
    np.savez(tmp_path / "x.npz", events=random_spikes(1, 1, 2, 8, 8))
    done = run(program, tmp_path / "x.npz", tmp_path / "y.npz")
    assert done.returncode == 1
    assert "error[bad-weights]" in done.stderr


def test_wrong_usage_exits_2(program):
    assert run(program).returncode == 2


def test_it_can_be_imported_and_stepped(net, program, tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import numpy as np, executor\n"
        "states = {p.name: np.zeros((1, *p.shape), np.int64) for p in executor.STATES}\n"
        "outputs, states = executor.step({'events': np.ones((1, 2, 8, 8), np.int64)}, states)\n"
        "again = executor.run({'events': np.ones((1, 1, 2, 8, 8), np.int64)})\n"
        "assert outputs.keys() == again.keys()\n"
        "assert all((outputs[name] == again[name][0]).all() for name in outputs)\n"
        "print(sorted(states))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(tmp_path)],
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout == "['lif1.v', 'lif2.v', 'out.v']\n"
