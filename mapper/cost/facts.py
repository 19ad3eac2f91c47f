"""A target's facts under the assumptions of a preset, in the form the cost formulas take them."""

from typing import Any, Literal

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
from mapper.cost.readouts import (
    End,
    active_rows,
    channel_of,
    circuit_of,
    converter_of,
    dearest_write,
    input_bits,
    part_of,
    readout_part,
    sums_digitally,
    tree_of,
)
from targets import AS_BUILT, Converter, Library, Preset, Readout, Target, Write
from targets import Macro as TargetMacro


def chip_of(target: Target, preset: Preset = AS_BUILT, layers: tuple[Layer, ...] = ()) -> Chip:
    """Return what has no interval: sizes, widths and the clock policy."""
    components = library_of(target, preset)
    return Chip(
        policy=target.clock.policy if preset.clock == "as-built" else preset.clock,
        logic_ns=target.clock.logic_ns,
        step_ns=target.clock.step_ns or 0.0,
        crossbars_per_tile=target.chip.crossbars_per_tile,
        buffer_word_bits=components.buffer_read.word_bits,
        hop_word_bits=components.hop.word_bits,
        macros={macro.name: _macro(macro, components, preset) for macro in target.macros},
        crossbars_per_chip=target.chip.crossbars,
        idle_leakage=target.chip.idle_leakage,
        gated=target.events.skip_silent_reads,
        update_on_event=target.events.update_on_event,
        every_ms=preset.every_ms,
        writes=components.write is not None,
        link_word_bits=_link_word_bits(components, preset),
        widest=max((layer.outputs for layer in layers), default=1),
        hierarchy=_hierarchy(preset),
        overlap=preset.overlap,
        neurons=preset.neurons,
        corrections=preset.corrections,
        merged_sums=preset.merged_sums,
        steps_as_bits=preset.steps_as_bits,
        cell=components.cell.kind,
        inputs=components.inputs.form if components.inputs else "bits",
        pulse_ns=components.inputs.pulse_ns if components.inputs else 0.0,
        regulated=components.cell.kind == "resistive" and components.cell.supply_v.high > 0,
        shared_units=preset.shared_units,
        buffer_ports=target.chip.buffer_ports,
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
            parts[macro.name] = converter_of(library, macro, preset)
        else:
            parts[macro.name] = tree_of(library, macro) or library.sense_amp
        if (channel := channel_of(library, macro)) is not None:
            parts["read_channel"] = channel
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
    readout, tree = macro.readout, tree_of(library, macro)
    if tree and tree.order == "words":
        columns //= len(encoding.significances)
    return Macro(
        readout=_readout_kind(readout),
        wordlines=macro.wordlines,
        bitlines=macro.bitlines,
        readouts=-(-columns // readout.columns_per_readout),
        columns_per_readout=readout.columns_per_readout,
        code_bits=readout.bits,
        comparators=1 if readout.is_adc or tree else readout.thresholds,
        top_level=encoding.base - 1,
        circuit=circuit_of(library, readout, preset),
        tree=tree.order if tree else "",
        cells_per_weight=len(encoding.significances),
        input_bits=input_bits(macro),
        active_rows=active_rows(macro),
    )


def _readout_kind(readout: Readout) -> Literal["ideal", "sense_amp", "adc", "adder_tree"]:
    if sums_digitally(readout):
        return "adder_tree"
    if readout.is_adc:
        return "adc"
    return "sense_amp" if readout.is_sensed else "ideal"


def facts_of(target: Target, preset: Preset, end: End) -> Facts:
    """Return the component facts at one end; see ``corners_of``."""
    library = library_of(target, preset)
    cell, write = library.cell, dearest_write(library, target.macros)
    return Facts(
        read_voltage_v=getattr(cell.read_voltage_v, end),
        on_conductance_us=getattr(cell.on_conductance_us, end),
        off_conductance_us=getattr(cell.off_conductance_us, end),
        cell_um2=getattr(cell.area_um2, end),
        wordline_drive=part_of(library.wordline_drive, end),
        readouts={m.name: readout_part(library, m, preset, end) for m in target.macros},
        shift_add=part_of(library.shift_add, end),
        code_bit_pj=library.shift_add.code_bit_pj,
        accumulate=part_of(library.accumulate, end),
        scale_multiply=part_of(library.scale_multiply, end),
        membrane_update=part_of(library.membrane_update, end),
        buffer_read=part_of(library.buffer_read, end),
        buffer_write=part_of(library.buffer_write, end),
        hop=part_of(library.hop, end),
        leakage_uw_per_mm2=getattr(library.leakage.power_uw_per_mm2, end),
        neuron_leak_uw=_own_leakage(library, end),
        write=NOTHING_THERE if write is None else part_of(write, end),
        endurance=_endurance(write, end),
        chip_link=NOTHING_THERE if library.chip_link is None else part_of(library.chip_link, end),
        cell_ff=getattr(cell.switched_ff, end),
        cell_product_ff=getattr(cell.product_ff, end),
        cell_ua=getattr(cell.current_ua, end),
        cell_product_pj=getattr(cell.product_pj, end),
        cell_supply_v=getattr(cell.supply_v, end),
        **_around_cells(library, target, end),
    )


def _around_cells(library: Library, target: Target, end: End) -> dict[str, Any]:
    """Return the facts of what a library need not have: inputs, read channels, control."""
    inputs, control = library.inputs, library.control
    channels = {macro.name: channel_of(library, macro) for macro in target.macros}
    return {
        "inputs": part_of(inputs, end) if inputs else NOTHING_THERE,
        "input_converter": Part(
            pj=getattr(inputs.converter_pj, end), ns=0.0, um2=getattr(inputs.converter_um2, end)
        )
        if inputs
        else NOTHING_THERE,
        "channels": {
            name: Channel(
                *part_of(channel, end)[:3],
                static_uw=getattr(channel.static_uw, end),
                samples=channel.samples,
                copies=channel.copies,
            )
            for name, channel in channels.items()
            if channel is not None
        },
        "control_share": getattr(control.share, end) if control else 0.0,
        "control_area": getattr(control.area_share, end) if control else 0.0,
    }


def _endurance(write: Write | None, end: End) -> float | None:
    limit = None if write is None else write.endurance
    return None if limit is None else getattr(limit, end)


def _link_word_bits(library: Library, preset: Preset) -> int:
    """Return the width of a link between chips; one tree of wires has none."""
    link = library.chip_link
    return 0 if link is None or preset.hierarchy is not None else link.word_bits


def _own_leakage(library: Library, end: End) -> float | None:
    leaks = library.membrane_update.leak_uw
    return getattr(leaks, end) if leaks.high else None
