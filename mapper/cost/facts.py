"""A target's facts in the form the cost formulas take them."""

from typing import Literal

from mapper.cost.model import Chip, Facts, Macro, Part
from mapper.cost.summary import Corners
from targets import Component, Library, Target
from targets import Macro as TargetMacro

End = Literal["low", "nominal", "high"]


def chip_of(target: Target) -> Chip:
    """Return what has no interval: sizes, widths and the clock policy."""
    return Chip(
        policy=target.clock.policy,
        logic_ns=target.clock.logic_ns,
        crossbars_per_tile=target.chip.crossbars_per_tile,
        buffer_word_bits=target.components.buffer_read.word_bits,
        hop_word_bits=target.components.hop.word_bits,
        macros={macro.name: _macro(macro) for macro in target.macros},
    )


def corners_of(target: Target) -> Corners:
    """Return the component facts at the low, the nominal and the high end."""
    return (_facts(target, "low"), _facts(target, "nominal"), _facts(target, "high"))


def _macro(macro: TargetMacro) -> Macro:
    # A differential pair shares one readout.
    columns = macro.bitlines // (2 if macro.encoding == "differential" else 1)
    readout = macro.readout
    return Macro(
        wordlines=macro.wordlines,
        bitlines=macro.bitlines,
        readouts=-(-columns // readout.columns_per_readout),
        columns_per_readout=readout.columns_per_readout,
        comparators=1 if readout.is_adc else readout.thresholds,
        top_level=(1 << macro.cell_bits) - 1,
    )


def _facts(target: Target, end: End) -> Facts:
    library = target.components
    cell = library.cell
    return Facts(
        read_voltage_v=getattr(cell.read_voltage_v, end),
        on_conductance_us=getattr(cell.on_conductance_us, end),
        off_conductance_us=getattr(cell.off_conductance_us, end),
        cell_um2=getattr(cell.area_um2, end),
        wordline_drive=_part(library.wordline_drive, end),
        readouts={macro.name: _readout(library, macro, end) for macro in target.macros},
        shift_add=_part(library.shift_add, end),
        accumulate=_part(library.accumulate, end),
        scale_multiply=_part(library.scale_multiply, end),
        membrane_update=_part(library.membrane_update, end),
        buffer_read=_part(library.buffer_read, end),
        buffer_write=_part(library.buffer_write, end),
        hop=_part(library.hop, end),
        leakage_uw_per_mm2=getattr(library.leakage.power_uw_per_mm2, end),
    )


def _readout(library: Library, macro: TargetMacro, end: End) -> Part:
    readout = macro.readout
    if readout.kind == "ideal":
        return Part(0.0, 0.0, 0.0)
    if not readout.is_adc:
        return _part(library.sense_amp, end)
    converter = library.converter(readout.kind, readout.bits)
    assert converter is not None, "a target is refused where its library lacks the ADC"
    return _part(converter, end)


def _part(component: Component, end: End) -> Part:
    return Part(
        pj=getattr(component.energy_pj, end),
        ns=getattr(component.latency_ns, end),
        um2=getattr(component.area_um2, end),
    )
