"""Spikeloom: compile spiking neural networks to in-memory hardware read by sense amplifiers.

Example:
    >>> import mapper as spikeloom
    >>> build = spikeloom.compile("model.onnx", "adcless-64", calibrate="recording.npz")
    >>> build.verify("recording.npz").bit_exact
    True

Names are imported when they are first used: this file imports nothing of ours by itself, so a pass
can import ``mapper.ir`` without pulling in the code that runs passes. No name here is one of a
package of ours. *Five minutes* in the README does the same with arrays.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mapper.api import (
        Assigned,
        Build,
        CalibratedDie,
        ComparedBuild,
        Comparison,
        CompileSummary,
        DieSummary,
        DrawnFigure,
        EnergyTable,
        Estimate,
        Exploration,
        Export,
        Figures,
        Inspection,
        ReportAnswer,
        Run,
        assign,
        compare_mappings,
        compare_targets,
        compile,
        energy_table,
        explore,
        export,
        inspect,
        load,
        run_demo,
        verify_model,
    )
    from mapper.diagnostics import Diagnostic, MappingError
    from mapper.frontend import Imported, NirOptions, import_model, with_functions
    from mapper.ir.assignment import Assignment, Choice
    from mapper.ir.core import Graph
    from mapper.verify import Ring, Verification
    from targets import Target, list_targets, load_assignment, load_target, save_assignment
    from targets.devices import Device, device_names, load_device

__version__ = "0.3.0"

_HOMES = {
    "mapper.api": (
        "Assigned",
        "Build",
        "CalibratedDie",
        "ComparedBuild",
        "Comparison",
        "CompileSummary",
        "DieSummary",
        "DrawnFigure",
        "EnergyTable",
        "Estimate",
        "Exploration",
        "Export",
        "Figures",
        "Inspection",
        "ReportAnswer",
        "Run",
        "assign",
        "compare_mappings",
        "compare_targets",
        "compile",
        "energy_table",
        "explore",
        "export",
        "inspect",
        "load",
        "run_demo",
        "verify_model",
    ),
    "mapper.diagnostics": ("Diagnostic", "MappingError"),
    "mapper.frontend": ("Imported", "NirOptions", "import_model", "with_functions"),
    "mapper.ir.assignment": ("Assignment", "Choice"),
    "mapper.ir.core": ("Graph",),
    "mapper.verify": ("Ring", "Verification"),
    "targets": ("Target", "list_targets", "load_assignment", "load_target", "save_assignment"),
    "targets.devices": ("Device", "device_names", "load_device"),
}
"""What each module gives; a test compares it with what type checkers see above."""

_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Assigned",
    "Assignment",
    "Build",
    "CalibratedDie",
    "Choice",
    "ComparedBuild",
    "Comparison",
    "CompileSummary",
    "Device",
    "Diagnostic",
    "DieSummary",
    "DrawnFigure",
    "EnergyTable",
    "Estimate",
    "Exploration",
    "Export",
    "Figures",
    "Graph",
    "Imported",
    "Inspection",
    "MappingError",
    "NirOptions",
    "ReportAnswer",
    "Ring",
    "Run",
    "Target",
    "Verification",
    "__version__",
    "assign",
    "compare_mappings",
    "compare_targets",
    "compile",
    "device_names",
    "energy_table",
    "explore",
    "export",
    "import_model",
    "inspect",
    "list_targets",
    "load",
    "load_assignment",
    "load_device",
    "load_target",
    "run_demo",
    "save_assignment",
    "verify_model",
    "with_functions",
]


def __getattr__(name: str) -> object:
    """Import a name of ``__all__`` when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'mapper' has no attribute {name!r}")
    found: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
