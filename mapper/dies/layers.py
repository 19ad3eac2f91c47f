"""What layers on crossbars are called."""

from mapper.ir.assignment import layer_name
from mapper.ir.core import Graph
from mapper.ir.crossbar import CrossbarMvm


def crossbar_layer(op: CrossbarMvm) -> str:
    """Name a layer on crossbars by its node, or else by the value that it makes."""
    return layer_name(op.loc, op.partial_sum.name.removesuffix(".partial_sum"))


def crossbar_layers(graph: Graph) -> dict[str, str]:
    """Return what each layer on crossbars is called, by the name of its partial sum."""
    return {
        op.partial_sum.name: crossbar_layer(op) for op in graph.ops if isinstance(op, CrossbarMvm)
    }
