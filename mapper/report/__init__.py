"""The page a person looks at."""

from mapper.report.data import STEPS, Report, report_of
from mapper.report.render import render_report

__all__ = ["STEPS", "LayerRow", "Report", "render_report", "report_of"]
