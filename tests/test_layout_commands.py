"""Every command takes an array of a recording for the same thing, and says so."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import mapper
from mapper import cli
from mapper.diagnostics import MappingError
from mapper.exchange.canonical import to_model
from mapper.frontend import import_model
from mapper.layout import Presentation, Taken
from tests.frontend.models import NUMBERS, leaky, model, node, saved
from tests.frontend.test_time import readout, weights
from tests.frontend.test_time_images import shown

STEPS = 5  # of the models here
RNG = np.random.default_rng(0)


def as_json(*args: str) -> dict[str, Any]:
    """Return what a command prints, an answer or a refusal."""
    done = CliRunner().invoke(cli.app, [*args, "--json"])
    answer: dict[str, Any] = json.loads(done.stdout)
    compared = answer.get("bit_exact", True)  # a ring may have been left out: other lengths
    assert done.exit_code == (1 if "errors" in answer or not compared else 0)
    return answer


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A model that shows ``x[3]`` for five steps, its build, and recordings of every layout."""
    folder: Path = tmp_path_factory.mktemp("layout")
    saved(shown(STEPS, "sum"), folder).rename(folder / "m.onnx")
    images = (RNG.random((STEPS, 3)) < 0.7).astype(np.float32)  # as many as there are steps
    held = {
        "images": images,
        "image": images[0],
        "moving": np.repeat(images[None], STEPS, axis=0)[:4],
        "swapped": np.repeat(images[:, None], 4, axis=1),
    }
    for name, array in held.items():
        np.savez(folder / f"{name}.npz", x=array, labels=np.zeros(len(np.atleast_2d(array)), int))
    np.savez(folder / "moving.npz", x=held["moving"], labels=np.zeros(STEPS, int))
    np.savez(folder / "steps.npz", x=images)
    build = mapper.compile(folder / "m.onnx", "ideal-128", calibrate=folder / "images.npz")
    build.save(folder / "b")
    return folder


@pytest.fixture
def folder(made, monkeypatch) -> Path:
    monkeypatch.chdir(made)
    return made


def recordings(name: str, *layout: str) -> dict[str, Any]:
    """Return what each command says that it took a file for."""
    file = f"{name}.npz"
    commands = {
        "verify MODEL": ["verify", "m.onnx", "--input", file],
        "compile": ["compile", "m.onnx", "--target", "ideal-128", "--calibrate", file, "-o", "c"],
        "run": ["run", "b", "--input", file, "--output", "y.npz", "--trace"],
        "verify BUILD": ["verify", "b", "--input", file, "--model", "m.onnx"],
        "report": ["report", "b", "--input", file, "-o", "page.html"],
    }
    found = {what: as_json(*args, *layout)["recording"] for what, args in commands.items()}
    for what, args in {
        "compare MODEL": ["compare", "m.onnx", "--targets", "ideal-128", "--input", file],
        "compare BUILD": ["compare", "b", "--input", file],
    }.items():
        found[what] = as_json(*args, *layout)["targets"][0]["recording"]
    cost = as_json("cost", "b", "--activity", "y.trace.npz")
    told = found["run"]
    assert (cost["samples"], cost["steps"]) == (told["samples"], told["steps"])
    return found


@pytest.mark.parametrize(
    ("name", "layout", "told"),
    [
        ("images", None, "5 samples, each shown 5 steps"),
        ("moving", None, "5 samples of 4 time steps"),
        ("steps", "steps", "1 sample of 5 time steps"),
        ("swapped", "samples", "5 samples of 4 time steps"),
    ],
)
def test_every_command_takes_a_file_for_the_same(folder, name, layout, told):
    found = recordings(name, *(("--layout", layout) if layout else ()))
    assert {what: held["told"] for what, held in found.items()} == dict.fromkeys(found, told)


def test_text_says_what_was_taken(folder):
    for args in (
        ["verify", "m.onnx"],
        ["verify", "b"],
        ["run", "b", "--output", "y.npz"],
        ["compare", "b"],
        ["report", "b", "-o", "page.html"],
    ):
        done = CliRunner().invoke(cli.app, [*args, "--input", "images.npz"])
        assert "recording: 5 samples, each shown 5 steps" in done.output, args
    assert "taken for 5 samples, each shown 5 steps" in Path("page.html").read_text("utf-8")
    args = ["compile", "m.onnx", "--target", "ideal-128", "--calibrate", "images.npz", "-o", "c"]
    done = CliRunner().invoke(cli.app, args)
    assert "images: x, each shown 5 time steps" in done.output
    assert "calibrated on: 5 samples, each shown 5 steps" in done.output


def test_inspection_names_images(folder):
    mapper.export("m.onnx", "canonical.onnx")
    for file in ("m.onnx", "canonical.onnx"):
        assert as_json("inspect", file)["images"] == {"inputs": ["x"], "steps": 5}
        done = CliRunner().invoke(cli.app, ["inspect", file])
        assert "an image, shown 5 steps: spikes, or codes" in " ".join(done.output.split())


