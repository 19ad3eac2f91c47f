"""Arguments of a wrong type are refused at the call, by their name, in every call in Python."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mapper
from mapper.arguments import Takes, check_arguments
from mapper.diagnostics import MappingError
from mapper.recordings import read_arrays
from tests.files import DEMO_MODEL, DEMO_RECORDING

X = read_arrays(DEMO_RECORDING)["x"][:2, :1]
LABELS = np.zeros(1, int)


SPACE = {"axes": {"weight_bits": [2]}, "objectives": {"energy": "min"}}


WRONG = (object(), -1.5, b"bytes", [None], {1: 2}, np.zeros(3, object))


@pytest.fixture(scope="module")
def calls() -> dict[str, tuple[Callable[..., Any], dict[str, object]]]:
    """Every call that people have, with arguments that it takes."""
    model = mapper.import_model(DEMO_MODEL)
    build = mapper.compile(model, "adcless-64", calibrate=X)
    run = build.run(X, trace=True)
    data: dict[str, object] = {"inputs": X}
    return {
        "compile": (mapper.compile, {"model": model, "target": "adcless-64"}),
        "inspect": (mapper.inspect, {"model": model, "target": "adcless-64"}),
        "export": (mapper.export, {"model": model, "path": "e.onnx"}),
        "verify_model": (mapper.verify_model, {"model": DEMO_MODEL, **data}),
        "import_model": (mapper.import_model, {"path": DEMO_MODEL}),
        "with_functions": (
            mapper.with_functions,
            {"model": DEMO_MODEL, "functions": DEMO_MODEL},
        ),
        "explore": (
            mapper.explore,
            {"model": model, "space": SPACE, "target": "adcless-64", "points": 1},
        ),
        "load": (mapper.load, {"folder": "b"}),
        "assign": (mapper.assign, {"model": model, "target": "readouts-64", **data}),
        "load_assignment": (mapper.load_assignment, {"path": "a.toml"}),
        "save_assignment": (
            mapper.save_assignment,
            {"assignment": mapper.Assignment(), "path": "a.toml"},
        ),
        "load_device": (mapper.load_device, {"name_or_path": "pcm"}),
        "load_target": (mapper.load_target, {"name_or_path": "adcless-64"}),
        "run_demo": (mapper.run_demo, {"output": "d"}),
        "compare_targets": (mapper.compare_targets, {"model": model, "targets": ["adcless-64"]}),
        "energy_table": (mapper.energy_table, {"model": model, "targets": ["adcless-64"]}),
        "compare_mappings": (mapper.compare_mappings, {"builds": [build]}),
        "Build.run": (build.run, data),
        "Build.verify": (build.verify, data),
        "Build.dies": (build.dies, {**data, "dies": 1}),
        "Build.die": (build.die, {"seed": 1}),
        "Build.calibrate": (build.calibrate, {"samples": X}),
        "Build.cost": (build.cost, {}),
        "Build.report": (build.report, {"path": "p.html"}),
        "Build.figures": (build.figures, {"folder": "f"}),
        "Build.save": (build.save, {"folder": "b"}),
        "Run.accuracy": (run.accuracy, {"labels": LABELS}),
        "Run.score": (run.score, {"labels": LABELS}),
        "Run.save": (run.save, {"path": "y.npz"}),
    }


def test_every_argument_of_every_call_is_refused_where_it_is_of_no_use(
    calls, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name, (call, good) in calls.items():
        for argument in inspect.signature(call).parameters:
            for wrong in WRONG:
                if (name, argument) == ("compare_mappings", "activity") and wrong is WRONG[3]:
                    continue  # one for each build, as assumed
                assert refused(call, {**good, argument: wrong}, argument), (name, argument, wrong)
    assert list(tmp_path.iterdir()) == []


def refused(call: Callable[..., Any], arguments: dict[str, object], wrong: str) -> bool:
    try:
        call(**arguments)
    except MappingError as error:
        found = error.diagnostics[0]
        return found.code != "bad-argument" or found.loc == wrong
    return False


def test_all_calls_are_here(calls):
    """A call that is added is tried, too."""
    functions = {
        name
        for name in mapper.__all__
        if inspect.isfunction(getattr(mapper, name))
        and inspect.signature(getattr(mapper, name)).parameters
    }
    methods = {
        f"{kind.__name__}.{name}"
        for kind in (mapper.Build, mapper.Run)
        for name, _ in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and name != "as_dict"
    }
    assert functions | methods == calls.keys()


@pytest.mark.parametrize(
    ("call", "arguments", "told"),
    [
        ("Build.cost", {"activity": [1]}, "activity is [1], a list: it takes a run with"),
        ("Build.cost", {"activity": True}, "activity is True, a bool: it takes a run with"),
        ("Build.cost", {"steps": 2.5}, "steps is 2.5, a float: it takes a whole number"),
        ("Build.run", {"inputs": X, "threads": 0}, "threads is 0, a int: it takes a number of"),
        ("Build.run", {"inputs": X, "trace": "no"}, "trace is 'no', a str: it takes True or"),
        ("Build.run", {"inputs": X, "progress": None}, "progress is None: it takes a function"),
        ("Build.figures", {"folder": "f", "columns": 3}, "columns is 3, a int: it takes 1 or 2"),
        ("compare_targets", {"targets": "adcless-64"}, "targets is 'adcless-64', a str: it takes"),
        ("compare_mappings", {"builds": "b"}, "builds is 'b', a str: it takes several builds"),
        ("compare_mappings", {"groups": {"a": "b"}}, "groups is {'a': 'b'}, a dict: it takes"),
        ("compile", {"target": None}, "target is None: it takes a target, its name or its file"),
        ("compile", {"passes": {"replicate": 4}}, "passes is {'replicate': 4}, a dict: it"),
        ("compile", {"nir": {"dt": 1}}, "nir is {'dt': 1}, a dict: it takes mapper.NirOptions"),
        (
            "compile",
            {"assignment": mapper.Assignment(weight_bits="4")},
            "weight_bits is '4', a str: it takes a whole number",
        ),
        (
            "compile",
            {"assignment": mapper.Assignment(layers={"/fc/Gemm": "digital"})},
            "/fc/Gemm is 'digital', a str: it takes a mapper.Choice",
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_it_should_be(calls, call, arguments, told):
    used, good = calls[call]
    with pytest.raises(MappingError) as caught:
        used(**{**good, **arguments})
    (found,) = caught.value.diagnostics
    assert (found.code, found.loc) == ("bad-argument", found.message.split(" is ")[0])
    assert found.message.startswith(told)


def test_choices_of_no_mapping_and_a_time_step_in_words_are_refused():
    with pytest.raises(MappingError, match="layers is 5, a int: it takes choices"):
        mapper.Assignment(layers=5)  # type: ignore[arg-type]
    with pytest.raises(MappingError, match="'x' is no time step"):
        mapper.NirOptions(dt="x").check()  # type: ignore[arg-type]


def test_all_wrong_arguments_are_named_at_once_and_elements_of_iterators_are_not_used_up():
    takes = {
        "a": Takes(words="a number", types=(int,), low=1, high=8),
        "b": Takes(words="texts", types=(list,), each=Takes(words="text", types=(str,))),
    }
    with pytest.raises(MappingError) as caught:
        check_arguments(takes, {"a": 9, "b": ["x", 1]}, {})
    assert [found.loc for found in caught.value.diagnostics] == ["a", "b"]
    check_arguments(takes, {"a": 8}, {"b": None})
    targets = (name for name in ("adcless-64", "ideal-128"))
    assert len(mapper.compare_targets(DEMO_MODEL, targets).builds) == 2
