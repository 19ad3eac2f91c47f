"""How a layer of weights covers crossbars: the sizes that several passes agree on."""

from math import ceil

from mapper.diagnostics import refuse
from mapper.ir.core import Graph, IntType, Span, Value
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.encoding import Encoding
from targets import Target, group_form, groups_together, weight_bits


def encoding_of(op: CrossbarMvm, graph: Graph, target: Target) -> Encoding:
    """Return how a layer's weights are written: as it was trained, else as its macro does.

    Raises:
        MappingError: ``weight-bits`` where its macro has no weights of its width.
    """
    if op.encoding is not None:
        return op.encoding
    macro, bits = target.macro(op.placement.macro), weight_bits(target, graph.assignment, op.loc)
    encoding = macro.written(bits)
    for problem in encoding.form_problems():
        raise refuse(
            "weight-bits",
            f"macro '{macro.name}': {problem}",
            loc=op.loc,
            help="assign the layer another width, or another macro",
        )
    return encoding


def grid_size(op: CrossbarMvm, graph: Graph, target: Target) -> int:
    """Count the crossbars of one copy of a layer."""
    wordlines = int(graph.constants[op.weight.name].shape[0])
    macro = target.macro(op.placement.macro)
    down = ceil(ceil(wordlines / macro.block_rows) / macro.turns)
    return down * len(column_blocks(op, graph, target))


def column_blocks(op: CrossbarMvm, graph: Graph, target: Target) -> tuple[Span, ...]:
    """Cut the outputs of a layer into those whose bitlines share a crossbar.

    Several whole groups share one where that is decided for the layer, or else costs less: see
    ``targets.packing``.

    Raises:
        MappingError: ``weight-too-wide``; ``packing`` where groups are to share crossbars and
            cannot.
    """
    wordlines, outputs = (int(size) for size in graph.constants[op.weight.name].shape)
    width = outputs_per_crossbar(op, graph, target)
    macro, wanted = target.macro(op.placement.macro), graph.assignment.of(op.loc).packing
    form = group_form(wordlines, outputs, op.groups, encoding_of(op, graph, target))
    return layer_spans(outputs, op.groups, width, groups_together(form, macro, wanted, op.loc))


def outputs_per_crossbar(op: CrossbarMvm, graph: Graph, target: Target) -> int:
    """Count the whole weights side by side on one wordline; at least one, or it is refused."""
    macro, bits = target.macro(op.placement.macro), encoding_of(op, graph, target).weight_bits
    width: int = macro.outputs_per_crossbar(bits)
    if width < 1:
        raise refuse(
            "weight-too-wide",
            f"a {bits}-bit weight takes {macro.bitlines_per_weight(bits)} bitlines, "
            f"macro '{macro.name}' has {macro.bitlines}",
            loc=op.loc,
            help="use fewer weight bits or a wider crossbar",
        )
    return width


def count_active(op: CrossbarMvm) -> CountActive:
    """Make the op that counts the driven wordlines of a layer's row blocks."""
    tallest = max(len(span) for span in op.rows)
    shape = (op.planes, len(op.rows), op.groups, *op.positions)
    name = op.partial_sum.name.removesuffix(".partial_sum")
    active = Value(f"{name}.active", IntType.spanning(0, tallest * op.most_driven), shape)
    return CountActive(
        x=op.x,
        window=op.window,
        groups=op.groups,
        plane_bits=op.plane_bits,
        steps=op.steps,
        rows=op.rows,
        active=active,
        loc=op.loc,
    )


def layer_spans(outputs: int, groups: int, width: int, together: int = 1) -> tuple[Span, ...]:
    """Cut the outputs into spans of ``width`` within one group each, or of ``together`` groups."""
    group = outputs // groups
    if together > 1:
        return tuple(Span(0, outputs).split(together * group))
    starts = range(0, outputs, group)
    return tuple(span for start in starts for span in Span(start, start + group).split(width))
