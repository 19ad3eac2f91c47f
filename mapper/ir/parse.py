"""Reading the text form of a graph back: strict, with line and column for all that is wrong.

Attributes become the plain data of the file form and are loaded by ``mapper.ir.serialize``, so
both forms take the same values for the same fields.
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, get_args, get_origin, get_type_hints

from mapper.diagnostics import MappingError, refuse
from mapper.ir.assignment import FOR_ALL, Assignment, Choice
from mapper.ir.core import Array, Coding, Graph, Op, Scalar, State, Type, Value, holds_values
from mapper.ir.literals import DTYPES, Literals, array_of, typed_shape
from mapper.ir.serialize import OPS, load
from mapper.ir.tokens import Line, TextError, Token

_OP = "an op"
_ORDER = ("graph", "layers", "layer", "input", "state", _OP, "output", "constant")


def parse_graph(
    text: str, constants: Mapping[str, Array] | None = None, where: str = "graph"
) -> Graph:
    """Read what ``str(graph)`` or ``graph.text`` wrote; ``docs/ir.md`` has the grammar.

    Only the form is checked, and that values and constants exist; the rules of ops are the job of
    ``mapper.ir.verify``.

        parse_graph(str(graph), graph.constants) == graph

    Args:
        text: The whole graph.
        constants: Those that the text does not write out, by name.
        where: What errors call the text, such as its file.

    Raises:
        MappingError: ``bad-graph-text``, at ``where:line:column``.
    """
    reader = _Reader(where, constants or {})
    for line in text.split("\n"):
        reader.read(line)
    return reader.graph()


class _Reader:
    """What the lines read so far say."""

    def __init__(self, where: str, given: Mapping[str, Array]) -> None:
        self.where = where
        self.given = given
        self.number = 0
        self.stage = -1
        self.name = ""
        self.values: dict[str, Value] = {}
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self.states: list[State] = []
        self.ops: list[Op] = []
        self.codings: dict[str, Coding] = {}
        self.constants: dict[str, Array] = {}
        self.used: dict[str, int] = {}
        """Constants that something refers to, and the line that does first."""
        self.following: dict[str, int] = {}
        """Next values of states, likewise."""
        self.literals = Literals()
        self.layers: dict[str, Choice] = {}
        self.decided: dict[str, Any] = {}
        """Of all layers."""

    def graph(self) -> Graph:
        """Return the graph, once its last line is read."""
        if self.stage < 0:
            raise self._refused("there is no line 'graph NAME'", 1)
        for name, number in self.following.items():
            if name not in self.values:
                raise self._refused(
                    f"%{name} is the next value of a state, and no value", 1, number
                )
        constants = {**self.constants, **self.given}
        for name, number in self.used.items():
            if name not in constants:
                raise self._refused(f"@{name} is neither written out nor given", 1, number)
        return Graph(
            name=self.name,
            inputs=tuple(self.inputs),
            outputs=tuple(self.outputs),
            states=tuple(self.states),
            ops=tuple(self.ops),
            constants=constants,
            codings=self.codings,
            assignment=Assignment(layers=self.layers, **self.decided),
        )

    def read(self, text: str) -> None:
        self.number += 1
        try:
            line = Line(text)
            if not line.is_done:
                self._statement(line)
                line.end()
        except TextError as problem:
            raise self._refused(str(problem), problem.column) from problem

    def _refused(self, message: str, column: int, number: int = 0) -> MappingError:
        place = f"{self.where}:{number or self.number}:{column}"
        return refuse("bad-graph-text", message, loc=place)

    def _statement(self, line: Line) -> None:
        first = line.ahead
        kind = _OP if first.kind == "value" or first.text == "_" else first.text
        if kind not in _ORDER:
            raise line.problem(f"expected {', '.join(_ORDER)}, got {first}")
        stage = _ORDER.index(kind)
        if stage < self.stage or (stage == 0) is not (self.stage < 0):
            raise line.problem(f"{kind} has no place here: the order is {', '.join(_ORDER)}")
        self.stage = stage
        if kind != _OP:
            line.take("word")
        match kind:
            case "graph":
                self.name = _text(line)
            case "layers":
                self._layers(line)
            case "layer":
                self._layer(line)
            case "input":
                self._input(line)
            case "state":
                self._state(line)
            case "output":
                self._output(line)
            case "constant":
                self._constant(line)
            case _:
                self._op(line)

    # --- statements ---------------------------------------------------------------------------

    def _layers(self, line: Line) -> None:
        at = line.ahead
        if self.decided:
            raise line.problem("layers are decided twice", at)
        given = self.literals.data(line)
        if not given or not set(given) <= set(FOR_ALL):
            raise line.problem(
                f"of all layers only {' and '.join(FOR_ALL)} are decided, got {list(given)}", at
            )
        self.decided = {name: _loaded(FOR_ALL[name], held, at) for name, held in given.items()}

    def _layer(self, line: Line) -> None:
        at = line.ahead
        name = _text(line)
        if name in self.layers:
            raise line.problem(f"layer {name!r} is decided twice", at)
        given = {} if line.is_done else self.literals.data(line)
        self.layers[name] = _loaded(Choice, given, at)

    def _input(self, line: Line) -> None:
        self.inputs.append(self._defined(line))
        self._coding(line, self.inputs[-1].name)

    def _output(self, line: Line) -> None:
        at = line.ahead
        value = _value(line)
        if value != self.values.get(value.name):
            raise line.problem(f"{value} is put out, and {self._known(value.name)}", at)
        self.outputs.append(value)
        self._coding(line, value.name)

    def _coding(self, line: Line, name: str) -> None:
        at = line.ahead
        if line.is_done:
            return
        if name in self.codings:
            raise line.problem(f"%{name} has two codings")
        self.codings[name] = _loaded(Coding, self.literals.data(line), at)
        self._refer(self.codings[name].scale, self.codings[name].offset)

    def _state(self, line: Line) -> None:
        read = self._defined(line)
        line.take("mark", "<-")
        following = line.take("value")
        self.following.setdefault(following, self.number)
        initial: Scalar = 0
        if line.taken("word", "from"):
            at = line.ahead
            initial = _loaded(Scalar, self.literals.value(line), at)
            self._refer(initial)
        output = _text(line) if line.taken("word", "as") else ""
        self.states.append(State(read=read, next=following, initial=initial, output=output))

    def _op(self, line: Line) -> None:
        start = line.ahead
        results: list[Value | None] = []
        while not results or line.taken("mark", ","):
            results.append(None if line.taken("word", "_") else self._fresh(line, results))
        line.take("mark", "=")
        at = line.ahead
        kind = OPS.get(line.take("word", what="an op"))
        if kind is None:
            raise line.problem(f"there is no op {at}", at)
        operands = self._operands(line)
        held = _assigned(kind, results, start, written=True)
        held |= _assigned(kind, operands, at, written=False)
        held |= self._attributes(line, kind, at)
        if line.taken("word", "at"):
            held["loc"] = _text(line)
        op = kind(**held)
        self.ops.append(op)
        self.values.update({value.name: value for value in op.results})
        self._refer(*op.constants)

    def _operands(self, line: Line) -> list[Value | None]:
        found: list[Value | None] = []
        line.take("mark", "(")
        while not line.taken("mark", ")"):
            if found:
                line.take("mark", ",")
            if line.taken("word", "_"):
                found.append(None)
                continue
            at = line.ahead
            name = line.take("value")
            if name not in self.values:
                raise line.problem(f"%{name} is used before it is defined", at)
            found.append(self.values[name])
        return found

    def _attributes(self, line: Line, kind: type[Op], at: Token) -> dict[str, Any]:
        given: dict[str, tuple[Any, Token]] = {}
        if line.ahead.text == "{":
            given = self.literals.pairs(line)
        specs = {s.name: s for s in fields(kind) if s.name != "loc" and not holds_values(s)}
        for name, (_, place) in given.items():
            if name not in specs:
                raise line.problem(f"{kind.mnemonic} has no attribute {name!r}", place)
        for spec in specs.values():
            if spec.name not in given and spec.default is MISSING:
                raise line.problem(f"{kind.mnemonic} needs {spec.name!r}", at)
        hints = get_type_hints(kind)
        return {name: _loaded(hints[name], data, place) for name, (data, place) in given.items()}

    # --- parts of a statement -----------------------------------------------------------------

    def _known(self, name: str) -> str:
        return f"{self.values[name]} was defined" if name in self.values else "nothing defines it"

    def _fresh(self, line: Line, beside: Sequence[Value | None] = ()) -> Value:
        at = line.ahead
        value = _value(line)
        if value.name in self.values or any(b and b.name == value.name for b in beside):
            raise line.problem(f"%{value.name} is defined twice", at)
        return value

    def _defined(self, line: Line) -> Value:
        value = self._fresh(line)
        self.values[value.name] = value
        return value

    def _refer(self, *scalars: object) -> None:
        for scalar in scalars:
            if (name := getattr(scalar, "name", None)) is not None:
                self.used.setdefault(name, self.number)

    def _constant(self, line: Line) -> None:
        at = line.ahead
        name = line.take("const")
        if name in self.constants:
            raise line.problem(f"@{name} is defined twice", at)
        line.take("mark", ":")
        dtype, shape = typed_shape(line)
        beside = self.given.get(name)
        if line.taken("mark", "="):
            if beside is not None:
                raise line.problem(f"@{name} is written out, and given beside the text", at)
            if dtype not in DTYPES:
                raise line.problem(f"{dtype} is none of {', '.join(DTYPES)}", at)
            self.constants[name] = array_of(line, DTYPES[dtype], shape)
            return
        if beside is None:
            raise line.problem(f"@{name} is neither written out nor given", at)
        if (beside.dtype.name, beside.shape) != (dtype, shape):
            held = f"{beside.dtype}{list(beside.shape)}"
            raise line.problem(f"@{name} is {dtype}{list(shape)}, given is {held}", at)
        self.constants[name] = beside


def _text(line: Line) -> str:
    return line.take("string" if line.ahead.kind == "string" else "word", what="a name")


def _value(line: Line) -> Value:
    name = line.take("value")
    line.take("mark", ":")
    at = line.ahead
    type, shape = typed_shape(line)
    return Value(name, _loaded(Type, type, at), shape)


def _loaded(hint: Any, data: Any, at: Token) -> Any:
    """Load what an attribute holds, as the file form does."""
    try:
        return load(hint, data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TextError(f"{at}: {error}", at.column) from error


def _assigned(
    kind: type[Op], values: Sequence[Value | None], at: Token, *, written: bool
) -> dict[str, Any]:
    """Give results or operands, in the order they stand in, to the fields of an op."""
    specs = [s for s in fields(kind) if holds_values(s) and (s.name in kind.RESULTS) is written]
    found: dict[str, Any] = {}
    left = list(values)
    for spec in specs:
        if get_origin(spec.type) is tuple:
            found[spec.name], left = tuple(left), []
        else:
            found[spec.name] = left.pop(0) if left else None
        missing = found[spec.name] is None and type(None) not in get_args(spec.type)
        if missing or None in (found[spec.name] if isinstance(found[spec.name], tuple) else ()):
            raise TextError(f"{kind.mnemonic} needs {spec.name!r}", at.column)
    if left:
        count, what = len(values), "results" if written else "operands"
        raise TextError(f"{kind.mnemonic} has no {count} {what}", at.column)
    return found
