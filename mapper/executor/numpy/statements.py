"""The body of a time step: one statement per op, on generated variables."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mapper.diagnostics import refuse
from mapper.executor.names import literal, remark
from mapper.executor.numpy import grids
from mapper.executor.numpy.grids import Budget, LayerCode
from mapper.executor.numpy.neurons import NeuronCode, neuron_code
from mapper.executor.numpy.readouts import noise_code, table_text
from mapper.ir import bounds
from mapper.ir.core import Const, Graph, IntType, Value
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.evaluate import defined_values
from mapper.ir.hardware import ScaledAdd
from mapper.ir.network import (
    Add,
    AvgPool2d,
    Concat,
    FakeQuantize,
    MaxPool2d,
    Merge,
    Reshape,
    Scale,
    SumPool2d,
    Take,
    Transpose,
)
from mapper.ir.neurons import IntegerNeuron, Neuron
from mapper.ir.products import MatMul, Multiply
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Synapse
from mapper.ir.tables import OpTable
from mapper.ir.units import CrossbarLayer, Unit
from mapper.ir.weights import constant_keys

Definition = LayerCode | NeuronCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What computes the results of one op or one fused layer."""

    remark: str = ""
    lines: tuple[str, ...]
    dead: tuple[str, ...] = ()
    """Variables that nothing reads afterwards."""
    needs: frozenset[str] = frozenset()


class Names(Mapping[str, str]):
    """Variables ``v0``, ``v1``, ... of the values of a graph, in the order they are defined."""

    def __init__(self, graph: Graph) -> None:
        order = (value.name for value in defined_values(graph))
        self._variables = {name: f"v{i}" for i, name in enumerate(order)}

    def __getitem__(self, name: str) -> str:
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)


@dataclass(frozen=True, slots=True)
class Writer:
    """What turning an op into text needs besides the op."""

    graph: Graph
    names: Names
    keys: Mapping[str, str]
    budget: Budget

    def of(self, values: Sequence[Value]) -> str:
        return ", ".join(self.names[value.name] for value in values)

    def parameter(self, scalar: int | Const) -> str:
        return f"self.{self.keys[scalar.name]}" if isinstance(scalar, Const) else repr(int(scalar))


def program_body(
    graph: Graph, work: Sequence[Unit], names: Names, kept: set[str], budget: Budget
) -> tuple[tuple[Definition, ...], tuple[str, ...], tuple[Statement, ...]]:
    """Return classes, attributes of the network and the statements of a step.

    Values named in ``kept`` are held to the end of the step.
    """
    write = Writer(graph, names, constant_keys(graph.constants), budget)
    definitions: list[Definition] = []
    attributes: list[str] = []
    body = [Statement(lines=_tallies(write, graph.inputs))]
    for unit, dead in zip(work, _last_reads(work, kept), strict=True):
        form = _form(unit)
        if isinstance(form, Line):
            expression = form.text(unit, write)
            lines = tuple(f"{write.of(unit.results)} = {expression}".split("\n"))
            attributes += [_attribute(const, write) for const in unit_constants(unit)]
            needs = form.needs
        else:
            definition = form.code(unit, f"Layer{len(definitions)}", write)
            member = f"self.layer{len(definitions)}"
            attributes.append(f"{member} = {definition.name}(weights)")
            definitions.append(definition)
            lines, needs = _call(unit, member, write), frozenset()
        comment = f"{_kind(unit)} {remark(unit.loc or unit.results[0].name)}"
        variables = tuple(names[name] for name in dead)
        body.append(Statement(remark=comment, lines=lines, dead=variables, needs=needs))
    return tuple(definitions), tuple(dict.fromkeys(attributes)), tuple(body)


def _last_reads(work: Sequence[Unit], kept: set[str]) -> list[list[str]]:
    """Return, for each unit, the values that it reads or makes and nothing needs afterwards."""
    last: dict[str, int] = {}
    for i, unit in enumerate(work):
        last.update({value.name: i for value in (*unit.results, *unit.operands)})
    dead: list[list[str]] = [[] for _ in work]
    for name, i in last.items():
        if name not in kept:
            dead[i].append(name)
    return dead


def _kind(unit: Unit) -> str:
    return "crossbars" if isinstance(unit, CrossbarLayer) else unit.mnemonic


