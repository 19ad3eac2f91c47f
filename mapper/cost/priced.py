"""What is priced, in words and as one value: readouts by macro kind, and whole designs."""

from dataclasses import replace

from mapper.cost.adders import as_added
from mapper.cost.facts import chip_of, corners_of, library_of
from mapper.cost.model import Chip, Corners, Layer
from mapper.cost.readouts import circuit_of, found_converter, lacking, priced_kind
from targets import Preset, Readout, Target


def unpriced(target: Target, preset: Preset) -> str:
    """Say why a preset cannot price a target: its library lacks an ADC. Empty where it can."""
    library = library_of(target, preset)
    for readout in (macro.readout for macro in target.macros if macro.readout.is_adc):
        if found_converter(library, readout, preset) is None:
            return lacking(library, readout, preset)
    return ""


def priced_readouts(target: Target, preset: Preset) -> dict[str, str]:
    """Say by macro kind which readout is priced, in words: ``5-bit SAR ADC``.

    A preset may price another kind of ADC than the target has; the words name both then.
    """
    return {macro.name: _priced(macro.readout, target, preset) for macro in target.macros}


def _priced(readout: Readout, target: Target, preset: Preset) -> str:
    if not readout.is_adc:
        return readout.form.words
    library = library_of(target, preset)
    kind, circuit = (found(library, readout, preset) for found in (priced_kind, circuit_of))
    built = "" if kind == readout.kind else f", built as {_CIRCUITS[readout.kind]}"
    return f"{readout.bits}-bit {_CIRCUITS[circuit]} ADC{built}"


_CIRCUITS = {"flash": "flash", "sar": "SAR", "sar-serial": "serial", "cco": "CCO"}


def priced_design(
    target: Target, preset: Preset, layers: tuple[Layer, ...]
) -> tuple[Chip, Corners, tuple[Layer, ...]]:
    """Return all that a price is made from, whatever macro kinds are called.

    Two mappings with equal designs cost the same by their facts, not by chance.
    """
    names = {macro.name: str(place) for place, macro in enumerate(target.macros)}
    chip = chip_of(target, preset, layers)
    low, nominal, high = (
        replace(
            facts,
            readouts={names[name]: part for name, part in facts.readouts.items()},
            channels={names[name]: part for name, part in facts.channels.items()},
        )
        for facts in corners_of(target, preset)
    )
    return (
        replace(chip, macros={names[name]: macro for name, macro in chip.macros.items()}),
        (low, nominal, high),
        tuple(
            replace(layer, macro=names.get(layer.macro, layer.macro))
            for layer in as_added(layers, chip)
        ),
    )
