"""Everything the command line can do, in Python: ``import mapper`` has the same names.

``compile`` makes a ``Build`` of a model and ``load`` reads one from a folder; what their methods
return are frozen classes whose ``as_dict`` is the JSON of the command. The other names are those
of one release ago (``mapper.api.before``).
"""

from mapper.api.before import (
    compile_model,
    cost_build,
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
from mapper.api.charts import figures_of
from mapper.api.estimate import Estimate
from mapper.api.figures import DrawnFigure, Figures
from mapper.api.inspection import Inspection, inspect
from mapper.api.make import check_backend, compile, export, load, passes_over, verify_model
from mapper.api.page import ReportAnswer
from mapper.api.run import Run
from mapper.build.summary import CompileSummary
from mapper.compare.run import CompareOptions, compare, compare_builds, compare_model
from mapper.demo import demo
from mapper.exchange.export import Export
from mapper.listing import (
    PartLists,
    Parts,
    PassList,
    TargetFacts,
    TargetList,
    facts_of_target,
    parts_of,
    parts_there_are,
    passes_there_are,
    targets_there_are,
)
from mapper.verify import Verification

__all__ = [
    "Build",
    "CompareOptions",
    "CompileSummary",
    "DrawnFigure",
    "Estimate",
    "Export",
    "Figures",
    "Inspection",
    "PartLists",
    "Parts",
    "PassList",
    "ReportAnswer",
    "Run",
    "TargetFacts",
    "TargetList",
    "Verification",
    "check_backend",
    "compare",
    "compare_builds",
    "compare_model",
    "compile",
    "compile_model",
    "cost_build",
    "demo",
    "draw_figures",
    "export",
    "export_model",
    "facts_of_target",
    "figures_of",
    "inspect",
    "inspect_model",
    "load",
    "parts_of",
    "parts_there_are",
    "passes_over",
    "passes_there_are",
    "report_build",
    "run_build",
    "show_components",
    "show_passes",
    "show_targets",
    "targets_there_are",
    "verify",
    "verify_model",
]
