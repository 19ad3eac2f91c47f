"""Say why a model is not read as a single time step."""

from collections import Counter

from onnx import NodeProto

from mapper.diagnostics import MappingError, refuse

LOOPS = {"Loop": "a Loop over time steps", "Scan": "a Scan over time steps"}

_HELP = "export one time step with its state as inputs and outputs"


def refuse_loops(node: NodeProto, loc: str) -> None:
    """Refuse a node that repeats a subgraph or keeps a sequence."""
    if node.op_type in LOOPS:
        raise many_steps(LOOPS[node.op_type], loc)
    if node.op_type.startswith(("Sequence", "SplitToSequence", "ConcatFromSequence")):
        raise many_steps("a sequence of tensors over time steps", loc)


def other_form(
    nodes: list[NodeProto], weights: set[str], lengths: set[int], loc: str
) -> MappingError | None:
    """Return the refusal of a model without state inputs that holds several time steps.

    Args:
        nodes: The model's nodes.
        weights: Names of constants with two axes or more.
        lengths: Sizes of the first axis of the inputs.
        loc: The file.
    """
    uses = Counter(
        name
        for node in nodes
        if node.op_type in ("Conv", "Gemm", "MatMul", "ConvTranspose")
        for name in node.input
        if name in weights
    )
    repeats = max(uses.values(), default=1)
    longest = max(lengths, default=1)
    if repeats > 1 and repeats >= longest:
        return many_steps(f"{repeats} time steps, written out one after the other", loc)
    if longest > 1:
        return many_steps(f"a whole sequence: its first axis has {longest} elements", loc)
    written = sum(node.op_type.startswith("Scatter") for node in nodes)
    if written > 1:
        return many_steps(f"a whole sequence, written element by element ({written} nodes)", loc)
    return None


def many_steps(what: str, loc: str) -> MappingError:
    """Return the refusal of a model that holds more than one time step."""
    return refuse("unsupported-time-form", f"the model holds {what}", loc=loc, help=_HELP)
