"""Everything the command line can do, in Python: ``import mapper`` has the same names.

``compile`` makes a ``Build`` of a model and ``load`` reads one from a folder; what their methods
return are frozen classes whose ``as_dict`` is the JSON of the command. The other names are those
of one release ago (``mapper.api.before``).
"""

from typing import TYPE_CHECKING

from mapper.later import later

if TYPE_CHECKING:
    from mapper.api.assigning import assign
    from mapper.api.before import (
        compare,
        compare_builds,
        compare_model,
        compile_model,
        cost_build,
        demo,
        draw_figures,
        export_model,
        inspect_model,
        report_build,
        run_build,
        show_components,
        show_passes,
        show_targets,
        verify,
    )
    from mapper.api.build import Build
    from mapper.api.calibrated import CalibratedDie
    from mapper.api.charts import figures_of
    from mapper.api.comparing import compare_mappings, compare_targets
    from mapper.api.dies import DieSummary
    from mapper.api.energy import energy_table
    from mapper.api.estimate import Estimate
    from mapper.api.exploration import Exploration
    from mapper.api.exploring import explore
    from mapper.api.figures import DrawnFigure, Figures
    from mapper.api.inspection import Inspection, inspect
    from mapper.api.make import check_backend, compile, export, load, passes_over, verify_model
    from mapper.api.new_targets import NewTarget, new_target
    from mapper.api.page import ReportAnswer
    from mapper.api.paths import CompareOptions, compare_paths
    from mapper.api.run import Run
    from mapper.api.yields import Dies
    from mapper.assigning import Assigned
    from mapper.build.summary import CompileSummary
    from mapper.compare.result import ComparedBuild, Comparison
    from mapper.demo import Demo, DemoTarget, run_demo
    from mapper.exchange.export import Export
    from mapper.listing import (
        DeviceFacts,
        DeviceList,
        PartLists,
        Parts,
        PassList,
        TargetFacts,
        TargetList,
        devices_there_are,
        facts_of_device,
        facts_of_target,
        parts_of,
        parts_there_are,
        passes_there_are,
        targets_there_are,
    )
    from mapper.report.comparison.energy import EnergyTable
    from mapper.verify import Verification

__all__ = [
    "Assigned",
    "Build",
    "CalibratedDie",
    "CompareOptions",
    "ComparedBuild",
    "Comparison",
    "CompileSummary",
    "Demo",
    "DemoTarget",
    "DeviceFacts",
    "DeviceList",
    "DieSummary",
    "Dies",
    "DrawnFigure",
    "EnergyTable",
    "Estimate",
    "Exploration",
    "Export",
    "Figures",
    "Inspection",
    "NewTarget",
    "PartLists",
    "Parts",
    "PassList",
    "ReportAnswer",
    "Run",
    "TargetFacts",
    "TargetList",
    "Verification",
    "assign",
    "check_backend",
    "compare",
    "compare_builds",
    "compare_mappings",
    "compare_model",
    "compare_paths",
    "compare_targets",
    "compile",
    "compile_model",
    "cost_build",
    "demo",
    "devices_there_are",
    "draw_figures",
    "energy_table",
    "explore",
    "export",
    "export_model",
    "facts_of_device",
    "facts_of_target",
    "figures_of",
    "inspect",
    "inspect_model",
    "load",
    "new_target",
    "parts_of",
    "parts_there_are",
    "passes_over",
    "passes_there_are",
    "report_build",
    "run_build",
    "run_demo",
    "show_components",
    "show_passes",
    "show_targets",
    "targets_there_are",
    "verify",
    "verify_model",
]

__getattr__ = later(
    __name__,
    {
        "mapper.api.assigning": ("assign",),
        "mapper.api.before": (
            "compare",
            "compare_builds",
            "compare_model",
            "compile_model",
            "cost_build",
            "demo",
            "draw_figures",
            "export_model",
            "inspect_model",
            "report_build",
            "run_build",
            "show_components",
            "show_passes",
            "show_targets",
            "verify",
        ),
        "mapper.api.build": ("Build",),
        "mapper.api.calibrated": ("CalibratedDie",),
        "mapper.api.charts": ("figures_of",),
        "mapper.api.comparing": (
            "compare_mappings",
            "compare_targets",
        ),
        "mapper.api.dies": ("DieSummary",),
        "mapper.api.energy": ("energy_table",),
        "mapper.api.estimate": ("Estimate",),
        "mapper.api.exploration": ("Exploration",),
        "mapper.api.exploring": ("explore",),
        "mapper.api.figures": (
            "DrawnFigure",
            "Figures",
        ),
        "mapper.api.inspection": (
            "Inspection",
            "inspect",
        ),
        "mapper.api.make": (
            "check_backend",
            "compile",
            "export",
            "load",
            "passes_over",
            "verify_model",
        ),
        "mapper.api.new_targets": (
            "NewTarget",
            "new_target",
        ),
        "mapper.api.page": ("ReportAnswer",),
        "mapper.api.paths": (
            "CompareOptions",
            "compare_paths",
        ),
        "mapper.api.run": ("Run",),
        "mapper.api.yields": ("Dies",),
        "mapper.assigning": ("Assigned",),
        "mapper.build.summary": ("CompileSummary",),
        "mapper.compare.result": (
            "ComparedBuild",
            "Comparison",
        ),
        "mapper.demo": (
            "Demo",
            "DemoTarget",
            "run_demo",
        ),
        "mapper.exchange.export": ("Export",),
        "mapper.listing": (
            "DeviceFacts",
            "DeviceList",
            "PartLists",
            "Parts",
            "PassList",
            "TargetFacts",
            "TargetList",
            "devices_there_are",
            "facts_of_device",
            "facts_of_target",
            "parts_of",
            "parts_there_are",
            "passes_there_are",
            "targets_there_are",
        ),
        "mapper.report.comparison.energy": ("EnergyTable",),
        "mapper.verify": ("Verification",),
    },
)
