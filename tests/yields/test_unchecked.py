"""Dies of studies are not checked again: what draws make of a checked graph keeps every rule."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import mapper.pipeline
from mapper.diagnostics import MappingError
from mapper.dies.draw import Lot
from mapper.dies.trials import Trials
from mapper.executor.engine import ENGINES
from mapper.ir.core import Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.verify import broken_rules
from targets import list_targets, load_target
from targets.devices import SETTINGS, device_names, load_device
from tests.campaigns import examples
from tests.drawn_dies import EVERYTHING, compiled
from tests.networks import float_networks, small_conv_net, spikes

USUAL = {**EVERYTHING, "cell.nu": 0.05, "cell.nu_sigma": 0.02, "cell.read_noise": 0.05}
"""Of settings that are neither nothing nor the most there may be."""
CHANGES = {
    name: st.sampled_from([USUAL.get(name, 0.5), setting.high])
    for name, setting in SETTINGS.items()
    if name != "wire.ohm_per_cell"  # ``wire.share`` says the same without a conductance
}


def by_copies(graph: Graph, copies: int) -> Graph:
    """Return a compiled network whose layers have so many copies, in slots of their own."""
    ops = []
    for at, op in enumerate(graph.ops):
        if isinstance(op, CrossbarMvm) and op.window is not None:
            start = at << 12
            slots = replace(op.placement.slots, start=start, stop=start + copies * op.crossbars)
            op = replace(op, placement=replace(op.placement, copies=copies, slots=slots))
        ops.append(op)
    return replace(graph, ops=tuple(ops))


def activity(graph: Graph) -> dict[str, np.ndarray]:
    layers = (op for op in graph.ops if isinstance(op, CrossbarMvm))
    return {op.partial_sum.name: np.full((op.groups, op.rows[-1].stop), 0.25) for op in layers}


@settings(max_examples=examples(90), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    network=float_networks(),
    target=st.sampled_from(list_targets()),
    device=st.sampled_from(device_names()),
    changes=st.fixed_dictionaries({}, optional=CHANGES),
    age=st.sampled_from([None, 86400.0]),
    copies=st.sampled_from([1, 3]),
    seed=st.integers(0, 1 << 40),
)
def test_what_is_drawn_without_a_look_is_what_passes_the_checks(
    network, target, device, changes, age, copies, seed
):
    chip = load_target(target)
    graph = by_copies(compiled(network, chip), copies)
    lot = Lot(device=load_device(device), settings=changes, age=age)
    try:
        drawn = lot.drawn(graph, chip, seed, activity(graph))
        die = drawn.draw_unchecked(chip)
    except MappingError:  # facts that do not fit: refused before anything is drawn
        assume(False)
    assert not broken_rules(die)
    assert die == drawn.draw(chip)


@pytest.fixture
def trials() -> Trials:
    network, chip = small_conv_net(), load_target("adcless-diff-64")
    lot = Lot(device=load_device("rram-typical"))
    return Trials(graph=compiled(network, chip), target=chip, lot=lot, codes=spikes(network))


def test_a_study_looks_at_the_first_die_alone(trials, monkeypatch):
    looked, check = [], mapper.pipeline.check_graph
    monkeypatch.setattr(
        mapper.pipeline, "check_graph", lambda *args, **how: looked.append(check(*args, **how))
    )
    dies = trials.prepare()
    records = [dies({"seed": seed}) for seed in range(4)]
    assert len(looked) == 1
    assert len({str(record) for record in records}) == 4


def test_without_kernels_records_are_the_same(trials, monkeypatch):
    """Spikes are packed by whoever compares them then."""
    records = [trials.prepare()({"seed": seed}) for seed in range(3)]
    monkeypatch.setattr("mapper.dies.trials.engine_for", lambda name: ENGINES["numpy"])
    others = replace(trials).prepare()
    assert [others({"seed": seed}) for seed in range(3)] == records
    assert any(sum(record["spikes"].values()) for record in records)
