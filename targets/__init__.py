"""Targets: one TOML file of facts for each chip, read strictly into frozen dataclasses."""

from targets.cells import Cell, CellKind, Interval
from targets.choose import assignment_problems, choose_macro, weight_bits
from targets.library import (
    ChannelLaw,
    Component,
    Control,
    Converter,
    ConverterLaw,
    Inputs,
    Leakage,
    Library,
    Port,
    ReadChannel,
)
from targets.load import (
    list_libraries,
    list_parts,
    list_presets,
    list_targets,
    load_parts,
    load_preset,
    load_target,
    read_works,
    shipped_works,
    target_from_data,
    target_to_data,
    targets_with_membranes,
    work_to_data,
)
from targets.parts import Part, PartList
from targets.preset import AS_BUILT, DEFAULT_PRESET, Hierarchy, Preset
from targets.schema import Chip, Clock, Macro, NeuronUnit, Readout, Target
from targets.toml import to_toml, toml_of
from targets.works import Work

__all__ = [
    "AS_BUILT",
    "DEFAULT_PRESET",
    "Cell",
    "CellKind",
    "ChannelLaw",
    "Chip",
    "Clock",
    "Component",
    "Control",
    "Converter",
    "ConverterLaw",
    "Hierarchy",
    "Inputs",
    "Interval",
    "Leakage",
    "Library",
    "Macro",
    "NeuronUnit",
    "Part",
    "PartList",
    "Port",
    "Preset",
    "ReadChannel",
    "Readout",
    "Target",
    "Work",
    "assignment_problems",
    "choose_macro",
    "list_libraries",
    "list_parts",
    "list_presets",
    "list_targets",
    "load_parts",
    "load_preset",
    "load_target",
    "read_works",
    "shipped_works",
    "target_from_data",
    "target_to_data",
    "targets_with_membranes",
    "to_toml",
    "toml_of",
    "weight_bits",
    "work_to_data",
]
