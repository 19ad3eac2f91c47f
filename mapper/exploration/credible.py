"""Which axes a base target can have: those that its component facts follow, by laws.

A component library says what parts cost at the sizes of its macros: by laws, which are evaluated at
any sizes, or by numbers, which stay as they are. Where numbers would have to follow an axis and
cannot, an estimate along it would be wrong, and the axis is refused: ``not-credible``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from mapper.cost.description import READOUT_CHANNELS
from mapper.cost.readouts import sums_digitally
from mapper.diagnostics import Diagnostic, many
from mapper.exploration.axes import CONSTANT, Value, axis_of
from mapper.exploration.base import DESCRIBED, Base
from mapper.exploration.constants import unused
from mapper.exploration.facts import READOUT, ReadoutWord, fact_of, plain_name, word_of
from mapper.ir.readout_kinds import READOUTS
from targets import (
    AdderTree,
    Converter,
    Library,
    Macro,
    ReadChannel,
    Target,
    Write,
)

Values = tuple[Value, ...]

HELP = (
    "describe the target in [describe], as 'spikeloom targets new' does: its library is of laws, "
    "which follow; or give the part in its library a law in place of numbers"
)


def not_credible(base: Base, axes: Mapping[str, Values]) -> tuple[Diagnostic, ...]:
    """Return why axes cannot be varied on a base: an entry an axis, all of them.

    Args:
        base: What points are made from.
        axes: Values of each axis.
    """
    target = base.target
    found = ((name, _reasons(name, values, base, target)) for name, values in axes.items())
    return tuple(
        Diagnostic(
            code="not-credible",
            message=f"axis '{name}' cannot be varied on '{target.name}': {'; '.join(reasons)}",
            loc=name,
            help=HELP if isinstance(base.start, Target) else "",
        )
        for name, reasons in found
        if reasons
    )


def _reasons(name: str, values: Values, base: Base, target: Target) -> list[str]:
    axis = axis_of(name)
    assert axis is not None, f"a space without {name}"
    if name.startswith(CONSTANT):
        key = name.removeprefix(CONSTANT)
        return [f"it has nothing that '{key}' is of"] if unused(target, key) else []
    if axis.described:
        if not isinstance(base.start, Target):
            return []
        library = target.components
        return [
            f"numbers of its library '{library.name}' would not follow: cell.area_um2 at "
            f"{library.cell.node_nm:g} nm, and all else that is given there"
        ]
    reasons: list[str] = []
    if isinstance(base.start, Target) and axis.edits(values[0]).weight_bits is not None:
        reasons += _adders(target, values)
    for name in axis.edits(values[0]).facts:
        fact, only = plain_name(name)
        known = [macro.name for macro in target.macros]
        if only not in ("", *known):
            reasons.append(f"it has no macro '{only}', only {', '.join(known)}")
        elif isinstance(base.start, Target) or fact not in DESCRIBED:
            moved = tuple(axis.edits(value).facts[name] for value in values)
            reasons += _of_fact(fact, only, moved, target)
    return list(dict.fromkeys(reasons))


def _adders(target: Target, values: Values) -> Iterator[str]:
    """Yield which adders are as wide as the weights that their macro has, whatever a layer has."""
    for macro in target.macros:
        built = target.components.adder_tree is not None and sums_digitally(macro.readout)
        if built and any(value != macro.weight_bits for value in values):
            yield (
                f"the adders of '{macro.name}' are for its weights of "
                f"{many(macro.weight_bits, 'bit')}; vary 'macro.weight_bits', which they follow"
            )


def _of_fact(fact: str, only: str, values: Values, target: Target) -> Iterator[str]:
    """Yield which entries of the library would not follow a fact to these values."""
    follows = FOLLOWS.get(fact)
    if follows is None:
        return
    for macro in target.macros:
        if only in ("", macro.name):
            (own,) = fact_of(target, f"macro.{macro.name}.{fact.removeprefix('macro.')}")
            others = tuple(value for value in values if value != own)
            if others:
                yield from follows(target.components, macro, others)


def _number(entry: str) -> str:
    return f"'{entry}' of its library is a number, and would not follow"


def _rows(library: Library, macro: Macro, values: Values) -> Iterator[str]:
    """More rows on a bitline: a converter settles later, trees have more adders."""
    readout = macro.readout
    if readout.kind == "sar":
        adc = library.converter(readout.kind, readout.bits)
        if isinstance(adc, Converter) and adc.latency_law == "none":
            yield _number(f"sar_adc.{adc.bits}.latency_ns")
    yield from _channel(library)
    yield from _tree(library, macro)
    yield from _chain(library, macro)
    if isinstance(library.write, Write) and library.cell.kind != "resistive":
        yield _number("write.energy_pj")


def _wordlines(library: Library, macro: Macro, values: Values) -> Iterator[str]:
    yield from _rows(library, macro, values)
    if macro.rows_per_read is not None:
        yield from _share(library)


def _rows_per_read(library: Library, macro: Macro, values: Values) -> Iterator[str]:
    yield from _rows(library, macro, values)
    yield from _share(library)


def _share(library: Library) -> Iterator[str]:
    """A cell has its share of the gate or capacitor of those that are read together."""
    if library.cell.kind != "resistive":
        yield _number("cell.area_um2")


def _cell_bits(library: Library, macro: Macro, values: Values) -> Iterator[str]:
    """A cell of SRAM holds a bit: more bits are more of them. A resistive one has more levels."""
    if library.cell.levels:
        yield _number("cell.levels")
    if library.cell.kind != "resistive":
        yield _number("cell.area_um2")
    if isinstance(library.write, Write) and library.cell.kind != "resistive":
        yield _number("write.energy_pj")


def _tree(library: Library, macro: Macro, values: Values = ()) -> Iterator[str]:
    if isinstance(library.adder_tree, AdderTree) and sums_digitally(macro.readout):
        yield _number("adder_tree.energy_pj")


def _chain(library: Library, macro: Macro) -> Iterator[str]:
    """A chain of adders has a cell for every bit of its sum."""
    tree = library.adder_tree
    if tree is not None and tree.order == "chain" and sums_digitally(macro.readout):
        yield _number("cell.area_um2")


def _weights(library: Library, macro: Macro, values: Values) -> Iterator[str]:
    yield from _tree(library, macro)
    yield from _chain(library, macro)


def _channel(library: Library) -> Iterator[str]:
    if isinstance(library.read_channel, ReadChannel):
        yield _number("read_channel.latency_ns")


def _inputs(library: Library, macro: Macro, values: Values) -> Iterator[str]:
    yield from _tree(library, macro)
    if library.inputs is not None and library.inputs.form == "dac":
        yield _number("inputs.converter_pj")


def _readout(library: Library, macro: Macro, values: Values) -> Iterator[str]:
    """Another circuit reads: an ADC as the library has it, with the same circuits before it."""
    before = ReadoutWord.of(word_of(macro.readout))
    for value in values:
        word = ReadoutWord.of(str(value))
        form = next((form for kind, form in READOUTS.items() if kind == word.named), None)
        if form is None:
            yield f"{value!r} is written by 'targets new' alone"
        elif form.converts and library.converter(word.kind, word.bits) is None:
            yield f"its library has no {word.kind} ADC of {word.bits} bits"
        if "adder-tree" in (word.kind, before.kind) and word.kind != before.kind:
            yield _number("cell.kind")
        if _stands_before(library) and _family(word) != _family(before):
            yield _number("read_channel")
    yield from _channel(library)


def _family(word: ReadoutWord) -> str:
    return READOUT_CHANNELS.get(word.named, "none")


def _stands_before(library: Library) -> bool:
    """Say whether cells are fed through what their readout needs before it."""
    cell = library.cell
    return library.read_channel is not None or (cell.kind == "resistive" and cell.supply_v.high > 0)


FOLLOWS: Mapping[str, Callable[[Library, Macro, Values], Iterable[str]]] = {
    "macro.wordlines": _wordlines,
    "macro.rows_per_read": _rows_per_read,
    "macro.cell_bits": _cell_bits,
    "macro.cell_levels": _cell_bits,
    "macro.encoding": _tree,
    "macro.weight_bits": _weights,
    "macro.max_input_bits": _tree,
    "macro.input_bits_per_read": _inputs,
    READOUT: _readout,
}
"""Facts of a macro that laws look at, and what of a library is a number where they would."""

UNRELATED: Mapping[str, str] = {
    "macro.bitlines": "parts are a column's, a wordline's a cell's",
    "macro.readout.columns_per_readout": "a readout costs the same, whoever shares it",
    "macro.readout.reference": "a replica column is counted",
    "macro.readout.shared_reference": "a replica column is counted",
    "neuron.membrane_bits": "memory is counted by the bit",
    "neuron.leak_bits": "an update is one action, whatever its leak",
    "neuron.leak_rounding": "an update is one action, whatever its leak",
    "neuron.fraction_bits": "memory is counted by the bit",
    "chip.tiles": "counts and distances follow",
    "chip.crossbars_per_tile": "counts and distances follow",
    "chip.max_chips": "counts and distances follow",
    "chip.max_rounds": "loads are counted",
    "chip.idle_leakage": "a fact of its own",
    "chip.buffer_ports": "a fact of its own",
    "clock.policy": "a fact of its own",
    "clock.logic_ns": "a fact of its own",
    "clock.step_ns": "a fact of its own",
    "events.skip_silent_reads": "counts follow",
    "events.update_on_event": "counts follow",
}
"""Facts that no entry of a library has to follow, and why."""
