"""The generated ``cost.py``: the same numbers, alone, the same bytes."""

import ast
import json
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mapper.cost import count_actions, estimate, generate_cost
from mapper.cost.actions import activity_of_density
from mapper.cost.facts import chip_of, facts_of
from mapper.cost.generate import EMBEDDED, literal
from mapper.cost.points import ALL_MOVED, SETTING_KEYS, at_rest, changed, totals
from mapper.cost.priced import unpriced
from mapper.cost.scaling import analogue_energy_factor, digital_energy_factor
from mapper.ir.core import Graph
from targets import Target, list_presets, load_preset, load_target
from tests.cost.networks import (
    activity_of,
    graph_for,
    small_target,
    traced,
    two_by_two_grid,
)

PHYSICAL = load_preset("physical")


@pytest.fixture
def generated(tmp_path):
    """Write ``cost.py`` and run it, isolated from everything installed."""

    def run(graph: Graph, target: Target, *arguments: str, steps: int = 1) -> str:
        path = tmp_path / "cost.py"
        path.write_text(generate_cost(count_actions(graph, target), steps=steps))
        # -I -S: no environment, no user or site packages, so the standard library alone.
        command = [sys.executable, "-I", "-S", str(path), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return run


@pytest.mark.parametrize("name", ["adcless-64", "hpadc-sar5-64", "mixed-64", "ideal-128"])
def test_the_generated_file_prints_the_estimate_to_the_last_bit(generated, name):
    target = load_target(name)
    graph = graph_for(target)
    for preset in list_presets():
        expected = estimate(graph, target, 0.25, steps=3, preset=load_preset(preset)).as_dict()
        options = ("0.25", "--steps", "3", "--preset", preset, "--json")
        assert json.loads(generated(graph, target, *options)) == expected


def test_density_and_steps_have_defaults(generated):
    graph, target = two_by_two_grid(), small_target()
    printed = json.loads(generated(graph, target, "--json", steps=7))
    assert printed == estimate(graph, target, 0.1, steps=7, preset=PHYSICAL).as_dict()


def test_the_text_form_is_that_of_the_estimate(generated):
    graph, target = two_by_two_grid(), small_target()
    assert generated(graph, target) == f"{estimate(graph, target, preset=PHYSICAL)}\n"


@pytest.mark.parametrize(
    "arguments",
    [["2"], ["nan"], ["-0.5"], ["many"], ["--steps", "0"], ["--what"]]
    + [["--set", text] for text in ("adc.foo=1", "adc.energy_pj", "adc.energy_pj=-1", "x=nan")]
    + [["--node", "3"], ["--preset", "none"], ["--activity", "no-such.npz"], ["--sweep", "a=1:2"]]
    + [["--voltage", "0.9"], ["--sweep", "density=0:1:2", "--voltage", "0.9"]]
    + [["--sweep", "density=0:2:3"]],
)
def test_wrong_usage_exits_2(generated, arguments):
    with pytest.raises(subprocess.CalledProcessError) as error:
        generated(two_by_two_grid(), small_target(), *arguments)
    assert error.value.returncode == 2
    assert "Traceback" not in error.value.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--voltage", "0.9"], "--voltage goes with --node, which says what it is the supply of"),
        (
            ["--set", "adc.energy_pj=-1"],
            "expected adc.energy_pj=NUMBER, 0 to 1.79769e+308, got '-1'",
        ),
        (["--set", "adc.energy_pj"], "expected adc.energy_pj=NUMBER, 0 to 1.79769e+308, got ''"),
        (["--sweep", "density=0:2:3"], "expected density=NUMBER, 0 to 1, got '2'"),
    ],
)
def test_wrong_usage_says_what_is_expected(generated, arguments, message):
    with pytest.raises(subprocess.CalledProcessError) as error:
        generated(two_by_two_grid(), small_target(), *arguments)
    assert message in error.value.stderr


