"""Records outlive a run that is killed at any byte; files of others are looked at first."""

import errno
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.diagnostics import MappingError
from mapper.study import RECORDS, Study, read_records, run_study
from mapper.study.case import canonical, digest, order, told
from mapper.study.store import MOST_BYTES, MOST_LINE, SCHEMA, open_store
from tests.campaigns import examples
from tests.study.works import Squares

STUDY = Study({"build": "b1", "version": "1"})
SEEDS = [{"seed": seed} for seed in range(4)]


def filled(folder, seeds=range(4), finish=True):
    with open_store(STUDY, folder) as store:
        for seed in seeds:
            store.append({"seed": seed}, canonical({"right": 10 * seed}))
        if finish:
            store.finish()
    return (folder / RECORDS).read_bytes()


def test_the_file_is_a_line_for_the_study_and_a_line_a_case(tmp_path):
    first, *rest = filled(tmp_path).decode().splitlines()
    assert json.loads(first) == {
        "identity": {"build": "b1", "version": "1"},
        "schema": SCHEMA,
        "study": digest(STUDY.identity),
    }
    key = digest([STUDY.digest, {"seed": 2}])
    assert rest[2] == f'{{"case":{{"seed":2}},"key":"{key}","record":{{"right":20}}}}'


def test_bytes_do_not_depend_on_the_order_in_which_cases_finish(tmp_path):
    in_order = filled(tmp_path / "a")
    assert filled(tmp_path / "b", seeds=(3, 1, 0, 2)) == in_order
    assert filled(tmp_path / "c", seeds=(3, 1), finish=False) != in_order
    assert filled(tmp_path / "c", seeds=(2, 0)) == in_order


def test_a_file_that_was_cut_at_any_byte_goes_on(tmp_path):
    whole = filled(tmp_path)
    ends = {end for end, byte in enumerate(whole) if byte == 10}
    for end in sorted({*range(0, len(whole), 23), *ends, *(end + 1 for end in ends)}):
        (tmp_path / RECORDS).write_bytes(whole[:end])
        with open_store(STUDY, tmp_path) as store:
            kept, notes = len(store.records), store.notes
        assert kept == max(0, whole[:end].count(b"\n") - 1)
        inside = not whole[:end].endswith(b"\n") and b"\n" in whole[:end]
        assert len(notes) == inside
        assert filled(tmp_path, seeds=range(kept, 4)) == whole


def test_the_note_of_a_torn_line_says_how_much_was_dropped(tmp_path):
    whole = filled(tmp_path)
    (tmp_path / RECORDS).write_bytes(whole + b'{"case":{"se')
    found = run_study_of(tmp_path)
    path = tmp_path / RECORDS
    assert found == [f"{path}: the last line, 12 bytes, was not finished and is dropped"]


def run_study_of(folder):
    with open_store(STUDY, folder) as store:
        return store.notes


def test_zeros_that_a_loss_of_power_left_are_a_torn_line(tmp_path):
    whole = filled(tmp_path)
    (tmp_path / RECORDS).write_bytes(whole + bytes(4096))
    run_study_of(tmp_path)
    assert (tmp_path / RECORDS).read_bytes() == whole


def test_other_files_of_a_folder_are_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    filled(tmp_path, seeds=(3, 2, 1, 0))
    assert sorted(os.listdir(tmp_path)) == ["mine.txt", RECORDS]


def test_a_full_disk_leaves_whole_lines(tmp_path, monkeypatch):
    write = os.write

    def full(file, data):
        if b'"seed":2' in bytes(data):
            write(file, data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        filled(tmp_path)
    monkeypatch.undo()
    assert caught.value.filename == str(tmp_path / RECORDS)
    assert len(read_records(tmp_path).lines) == 2
    assert read_records(tmp_path).torn == 0


def test_an_input_that_writes_little_at_once_is_written_whole(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:7]))
    assert len(filled(tmp_path).splitlines()) == 5


# --- two at once -----------------------------------------------------------------------------


def test_two_runs_in_one_folder_are_refused(tmp_path):
    with open_store(STUDY, tmp_path) as store:
        store.append({"seed": 1}, "{}")
        store.append({"seed": 0}, "{}")
        store.finish()  # which gives the file a new name
        with pytest.raises(MappingError) as caught:
            open_store(STUDY, tmp_path)
        assert caught.value.diagnostics[0].code == "study-busy"
        assert len(read_records(tmp_path).lines) == 2  # who only looks is welcome
    open_store(STUDY, tmp_path).__exit__(None, None, None)


def test_a_lock_of_a_file_that_was_replaced_is_no_lock(tmp_path, monkeypatch):
    filled(tmp_path)
    from mapper.study import store as module

    lock, calls = module._lock, []

    def replaced_meanwhile(file, path):
        calls.append(os.fstat(file).st_ino)
        if len(calls) == 1:  # another run puts its lines in order between opening and locking
            (tmp_path / "new").write_bytes(path.read_bytes())
            os.replace(tmp_path / "new", path)
        lock(file, path)

    monkeypatch.setattr(module, "_lock", replaced_meanwhile)
    with open_store(STUDY, tmp_path) as store:
        assert len(store.records) == 4
    assert calls[1] == (tmp_path / RECORDS).stat().st_ino != calls[0]


