"""Export: torch in evaluation = ONNX Runtime = executor = lowered ONNX, every spike."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from mapper import api
from mapper.build.make import make_build
from mapper.diagnostics import MappingError
from mapper.exchange.canonical import tensors_of
from mapper.executor.onnx.run import run_lowered
from mapper.frontend import import_model
from mapper.ir.assignment import Assignment, Choice, layer_name
from mapper.ir.core import SPIKE
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.readout import SenseAmpRead
from mapper.ir.synapses import Conv2d, Synapse
from mapper.recordings import to_reals
from mapper.training import Awareness, export_onnx, harden
from mapper.training.hardening.integer import TorchEngine
from mapper.verify.build import verify_build
from mapper.verify.trained import trained_ring
from targets import Target, load_target
from tests.training.small import a_macro, a_network, a_target, spikes
from tests.training.twins import VARIANTS, branches, disordered

CODES = ("1-graph-rules", "2-exact-passes", "4-executor", "6-lowered-onnx", "7-trained-export")


def check_all_rings(model, x, path: Path) -> None:
    """Export, import, compile, and compare four ways to compute the same spikes."""
    found = model.eval()(x)
    export_onnx(model, path, x)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    imported = import_model(path)
    assert imported.trained_for == model.target.name
    build = make_build(imported, model.target, None, None, source={})
    assert build is not None
    codes = {"x": x.numpy().astype(np.int64)}
    ring = trained_ring(path, build, codes)
    checked = verify_build(build, codes, codes, trained=ring)
    statuses = {ring.name: ring.status for ring in checked.rings}
    assert all(statuses[name] == "equal" for name in CODES), statuses
    ran = run_lowered(onnx.load(path), codes)
    assert (
        to_reals(build.hardware, {"y": ran["y"]})["y"].astype(np.float32) == found.numpy()
    ).all()
    # Every spike that torch computes, layer by layer.
    inner = {v.name for op in build.network.ops for v in op.results if v.type == SPIKE}
    tensors = {n: t for n, t in tensors_of(onnx.load(path)).items() if n in inner}
    watched = run_lowered(onnx.load(path), codes, watch=tensors)
    shown = [v for op in build.network.ops for v in op.results if v.name in tensors]
    ours = TorchEngine(x.device).prepare(build.network, watch=tuple(tensors)).run(codes)
    assert all((ours[value.name] == watched[value.name]).all() for value in shown)
    assert any(watched[v.name].any() for v in shown)


@pytest.mark.campaign(7)
@pytest.mark.parametrize(("readout", "macro", "options"), VARIANTS)
def test_every_spike_is_the_same_everywhere(tmp_path, readout, macro, options):
    x = spikes(3, 4, 2, 6, 6)
    model = harden(a_network(), a_target(readout, **macro), example=x, **options)
    check_all_rings(disordered(model), x, tmp_path / "m.onnx")


def test_a_mapping_of_other_references_than_trained_is_found_and_located(tmp_path):
    x = spikes(3, 4, 2, 6, 6)
    model = disordered(harden(a_network(), a_target(), example=x))
    export_onnx(model, tmp_path / "m.onnx", x)
    build = make_build(import_model(tmp_path / "m.onnx"), model.target, None, None, source={})
    assert build is not None
    read = next(op for op in build.hardware.ops if isinstance(op, SenseAmpRead))
    wrong = build.hardware.constants[read.thresholds.name].copy()
    wrong[...] = np.iinfo(np.int16).min  # every sense amplifier gives 1, whatever the sum
    constants = {**build.hardware.constants, read.thresholds.name: wrong}
    faulty = replace(build, hardware=replace(build.hardware, constants=constants))
    ring = trained_ring(tmp_path / "m.onnx", faulty, {"x": x.numpy().astype(np.int64)})
    assert ring.status == "mismatch"
    assert ring.max_abs_diff > 0
    assert ring.first_mismatch is not None
    place = ring.first_mismatch
    # Two row blocks of three bit-slices, each read as 1 and shifted by its weight: 2 * (1 + 2 + 4).
    assert (place.step, place.sample, place.layer, place.found) == (0, 0, "_0.sums", 14)


@pytest.mark.parametrize(("input_bits", "per_read"), [(1, 1), (3, 1), (3, 2)])
def test_branches_and_counts(tmp_path, input_bits, per_read):
    x = torch.randint(0, 2**input_bits, (3, 2, 2, 6, 6)).float()
    model = harden(
        branches(), a_target(input_bits_per_read=per_read), example=x, input_bits=input_bits
    )
    check_all_rings(disordered(model), x, tmp_path / "m.onnx")


@pytest.mark.parametrize("readout", ["half-active", "flash", "ideal"])
def test_a_layer_on_the_digital_unit(tmp_path, readout):
    x = spikes(3, 4, 2, 6, 6)
    target = a_target(readout, encoding="offset-binary")
    model = harden(a_network(), target, digital=["4"], weight_bits=6, example=x)
    check_all_rings(disordered(model), x, tmp_path / "m.onnx")
    placed = model.hardware(x).ops
    assert [type(op) for op in placed if isinstance(op, Synapse)] == [Conv2d]
    assert len([op for op in placed if isinstance(op, CrossbarMvm)]) == 2


def test_after_training(tmp_path):
    x = spikes(3, 8, 2, 6, 6)
    model = harden(a_network(), "adcless-64", example=x)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(5):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x).sum(0), torch.arange(8) % 3).backward()
        optimiser.step()
    check_all_rings(model, x, tmp_path / "m.onnx")


EDITS = {
    "rows": ("wordlines = 64", "wordlines = 16"),
    "cells": ("cell_bits = 1", "cell_bits = 2"),
    "encoding": ('encoding = "offset-binary"', 'encoding = "twos-complement"'),
    "weights": ("weight_bits = 4", "weight_bits = 6"),
    "levels": ("levels = [-1, 1]", "levels = [0, 1]"),
    "reference": ('reference = "half-active"', 'reference = "constant"'),
    "membrane": ("membrane_bits = 16", "membrane_bits = 12"),
}


def edited(tmp_path: Path, *names: str) -> Path:
    source = Path(__file__).resolve().parents[2] / "targets" / "adcless-64.toml"
    text = source.read_text().replace('name = "adcless-64"', 'name = "edited"')
    for name in names:
        before, after = EDITS[name]
        assert before in text
        text = text.replace(before, after)
    path = tmp_path / "edited.toml"
    path.write_text(text)
    return path


@pytest.mark.campaign(2)
@pytest.mark.parametrize("name", EDITS)
def test_another_target_file_needs_no_other_code(tmp_path, name):
    check_edited(tmp_path, name)


def test_a_target_file_with_every_edit_needs_no_other_code(tmp_path):
    check_edited(tmp_path, *EDITS)


def check_edited(tmp_path: Path, *names: str) -> None:
    x, target = spikes(3, 4, 2, 6, 6), edited(tmp_path, *names)
    model = harden(a_network(), str(target), example=x)
    found = model.eval()(x)
    path, build, recording = tmp_path / "m.onnx", tmp_path / "build", tmp_path / "x.npz"
    export_onnx(model, path, x)
    np.savez(recording, x=x.numpy())
    api.compile_model(path, str(target), build)
    answer = api.verify(build, recording, model=path)
    assert answer["bit_exact"]
    assert {r["name"]: r["status"] for r in answer["rings"]}["7-trained-export"] == "equal"
    ran = api.run_build(build, recording, tmp_path / "y.npz")["outputs"]["y"]
    codes = np.load(tmp_path / "y.npz")["y"]
    reals = codes * np.asarray(ran["scale"]) + np.asarray(ran["offset"])
    assert (reals.astype(np.float32) == found.numpy()).all()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("rows",), "trained for 36 wordlines of a crossbar, 'sense-amp-64' has 16"),
        (("cells",), "trained with cell_bits 1, 'sense-amp-64' has 2"),
        (("encoding",), "encoding offset-binary, 'sense-amp-64' has twos-complement"),
        (("levels",), r"levels \(-1, 1\), 'sense-amp-64' has \(0, 1\)"),
        (("reference",), "reference half-active, 'sense-amp-64' has constant"),
        (("membrane",), "trained with membranes of 16 bits, 'edited' has 12"),
    ],
)
def test_other_hardware_is_refused_with_both_facts(tmp_path, names, said):
    path, x = tmp_path / "m.onnx", spikes(2, 2, 2, 6, 6)
    export_onnx(harden(a_network(), "adcless-64"), path, x)
    with pytest.raises(MappingError, match=said) as caught:
        api.compile_model(path, str(edited(tmp_path, *names)), tmp_path / "build")
    assert {d.code for d in caught.value.diagnostics} == {"trained-for-other-hardware"}


def test_other_options_and_readouts_are_refused(tmp_path):
    path, x = tmp_path / "m.onnx", spikes(2, 2, 2, 6, 6)
    export_onnx(harden(a_network(), "adcless-64"), path, x)
    with pytest.raises(MappingError, match="weights of 4 bits, 8 are asked for"):
        api.compile_model(path, "adcless-64", tmp_path / "build", weight_bits=8)
    with pytest.raises(MappingError, match="readout sense-amp, 'flash5-64' has flash"):
        api.compile_model(path, "hpadc-flash5-64", tmp_path / "build")
    slow = a_network()
    slow[2].leak.data.fill_(0.6)  # no power of two
    export_onnx(harden(slow, "adcless-64"), path, x)
    target = tmp_path / "shift.toml"
    text = edited(tmp_path).read_text()
    target.write_text(_without_multipliers(text))
    with pytest.raises(
        MappingError, match="trained with leak 'multiply', 'edited' has none, shift"
    ):
        api.compile_model(path, str(target), tmp_path / "build")
    target.write_text(text.replace("leak_bits = 12", "leak_bits = 8"))
    with pytest.raises(MappingError, match="leak of 12 fraction bits, 'edited' has 8"):
        api.compile_model(path, str(target), tmp_path / "build")
    target.write_text(text.replace("leak_bits = 12", 'leak_bits = 12\nleak_rounding = "nearest"'))
    with pytest.raises(MappingError, match="a leak that rounds down, that of 'edited' rounds to t"):
        api.compile_model(path, str(target), tmp_path / "build")
    counts = harden(a_network(), "adcless-64", input_bits=4)
    export_onnx(counts, path, x)
    narrow = tmp_path / "narrow.toml"
    narrow.write_text(text.replace("max_input_bits = 8", "max_input_bits = 2"))
    with pytest.raises(MappingError, match="takes inputs of 4 bits, no macro of 'edited' does"):
        api.compile_model(path, str(narrow), tmp_path / "build")


def _without_multipliers(text: str) -> str:
    fewer = text.replace('["none", "shift", "multiply"]', '["none", "shift"]')
    return fewer.replace("leak_bits = 12", "leak_bits = 0")


def test_macros_of_the_same_facts_may_have_another_name(tmp_path):
    x, path = spikes(2, 2, 2, 6, 6), tmp_path / "m.onnx"
    export_onnx(harden(a_network(), "adcless-64", example=x), path, x)
    other = tmp_path / "other.toml"
    text = edited(tmp_path).read_text()
    other.write_text(text.replace('name = "sense-amp-64"', 'name = "columns"'))
    build = make_build(import_model(path), load_target(str(other)), None, None, source={})
    layers = [op for op in build.hardware.ops if isinstance(op, CrossbarMvm)]
    assert {op.placement.macro for op in layers} == {"columns"}


def test_the_same_model_gives_the_same_bytes(tmp_path):
    x = spikes(2, 2, 2, 6, 6)
    model = harden(a_network(), "adcless-diff-64", example=x)
    for name in ("a", "b"):
        export_onnx(model, tmp_path / name, x)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_model_that_feels_less_than_its_target_is_not_exported(tmp_path):
    x = spikes(2, 2, 2, 6, 6)
    model = harden(a_network(), "adcless-64")
    model.raise_awareness(Awareness(reading="converter", bits=3), x)
    with pytest.raises(ValueError, match="3 layers feel 'converter' sums"):
        export_onnx(model, tmp_path / "m.onnx", x)
    assert not (tmp_path / "m.onnx").exists()


def test_commands_take_a_trained_file(tmp_path):
    x, path = spikes(2, 2, 2, 6, 6), tmp_path / "m.onnx"
    export_onnx(harden(a_network(), "adcless-64", example=x), path, x)
    shown = api.inspect_model(path)
    places = {layer["op"]: layer["runs_on"] for layer in shown["layers"]}
    assert places["imc.crossbar_mvm"] == places["imc.sense_amp_read"] == "crossbars"
    assert places["imc.update_membrane"] == "digital unit"
    assert any("trained for target 'adcless-64'" in note for note in shown["notes"])
    api.export_model(path, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == path.read_bytes()
    np.savez(tmp_path / "x.npz", x=x.numpy())
    assert api.verify(path, tmp_path / "x.npz")["bit_exact"]
    made = api.compile_model(path, "adcless-64", tmp_path / "b", calibrate=tmp_path / "x.npz")
    assert made["network"] == "Sequential"
    told = json.loads((tmp_path / "b" / "mapping.json").read_text(encoding="utf-8"))
    assert told["source"]["trained for"] == "adcless-64"
    answer = api.verify(tmp_path / "b", tmp_path / "x.npz")
    ring = next(r for r in answer["rings"] if r["name"] == "7-trained-export")
    assert (ring["status"], ring["reason"]) == ("skipped", "no model given")
    assert all(item["output_error"] == 0 for item in answer["inexact_passes"])


# --- layers that are assigned ------------------------------------------------------------------


def with_two_macros() -> Target:
    """Sense amplifiers first, and an ADC macro that takes the same spikes."""
    target = a_target()
    adc = replace(a_macro("flash"), name="adc")
    return replace(target, macros=(*target.macros, adc))


ASSIGNED = Assignment(
    layers={"0": Choice(macro="adc", weight_bits=3), "4": Choice(macro="digital", weight_bits=7)}
)


def test_assigned_layers_are_trained_and_compiled_where_they_were_assigned(tmp_path):
    """Of its own width each: the digital layer's integers are wider than any on crossbars."""
    x = spikes(3, 4, 2, 6, 6)
    model = harden(a_network(), with_two_macros(), weight_bits=5, assignment=ASSIGNED, example=x)
    check_all_rings(disordered(model), x, tmp_path / "m.onnx")
    placed = model.hardware(x)
    grids = [op for op in placed.ops if isinstance(op, CrossbarMvm)]
    assert [(op.placement.macro, op.encoding.weight_bits) for op in grids] == [
        ("adc", 3),
        (a_target().macros[0].name, 5),
    ]
    (digital,) = (op for op in placed.ops if isinstance(op, Synapse))
    assert 31 < abs(placed.constants[digital.weight.name]).max() <= 63