def test_a_cost_of_fewer_steps_than_an_image_is_shown_for_says_so(folder):
    build = mapper.compile("m.onnx", "ideal-128", calibrate="images.npz")
    (note,) = build.cost().notes
    assert note == "the model shows an image for 5 time steps: --steps 5 prices them"
    assert not build.cost(steps=5).notes
    assert not build.cost(build.run("moving.npz", trace=True)).notes  # four, and recorded


def test_images_give_what_their_repetition_gives(folder):
    images = np.load("images.npz")["x"]
    build = mapper.load("b")
    repeated = np.repeat(images[None], STEPS, axis=0)
    shown, moving = build.run(images), build.run(repeated)
    assert np.array_equal(shown.outputs["y"], moving.outputs["y"])
    assert (shown.recording.shown, moving.recording.shown) == (("x",), ())
    assert shown.outputs["y"].any()
    assert str(build.run(images[0]).recording) == "1 sample, shown 5 steps"
    assert np.array_equal(build.run(images[:1]).outputs["y"], shown.outputs["y"][:, :1])


def test_shapes_that_fit_nothing_are_refused_with_those_that_would(folder):
    for call in (
        lambda x: mapper.verify_model("m.onnx", {"x": x}),
        lambda x: mapper.compile("m.onnx", "ideal-128", calibrate={"x": x}),
        mapper.load("b").run,
    ):
        for shape in ((2, 4), (1, 2, 3, 3), (0, 3)):
            with pytest.raises(MappingError) as refused:
                call(np.zeros(shape))
            (problem,) = refused.value.diagnostics
            assert problem.code == "input-shape"
            wanted = "no time steps" if 0 in shape else "expected [B, 3], [3] or [T, B, 3]"
            assert wanted in problem.message
            assert "the images are each shown for 5 time steps" in problem.help


def test_labels_fit_samples_in_every_command(folder):
    """One label for each of six, where there are five images; the first image alone is one."""
    np.savez("wrong.npz", x=np.load("images.npz")["x"], labels=np.zeros(6, int))
    for args in (
        ["verify", "m.onnx", "--input"],
        ["verify", "b", "--input"],
        ["compare", "b", "--input"],
        ["run", "b", "--output", "y.npz", "--input"],
        ["compile", "m.onnx", "--target", "ideal-128", "-o", "c", "--calibrate"],
    ):
        (error,) = as_json(*args, "wrong.npz")["errors"]
        assert error["message"] == "labels have shape (6,), expected (5,)"
        assert "5 samples" in error["help"]


def test_a_layout_of_nothing_or_of_another_name_is_refused(folder):
    for args in (
        ["compile", "m.onnx", "--target", "ideal-128", "-o", "c", "--layout", "samples"],
        ["report", "b", "--layout", "steps"],
        ["compare", "b", "--layout", "steps"],
        ["run", "b", "--input", "images.npz", "--output", "y.npz", "--layout", "frames"],
    ):
        (error,) = as_json(*args)["errors"]
        assert error["code"] == "input-layout"


@pytest.mark.parametrize("layout", [(), ("--layout", "steps")])
def test_the_generated_program_takes_what_run_takes(folder, layout):
    args = ["run", "b", "--input", "steps.npz", "--output", "y.npz", *layout]
    told = as_json(*args)["recording"]["told"]
    alone = [sys.executable, "-I", "b/executor.py", "steps.npz", "alone.npz", *layout]
    done = subprocess.run(alone, text=True, capture_output=True, check=True)
    assert done.stdout == f"{told}\n"
    assert np.array_equal(np.load("y.npz")["y"], np.load("alone.npz")["y"])


def test_every_backend_takes_the_same_images(folder):
    images = np.load("images.npz")["x"]
    found = [mapper.load("b").run(images, backend="numpy"), mapper.load("b").run(images)]
    assert np.array_equal(found[0].outputs["y"], found[1].outputs["y"])


def test_the_canonical_form_keeps_how_long_an_image_is_shown(folder):
    mapper.export("m.onnx", "canonical.onnx")
    assert import_model("canonical.onnx").presented == Presentation(STEPS, ("x",))
    verified = as_json("verify", "canonical.onnx", "--input", "images.npz")
    assert verified["recording"]["told"] == "5 samples, each shown 5 steps"
    assert verified["bit_exact"]
    build = mapper.compile("canonical.onnx", "ideal-128", calibrate="images.npz")
    assert build.recording == Taken(5, STEPS, ("x",))


def test_a_canonical_file_with_an_image_that_is_no_input_is_refused(folder):
    graph = import_model("m.onnx").graph
    facts = {"presented": {"steps": 5, "images": ["z"]}}
    Path("wrong.onnx").write_bytes(to_model(graph, facts).SerializeToString())
    with pytest.raises(MappingError, match="no input is named 'z'"):
        import_model("wrong.onnx")


# --- other forms ---------------------------------------------------------------------------


