"""The file form: what is written is read back equal, and nothing else is read."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.diagnostics import MappingError
from mapper.ir.core import Graph
from mapper.ir.serialize import OPS, from_json, to_json
from mapper.pipeline import make_passes, run_passes
from targets import list_targets, load_target
from tests.networks import float_networks, small_conv_net


def lowered(graph: Graph, target: str = "adcless-64") -> Graph:
    loaded = load_target(target)
    return run_passes(graph, loaded, make_passes(loaded))[0]


def through_text(graph: Graph) -> Graph:
    return from_json(json.loads(json.dumps(to_json(graph))), graph.constants, "mapping.json")


@settings(max_examples=25, deadline=None)
@given(graph=float_networks(), target=st.sampled_from(list_targets()))
def test_networks_and_mappings_come_back_equal(graph, target):
    assert through_text(graph) == graph
    mapped = lowered(graph, target)
    assert through_text(mapped) == mapped


def test_every_op_has_a_mnemonic_of_its_own():
    assert len({kind.mnemonic for kind in OPS.values()}) == len(OPS) == 23


def broken(change) -> dict:
    data = json.loads(json.dumps(to_json(lowered(small_conv_net()))))
    change(data)
    return data


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=99), "format 99, this version reads 1"),
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
