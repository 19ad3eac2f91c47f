"""Types of tensors that ONNX does not allow where they stand, by the lists of its own schemas.

The checker of ONNX does not look at them, and what reads a model turns numbers of any type into its
own: complex weights would lose their imaginary part without a word.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, defs

_DOMAINS = ("", "ai.onnx")
_OPTION = defs.OpSchema.FormalParameterOption

Types = dict[str, str]
"""By the name of a tensor: its type as schemas write it, ``tensor(float)``."""


def type_problems(model: ModelProto) -> Iterator[str]:
    """Yield every node of ONNX's own operators that is given a type its schema does not list.

    Types are those of stored tensors and of inputs, and what follows from them; where an operator
    does not say the type of its result, nothing is known of what comes after it.
    """
    versions = {entry.domain: entry.version for entry in model.opset_import}
    version = next((versions[domain] for domain in _DOMAINS if domain in versions), 1)
    yield from _of_graph(model.graph, {}, version)


def _of_graph(graph: GraphProto, outer: Mapping[str, str], version: int) -> Iterator[str]:
    known: Types = dict(outer)
    for value in graph.input:
        if value.type.WhichOneof("value") == "tensor_type":
            _note(known, value.name, value.type.tensor_type.elem_type)
        else:
            known.pop(value.name, None)
    for tensor in graph.initializer:
        _note(known, tensor.name, tensor.data_type)
    for node in graph.node:
        yield from _of_node(node, known, version)
    for value in graph.output:
        told = _name(value.type.tensor_type.elem_type)
        if told and known.get(value.name, told) != told:
            yield f"output {value.name!r} is said to be {told}, but is {known[value.name]}"


def _of_node(node: NodeProto, known: Types, version: int) -> Iterator[str]:
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs):
            yield from _of_graph(body, known, version)
    schema = _schema(node.op_type, version) if node.domain in _DOMAINS else None
    bound: Types = {}
    if schema is not None:
        for name, formal in _formals(node.input, schema.inputs):
            yield from _of_input(node, name, formal, known, bound)
        results = dict(_formals(node.output, schema.outputs))
    else:
        results = {}
    for name in node.output:
        known.pop(name, None)
        if name in results and (told := _result(node, results[name], bound)):
            known[name] = told


def _of_input(
    node: NodeProto, name: str, formal: "defs.OpSchema.FormalParameter", known: Types, bound: Types
) -> Iterator[str]:
    given = known.get(name)
    if given is None:
        return
    where = f"{node.op_type} {node.name!r} is given {name!r}, {given}"
    if given not in formal.types:
        yield f"{where}: ONNX has no such {node.op_type}"
    elif formal.is_homogeneous and bound.setdefault(formal.type_str, given) != given:
        yield f"{where}, beside {bound[formal.type_str]}: ONNX wants both of one type"


def _result(node: NodeProto, formal: "defs.OpSchema.FormalParameter", bound: Types) -> str:
    """Return the type of a result, as far as operands, schema and attributes tell it."""
    if formal.type_str in bound and formal.is_homogeneous:
        return bound[formal.type_str]
    if node.op_type == "Cast":
        return next((_name(a.i) for a in node.attribute if a.name == "to"), "")
    if node.op_type == "Constant" or node.op_type == "ConstantOfShape":
        stored = (a.t for a in node.attribute if a.type == AttributeProto.TENSOR)
        return next((_name(tensor.data_type) for tensor in stored), "")
    return next(iter(formal.types)) if len(formal.types) == 1 else ""


def _formals(
    names: Iterable[str], formals: "Sequence[defs.OpSchema.FormalParameter]"
) -> Iterator[tuple[str, "defs.OpSchema.FormalParameter"]]:
    """Pair the tensors of a node with the parameters of its schema; the last may take many."""
    for index, name in enumerate(names):
        formal = formals[min(index, len(formals) - 1)] if formals else None
        many = formal is not None and formal.option == _OPTION.Variadic
        if name and formal is not None and (index < len(formals) or many):
            yield name, formal


@lru_cache(maxsize=1024)
def _schema(kind: str, version: int) -> "defs.OpSchema | None":
    try:
        return defs.get_schema(kind, version, "")
    except defs.SchemaError:
        return None  # what there is no operator for is refused where operators are read


def _note(known: Types, name: str, number: int) -> None:
    known.pop(name, None)
    if told := _name(number):
        known[name] = told


@lru_cache(maxsize=64)
def _name(number: int) -> str:
    """Return a type as schemas write it; empty for a number of none."""
    if number == TensorProto.UNDEFINED or number not in TensorProto.DataType.values():
        return ""
    return f"tensor({TensorProto.DataType.Name(number).lower()})"
