"""The graph: one time step of a network, and the names that graphs are written with.

Ops are in execution order and each name is defined once. What a network remembers between steps
is a ``State``: a value read at the start of a step and written once during it. Arrays have a
leading batch axis ``B`` that no shape mentions; over time they have shape ``[T, B, *shape]``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields

from mapper.ir.assignment import UNASSIGNED, Assignment
from mapper.ir.frozen import FrozenMap, exactly
from mapper.ir.text import print_assignment, print_constant, print_op, print_port, print_state
from mapper.ir.tokens import quoted_text
from mapper.ir.values import (
    EXACT_DOUBLE,
    EXACT_SINGLE,
    FLOAT,
    INT64,
    SPIKE,
    Array,
    Coding,
    Const,
    Constants,
    FloatType,
    IntType,
    Op,
    Part,
    Scalar,
    Span,
    State,
    Type,
    Value,
    dtype_of,
    greatest_of,
    holds_values,
    param,
)

__all__ = [
    "EXACT_DOUBLE",
    "EXACT_SINGLE",
    "FLOAT",
    "INT64",
    "SPIKE",
    "Array",
    "Coding",
    "Const",
    "Constants",
    "FloatType",
    "Graph",
    "IntType",
    "Op",
    "Part",
    "Scalar",
    "Span",
    "State",
    "Type",
    "Value",
    "dtype_of",
    "greatest_of",
    "holds_values",
    "param",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """One time step of a network, from trained floats down to crossbars and integers.

    A graph is a value: it pickles, copies and compares, to the last bit of every constant
    (``mapper.ir.identity`` has its digest, and looser questions). Constants may be given as any
    mapping; the graph holds read-only arrays, and shares their memory with whoever gave them.
    """

    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    states: tuple[State, ...] = ()
    ops: tuple[Op, ...] = ()
    constants: Constants = field(default_factory=dict)
    codings: Mapping[str, Coding] = field(default_factory=dict)
    """For integer inputs and outputs, by value name; a port not listed carries plain numbers."""
    assignment: Assignment = UNASSIGNED
    """What is decided for its layers of weights, where that is not left to the compiler."""

    def __post_init__(self) -> None:
        for name in ("constants", "codings"):
            held = getattr(self, name)
            if not isinstance(held, FrozenMap):  # else a graph has the very map of another
                object.__setattr__(self, name, FrozenMap(held))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Graph):
            return NotImplemented
        return all(exactly(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    def __hash__(self) -> int:
        return hash((self.name, self.inputs, self.outputs, len(self.ops), self.constants))

    def __repr__(self) -> str:
        ops, arrays = len(self.ops), len(self.constants)
        return f"Graph({self.name!r}: {ops} ops, {arrays} constants; str() shows them)"

    def __str__(self) -> str:
        return self.text()

    def text(self, *, inline: int | None = None) -> str:
        """Return the graph as text that ends with a newline; ``mapper.ir.parse`` reads it.

        Without ``inline`` constants are named only. With it they are listed after the outputs,
        and those of at most so many elements written out; who reads the text brings the others.
        """
        return "\n".join(self._lines(inline)) + "\n"

    def _lines(self, inline: int | None) -> Iterator[str]:
        yield f"graph {quoted_text(self.name)}"
        yield from (f"  {line}" for line in print_assignment(self.assignment))
        codings = dict(self.codings)  # of a value that is input and output, written once
        yield from (f"  input {print_port(v, codings.pop(v.name, None))}" for v in self.inputs)
        yield from (f"  {print_state(state)}" for state in self.states)
        yield from (f"  {print_op(op)}" for op in self.ops)
        yield from (f"  output {print_port(v, codings.pop(v.name, None))}" for v in self.outputs)
        if inline is not None:
            for name, array in self.constants.items():
                yield f"  {print_constant(name, array, inline)}"
