"""Targets: one TOML file of facts for each chip, read strictly into frozen dataclasses."""

from targets.library import Cell, Component, Converter, Interval, Leakage, Library, Port
from targets.load import (
    list_libraries,
    list_parts,
    list_targets,
    load_parts,
    load_target,
    target_from_data,
    target_to_data,
)
from targets.parts import Part, PartList
from targets.schema import Chip, Clock, Macro, NeuronUnit, Readout, Target

__all__ = [
    "Cell",
    "Chip",
    "Clock",
    "Component",
    "Converter",
    "Interval",
    "Leakage",
    "Library",
    "Macro",
    "NeuronUnit",
    "Part",
    "PartList",
    "Port",
    "Readout",
    "Target",
    "list_libraries",
    "list_parts",
    "list_targets",
    "load_parts",
    "load_target",
    "target_from_data",
    "target_to_data",
]
