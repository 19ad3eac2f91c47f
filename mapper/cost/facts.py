"""A target's facts under the assumptions of a preset, in the form the cost formulas take them."""

from dataclasses import replace
from typing import Literal

from mapper.cost.model import Chip, Corners, Facts, Hierarchy, Layer, Macro, Part
from mapper.diagnostics import refuse
from targets import AS_BUILT, Component, Converter, Library, Preset, Readout, Target
from targets import Macro as TargetMacro

End = Literal["low", "nominal", "high"]


def chip_of(target: Target, preset: Preset = AS_BUILT, layers: tuple[Layer, ...] = ()) -> Chip:
    """Return what has no interval: sizes, widths and the clock policy."""
    components = _library(target, preset)
    return Chip(
        policy=target.clock.policy if preset.clock == "as-built" else preset.clock,
        logic_ns=target.clock.logic_ns,
        crossbars_per_tile=target.chip.crossbars_per_tile,
        buffer_word_bits=components.buffer_read.word_bits,
        hop_word_bits=components.hop.word_bits,
        macros={macro.name: _macro(macro) for macro in target.macros},
        widest=max((layer.outputs for layer in layers), default=1),
        hierarchy=_hierarchy(preset),
        overlap=preset.overlap,
        neurons=preset.neurons,
        corrections=preset.corrections,
        steps_as_bits=preset.steps_as_bits,
    )


def corners_of(target: Target, preset: Preset = AS_BUILT) -> Corners:
    """Return the component facts at the low, the nominal and the high end.

    Raises:
        MappingError: ``preset-adc`` where the preset's component library lacks an ADC.
    """
    return (
        facts_of(target, preset, "low"),
        facts_of(target, preset, "nominal"),
        facts_of(target, preset, "high"),
    )


def origins_of(target: Target, preset: Preset = AS_BUILT) -> dict[str, tuple[float, float]]:
    """Return node in nm and supply in V of each part; of readouts, by macro kind."""
    library = _library(target, preset)
    parts = {name: part for name, part in library.entries() if not isinstance(part, Converter)}
    for macro in target.macros:
        if macro.readout.is_adc:
            parts[macro.name] = _converter(library, macro.readout, preset)
        else:
            parts[macro.name] = library.sense_amp
    return {name: (part.node_nm, part.voltage_v) for name, part in parts.items()}


def _library(target: Target, preset: Preset) -> Library:
    return preset.components or target.components


def _hierarchy(preset: Preset) -> Hierarchy | None:
    found = preset.hierarchy
    if found is None:
        return None
    return Hierarchy(
        buffer_bits=found.buffer_bits,
        bus_bits_per_wordline=found.bus_bits_per_wordline,
        local_bits=found.local_bits,
        collect_cycles=found.collect_cycles,
        wire_pj_per_bit_mm=found.wire_pj_per_bit_mm,
        collect_pj_per_bit=found.collect_pj_per_bit,
    )