def test_a_reader_that_closes_early_ends_it_in_silence(tmp_path):
    path = tmp_path / "cost.py"
    path.write_text(generate_cost(count_actions(two_by_two_grid(), small_target())))
    command = [sys.executable, "-I", "-S", str(path), "--sweep", "density=0:1:20000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.read(1)
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait() == 1


def test_the_activity_is_named(generated):
    graph, target = two_by_two_grid(), small_target()
    assert "1 time step, density 0.3, preset physical:" in generated(graph, target, "0.3")
    assert json.loads(generated(graph, target, "0.3", "--json"))["density"] == 0.3
    paper = generated(graph, target, "0.3", "--steps", "20", "--preset", "paper")
    assert "20 time steps, density 0.475, preset paper:" in paper


def test_the_same_inputs_give_the_same_bytes():
    texts = {generate_cost(count_actions(two_by_two_grid(), small_target())) for _ in range(2)}
    assert len(texts) == 1


def test_only_the_standard_library_is_needed():
    """NumPy is imported where it is there, and sweeps are faster with it."""
    tree = ast.parse(generate_cost(count_actions(two_by_two_grid(), small_target())))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    assert imported <= {*sys.stdlib_module_names, "numpy"}


def test_names_from_a_model_file_stay_texts(generated):
    nasty = 'x\'); import os; print(\'owned\\"""\n\x1b[31m\N{SNOWMAN}{{ 7 * 7 }}\ud800'
    graph = two_by_two_grid()
    ops = tuple(replace(op, loc=nasty) if op.loc else op for op in graph.ops)
    graph = replace(graph, name=nasty, ops=ops)
    target = replace(small_target(), name=nasty)
    text = generate_cost(count_actions(graph, target))
    assert text.isascii()
    printed = generated(graph, target)
    assert printed.isascii()
    assert "\x1b" not in printed
    layers = json.loads(generated(graph, target, "--json"))["layers"]
    assert [layer["name"] for layer in layers] == [nasty]


def test_no_path_and_no_date_in_the_file():
    text = generate_cost(count_actions(two_by_two_grid(), small_target()))
    assert str(Path(__file__).parents[2]) not in text
    assert "__file__" not in text
    assert "datetime" not in text


def test_embedded_modules_need_no_other_module_of_ours():
    folder = Path(__file__).parents[2] / "mapper" / "cost"
    for name in EMBEDDED:
        for node in ast.walk(ast.parse((folder / name).read_text())):
            if isinstance(node, ast.Import):
                assert {alias.name for alias in node.names} <= set(sys.stdlib_module_names)
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("mapper"):
                assert str(node.module).removeprefix("mapper.cost.") + ".py" in EMBEDDED


def test_literals_are_python():
    value = {"a": (1.5, (), True), "b\n": None}
    assert ast.literal_eval(literal(value)) == value


def test_a_trace_gives_what_measure_gives(generated, tmp_path):
    graph, target = two_by_two_grid(), small_target()
    spikes = np.array([[[1, 0, 1, 0, 0]], [[0, 0, 0, 0, 1]]])
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "trace.npz", **traced(graph, spikes))
        printed = generated(graph, target, "--activity", str(tmp_path / "trace.npz"), "--json")
        expected = estimate(graph, target, activity_of(graph, spikes), preset=PHYSICAL)
        assert json.loads(printed) == expected.as_dict()


def test_a_trace_of_something_else_is_refused(generated, tmp_path):
    graph, target = two_by_two_grid(), small_target()
    whole = traced(graph, np.ones((1, 1, 5), np.int64))
    for name, array in (
        ("fc.sum.wordlines", np.ones((1, 4), int)),
        ("fc.sum.reads", np.full((1, 2), -1)),
        ("fc.sum", np.ones((1, 1))),
        ("fc.sum", np.ones(3, int)),
    ):
        np.savez(tmp_path / "bad.npz", **(whole | {name: array}))
        with pytest.raises(subprocess.CalledProcessError) as error:
            generated(graph, target, "--activity", str(tmp_path / "bad.npz"))
        assert error.value.returncode == 2
        assert "Traceback" not in error.value.stderr


def test_a_random_preset_takes_only_the_steps_from_a_trace(generated, tmp_path):
    graph, target = two_by_two_grid(), small_target()
    np.savez(tmp_path / "trace.npz", **traced(graph, np.ones((4, 1, 5), np.int64)))
    options = ("--preset", "paper", "--json")
    recorded = generated(graph, target, "--activity", str(tmp_path / "trace.npz"), *options)
    assert recorded == generated(graph, target, "--steps", "4", *options)


def test_a_constant_is_set_for_all_three_ends(generated):
    target = load_target("hpadc-sar5-64")
    graph = graph_for(target)
    cost = json.loads(generated(graph, target, "--set", "adc.energy_pj=2.5", "--json"))
    conversions = cost["counts"]["conversions"]
    assert cost["energy_pj"]["readout"] == dict.fromkeys(
        ("low", "nominal", "high"), conversions * 2.5
    )


