"""Plan another die of a build: what dies share is planned once.

Dies differ in the cells and references of crossbars. Everything else of a plan stays: what runs in
which order, where row blocks look, neurons and their tables.
"""

from copy import copy
from dataclasses import replace

from mapper.executor.native.bounds import NotNativeError
from mapper.executor.native.counted import without_offset
from mapper.executor.native.layers import NativeLayer
from mapper.executor.native.plan import Component, Plan
from mapper.executor.native.steps import CountedStep, LayerStep, NumpyStep, Step
from mapper.ir.core import Graph, Op
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.readout import BitlineRead
from mapper.ir.units import CrossbarLayer


def planned_again(plan: Plan, graph: Graph, level: int) -> Plan | None:
    """Return the plan of a graph whose crossbars and readouts alone are others.

    Steps that remember something begin anew, so both plans may run at the same time. None where
    more differs, or where NumPy computes something: whoever asks plans the graph by itself then.
    """
    if any(isinstance(step, NumpyStep) for step in plan.steps) or not _is_alike(graph, plan.graph):
        return None
    made = {op.results[0].name: op for op in graph.ops}
    try:
        components = tuple(
            Component(
                tuple(_again(step, graph, made, level) for step in component.steps),
                component.recurrent,
                component.dead,
            )
            for component in plan.components
        )
    except NotNativeError:
        return None
    return replace(plan, graph=graph, components=components)


def _again(step: Step, graph: Graph, made: dict[str, Op], level: int) -> Step:
    if isinstance(step, CountedStep):
        layer = _layer_again(step.whole, made)
        cells = NativeLayer.make(without_offset(layer), graph.constants, level, step.cells)
        return replace(step, whole=layer, cells=cells)
    if not isinstance(step, LayerStep) or step.digital:
        return copy(step)
    layer = _layer_again(step.layer.layer, made)
    return replace(step, layer=NativeLayer.make(layer, graph.constants, level, step.layer))


def _layer_again(was: CrossbarLayer, made: dict[str, Op]) -> CrossbarLayer:
    return CrossbarLayer(
        mvm=made[was.mvm.partial_sum.name],  # type: ignore[arg-type]
        read=made[was.read.result.name],  # type: ignore[arg-type]
        add=made[was.add.result.name],  # type: ignore[arg-type]
    )


def _is_alike(graph: Graph, other: Graph) -> bool:
    """Say whether two graphs differ in the cells and references of their layers alone."""
    ends = (graph.inputs, graph.outputs, graph.states)
    if ends != (other.inputs, other.outputs, other.states) or len(graph.ops) != len(other.ops):
        return False
    return all(_may_replace(a, b, graph, other) for a, b in zip(graph.ops, other.ops, strict=True))


def _may_replace(op: Op, was: Op, graph: Graph, other: Graph) -> bool:
    if isinstance(op, CrossbarMvm) and isinstance(was, CrossbarMvm):
        own = replace(
            op, cells=was.cells, fraction=was.fraction, partial_sum=was.partial_sum,
            placement=was.placement,
        )  # fmt: skip
        same = op.partial_sum.name == was.partial_sum.name
        return (
            own == was
            and same
            and graph.constants[op.weight.name] is other.constants[op.weight.name]
        )
    if isinstance(op, BitlineRead) and isinstance(was, BitlineRead):
        names = [(r.partial_sum.name, r.result.name, r.key) for r in (op, was)]
        return names[0] == names[1]
    held = (graph.constants[c.name] is other.constants[c.name] for c in op.constants)
    return op == was and all(held)