def test_what_was_trained_cannot_be_assigned_elsewhere(tmp_path):
    x, path = spikes(3, 4, 2, 6, 6), tmp_path / "m.onnx"
    export_onnx(harden(a_network(), with_two_macros(), assignment=ASSIGNED, example=x), path, x)
    imported = import_model(path)
    names = [op.loc for op in imported.graph.ops if isinstance(op, CrossbarMvm | Synapse)]
    first, digital, last = (layer_name(name) for name in names)
    wanted = {
        first: Choice(macro=a_target().macros[0].name),
        digital: Choice(macro="adc"),
        last: Choice(weight_bits=8),
    }
    with pytest.raises(MappingError) as caught:
        make_build(
            imported,
            with_two_macros(),
            None,
            None,
            source={},
            assignment=Assignment(layers=wanted),
        )
    assert [(d.code, d.message) for d in caught.value.diagnostics] == [
        ("trained-for-other-hardware", "trained with readout flash, 'sense-amp-64' has sense-amp"),
        ("trained-for-other-hardware", "trained for the digital unit, macro 'adc' is assigned"),
        (
            "trained-for-other-hardware",
            "trained with weights of 4 bits, 8 are assigned",
        ),
    ]


def test_an_assignment_that_training_cannot_follow_is_refused():
    target = with_two_macros()
    unknown = Assignment(layers={"1": Choice(macro="adc")})
    with pytest.raises(MappingError, match=r"error\[unknown-layer\]: no layer of weights is named"):
        harden(a_network(), target, assignment=unknown)
    narrow = replace(target.macros[1], accepts=("codes",))
    spikes_only = replace(target, macros=(target.macros[0], narrow))
    with pytest.raises(MappingError, match=r"error\[macro-inputs\]: layer '0' has inputs of 1 bit"):
        harden(a_network(), spikes_only, assignment=ASSIGNED)
    with pytest.raises(ValueError, match="digital names '0', which is assigned to 'adc'"):
        harden(a_network(), target, digital=["0"], assignment=ASSIGNED)