@pytest.mark.parametrize("option", ["--set=adc.energy=1.2", "--sweep=adc.energy=1:2:3"])
def test_an_unknown_constant_suggests_the_nearest(generated, option):
    with pytest.raises(subprocess.CalledProcessError) as error:
        generated(two_by_two_grid(), small_target(), option)
    assert "no constant is named 'adc.energy'; did you mean 'adc.energy_pj'?" in error.value.stderr


def test_a_constant_of_a_readout_that_is_not_there_is_noted(tmp_path):
    path = tmp_path / "cost.py"
    for name, noted in (("adcless-64", True), ("hpadc-sar5-64", False)):
        target = load_target(name)
        path.write_text(generate_cost(count_actions(graph_for(target), target)))
        command = [sys.executable, "-I", "-S", str(path), "--set", "adc.energy_pj=1.2", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        json.loads(done.stdout)
        assert ("adc.energy_pj changes nothing" in done.stderr) == noted


def test_another_node_scales_logic_and_leaves_cells(generated):
    target = load_target("hpadc-sar5-64")
    graph = graph_for(target)
    here = json.loads(generated(graph, target, "--json"))["energy_pj"]
    there = json.loads(generated(graph, target, "--node", "28", "--json"))["energy_pj"]
    digital = digital_energy_factor(65, 1.1, 28, 0.9)
    analogue = analogue_energy_factor(65, 1.1, 28, 0.9)
    # Reading and scaling back costs a rounding.
    for action, factor in (("accumulate", digital), ("readout", analogue), ("cells", 1.0)):
        expected = here[action]["nominal"] * factor
        assert there[action]["nominal"] == pytest.approx(expected, rel=1e-12)


def test_a_sweep_gives_what_single_runs_give(generated):
    target = load_target("hpadc-sar5-64")
    graph = graph_for(target)
    sweep = ("--sweep", "adc.energy_pj=1:3:3", "--sweep", "density=0:1:2")
    swept = json.loads(generated(graph, target, *sweep))  # isolated: without NumPy
    assert swept["settings"]["adc.energy_pj"] == [1, 1, 2, 2, 3, 3]
    one = ("1", "--set", "adc.energy_pj=2", "--json")
    single = json.loads(generated(graph, target, *one))
    # Totals are added up in another order.
    expected = pytest.approx(single["energy_pj"]["total"]["nominal"], rel=1e-12)
    assert swept["energy_pj"][3] == expected
    assert swept["latency_ns"][3] == single["latency_ns"]["inference_pipelined"]["nominal"]


def test_many_points_at_once_equal_one_by_one(tmp_path):
    target = load_target("adcless-64")
    path = tmp_path / "cost.py"
    path.write_text(generate_cost(count_actions(graph_for(target), target), steps=4))
    evaluate = runpy.run_path(str(path))["evaluate_points"]
    rng = np.random.default_rng(0)
    settings = {key: rng.uniform(0.1, 10, 20) for key in SETTING_KEYS}
    settings["density"] = rng.choice([0.0, 1.0], 20)  # whole events: one point rounds to them
    for preset in list_presets():
        together = evaluate(settings, preset)
        for point in range(20):
            alone = evaluate({key: float(v[point]) for key, v in settings.items()}, preset)
            for name, value in alone.items():
                found = np.broadcast_to(together[name], 20)[point]
                # One point alone is summed with a single rounding.
                assert found == pytest.approx(value, rel=1e-12), (preset, name)


@pytest.mark.parametrize("name", ["adcless-64", "hpadc-sar5-64", "digital-cim-64"])
def test_what_is_kept_in_a_sweep_does_not_depend_on_what_is_swept(name):
    target = load_target(name)
    layers = count_actions(graph_for(target), target).layers
    for preset in map(load_preset, list_presets()):
        if unpriced(target, preset):
            continue
        chip, facts = chip_of(target, preset, layers), facts_of(target, preset, "nominal")
        activity = activity_of_density(layers, 0.3, 4)
        for key in SETTING_KEYS:
            moved = changed(facts, chip, key, 0.75)
            kept = at_rest(layers, chip, facts, 4, [key])
            assert kept != ALL_MOVED
            assert totals(layers, chip, moved, activity, kept) == totals(
                layers, chip, moved, activity
            ), (preset.name, key)
