"""What passes need of the graph they are given, and that the runner looks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from mapper.ir.core import Graph
from mapper.ir.crossbar import CrossbarMvm, Placement
from mapper.ir.verify import InvalidIR
from mapper.pipeline import make_passes, run_passes
from passes import PIPELINE, Pass, TileRows
from passes.facts import Fact
from targets import Target, load_target
from tests.networks import NetworkBuilder

TARGET = load_target("adcless-32")
ORDER = [kind.name for kind in PIPELINE]

# Without the first, the second is the first pass that finds something missing.
MISSED_BY: Mapping[str, str] = {
    "encode-inputs": "quantize-neurons",
    "fold-pooling": "quantize-neurons",
    "quantize-weights": "quantize-neurons",
    "quantize-neurons": "partition",
    "tile-rows": "lower-readout",
    "tile-columns": "replicate",
    "slice-weights": "lower-readout",
    "lower-readout": "merge-sums",
}


def a_network() -> Graph:
    """A layer of 72 wordlines and a mean before one of 12 outputs, 48 bitlines: both too many."""
    net = NetworkBuilder()
    s = net.neuron(net.pool(net.conv(net.entry(8, 6, 6), 4), "avg"))
    return net.graph(net.neuron(net.dense(net.flatten(s), 12)))


@pytest.mark.parametrize("left_out", MISSED_BY)
def test_a_pass_says_which_one_should_have_run_before_it(left_out):
    steps = [step for step in make_passes() if step.name != left_out]
    with pytest.raises(InvalidIR) as caught:
        run_passes(a_network(), TARGET, steps)
    text = str(caught.value)
    assert text.startswith(f"pass '{MISSED_BY[left_out]}' needs that ")
    assert text.endswith(f": run '{left_out}' before it")


def test_the_message_names_the_value_with_both_numbers():
    steps = [step for step in make_passes() if step.name != "tile-rows"]
    with pytest.raises(InvalidIR, match=r"%conv0\.sum\.partial_sum drives 72 wordlines of 32"):
        run_passes(a_network(), TARGET, steps)


def test_crossbars_of_no_macro_are_not_tiled():
    steps = make_passes()
    graph, _ = run_passes(a_network(), TARGET, steps, stop_after="partition")
    nowhere = replace(
        graph,
        ops=tuple(
            replace(op, placement=Placement()) if isinstance(op, CrossbarMvm) else op
            for op in graph.ops
        ),
    )
    with pytest.raises(InvalidIR, match=r"is on '' of \['sense-amp-32'\]: run 'partition'"):
        run_passes(nowhere, TARGET, [TileRows()])


@pytest.mark.parametrize("kind", PIPELINE, ids=lambda kind: kind.name)
def test_what_a_pass_needs_is_seen_to_by_an_earlier_one(kind):
    before = ORDER[: ORDER.index(kind.name)]
    assert [fact.by for fact in kind.needs if fact.by not in before] == []


def test_every_fact_that_a_pass_sees_to_is_in_the_table():
    seen_to = {fact.by for kind in PIPELINE for fact in kind.needs}
    assert seen_to - {"partition"} == set(MISSED_BY)  # without it a network has no crossbars


def test_a_pass_does_not_run_where_a_fact_is_missing():
    ran = []

    @dataclass(frozen=True, kw_only=True)
    class Never(Pass):
        """Note that it ran."""

        name: ClassVar[str] = "never"
        exact: ClassVar[bool] = True
        needs: ClassVar[tuple[Fact, ...]] = (
            Fact(text="the moon is full", by="wait", broken=lambda graph, target: iter(["no"])),
        )

        def run(self, graph: Graph, target: Target) -> Graph:
            ran.append(graph)
            return graph

    with pytest.raises(InvalidIR, match="'never' needs that the moon is full, but no: run 'wait'"):
        run_passes(a_network(), TARGET, [Never()])
    assert ran == []
