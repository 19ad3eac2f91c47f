"""The file form: what is written is read back equal, and nothing else is read."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.diagnostics import MappingError
from mapper.ir.assignment import Choice
from mapper.ir.core import Graph, Op
from mapper.ir.serialize import OPS, from_json, to_json
from mapper.pipeline import make_passes, run_passes
from targets import list_targets, load_target
from tests.campaigns import examples
from tests.networks import assigned, float_networks, small_conv_net


def lowered(graph: Graph, target: str = "adcless-64") -> Graph:
    loaded = load_target(target)
    return run_passes(graph, loaded, make_passes())[0]


def through_text(graph: Graph) -> Graph:
    return from_json(json.loads(json.dumps(to_json(graph))), graph.constants, "mapping.json")


@settings(max_examples=examples(25), deadline=None)
@given(graph=float_networks(), target=st.sampled_from(list_targets()))
def test_networks_and_mappings_come_back_equal(graph, target):
    assert through_text(graph) == graph
    mapped = lowered(graph, target)
    assert through_text(mapped) == mapped


def test_every_op_has_a_mnemonic_of_its_own():
    """Bases such as ``Synapse`` have none; every class of the product with one is in the table."""
    found, waiting = set(), [Op]
    while waiting:
        below = [kind for kind in waiting.pop().__subclasses__() if "mapper" in kind.__module__]
        waiting += below
        found |= {(kind.mnemonic, kind.__qualname__) for kind in below if kind.mnemonic}
    assert {(mnemonic, kind.__qualname__) for mnemonic, kind in OPS.items()} == found


def broken(change) -> dict:
    data = json.loads(json.dumps(to_json(lowered(small_conv_net()))))
    change(data)
    return data


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=99), "format 99, this version reads 1 and 2"),
        (lambda d: d["ops"][0].update(op="os.system"), "unknown op 'os.system'"),
        (lambda d: d["ops"][0].update(extra=1), "CrossbarMvm has no field 'extra'"),
        (lambda d: d["ops"][0].pop("rows"), "missing 1 required keyword-only argument: 'rows'"),
        (lambda d: d["ops"][0].update(groups="2"), "expected int, got '2'"),
        (lambda d: d["inputs"][0].update(type="u"), "'u' is none of"),
        (lambda d: d["inputs"][0].update(shape=[2.5]), "expected int, got 2.5"),
        (lambda d: d.update(ops=None), "'NoneType' object is not iterable"),
    ],
)
def test_a_changed_file_is_refused_by_name(change, message):
    data = broken(change)
    with pytest.raises(MappingError) as refused:
        from_json(data, {}, "mapping.json")
    (problem,) = refused.value.diagnostics
    assert problem.code == "bad-mapping"
    assert message in problem.message


def test_a_graph_left_to_the_compiler_is_written_as_before():
    data = to_json(lowered(small_conv_net()))
    assert data["format"] == 1
    assert "assignment" not in data


def test_what_is_decided_for_layers_is_written_and_needs_a_reader_that_knows_it():
    graph = assigned(small_conv_net(), 6, conv0=Choice(macro="digital"), fc7=Choice(weight_bits=8))
    data = to_json(graph)
    assert data["format"] == 2
    assert data["assignment"] == {
        "weight_bits": 6,
        "layers": {"conv0": {"macro": "digital"}, "fc7": {"weight_bits": 8}},
    }
    assert through_text(graph).assignment == graph.assignment


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("assignment"), "assignment"),
        (lambda d: d["assignment"].update(weight_bits="6"), "'6' is none of"),
        (lambda d: d["assignment"]["layers"].update(fc7="digital"), "the fields of Choice"),
        (lambda d: d["assignment"]["layers"]["fc7"].update(rows=1), "Choice has no field 'rows'"),
    ],
)
def test_a_changed_assignment_is_refused_by_name(change, message):
    data = json.loads(json.dumps(to_json(assigned(small_conv_net(), 6, fc7=Choice()))))
    change(data)
    with pytest.raises(MappingError, match=message):
        from_json(data, {}, "mapping.json")
