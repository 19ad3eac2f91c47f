"""Hardware graph to ``executor.py``: a standalone NumPy program with the same integers."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from mapper.executor.base import check_watched, port_of, ports_of
from mapper.executor.names import check_distinct, check_names, literal, remark
from mapper.executor.numpy import statements
from mapper.executor.numpy.grids import Budget
from mapper.executor.numpy.readouts import table_text
from mapper.executor.numpy.statements import Definition, Names, Statement
from mapper.ir.activity import counted_shapes
from mapper.ir.core import Const, Graph, State, Value, param
from mapper.ir.evaluate import recorded_names
from mapper.ir.identity import digest
from mapper.ir.noise import key_inputs
from mapper.ir.units import units
from mapper.ir.weights import constant_keys, fingerprint, narrow
from mapper.layout import IN_STEPS, Presentation
from mapper.rendering import body, templates

CARRIED = ("layout.py", "executor/ports.py", "npz.py")
"""Modules whose text every program has: how it checks and reads what a user brings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortCode:
    """An input or a state, with the variable that holds it during a step."""

    name: str
    shape: tuple[int, ...]
    low: int
    high: int
    variable: str
    initial: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Everything that the template of the whole file refers to; names are Python literals."""

    network: str
    target: str
    version: str
    graph_sha256: str
    weights_sha256: str
    inputs: tuple[PortCode, ...]
    states: tuple[PortCode, ...]
    traced: tuple[tuple[str, str], ...]
    """Names, and the shapes of their arrays; ``None`` for ``[T, B]``."""
    weights: tuple[tuple[str, str], ...]
    """Keys in ``weights.npz``, and comments."""
    definitions: tuple[Definition, ...]
    attributes: tuple[str, ...]
    statements: tuple[Statement, ...]
    outputs: tuple[tuple[str, str], ...]
    following: tuple[tuple[str, str], ...]
    needs: frozenset[str]
    steps: int
    """Time steps that an image is shown for."""
    images: tuple[str, ...]
    """Inputs that are images."""
    keys: tuple[str, ...]
    """Inputs that noise of reads follows from."""
    samples_first: tuple[str, ...]
    batches_of_one: tuple[str, ...]


def generate_executor(
    graph: Graph,
    *,
    target: str = "",
    version: str = "",
    watch: Sequence[str] = (),
    presented: Presentation = IN_STEPS,
) -> str:
    """Return the source of ``executor.py`` for a graph that has passed ``check_graph``.

    The program needs NumPy and the file that ``save_constants`` writes. It agrees with
    ``mapper.ir.evaluate`` bit for bit, also on values named in ``watch``. The same graph gives
    the same text. ``presented`` is how the model takes its inputs, which decides what arrays with
    an axis less than ``[T, B, ...]`` mean.

    Raises:
        MappingError: ``not-hardware`` where an op or a port is not an integer one,
            ``unusable-name`` for names that no file can hold, ``unknown-value`` for a watched
            name that does not exist.
    """
    program = describe(graph, target=target, version=version, watch=watch, presented=presented)
    texts = [files("mapper").joinpath(name).read_text("utf-8") for name in CARRIED]
    template = templates("mapper.executor.numpy").get_template("executor.py.j2")
    return template.render(program=program, carried=[body(text) for text in texts])


def describe(
    graph: Graph,
    *,
    target: str = "",
    version: str = "",
    watch: Sequence[str] = (),
    presented: Presentation = IN_STEPS,
) -> Program:
    """Work out everything the template refers to; see ``generate_executor``."""
    ports = ports_of(graph)
    check_watched(graph, watch)
    names = Names(graph)
    recorded = recorded_names(graph, watch)
    work = units(graph, watch)
    kept = {*recorded.values(), *(state.next for state in graph.states)}
    definitions, attributes, lines = statements.program_body(graph, work, names, kept, Budget())
    used = _used_constants(graph)
    keys = {name: key for name, key in constant_keys(graph.constants).items() if name in used}
    traced = tuple(counted_shapes(graph))
    check_distinct(name for name, _ in traced)
    names_in = [port.name for port in (*ports.inputs, *ports.states)]
    check_names([*recorded, *(name for name, _ in traced), *names_in])
    needs = {need for definition in definitions for need in definition.needs}
    needs |= {need for statement in lines for need in statement.needs}
    return Program(
        network=remark(graph.name),
        target=remark(target),
        version=remark(version),
        graph_sha256=digest(graph),
        weights_sha256=fingerprint({key: narrow(graph.constants[n]) for n, key in keys.items()}),
        inputs=tuple(_port(v, names) for v in graph.inputs),
        states=tuple(_port(s.read, names, _initial(graph, s)) for s in graph.states),
        traced=tuple((literal(name), repr(shape)) for name, shape in traced),
        weights=tuple((key, remark(name)) for name, key in keys.items()),
        definitions=definitions,
        attributes=attributes,
        statements=lines,
        outputs=tuple((literal(name), names[value]) for name, value in recorded.items()),
        following=tuple((literal(s.read.name), names[s.next]) for s in graph.states),
        needs=frozenset(needs),
        steps=presented.steps,
        images=tuple(map(literal, presented.images)),
        keys=tuple(literal(value.name) for value in key_inputs(graph)),
        samples_first=tuple(map(literal, presented.samples_first)),
        batches_of_one=tuple(map(literal, presented.batches_of_one)),
    )


def _port(value: Value, names: Names, initial: str = "") -> PortCode:
    port = port_of(value)
    return PortCode(
        name=literal(port.name),
        shape=port.shape,
        low=port.low,
        high=port.high,
        variable=names[value.name],
        initial=initial,
    )


def _initial(graph: Graph, state: State) -> str:
    if isinstance(state.initial, Const):
        return table_text(state.initial, constant_keys(graph.constants))
    return repr(int(param(graph.constants, state.initial, state.read.type)))


def _used_constants(graph: Graph) -> set[str]:
    used = {const.name for op in graph.ops for const in op.constants}
    return used | {s.initial.name for s in graph.states if isinstance(s.initial, Const)}
