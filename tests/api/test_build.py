"""A build in Python: without files, with the same bits and the same JSON as the commands."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import mapper
from mapper import api
from mapper.diagnostics import MappingError
from mapper.ir.evaluate import evaluate
from mapper.recordings import read_arrays, to_codes
from mapper.writing import json_text
from passes import PIPELINE
from tests.files import DEMO_MODEL, DEMO_RECORDING

ARRAYS = read_arrays(DEMO_RECORDING)
X = ARRAYS["x"][:, :3]
LABELS = ARRAYS["labels"][:3]


@pytest.fixture(scope="module")
def build() -> mapper.Build:
    return mapper.compile(DEMO_MODEL, "adcless-64", calibrate=X)


@pytest.fixture(scope="module")
def run(build) -> mapper.Run:
    return build.run(X, spikes=True, trace=True)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "x.npz"
    np.savez(path, x=X, labels=LABELS)
    return path


def refused(call, *args, **options) -> str:
    with pytest.raises(MappingError) as caught:
        call(*args, **options)
    (found,) = caught.value.diagnostics
    return found.code


# --- the same as with files ----------------------------------------------------------------


def test_arrays_and_a_file_compile_to_the_same_bytes(build, recording, tmp_path):
    build.save(tmp_path / "arrays")
    api.compile_model(DEMO_MODEL, "adcless-64", tmp_path / "file", calibrate=recording)
    names = sorted(path.name for path in (tmp_path / "arrays").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "file").iterdir())
    for name in names:
        assert (tmp_path / "arrays" / name).read_bytes() == (tmp_path / "file" / name).read_bytes()


def test_answers_are_the_json_of_the_commands(build, recording, tmp_path):
    saved = build.save(tmp_path / "b")
    made = api.compile_model(DEMO_MODEL, "adcless-64", tmp_path / "b", calibrate=recording)
    assert json_text(saved.summary.as_dict()) == json_text(made)
    ran = api.run_build(tmp_path / "b", recording, tmp_path / "y.npz", trace=True)
    mine = build.run({"x": X, "labels": LABELS}, trace=True).save(tmp_path / "y.npz")
    assert json_text(mine.as_dict()) == json_text(ran)
    cost, _ = api.cost_build(tmp_path / "b", ran["trace"], 1, swings=True)
    assert json_text(build.cost(mine, sensitivity=True).as_dict()) == json_text(cost)
    page = tmp_path / "page.html"
    report = api.report_build(tmp_path / "b", page, activity="0.3")
    assert json_text(build.report(page, activity=0.3).as_dict()) == json_text(report)
    verified = api.verify(tmp_path / "b", recording)
    assert json_text(mapper.load(tmp_path / "b").verify(recording).as_dict()) == json_text(verified)


def test_a_folder_gives_the_build_back(build, run, tmp_path):
    build.save(tmp_path / "b")
    back = mapper.load(tmp_path / "b")
    assert str(back.hardware) == str(build.hardware)
    assert back.folder == tmp_path / "b"
    np.testing.assert_array_equal(back.run(X).outputs["spk"], run.outputs["spk"])


# --- run -----------------------------------------------------------------------------------


def test_a_run_gives_what_the_definition_gives(build, run):
    graph = build.hardware
    names = list(run.spikes)
    expected = evaluate(graph, to_codes(graph, {"x": X}, ""), watch=names)
    np.testing.assert_array_equal(run.outputs["spk"], expected["spk"])
    assert len(names) == 3  # a layer of neurons each
    for name in names:
        np.testing.assert_array_equal(run.spikes[name], expected[name])
    assert run.predictions.tolist() == expected["spk"].sum(0).argmax(-1).tolist()
    assert run.accuracy(run.predictions) == 1.0


def test_backends_give_the_same_integers(build, run):
    other = build.run({"x": X}, backend="numpy", spikes=True)
    assert other.backend == "numpy"
    for name, spikes in run.spikes.items():
        np.testing.assert_array_equal(other.spikes[name], spikes)


def test_one_sample_needs_no_axis_of_samples(build, run):
    alone = build.run(X[:, 0]).outputs["spk"]
    np.testing.assert_array_equal(alone[:, 0], run.outputs["spk"][:, 0])


def test_reals_are_what_the_codes_stand_for():
    build = mapper.compile(DEMO_MODEL, "hpadc-flash5-64", calibrate=X)
    run = build.run(X)
    described = run.as_dict()["outputs"]["spk"]
    expected = run.outputs["spk"] * described["scale"] + described["offset"]
    np.testing.assert_array_equal(run.reals["spk"], expected)


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        (X[:, :, :1], "input-shape"),
        ({"y": X, "z": X}, "input-name"),
        (np.full_like(X, 2), "input-range"),
        (np.full(X.shape, np.nan), "bad-recording"),
        ({"x": np.array(["a"])}, "bad-recording"),
        ("missing.npz", "bad-recording"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(build, inputs, code):
    assert refused(build.run, inputs) == code


def test_labels_that_do_not_fit_are_refused(run):
    assert refused(run.accuracy, [0, 1]) == "input-shape"


# --- models --------------------------------------------------------------------------------


def test_a_model_in_memory_is_verified_like_its_file(build):
    model = onnx.load(DEMO_MODEL)
    model.graph.name = "any name/../of others"
    mine = mapper.compile(model, "adcless-64", calibrate=X)
    assert mine.mapped.source["file"] == "any_name_of_others.onnx"
    rings = {ring.name: ring.status for ring in mine.verify(X, labels=LABELS).rings}
    assert rings["3-onnxruntime"] == "equal"
    np.testing.assert_array_equal(mine.run(X).outputs["spk"], build.run(X).outputs["spk"])


def test_another_model_is_refused(build):
    model = onnx.load(DEMO_MODEL)
    model.producer_name = "someone else"
    assert refused(build.verify, X, model=model) == "other-model"


def test_an_imported_network_compiles_without_a_file(build, tmp_path):
    imported = mapper.import_model(DEMO_MODEL)
    mine = mapper.compile(imported, mapper.load_target("adcless-64"), calibrate={"x": X})
    np.testing.assert_array_equal(mine.run(X).outputs["spk"], build.run(X).outputs["spk"])
    rings = {ring.name: ring.status for ring in mine.verify(X).rings}
    assert rings["3-onnxruntime"] == "skipped"
    mine.save(tmp_path / "b")
    assert mapper.load(tmp_path / "b").mapped.source == {}


def test_passes_can_be_watched():
    seen = []
    mapper.compile(DEMO_MODEL, "ideal-128", after=lambda step, graph: seen.append(step.name))
    assert seen == [kind.name for kind in PIPELINE]


# --- verify, cost, report ------------------------------------------------------------------


@pytest.mark.parametrize("compile", [mapper.compile, api.passes_over])
def test_passes_multiply_on_one_thread(compile):
    """Threads that wait by spinning take several times the processor time on busy cores."""
    seen = []

    def count_threads(step, graph):
        seen.extend(pool["num_threads"] for pool in blas_pools())

    with threadpool_limits(limits=2, user_api="blas"):
        if {pool["num_threads"] for pool in blas_pools()} != {2}:
            pytest.skip("this NumPy has no threads that can be limited")
        compile(DEMO_MODEL, "adcless-64", after=count_threads)
    assert set(seen) == {1}


def blas_pools() -> list[dict]:
    return [pool for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_what_verify_finds_stays_with_the_folder(build, recording, tmp_path):
    saved = build.save(tmp_path / "b")
    assert saved.verify(X).bit_exact
    assert not (tmp_path / "b" / "verification.json").exists()  # arrays have no name
    found = saved.verify(recording)
    stored = json.loads((tmp_path / "b" / "verification.json").read_text())
    assert stored["verification"] == json.loads(json_text(found.as_dict()))
    assert set(stored["files"]) == {"input", "model"}
    assert build.verify(X, labels=LABELS).accuracy is not None


def test_cost_takes_a_density_a_run_or_a_trace(build, run, tmp_path):
    counted = build.cost(run)
    assert counted.cost.steps == 20
    assert counted.energy_pj == build.cost(run.trace).energy_pj
    saved = run.save(tmp_path / "y.npz")
    assert counted.energy_pj == build.cost(saved.written["trace"]).energy_pj
    assert build.cost(0.5).energy_pj == build.cost("0.5").energy_pj
    assert counted.energy_pj.low < counted.energy_pj.nominal < counted.energy_pj.high
    assert counted.sensitivity is None
    assert [t.total for t in build.cost(sensitivity=True).sensitivity] == [
        "energy_pj",
        "latency_ns",
        "area_um2",
    ]


def test_activity_that_is_none_is_refused(build):
    assert refused(build.cost, build.run(X)) == "activity-array"
    assert refused(build.cost, 1.5) == "activity-density"
    assert refused(build.cost, 0.5, preset="dreams") == "unknown-preset"


def test_a_page_tells_of_arrays_in_memory(build, tmp_path):
    answer = build.report(tmp_path / "page.html", inputs=X)
    assert "arrays in memory" in (tmp_path / "page.html").read_text()
    assert answer.as_dict()["bit_exact"] is True
    assert not answer.as_compiled


def test_a_build_in_no_folder_has_no_page(build, tmp_path):
    assert refused(build.report, None) == "report-output"
    page = build.save(tmp_path / "b").report(None)
    assert (page.page, page.as_compiled) == (str(tmp_path / "b" / "report.html"), True)
    assert refused(build.save(tmp_path / "b").report, tmp_path / "b" / "p.html") == "report-output"


# --- how they look -------------------------------------------------------------------------


def test_every_answer_has_a_line_and_a_table(build, run, tmp_path):
    answers = [build, build.summary, run, build.cost(), build.report(tmp_path / "page.html")]
    for answer in answers:
        assert "\n" not in repr(answer)
        assert repr(answer).startswith(f"{type(answer).__name__}(")
        assert "<table>" in answer._repr_html_()
    assert "adcless-64: 39 crossbars, 42 with the copies that save time" in repr(build)
    assert repr(run).startswith("Run(spk [20, 3, 6]; ")


def test_names_of_others_are_escaped_in_tables(run):
    outputs = {"<script>\x1b": run.outputs["spk"]}
    shown = replace(run, outputs=outputs, answers=outputs)._repr_html_()
    assert "&lt;script&gt;\\x1b" in shown
    assert "<script>" not in shown


@pytest.mark.parametrize("model", [object(), None, 3])
def test_what_is_no_model_is_refused_with_a_way_to_make_one(model):
    with pytest.raises(MappingError, match="not-a-model"):
        mapper.compile(model, "adcless-64")


def test_a_start_that_a_recording_holds_is_not_left_out_in_silence():
    """The bundled network has three states; real numbers of a state mean nothing to a mapping."""
    build = mapper.compile(DEMO_MODEL, "ideal-128")
    name = build.hardware.states[0].read.name
    arrays = read_arrays(DEMO_RECORDING)
    start = np.ones((18, *build.hardware.states[0].read.shape), np.float32)
    told = build.run({**arrays, name: start}).notes
    assert any(f"start of {name!r} is not used" in note for note in told)
    assert not any("is not used" in note for note in build.run(arrays).notes)
