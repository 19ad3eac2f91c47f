"""Rows of operators that move, take, repeat and join elements, or write into a tensor."""

from mapper.frontend.onnx import picking, shapes, shaping, sizes, writing
from mapper.frontend.onnx.operators.row import InTime, Operator, Through
from mapper.frontend.onnx.shapes import ShapeRule
from mapper.frontend.onnx.sizes import SizeRule, as_given


def _reshape(
    name: str, shape: ShapeRule, through: Through, folds: SizeRule, *, moves: bool = False
) -> Operator:
    """Return the row of an operator that keeps elements, or repeats them, under another shape."""
    return Operator(
        name,
        "reshape",
        (shaping.repeated_to if through == "repeat" else shaping.reshaped_to)(shape),
        folds=folds,
        names_result=True,
        codes=shaping.reshaped_codes,
        time=InTime(through=through, shape=shape, linear="moves" if moves else ""),
    )


WRITES = InTime(through="scatter")

MOVING = (
    Operator("Concat", "layer", shaping.joined, folds=as_given, time=InTime(through="concat")),
    Operator("DepthToSpace", "layer", shaping.depth_to_space),
    _reshape("Expand", shapes.expand, "repeat", sizes.expanded),
    _reshape("Flatten", shapes.flatten, "reshape", as_given),
    Operator(
        "Gather",
        "reshape",
        picking.gathered,
        folds=sizes.gathered,
        names_result=True,
        codes=shaping.reshaped_codes,
        time=InTime(through="gather", linear="moves", picks_steps=True),
    ),
    Operator(
        "GatherElements",
        "layer",
        picking.gathered_elements,
        folds=as_given,
        time=InTime(linear="moves"),
    ),
    Operator(
        "GatherND",
        "layer",
        picking.gathered_at,
        folds=sizes.gathered_by_table,
        is_slow=True,
        time=InTime(through="gather at", linear="moves"),
    ),
    Operator("Pad", "layer", shaping.padded, folds=sizes.padded, time=InTime(through="pad")),
    _reshape("Reshape", shapes.reshape, "reshape", as_given, moves=True),
    Operator("Resize", "layer", picking.resized, time=InTime(through="each sample")),
    Operator("Scatter", "write"),
    Operator(
        "ScatterElements",
        "write",
        writing.written_elements,
        folds=as_given,
        is_slow=True,
        time=InTime(through="scatter"),
    ),
    Operator(
        "ScatterND",
        "write",
        writing.written,
        folds=as_given,
        is_slow=True,
        time=InTime(through="scatter"),
    ),
    Operator(
        "Slice",
        "reshape",
        picking.sliced,
        folds=as_given,
        names_result=True,
        codes=shaping.reshaped_codes,
        time=InTime(through="slice", linear="moves", picks_steps=True),
    ),
    Operator("SpaceToDepth", "layer", shaping.space_to_depth),
    Operator(
        "Split",
        "layer",
        picking.cut,
        folds=as_given,
        time=InTime(through="split", picks_steps=True),
    ),
    _reshape("Squeeze", shapes.squeeze, "reshape", as_given),
    _reshape("Tile", shapes.tile, "repeat", sizes.tiled),
    Operator(
        "Transpose",
        "layer",
        shaping.transposed,
        folds=as_given,
        names_result=True,
        codes=shaping.turned_codes,
        time=InTime(through="transpose", linear="linear"),
    ),
    _reshape("Unsqueeze", shapes.unsqueeze, "reshape", as_given),
)