def sequence(samples_first: bool):
    """Return one layer over ``x[5, 1, 3]``, or over ``x[1, 5, 3]``, written out."""
    nodes, stored, spikes = [], {}, []
    for t in range(STEPS):
        stored[f"t{t}"] = np.array(t, np.int64)
        nodes.append(node("Gather", f"x t{t}", f"x{t}", axis=1 if samples_first else 0))
        nodes.append(node("Gemm", f"x{t} w", f"c{t}", transB=1))
        nodes += leaky(f"c{t}", f"v{t}", f"s{t}", f"v{t + 1}", f"{t}.")
        spikes.append(f"s{t}")
    nodes.extend(readout(spikes, "sum"))
    shape = [1, STEPS, 3] if samples_first else [STEPS, 1, 3]
    zeros = np.zeros((1, 4), np.float32)
    stored |= {"w": weights(0) + 0.5, "v0": zeros, "time": np.array([0], np.int64), **NUMBERS}
    return model(nodes, {"x": shape}, {"y": [1, 4]}, stored)


@pytest.mark.parametrize("samples_first", [False, True])
def test_sequences_keep_steps_first_in_builds_and_their_own_order_in_the_model(
    samples_first, tmp_path
):
    path = saved(sequence(samples_first), tmp_path)
    x = np.ones((2, STEPS, 3) if samples_first else (STEPS, 2, 3), np.float32)
    assert mapper.verify_model(path, x).taken == Taken(2, STEPS, (), ("x",))
    build = mapper.compile(path, "ideal-128", calibrate=x)
    steps = mapper.verify_model(path, np.ones((7, 2, 3)), layout="steps").taken
    assert steps == Taken(2, 7, (), ("x",))
    if not samples_first:
        assert build.run(x).recording == Taken(2, STEPS, (), ("x",))
        assert build.run(x[:, 0]).recording == Taken(1, STEPS, (), ("x",))
        return
    taken = build.run(x).recording
    assert (taken.samples, taken.steps) == (STEPS, 2)
    assert str(taken) == (
        "5 samples of 2 time steps; with the layout samples, 2 samples of 5 time steps"
    )
    swapped = build.run(x, layout="samples")
    assert swapped.recording == Taken(2, STEPS, (), ("x",))
    assert np.array_equal(swapped.outputs["y"], build.run(x.swapaxes(0, 1)).outputs["y"])


def whole(shape: list[int]):
    """Return a layer that reads all of ``x`` as one row of numbers, five times."""
    nodes, spikes = [node("Reshape", "x row", "r"), node("MatMul", "r w", "c")], []
    for t in range(STEPS):
        nodes += leaky("c", f"v{t}", f"s{t}", f"v{t + 1}", f"{t}.")
        nodes.append(node("Reshape", f"s{t} one_row", f"z{t}"))
        spikes.append(f"z{t}")
    nodes.extend(readout(spikes, "each"))
    stored = {"w": weights(0).T + 0.5, "row": np.array([3]), "v0": np.zeros(4, np.float32)}
    stored |= {"one_row": np.array([1, 4]), **NUMBERS}
    return model(nodes, {"x": shape}, {"y": [STEPS, 4]}, stored)


@pytest.mark.parametrize(
    ("shape", "images"),
    [([1, 3], [7, 3]), ([1, 1, 3, 1], [7, 1, 3, 1]), ([3], [7, 3]), ([1, 3, 1], [7, 1, 3, 1])],
)
def test_images_of_a_model_without_a_batch_axis_are_samples(shape, images, tmp_path):
    """``[1, N]`` and ``[1, C, H, W]`` are batches of one; ``[N]`` and ``[C, H, W]`` one image."""
    path, x = saved(whole(shape), tmp_path), np.ones(images, np.float32)
    x[:, ..., 0] = 0
    verified = mapper.verify_model(path, x)
    assert verified.taken == Taken(7, STEPS, ("x",))
    assert verified.ring("3-onnxruntime").status == "equal"
    build = mapper.compile(path, "ideal-128", calibrate=x).save(tmp_path / "b")
    moving = np.repeat(x[None], STEPS, axis=0)
    expected = build.run(x, backend="numpy").outputs["y"]
    assert np.array_equal(expected, build.run(moving).outputs["y"])
    assert build.verify(x, model=path).ring("3-onnxruntime").status == "equal"
    assert str(build.run(x[0]).recording) == "1 sample, shown 5 steps"
    np.savez(tmp_path / "x.npz", x=x)
    alone = [sys.executable, "-I", "b/executor.py", "x.npz", "y.npz"]
    done = subprocess.run(alone, cwd=tmp_path, text=True, capture_output=True, check=True)
    assert done.stdout == "7 samples, each shown 5 steps\n"
    assert np.array_equal(np.load(tmp_path / "y.npz")["y"], expected)


def test_a_model_over_time_takes_what_a_build_takes_too(tmp_path):
    path = saved(sequence(False), tmp_path)
    assert mapper.verify_model(path, np.ones((STEPS, 3))).taken == Taken(1, STEPS, (), ("x",))
    with pytest.raises(MappingError) as refused:
        mapper.verify_model(path, np.ones((STEPS, 4)))
    assert "expected [T, B, 3] or [T, 3]" in refused.value.diagnostics[0].message
