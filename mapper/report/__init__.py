"""The page a person looks at."""

from typing import TYPE_CHECKING

from mapper.later import later

if TYPE_CHECKING:
    from mapper.report.data import Evidence, Report, report_of
    from mapper.report.figures import Figure, draw_figures, import_vl_convert, write_figures
    from mapper.report.page.render import render_report

__all__ = [
    "Evidence",
    "Figure",
    "Report",
    "draw_figures",
    "import_vl_convert",
    "render_report",
    "report_of",
    "write_figures",
]

__getattr__ = later(
    __name__,
    {
        "mapper.report.data": (
            "Evidence",
            "Report",
            "report_of",
        ),
        "mapper.report.figures": (
            "Figure",
            "draw_figures",
            "import_vl_convert",
            "write_figures",
        ),
        "mapper.report.page.render": ("render_report",),
    },
)
