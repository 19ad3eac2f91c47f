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
    verify,
)
from mapper.api.build import Build
from mapper.api.estimate import Estimate
from mapper.api.figures import DrawnFigure, Figures
from mapper.api.make import compile, load
from mapper.api.page import ReportAnswer
from mapper.api.run import Run
from mapper.build.summary import CompileSummary
from mapper.compare.run import CompareOptions, compare, compare_builds, compare_model
from mapper.demo import demo
from mapper.listing import show_components, show_passes, show_targets

__all__ = [
    "Build",
    "CompareOptions",
    "CompileSummary",
    "DrawnFigure",
    "Estimate",
    "Figures",
    "ReportAnswer",
    "Run",
    "compare",
    "compare_builds",
    "compare_model",
    "compile",
    "compile_model",
    "cost_build",
    "demo",
    "draw_figures",
    "export_model",
    "inspect_model",
    "load",
    "report_build",
    "run_build",
    "show_components",
    "show_passes",
    "show_targets",
    "verify",
]
