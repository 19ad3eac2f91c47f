"""Whether layers that were trained with their readout run on a target as they are."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from mapper.diagnostics import Diagnostic, MappingError
from mapper.ir.assignment import DIGITAL, Choice
from mapper.ir.core import Graph, IntType, Op, Span
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.leaks import SAID, Decay
from mapper.ir.neurons import IntegerNeuron
from mapper.ir.readout import BitlineRead, SenseAmpRead
from mapper.ir.readout_kinds import READOUTS
from mapper.ir.synapses import Synapse
from mapper.ir.units import LayerOp
from targets import Macro, NeuronUnit, Target, assignment_problems


def fitted(graph: Graph, target: Target) -> Graph:
    """Put trained layers on the target's macros that read as they were trained.

    Args:
        graph: Integers, with crossbars and readout. Its assignment may name one of several macros
            that read alike; it cannot change what was trained.
        target: What it is compiled for.

    Raises:
        MappingError: ``trained-for-other-hardware``, for each layer and neuron that would compute
            something else.
    """
    readers = {op.partial_sum.name: op for op in graph.ops if isinstance(op, BitlineRead)}
    ops: list[Op] = []
    assignment = graph.assignment
    layers = [op.loc for op in graph.ops if isinstance(op, LayerOp)]
    wrong = list(assignment_problems(target, assignment, layers))
    for op in graph.ops:
        if isinstance(op, LayerOp):
            op, problem = _layer(op, readers, target, assignment.of(op.loc))
        else:
            problem = _neuron(op, target) if isinstance(op, IntegerNeuron) else ""
        if problem:
            wrong.append(_diagnostic(op, problem))
        ops.append(op)
    if assignment.weight_bits is not None and assignment.weight_bits != widest(graph):
        asked = assignment.weight_bits
        problem = f"trained with weights of {widest(graph)} bits, {asked} are asked for"
        wrong.append(_diagnostic(graph.ops[0], problem))
    if wrong:
        raise MappingError(wrong)
    return replace(graph, ops=tuple(ops))


def _layer(
    op: LayerOp, readers: Mapping[str, BitlineRead], target: Target, choice: Choice
) -> tuple[LayerOp, str]:
    """Return a layer on the macro that it runs on, and what keeps it from there."""
    if isinstance(op, Synapse):
        return op, _digital(op, choice)
    macro, problem = _macro(op, readers[op.partial_sum.name], target, choice)
    if problem:
        return op, problem
    turns = min(target.macro(macro).turns, len(op.rows))
    return replace(op, turns=turns, placement=replace(op.placement, macro=macro)), ""


def widest(graph: Graph) -> int:
    """Return the width of the widest weights on crossbars; 0 where there are none."""
    layers = [op.encoding for op in graph.ops if isinstance(op, CrossbarMvm)]
    return max((encoding.weight_bits for encoding in layers if encoding is not None), default=0)


def _diagnostic(op: Op, problem: str) -> Diagnostic:
    return Diagnostic(
        code="trained-for-other-hardware",
        message=problem,
        loc=op.loc or op.results[0].name,
        help="train it for this target, or compile it for the one it was trained for",
    )


def _digital(op: Synapse, choice: Choice) -> str:
    """Say why a layer that training left on the digital unit cannot follow its assignment."""
    if choice.macro not in ("", DIGITAL):
        return f"trained for the digital unit, macro '{choice.macro}' is assigned"
    if choice.weight_bits is not None:
        return f"its integers are trained, weights of {choice.weight_bits} bits are assigned"
    return ""


def _macro(op: CrossbarMvm, read: BitlineRead, target: Target, choice: Choice) -> tuple[str, str]:
    """Return the macro that fits, or what is wrong with the one that takes such layers."""
    assert isinstance(op.x.type, IntType)
    if choice.macro == DIGITAL:
        return "", "trained for crossbars, the digital unit is assigned"
    trained = None if op.encoding is None else op.encoding.weight_bits
    if choice.weight_bits not in (None, trained):
        return "", f"trained with weights of {trained} bits, {choice.weight_bits} are assigned"
    bits = op.x.type.bits
    taking = [m for m in target.macros if m.takes(bits) and choice.macro in ("", m.name)]
    taking.sort(key=lambda macro: macro.name != op.placement.macro)  # its own first
    if not taking:
        one = f"macro '{choice.macro}'" if choice.macro else "macro"
        return "", f"takes inputs of {bits} bits, no {one} of '{target.name}' does"
    found = {macro.name: next(_problems(op, read, macro), "") for macro in taking}
    for name, problem in found.items():
        if not problem:
            return name, ""
    return "", next(iter(found.values()))


def _problems(op: CrossbarMvm, read: BitlineRead, macro: Macro) -> Iterator[str]:
    """Yield what a layer was trained with and the macro has otherwise, with both facts."""
    wordlines = op.rows[-1].stop
    if op.rows != tuple(Span(0, wordlines).split(macro.block_rows)):
        rows = max(len(span) for span in op.rows)
        does = "reads" if macro.rows_per_read else "has"
        there = f"'{macro.name}' {does} {macro.block_rows}"
        yield f"trained for {rows} wordlines of a crossbar, {there}"
    encoding = op.encoding
    if encoding is None:
        yield f"its weights have no encoding, '{macro.name}' has {macro.encoding}"
        return
    trained = {
        "encoding": encoding.kind,
        "cell_bits": encoding.cell_bits,
        "cell_levels": encoding.base,
        "input_bits_per_read": op.plane_bits,
        **_readout(read),
    }
    own = macro.readout
    facts = {
        "input_bits_per_read": macro.plane_bits(op.x),
        "encoding": macro.encoding,
        "cell_bits": macro.cell_bits,
        "cell_levels": macro.written(macro.weight_bits).base,
        "readout": own.kind,
        "readout bits": own.bits,
        "reference": own.reference,
        "levels": own.levels,
    }
    for name, held in trained.items():
        if held != facts[name]:
            yield f"trained with {name} {held}, '{macro.name}' has {facts[name]}"


def _readout(read: BitlineRead) -> dict[str, object]:
    facts: dict[str, object] = {"readout": read.kind}
    if isinstance(read, SenseAmpRead):
        reference = "constant" if read.active is None else "half-active"
        return facts | {"reference": reference, "levels": read.levels}
    return facts | ({"readout bits": read.bits} if READOUTS[read.kind].converts else {})


def _neuron(op: IntegerNeuron, target: Target) -> str:
    unit: NeuronUnit = target.neuron
    held = op.membrane.type
    if isinstance(held, IntType) and held.bits != unit.membrane_bits:
        return (
            f"trained with membranes of {held.bits} bits, '{target.name}' has {unit.membrane_bits}"
        )
    decays: tuple[Decay, ...] = (op.decay, op.current_decay, op.input_decay)
    for decay in decays:
        if decay.kind not in unit.leaks:
            return f"trained with leak '{decay.kind}', '{target.name}' has {', '.join(unit.leaks)}"
        if decay.kind == "multiply" and decay.shift > unit.leak_bits:
            return (
                f"trained with a leak of {decay.shift} fraction bits, "
                f"'{target.name}' has {unit.leak_bits}"
            )
        if decay.kind != "none" and decay.rounding != unit.leak_rounding:
            return (
                f"trained with a leak that rounds {SAID[decay.rounding]}, that of "
                f"'{target.name}' rounds {SAID[unit.leak_rounding]}"
            )
    return ""
