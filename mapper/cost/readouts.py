"""What reads the bitlines of a macro: the part of its library, or of a law at its own sizes."""

from collections.abc import Sequence
from math import ceil, log2
from typing import Literal

from mapper.cost.array_laws import channel_by_law, tree_by_law, write_by_law
from mapper.cost.gates import tree_bits
from mapper.cost.laws import at_rows, converter_by_law
from mapper.cost.model import Part
from mapper.diagnostics import refuse
from targets import (
    AS_BUILT,
    AdderTree,
    Component,
    Converter,
    ConverterLaw,
    Library,
    Preset,
    ReadChannel,
    Readout,
    Write,
)
from targets import Macro as TargetMacro

End = Literal["low", "nominal", "high"]


def part_of(component: Component, end: End) -> Part:
    """Return pJ, ns and um2 of a component at one end of its intervals."""
    return Part(
        pj=getattr(component.energy_pj, end),
        ns=getattr(component.latency_ns, end),
        um2=getattr(component.area_um2, end),
        wordline_ns=component.wordline_ns if isinstance(component, Converter) else 0.0,
    )


def readout_part(library: Library, macro: TargetMacro, preset: Preset, end: End) -> Part:
    """Return what reads a column of a macro, at one end of its intervals; nothing where ideal.

    Raises:
        MappingError: ``preset-adc`` and ``law-range``, see ``converter_of``.
    """
    readout = macro.readout
    tree = tree_of(library, macro)
    if tree is not None:
        return part_of(tree, end)
    if readout.is_ideal:
        return Part(0.0, 0.0, 0.0)
    if not readout.is_adc:
        return part_of(library.sense_amp, end)
    return part_of(converter_of(library, macro, preset), end)


def converter_of(library: Library, macro: TargetMacro, preset: Preset) -> Converter:
    """Return the ADC that a preset prices for a macro, at the rows that are read at once.

    Raises:
        MappingError: ``preset-adc`` where the library has none of its bits, ``law-range`` where its
            law is not known to hold at the target's sizes.
    """
    found = found_converter(library, macro.readout, preset)
    if found is None:
        raise refuse(
            "preset-adc",
            lacking(library, macro.readout, preset),
            loc="--preset",
            help=f"use --preset {AS_BUILT.name}, which keeps the library of the target",
        )
    if isinstance(found, ConverterLaw):
        return converter_by_law(found, active_rows(macro))
    return at_rows(found, active_rows(macro))


def found_converter(
    library: Library, readout: Readout, preset: Preset
) -> Converter | ConverterLaw | None:
    """Find the ADC that the preset wants; that of the target where the library has none."""
    wanted = readout.kind if preset.adc == "as-built" else preset.adc
    return library.converter(wanted, readout.bits) or library.converter(readout.kind, readout.bits)


def priced_kind(library: Library, readout: Readout, preset: Preset) -> str:
    """Return the kind of readout that is priced: of an ADC, the one that the preset wants."""
    wanted = preset.adc
    if readout.is_adc and wanted != "as-built" and library.converter(wanted, readout.bits):
        return wanted
    return readout.kind


def circuit_of(library: Library, readout: Readout, preset: Preset) -> str:
    """Return the circuit whose facts are taken: the priced kind, or the law of a serial one."""
    found = found_converter(library, readout, preset) if readout.is_adc else None
    if isinstance(found, ConverterLaw) and found.law == "sar-serial":
        return found.law
    return priced_kind(library, readout, preset)


def lacking(library: Library, readout: Readout, preset: Preset) -> str:
    """Say that a preset's library has no ADC for a readout."""
    known = [adc.bits for adc in library.converters(readout.kind)]
    return (
        f"preset '{preset.name}' takes its facts from library '{library.name}', which has "
        f"{readout.kind} ADCs of {known} bits, not of {readout.bits}"
    )


def channel_of(library: Library, macro: TargetMacro) -> ReadChannel | None:
    """Return what stands before the readouts of a macro."""
    found = library.read_channel
    if found is None or isinstance(found, ReadChannel):
        return found
    return channel_by_law(found, macro.wordlines, max(macro.readout.bits, 1))


def write_of(library: Library, macro: TargetMacro) -> Write | None:
    """Return what writing a cell of a macro takes."""
    found = library.write
    if found is None or isinstance(found, Write):
        return found
    levels = macro.written(macro.weight_bits).base
    return write_by_law(found, macro.wordlines, (levels - 1).bit_length())


def dearest_write(library: Library, macros: Sequence[TargetMacro]) -> Write | None:
    """Return the same for a target: of macros of several sizes, that which takes most."""
    found = [made for macro in macros if (made := write_of(library, macro)) is not None]
    return max(found, key=lambda made: made.energy_pj.nominal, default=None)


def sums_digitally(readout: Readout) -> bool:
    """Say whether products are summed by adders, and nothing is converted."""
    return readout.form.adds


def tree_of(library: Library, macro: TargetMacro) -> AdderTree | None:
    """Return the adders of a macro that sums digitally: of its library, by a law, or as many bits.

    A library without adder trees has adders of partial sums; a tree is priced as their bits.
    """
    found = library.adder_tree
    if not sums_digitally(macro.readout):
        return None
    if found is None:
        return tree_of_bits(library.accumulate, active_rows(macro), input_bits(macro))
    if isinstance(found, AdderTree):
        return found
    words, taken = found.order == "words", input_bits(macro)
    widest = macro.max_input_bits
    return tree_by_law(
        found,
        active_rows(macro),
        product_bits(macro) if words else taken,
        columns=1 if words else len(macro.written(macro.weight_bits).significances),
        accumulated=macro.weight_bits + widest + ceil(log2(active_rows(macro)))
        if widest > taken
        else 0,
        multiplied=(macro.weight_bits, taken) if words else (1, 1),
    )


def tree_of_bits(adder: Component, rows: int, width: int) -> AdderTree:
    """Return a tree of ripple adders of one column, each bit of them an adder's."""
    bits, levels = tree_bits(rows, width), ceil(log2(rows))
    return AdderTree(
        per="evaluation with all products 1; area of one tree",
        energy_pj=adder.energy_pj.times(bits, bits, bits),
        latency_ns=adder.latency_ns.times(levels, levels, levels),
        area_um2=adder.area_um2.times(bits, bits, bits),
        node_nm=adder.node_nm,
        voltage_v=adder.voltage_v,
        source=f"{bits} bits of adders: {rows} terms of {width} bits. {adder.source}",
        cites=adder.cites,
    )


def active_rows(macro: TargetMacro) -> int:
    """Return the wordlines that one read drives at most: what loads a bitline, terms of a sum."""
    return macro.block_rows


def product_bits(macro: TargetMacro) -> int:
    """Return the bits of a weight times an input of one read: a single bit selects the weight."""
    taken = input_bits(macro)
    return macro.weight_bits + (taken if taken > 1 else 0)


def input_bits(macro: TargetMacro) -> int:
    """Return the bits of an input that one read takes."""
    return macro.input_bits_per_read