def _tallies(write: Writer, spikes: Sequence[Value]) -> tuple[str, ...]:
    return tuple(
        f"tally(counts, {literal(value.name)}, {write.names[value.name]})" for value in spikes
    )


@dataclass(frozen=True, slots=True)
class Line:
    """An op that is one expression."""

    text: Callable[[Any, Writer], str]
    needs: frozenset[str] = frozenset()
    """Functions of the program that the expression calls."""


@dataclass(frozen=True, slots=True)
class Class:
    """A unit that is worth a class of its own, with what it prepares before the first step."""

    code: Callable[[Any, str, Writer], Definition]


def _form(unit: Unit) -> Line | Class:
    """Say how a unit is written; refuse what is not computed in integers."""
    if isinstance(unit, CrossbarLayer):
        return Class(_crossbars)
    form = FORMS.entry(type(unit))
    types = [value.type for value in (*unit.operands, *unit.results)]
    if form is None or not all(isinstance(type, IntType) for type in types):
        raise refuse(
            "not-hardware",
            f"{unit.mnemonic} is not computed in integers",
            loc=unit.loc,
            help="compile the network to the end",
        )
    return form


def _crossbars(unit: CrossbarLayer, name: str, write: Writer) -> Definition:
    return grids.crossbar_code(unit, name, write.graph.constants, write.keys, write.budget)


def _partial_sums(op: CrossbarMvm, name: str, write: Writer) -> Definition:
    return grids.partial_sums_code(op, name, write.graph.constants, write.keys, write.budget)


def _count(op: CountActive, name: str, write: Writer) -> Definition:
    return grids.count_code(op, name)


def _neurons(op: IntegerNeuron, name: str, write: Writer) -> Definition:
    return neuron_code(op, name, write.graph.constants, write.keys)


def _digital(op: Synapse, name: str, write: Writer) -> Definition:
    return grids.digital_code(op, name, write.graph.constants, write.keys, write.budget)


def _call(unit: Unit, member: str, write: Writer) -> tuple[str, ...]:
    traced = isinstance(unit, CrossbarLayer | CrossbarMvm)
    arguments = write.of(unit.operands) + (", counts" if traced else "")
    line = f"{write.of(unit.results)} = {member}({arguments})"
    spikes = unit.spike if isinstance(unit, IntegerNeuron) else None
    return (line, *(_tallies(write, [spikes]) if spikes is not None else ()))


def unit_constants(unit: Unit) -> tuple[Const, ...]:
    return () if isinstance(unit, CrossbarLayer) else unit.constants


def _attribute(const: Const, write: Writer) -> str:
    return f"self.{write.keys[const.name]} = {table_text(const, write.keys)}"


def _max_pool(op: MaxPool2d, write: Writer) -> str:
    assert isinstance(op.x.type, IntType)
    return _pool(op, "np.maximum", op.x.type.min, write)


def _sum_pool(op: SumPool2d, write: Writer) -> str:
    return _pool(op, "np.add", 0, write)


def _pool(op: MaxPool2d | SumPool2d, combine: str, fill: int, write: Writer) -> str:
    fields = grids.window_fields(op.window, op.result.shape[1:])
    window = "\n".join(f"        {field}," for field in fields)
    x = write.of([op.x])
    return f"pooled(\n    {x},\n    Window(\n{window}\n    ),\n    {combine},\n    {fill},\n)"


def _add(op: Add, write: Writer) -> str:
    return " + ".join(write.names[term.name] for term in op.terms)


def _merge(op: Merge, write: Writer) -> str:
    a, b = write.names[op.a.name], write.names[op.b.name]
    if op.kind == "iand":
        return f"(1 - {a}) & {b}"
    return f"{a} {'&' if op.kind == 'and' else '|' if op.kind == 'or' else '^'} {b}"


def _multiply(op: Multiply, write: Writer) -> str:
    return f"{write.of([op.a])} * {write.of([op.b])}"


def _matmul(op: MatMul, write: Writer) -> str:
    dtype = bounds.Products(*op.range()).dtype
    a, b = write.of([op.a]), write.of([op.b])
    if dtype == "int64":
        return f"np.matmul({a}, {b})"
    floats = ", ".join(f"{x}.astype(np.{dtype})" for x in (a, b))
    return f"np.matmul({floats}).astype(np.int64)"


