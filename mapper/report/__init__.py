"""The page a person looks at."""

from mapper.report.data import STEPS, Evidence, Report, report_of
from mapper.report.render import render_report

__all__ = ["STEPS", "Evidence", "Report", "render_report", "report_of"]
