"""The page a person looks at."""

from mapper.report.data import LayerRow, Report, report_of
from mapper.report.render import render_report

__all__ = ["LayerRow", "Report", "render_report", "report_of"]
