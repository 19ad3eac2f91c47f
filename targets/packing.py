"""How many groups of a layer share a crossbar: as many as fit, where that costs less.

A depthwise layer of 3x3 has 9 wordlines and one output a group, so that a group alone leaves nearly
all of a crossbar empty. On the block diagonal of a crossbar lie as many groups as its wordlines and
bitlines have room for.
"""

from dataclasses import dataclass
from math import ceil

from mapper.diagnostics import refuse
from mapper.ir.encoding import Encoding
from targets.schema import Macro


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupForm:
    """The groups of one layer, as they would lie on a macro."""

    groups: int
    wordlines: int
    """Of a group."""
    outputs: int
    """Of a group."""
    bitlines: int
    """Of a weight."""


def group_form(wordlines: int, outputs: int, groups: int, encoding: Encoding) -> GroupForm:
    """Return how the groups of a layer ``[wordlines, outputs]`` lie, in this encoding."""
    return GroupForm(
        groups=groups,
        wordlines=wordlines,
        outputs=outputs // groups,
        bitlines=encoding.bitlines_per_weight,
    )


def groups_together(form: GroupForm, macro: Macro, wanted: bool | None, location: str) -> int:
    """Return how many groups share a crossbar; 1 where each has crossbars of its own.

    Where nothing is decided the cheaper way is taken: crossbars times the columns that each of
    their readouts converts in turn. Area, and what leaks while a read lasts, grow with that
    product; columns that are read, and so conversions, are the same either way.

    Args:
        form: What is to be placed.
        macro: Where.
        wanted: What is decided for the layer.
        location: Of the layer.

    Raises:
        MappingError: ``packing`` where groups are to share crossbars and cannot.
    """
    most = most_together(form, macro)
    if wanted is False:
        return 1
    if wanted:
        if most == 1:
            raise refuse(
                "packing",
                f"groups cannot share crossbars: {_hindrance(form, macro)}",
                loc=location,
                help="leave packing of the layer to the compiler, or use another macro",
            )
        return most
    return most if _taken(form, macro, most) <= _taken(form, macro, 1) else 1


def most_together(form: GroupForm, macro: Macro) -> int:
    """Return how many groups have room on the block diagonal of a crossbar, at least 1."""
    if _hindrance(form, macro):
        return 1
    down, across = macro.block_rows // form.wordlines, macro.bitlines // _bitlines(form)
    return min(down, across, form.groups)


def _bitlines(form: GroupForm) -> int:
    return form.outputs * form.bitlines


def _hindrance(form: GroupForm, macro: Macro) -> str:
    """Say why no two groups share a crossbar; nothing where they can."""
    if form.groups == 1:
        return "the layer has one group"
    if macro.readout.shared_reference:
        return f"'{macro.name}' makes one reference for all columns of a crossbar"
    if 2 * form.wordlines > macro.block_rows:
        does = "reads" if macro.rows_per_read else "has"
        return (
            f"two take {2 * form.wordlines} wordlines at once, '{macro.name}' {does} "
            f"{macro.block_rows}"
        )
    if 2 * _bitlines(form) > macro.bitlines:
        return f"two take {2 * _bitlines(form)} bitlines, '{macro.name}' has {macro.bitlines}"
    return ""


def _taken(form: GroupForm, macro: Macro, together: int) -> int:
    """Return crossbars times the columns that a readout converts one after the other.

    Columns of pairs count as two, on both sides of a comparison.
    """
    if together > 1:
        return ceil(form.groups / together) * _turns(together * _bitlines(form), macro)
    whole = macro.bitlines // form.bitlines * form.bitlines
    across = ceil(_bitlines(form) / whole)
    return form.groups * across * _turns(min(_bitlines(form), whole), macro)


def _turns(bitlines: int, macro: Macro) -> int:
    each = 2 if macro.written(macro.weight_bits).pairs else 1
    return min(macro.readout.columns_per_readout, bitlines // each)
