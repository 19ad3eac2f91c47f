"""Say why a model is not a single time step."""

from collections import Counter
from pathlib import Path

from onnx import ModelProto, NodeProto

from mapper.diagnostics import MappingError
from mapper.frontend.onnx.load import nodes_of
from mapper.frontend.onnx.operators import operator_of
from mapper.frontend.onnx.refusals import many_steps


def refuse_loops(node: NodeProto, loc: str) -> None:
    """Refuse a node that repeats a subgraph or keeps a sequence."""
    kind = operator_of(node).kind
    if kind == "loop":
        raise many_steps(f"a {node.op_type} over time steps", loc)
    if kind == "sequence":
        raise many_steps("a sequence of tensors over time steps", loc)


def other_form(model: ModelProto, path: Path, lengths: set[int]) -> MappingError | None:
    """Return the refusal of a model without state inputs that holds several time steps.

    Args:
        model: With its functions inlined.
        path: Its file.
        lengths: Sizes of the first axis of the inputs.
    """
    nodes = list(nodes_of(model))
    weights = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) > 1}
    uses = Counter(
        name
        for node in nodes
        if operator_of(node).has_weights
        for name in node.input
        if name in weights
    )
    repeats = max(uses.values(), default=1)
    longest = max(lengths, default=1)
    if repeats > 1 and repeats >= longest:
        return many_steps(f"{repeats} time steps, written out one after the other", path.name)
    if longest > 1:
        return many_steps(f"a whole sequence: its first axis has {longest} elements", path.name)
    written = sum(operator_of(node).kind == "write" for node in nodes)
    if written > 1:
        return many_steps(
            f"a whole sequence, written element by element ({written} nodes)", path.name
        )
    return None
