"""Lay the report out as one self-contained HTML page."""

from mapper import __version__
from mapper.cost import Range
from mapper.diagnostics import printable
from mapper.rendering import templates
from mapper.report.data import Report


def render_report(report: Report) -> str:
    """Return the page: no script, no network request, every name escaped."""
    environment = templates("mapper.report", html=True)
    environment.filters["shown"] = printable
    environment.filters["amount"] = amount
    return environment.get_template("report.html.j2").render(report=report, version=__version__)


def amount(value: Range, factor: float, unit: str) -> str:
    """Return ``nominal unit (low .. high)`` with three digits."""
    low, nominal, high = (f"{number * factor:.3g}" for number in value)
    return f"{nominal} {unit} ({low} .. {high})"
