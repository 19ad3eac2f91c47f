"""A target's facts under the assumptions of a preset, in the form the cost formulas take them."""

from typing import Any, Literal

from mapper.cost.laws import channel_by_law, converter_by_law
from mapper.cost.model import (
    NOTHING_THERE,
    Channel,
    Chip,
    Corners,
    Facts,
    Hierarchy,
    Layer,
    Macro,
    Part,
)
from mapper.diagnostics import refuse
from targets import (
    AS_BUILT,
    Component,
    Converter,
    ConverterLaw,
    Library,
    Preset,
    ReadChannel,
    Readout,
    Target,
)
from targets import Macro as TargetMacro

End = Literal["low", "nominal", "high"]


def chip_of(target: Target, preset: Preset = AS_BUILT, layers: tuple[Layer, ...] = ()) -> Chip:
    """Return what has no interval: sizes, widths and the clock policy."""
    components = library_of(target, preset)
    return Chip(
        policy=target.clock.policy if preset.clock == "as-built" else preset.clock,
        logic_ns=target.clock.logic_ns,
        crossbars_per_tile=target.chip.crossbars_per_tile,
        buffer_word_bits=components.buffer_read.word_bits,
        hop_word_bits=components.hop.word_bits,
        macros={macro.name: _macro(macro, components, preset) for macro in target.macros},
        crossbars_per_chip=target.chip.crossbars,
        idle_leakage=target.chip.idle_leakage,
        every_ms=preset.every_ms,
        widest=max((layer.outputs for layer in layers), default=1),
        hierarchy=_hierarchy(preset),
        overlap=preset.overlap,
        neurons=preset.neurons,
        corrections=preset.corrections,
        steps_as_bits=preset.steps_as_bits,
        cell=components.cell.kind,
        regulated=components.cell.kind == "resistive" and components.cell.supply_v.high > 0,
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
    library = library_of(target, preset)
    parts = {name: part for name, part in library.entries() if not isinstance(part, Converter)}
    for macro in target.macros:
        if macro.readout.is_adc:
            parts[macro.name] = _converter(library, macro, preset)
        else:
            parts[macro.name] = library.sense_amp
    return {name: (part.node_nm, part.voltage_v) for name, part in parts.items()}


def library_of(target: Target, preset: Preset) -> Library:
    """Return the component library that a preset prices a target with."""
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


def _macro(macro: TargetMacro, library: Library, preset: Preset) -> Macro:
    # A differential pair shares one readout.
    encoding = macro.written(macro.weight_bits)
    columns = macro.bitlines // encoding.bitlines_per_slice
    readout = macro.readout
    return Macro(
        readout=_readout_kind(readout),
        wordlines=macro.wordlines,
        bitlines=macro.bitlines,
        readouts=-(-columns // readout.columns_per_readout),
        columns_per_readout=readout.columns_per_readout,
        code_bits=readout.bits,
        comparators=1 if readout.is_adc else readout.thresholds,
        top_level=encoding.base - 1,
        circuit=priced_kind(library, readout, preset),
    )


def _readout_kind(readout: Readout) -> Literal["ideal", "sense_amp", "adc"]:
    if readout.is_adc:
        return "adc"
    return "sense_amp" if readout.is_sensed else "ideal"


def facts_of(target: Target, preset: Preset, end: End) -> Facts:
    """Return the component facts at one end; see ``corners_of``."""
    library = library_of(target, preset)
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
        neuron_leak_uw=_own_leakage(library, end),
        cell_ff=getattr(cell.switched_ff, end),
        cell_ua=getattr(cell.current_ua, end),
        cell_product_pj=getattr(cell.product_pj, end),
        cell_supply_v=getattr(cell.supply_v, end),
        **_around_cells(library, target, end),
    )


def _around_cells(library: Library, target: Target, end: End) -> dict[str, Any]:
    """Return the facts of what a library need not have: inputs, read channels, control."""
    inputs, control = library.inputs, library.control
    channels = {macro.name: _channel(library, macro) for macro in target.macros}
    return {
        "inputs": _part(inputs, end) if inputs else NOTHING_THERE,
        "input_converter": Part(
            pj=getattr(inputs.converter_pj, end), ns=0.0, um2=getattr(inputs.converter_um2, end)
        )
        if inputs
        else NOTHING_THERE,
        "channels": {
            name: Channel(
                *_part(channel, end)[:3],
                static_uw=getattr(channel.static_uw, end),
                copies=channel.copies,
            )
            for name, channel in channels.items()
            if channel is not None
        },
        "control_share": getattr(control.share, end) if control else 0.0,
    }


def _readout(library: Library, macro: TargetMacro, preset: Preset, end: End) -> Part:
    readout = macro.readout
    if readout.is_ideal:
        return Part(0.0, 0.0, 0.0)
    if not readout.is_adc:
        return _part(library.sense_amp, end)
    return _part(_converter(library, macro, preset), end)


def _converter(library: Library, macro: TargetMacro, preset: Preset) -> Converter:
    found = found_converter(library, macro.readout, preset)
    if found is None:
        raise refuse(
            "preset-adc",
            lacking(library, macro.readout, preset),
            loc="--preset",
            help=f"use --preset {AS_BUILT.name}, which keeps the library of the target",
        )
    if isinstance(found, ConverterLaw):
        return converter_by_law(found, macro.wordlines)
    return found


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


def lacking(library: Library, readout: Readout, preset: Preset) -> str:
    """Say that a preset's library has no ADC for a readout."""
    known = [adc.bits for adc in library.converters(readout.kind)]
    return (
        f"preset '{preset.name}' takes its facts from library '{library.name}', which has "
        f"{readout.kind} ADCs of {known} bits, not of {readout.bits}"
    )


def _channel(library: Library, macro: TargetMacro) -> ReadChannel | None:
    """Return what stands before the readouts of a macro."""
    found = library.read_channel
    if found is None or isinstance(found, ReadChannel):
        return found
    return channel_by_law(found, macro.wordlines, max(macro.readout.bits, 1))


def _own_leakage(library: Library, end: End) -> float | None:
    leaks = library.membrane_update.leak_uw
    return getattr(leaks, end) if leaks.high else None


def _part(component: Component, end: End) -> Part:
    return Part(
        pj=getattr(component.energy_pj, end),
        ns=getattr(component.latency_ns, end),
        um2=getattr(component.area_um2, end),
        wordline_ns=component.wordline_ns if isinstance(component, Converter) else 0.0,
    )