def _macro(macro: TargetMacro) -> Macro:
    # A differential pair shares one readout.
    columns = macro.bitlines // (2 if macro.encoding == "differential" else 1)
    readout = macro.readout
    return Macro(
        readout=_readout_kind(readout),
        wordlines=macro.wordlines,
        bitlines=macro.bitlines,
        readouts=-(-columns // readout.columns_per_readout),
        columns_per_readout=readout.columns_per_readout,
        code_bits=readout.bits,
        comparators=1 if readout.is_adc else readout.thresholds,
        top_level=(1 << macro.cell_bits) - 1,
    )


def _readout_kind(readout: Readout) -> Literal["ideal", "sense_amp", "adc"]:
    if readout.is_adc:
        return "adc"
    return "sense_amp" if readout.is_sensed else "ideal"


def facts_of(target: Target, preset: Preset, end: End) -> Facts:
    """Return the component facts at one end; see ``corners_of``."""
    library = _library(target, preset)
    cell = library.cell
    return Facts(
        read_voltage_v=getattr(cell.read_voltage_v, end),
        on_conductance_us=getattr(cell.on_conductance_us, end),
        off_conductance_us=getattr(cell.off_conductance_us, end),
        cell_um2=getattr(cell.area_um2, end),
        wordline_drive=_part(library.wordline_drive, end),
        readouts={m.name: _readout(library, m, preset, end) for m in target.macros},
        shift_add=_part(library.shift_add, end),
        code_bit_pj=library.shift_add.code_bit_pj,
        accumulate=_part(library.accumulate, end),
        scale_multiply=_part(library.scale_multiply, end),
        membrane_update=_part(library.membrane_update, end),
        buffer_read=_part(library.buffer_read, end),
        buffer_write=_part(library.buffer_write, end),
        hop=_part(library.hop, end),
        leakage_uw_per_mm2=getattr(library.leakage.power_uw_per_mm2, end),
    )


def _readout(library: Library, macro: TargetMacro, preset: Preset, end: End) -> Part:
    readout = macro.readout
    if readout.is_ideal:
        return Part(0.0, 0.0, 0.0)
    if not readout.is_adc:
        return _part(library.sense_amp, end)
    return _part(_converter(library, readout, preset), end)


def unpriced(target: Target, preset: Preset) -> str:
    """Say why a preset cannot price a target: its library lacks an ADC. Empty where it can."""
    library = _library(target, preset)
    for readout in (macro.readout for macro in target.macros if macro.readout.is_adc):
        if _found(library, readout, preset) is None:
            return _lacking(library, readout, preset)
    return ""


def _converter(library: Library, readout: Readout, preset: Preset) -> Converter:
    found = _found(library, readout, preset)
    if found is None:
        raise refuse(
            "preset-adc",
            _lacking(library, readout, preset),
            loc="--preset",
            help=f"use --preset {AS_BUILT.name}, which keeps the library of the target",
        )
    return found


def _found(library: Library, readout: Readout, preset: Preset) -> Converter | None:
    """Find the ADC that the preset wants; that of the target where the library has none."""
    wanted = readout.kind if preset.adc == "as-built" else preset.adc
    return library.converter(wanted, readout.bits) or library.converter(readout.kind, readout.bits)


def _lacking(library: Library, readout: Readout, preset: Preset) -> str:
    known = [adc.bits for adc in library.converters(readout.kind)]
    return (
        f"preset '{preset.name}' takes its facts from library '{library.name}', which has "
        f"{readout.kind} ADCs of {known} bits, not of {readout.bits}"
    )


def priced_readouts(target: Target, preset: Preset) -> dict[str, str]:
    """Say by macro kind which readout is priced, in words: ``5-bit SAR ADC``.

    A preset may price another kind of ADC than the target has; the words name both then.
    """
    return {macro.name: _priced(macro.readout, target, preset) for macro in target.macros}


def _priced(readout: Readout, target: Target, preset: Preset) -> str:
    if not readout.is_adc:
        return readout.form.words
    library, wanted = _library(target, preset), preset.adc
    there = wanted != "as-built" and library.converter(wanted, readout.bits) is not None
    kind = wanted if there else readout.kind
    built = "" if kind == readout.kind else f", built as {_KINDS[readout.kind]}"
    return f"{readout.bits}-bit {_KINDS[kind]} ADC{built}"


_KINDS = {"flash": "flash", "sar": "SAR"}


def priced_design(
    target: Target, preset: Preset, layers: tuple[Layer, ...]
) -> tuple[Chip, Corners, tuple[Layer, ...]]:
    """Return all that a price is made from, whatever macro kinds are called.

    Two mappings with equal designs cost the same by their facts, not by chance.
    """
    names = {macro.name: str(place) for place, macro in enumerate(target.macros)}
    chip = chip_of(target, preset, layers)
    low, nominal, high = (
        replace(facts, readouts={names[name]: part for name, part in facts.readouts.items()})
        for facts in corners_of(target, preset)
    )
    return (
        replace(chip, macros={names[name]: macro for name, macro in chip.macros.items()}),
        (low, nominal, high),
        tuple(replace(layer, macro=names.get(layer.macro, layer.macro)) for layer in layers),
    )


def _part(component: Component, end: End) -> Part:
    return Part(
        pj=getattr(component.energy_pj, end),
        ns=getattr(component.latency_ns, end),
        um2=getattr(component.area_um2, end),
        wordline_ns=component.wordline_ns if isinstance(component, Converter) else 0.0,
    )