def _reshape(op: Reshape, write: Writer) -> str:
    x = write.of([op.x])
    return f"{x}.reshape(len({x}), {', '.join(map(str, op.result.shape))})"


def _transpose(op: Transpose, write: Writer) -> str:
    return f"{write.of([op.x])}.transpose(0, {', '.join(str(i + 1) for i in op.order)})"


def _take(op: Take, write: Writer) -> str:
    return f"{write.of([op.x])}.take({list(op.indices)}, axis={op.axis + 1})"


def _concat(op: Concat, write: Writer) -> str:
    return f"np.concatenate(({write.of(op.parts)},), axis={op.axis + 1})"


def _scaled_add(op: ScaledAdd, write: Writer) -> str:
    terms = zip(op.scales, op.terms, strict=True)
    total = " + ".join(f"{write.parameter(m)} * {write.names[term.name]}" for m, term in terms)
    if op.offset != 0:
        total = f"{total} + {write.parameter(op.offset)}"
    return f"({total}) >> {op.shift}" if op.shift else total


def _sense_amp(op: SenseAmpRead, write: Writer) -> str:
    p = write.names[op.partial_sum.name]
    thresholds = write.parameter(op.thresholds)
    if op.active is not None:
        active = f"per_output({write.names[op.active.name]}, {op.partial_sum.shape[3]})"
        p, thresholds = f"2 * {p} - {op.full_level} * {active}[:, :, :, None]", f"2 * {thresholds}"
    return f"sense_amp_read({_noisy(op, p, write)}, {thresholds}, {op.levels})"


def _adc(op: AdcRead, write: Writer) -> str:
    fields = (op.first, op.spacing, op.step, op.base)
    tables = ", ".join(write.parameter(table) for table in fields)
    p = _noisy(op, write.names[op.partial_sum.name], write)
    return f"adc_read({p}, {tables}, {(1 << op.bits) - 1})"


def _noisy(op: SenseAmpRead | AdcRead, p: str, write: Writer) -> str:
    """Return the sums as they are read, in an expression."""
    code = noise_code(op, write.keys)
    if op.noise is None or op.key is None or code is None:
        return p
    noise = f"Noise({write.parameter(op.noise)}, {code.stream}, {code.grid})"
    return f"read_with_noise({p}, {noise}, {write.names[op.key.name]})"


def _shift_and_add(op: ShiftAndAdd, write: Writer) -> str:
    codes, scale = write.names[op.codes.name], write.parameter(op.scale)
    arguments = f"{codes}, {op.significances}, {op.plane_weights}, {scale}, {op.shift}"
    if op.active is not None:
        active = f"per_output({write.names[op.active.name]}, {op.codes.shape[3]})"
        arguments = f"{arguments}, {op.offset} * {active}"
    return f"shift_and_add({arguments})"


_POOLED = frozenset({"window", "pool"})
_SEPARATE = frozenset({"separate", "separate-noise"})
_REALS = "it is not computed in integers"

FORMS: OpTable[Line | Class] = OpTable(
    what="statements of the NumPy program",
    entries={
        CrossbarMvm: Class(_partial_sums),
        CountActive: Class(_count),
        IntegerNeuron: Class(_neurons),
        Synapse: Class(_digital),
        MaxPool2d: Line(_max_pool, _POOLED),
        SumPool2d: Line(_sum_pool, _POOLED),
        Add: Line(_add),
        Merge: Line(_merge),
        Multiply: Line(_multiply),
        MatMul: Line(_matmul),
        Reshape: Line(_reshape),
        Take: Line(_take),
        Transpose: Line(_transpose),
        Concat: Line(_concat),
        ScaledAdd: Line(_scaled_add),
        SenseAmpRead: Line(_sense_amp, _SEPARATE),
        AdcRead: Line(_adc, _SEPARATE),
        ShiftAndAdd: Line(_shift_and_add, frozenset({"separate"})),
    },
    without={AvgPool2d: _REALS, FakeQuantize: _REALS, Neuron: _REALS, Scale: _REALS},
)
"""How an op is written; crossbars that are read at once are fused before."""
