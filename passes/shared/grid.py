"""How a layer of weights covers crossbars: the sizes that several passes agree on."""

from math import ceil

from mapper.diagnostics import refuse
from mapper.ir.core import Array, IntType, Span, Value
from mapper.ir.crossbar import CountActive, CrossbarMvm
from targets import Macro, Target


def grid_size(op: CrossbarMvm, weight: Array, macro: Macro, bits: int) -> int:
    """Count the crossbars of one copy of a layer of ``weight[K, N]``."""
    wordlines, outputs = (int(size) for size in weight.shape)
    columns = ceil(outputs // op.groups / outputs_per_crossbar(op, macro, bits)) * op.groups
    return ceil(wordlines / macro.wordlines) * columns


def outputs_per_crossbar(op: CrossbarMvm, macro: Macro, bits: int) -> int:
    """Count the whole weights side by side on one wordline; at least one, or it is refused."""
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


def weight_bits(op: CrossbarMvm, macro: Macro, wanted: int | None) -> int:
    """Return the width of a layer's weights: its own where it was trained, else as wanted."""
    if op.encoding is not None:
        return op.encoding.weight_bits
    return wanted or macro.weight_bits


def macro_of(target: Target, op: CrossbarMvm) -> Macro:
    """Return the macro kind that ``partition`` chose for a layer."""
    return next(m for m in target.macros if m.name == op.placement.macro)


def count_active(op: CrossbarMvm) -> CountActive:
    """Make the op that counts the driven wordlines of a layer's row blocks."""
    tallest = max(len(span) for span in op.rows)
    shape = (op.planes, len(op.rows), op.groups, *op.positions)
    name = op.partial_sum.name.removesuffix(".partial_sum")
    active = Value(f"{name}.active", IntType.spanning(0, tallest), shape)
    return CountActive(
        x=op.x, window=op.window, groups=op.groups, rows=op.rows, active=active, loc=op.loc
    )


def layer_spans(outputs: int, groups: int, width: int) -> tuple[Span, ...]:
    """Cut the outputs into spans of ``width`` that stay within one group each."""
    group = outputs // groups
    starts = range(0, outputs, group)
    return tuple(span for start in starts for span in Span(start, start + group).split(width))
