"""Numbers and sizes of a model that no engine computes with, refused where a model is read."""

from collections.abc import Iterator

from mapper.diagnostics import refuse
from mapper.ir.core import Graph, Op
from mapper.ir.ranges import op_range_problems
from mapper.ir.windows import Window


def check_limits(graph: Graph) -> None:
    """Refuse a network with numbers past single precision, or with maps past all memory.

    Raises:
        MappingError: ``out-of-range``.
    """
    for op in graph.ops:
        if problem := next(_problems(op, graph), ""):
            raise refuse(
                "out-of-range",
                problem,
                loc=op.loc,
                help="scale the network, or look for a damaged file",
            )


def _problems(op: Op, graph: Graph) -> Iterator[str]:
    yield from op_range_problems(op, graph.constants)
    window = getattr(op, "window", None)
    if isinstance(window, Window) and not window.problems():
        yield from window.size_problems(op.operands[0].shape)
