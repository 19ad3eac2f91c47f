"""What a target cannot have is told at once, in the same words wherever it is asked."""

import json
from dataclasses import replace

import numpy as np
import pytest
from onnx import ModelProto
from typer.testing import CliRunner

import mapper
from mapper.cli import app
from mapper.diagnostics import Diagnostic, MappingError
from mapper.frontend import describe, import_model
from targets import load_target
from tests.frontend.models import NUMBERS, leaky, model, node, saved


def faint(first: float = 1e-5, second: float = 1e-5) -> ModelProto:
    """Two layers of neurons that fire at 1, with weights of at most so much."""
    nodes = [
        node("Gemm", "x w1", "c1", transB=1),
        *leaky("c1", "v1", "s1", "v1_out", "lif1."),
        node("Gemm", "s1 w2", "c2", transB=1),
        *leaky("c2", "v2", "y", "v2_out", "lif2."),
    ]
    ramp = np.linspace(-1, 1, 12, dtype=np.float32)
    stored = {"w1": first * ramp.reshape(4, 3), "w2": second * ramp.reshape(3, 4), **NUMBERS}
    ports = {"x": [1, 3], "v1": [1, 4], "v2": [1, 3]}
    return model(nodes, ports, {"y": [1, 3], "v1_out": [1, 4], "v2_out": [1, 3]}, stored)


def shortcut() -> ModelProto:
    """A layer that reads what a layer with a factor per output gives, beside a faint neuron."""
    nodes = [
        node("Gemm", "x w1", "c1", transB=1),
        node("Mul", "c1 factors", "scaled"),
        node("Gemm", "scaled w2", "c2", transB=1),
        *leaky("c2", "v2", "s2", "v2_out", "lif2."),
        node("Gemm", "s2 faint", "c3", transB=1),
        *leaky("c3", "v3", "y", "v3_out", "lif3."),
    ]
    ramp = np.linspace(-1, 1, 9, dtype=np.float32).reshape(3, 3)
    factors = np.array([[1, 2, 3]], np.float32)
    stored = {"w1": ramp, "w2": ramp, "faint": 1e-5 * ramp, "factors": factors, **NUMBERS}
    ports = {"x": [1, 3], "v2": [1, 3], "v3": [1, 3]}
    return model(nodes, ports, {"y": [1, 3], "v2_out": [1, 3], "v3_out": [1, 3]}, stored)


def reasons(ask, *args: object, **options: object) -> tuple[Diagnostic, ...]:
    with pytest.raises(MappingError) as caught:
        ask(*args, **options)
    return caught.value.diagnostics


def test_compile_and_inspect_refuse_for_the_same_reasons(tmp_path):
    path = saved(faint(), tmp_path)
    target = load_target("adcless-64")
    target = replace(target, chip=replace(target.chip, tiles=1, crossbars_per_tile=1, max_chips=1))
    found = reasons(mapper.compile, path, target)
    assert [(d.code, d.loc) for d in found] == [
        ("membrane-too-narrow", "model.onnx:/lif1.fires"),
        ("membrane-too-narrow", "model.onnx:/lif2.fires"),
        ("too-many-crossbars", "model.onnx:/c2"),
    ]
    assert reasons(mapper.inspect, path, target) == found


def test_a_membrane_that_is_too_narrow_names_targets_that_have_the_width(tmp_path):
    """A threshold of 1 is 700,000 steps of 1e-5/7: 21 bits hold it. 1e-8 takes 31, 1e-10 38.

    The weights of one output are 1, 3 and 5 steps of 1e-10/11, so 1 is 1.1e11 of these.
    """
    path = saved(faint(second=1.0), tmp_path)
    (found,) = reasons(mapper.inspect, path, "adcless-64")
    assert "'adcless-64-m24', 'hpadc-sar5-64-m24'" in found.help
    assert mapper.inspect(path, "adcless-64-m24").mapping is not None
    (found,) = reasons(mapper.inspect, saved(faint(1e-8, 1.0), tmp_path), "adcless-64")
    assert "m24" not in found.help
    assert "'ideal-128'" in found.help
    (found,) = reasons(mapper.inspect, saved(faint(1e-10, 1.0), tmp_path), "adcless-64")
    assert "no target that comes with the compiler has membranes of 38 bits" in found.help


def test_a_layer_that_reads_analogue_values_is_compiled(tmp_path):
    """Its inputs are brought to one step; what is refused is the faint neuron behind it."""
    path = saved(shortcut(), tmp_path)
    (membrane,) = reasons(mapper.inspect, path, "hpadc-sar5-64")
    assert (membrane.code, membrane.loc) == ("membrane-too-narrow", "model.onnx:/lif3.fires")


def test_inspect_warns_of_it_without_a_target_too(tmp_path):
    (warning,) = describe(import_model(saved(shortcut(), tmp_path))).warnings
    assert warning.startswith("layer '/c2' reads analogue values, which '/c2.scale' gives")
    assert describe(import_model(saved(faint(), tmp_path))).warnings == ()


def test_a_leak_and_a_membrane_of_one_neuron_are_told_together(tmp_path):
    target = load_target("adcless-64")
    no_leak = replace(target, neuron=replace(target.neuron, leaks=("none",)))
    found = reasons(mapper.inspect, saved(faint(second=1.0), tmp_path), no_leak)
    assert [(d.code, d.loc.partition(":")[2]) for d in found] == [
        ("membrane-too-narrow", "/lif1.fires"),
        ("unsupported-leak", "/lif1.fires"),
        ("unsupported-leak", "/lif2.fires"),
    ]


def test_commands_end_with_the_same_codes_and_exit_code(tmp_path):
    path = str(saved(faint(), tmp_path))
    asked = (["inspect", path], ["compile", path, "-o", str(tmp_path / "build")])
    told = [
        CliRunner().invoke(app, [*words, "--target", "adcless-64", "--json"]) for words in asked
    ]
    assert [one.exit_code for one in told] == [1, 1]
    codes = [[e["code"] for e in json.loads(one.stdout)["errors"]] for one in told]
    assert codes[0] == codes[1] == ["membrane-too-narrow"] * 2
    assert not (tmp_path / "build").exists()


def test_what_says_how_to_map_needs_a_target(tmp_path):
    done = CliRunner().invoke(app, ["inspect", str(saved(faint(), tmp_path)), "--weight-bits", "3"])
    assert done.exit_code == 2
    assert "need one" in done.output