def test_a_file_system_without_locks_is_used_without(tmp_path, monkeypatch):
    def none(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    assert len(filled(tmp_path).splitlines()) == 5


# --- files of others -------------------------------------------------------------------------


def test_records_of_another_study_are_refused_with_both_digests(tmp_path):
    filled(tmp_path)
    other = Study({"build": "b2", "version": "1", "noise": True})
    with pytest.raises(MappingError) as caught:
        open_store(other, tmp_path)
    assert str(caught.value) == (
        f"error[other-study]: the folder has records of study {STUDY.digest}, and this is study "
        f"{other.digest}: they differ in build, noise\n  --> {tmp_path / RECORDS}\n"
        "  help: give another folder, or what the folder was made with"
    )


def test_another_version_is_another_study(tmp_path, monkeypatch):
    run_study(Squares(), SEEDS, folder=tmp_path)
    monkeypatch.setattr("mapper.study.runner.__version__", "9.9")
    with pytest.raises(MappingError, match=r"error\[other-study\].*they differ in version\n"):
        run_study(Squares(), SEEDS, folder=tmp_path)


def header(**changed):
    held = {"identity": dict(STUDY.identity), "schema": SCHEMA, "study": STUDY.digest}
    return canonical({**held, **changed}) + "\n"


def line(seed=0, record=None, **changed):
    case = {"seed": seed}
    held = {"case": case, "key": STUDY.key(case), "record": record or {}}
    return canonical({**held, **changed}) + "\n"


DAMAGED = {
    "it does not begin with a line that names a study": "not a store",
    "line 1 is not one that a study writes": "not a store\n",
    "line 1 is no JSON object": "[]\n",
    f"line 1 has schema 'other/1', not '{SCHEMA}'": header(schema="other/1"),
    f"line 1 has schema '{SCHEMA}', not '{SCHEMA}'": header(identity=[]),
    f"line 1 names study 'x', what it says is study '{STUDY.digest}'": header(study="x"),
    "line 2 is not one that a study writes": header() + "{\n" + line(),
    "line 3 is not one that a study writes": header() + line() + '{"a": NaN}\n' + line(1),
    "line 4 is not one that a study writes": header() + line() + line(1) + "[" * 5000 + "\n",
    "line 2 has no case and record": header() + line(case=3),
    "line 3 has no case and record": header() + line() + line(1, record=[1]),
    f"line 2 has key 'x', its case has '{STUDY.key({'seed': 0})}'": header() + line(key="x"),
    "line 3 has a case that a line before it has": header() + line() + line(record={"a": 1}),
    f"line 2 has {MOST_LINE + 1:,} bytes, at most {MOST_LINE:,} are read": (
        f"{header()}{' ' * (MOST_LINE + 1)}\n"
    ),
}


@pytest.mark.parametrize("why", DAMAGED)
def test_a_damaged_file_is_refused_and_stays(tmp_path, why):
    path = tmp_path / RECORDS
    path.write_text(DAMAGED[why])
    for read in (lambda: open_store(STUDY, tmp_path), lambda: read_records(tmp_path)):
        with pytest.raises(MappingError) as caught:
            read()
        (problem,) = caught.value.diagnostics
        assert (problem.code, problem.loc) == ("bad-study", str(path))
        assert problem.message == f"no usable records: {why}"
    assert path.read_text() == DAMAGED[why]


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / RECORDS).open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(MappingError, match="67,108,865 bytes, at most 67,108,864 are read"):
        open_store(STUDY, tmp_path)


def test_a_record_that_is_too_large_is_refused(tmp_path):
    with open_store(STUDY, tmp_path) as store:
        with pytest.raises(MappingError, match=r"error\[bad-study\].*at most 1,048,576"):
            store.append({"seed": 0}, canonical({"all": "x" * MOST_LINE}))
        store.append({"seed": 1}, "{}")
    assert len(read_records(tmp_path).lines) == 1


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("elsewhere", path)])
def test_links_and_pipes_are_refused_at_once(tmp_path, make):
    make(tmp_path / RECORDS)
    for read in (lambda: open_store(STUDY, tmp_path), lambda: read_records(tmp_path)):
        with pytest.raises(MappingError, match="this is no plain file"):
            read()
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_in_the_place_of_the_file_is_told(tmp_path):
    (tmp_path / RECORDS).mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        open_store(STUDY, tmp_path)


# --- cases -----------------------------------------------------------------------------------


def test_cases_are_sorted_by_value_and_keys_are_of_all_of_a_case():
    cases = [{"seed": 10}, {"seed": 9}, {"seed": "a"}, {"seed": None}, {"seed": [1, 2]}]
    assert sorted(cases, key=order) == [cases[index] for index in (3, 1, 0, 2, 4)]
    keys = {STUDY.key(case) for case in (*cases, {"seed": 9.0}, {"seed": True}, {"seed": 1})}
    assert len(keys) == 8
    assert STUDY.key({"a": 1, "b": 2}) == STUDY.key({"b": 2, "a": 1})
    assert told({"seed": 3, "cell.sigma": 0.1, "device": "rram"}) == (
        "seed=3, cell.sigma=0.1, device=rram"
    )


DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
CASES = st.dictionaries(st.text(), DATA, max_size=3)


@settings(max_examples=examples(50))
@given(cases=st.lists(CASES, max_size=6, unique_by=canonical))
def test_any_cases_have_one_order(cases):
    ordered = sorted(cases, key=order)
    assert sorted(reversed(cases), key=order) == ordered
    assert list(map(canonical, sorted(reversed(cases), key=order))) == list(map(canonical, ordered))
