"""The frame of a page: one file with its style, scripts and data inside, and nothing to fetch.

A page may run the scripts that are hashed in its own policy and no others, and load nothing.
Names from a model are escaped by the templates; what scripts show of them goes through
``textContent``. The same content gives the same bytes.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from mapper import __version__
from mapper.diagnostics import printable
from mapper.rendering import templates
from mapper.report.charts.base import Chart, for_page
from mapper.report.numbers import three_digits

VEGA = "vega.js"
CHARTS = "charts.js"


def render_page(
    template: str,
    *,
    charts: Iterable[Chart] = (),
    data: Mapping[str, Any] | None = None,
    scripts: tuple[str, ...] = (),
    **context: Any,
) -> str:
    """Lay a template that extends ``page.html.j2`` out as one self-contained page.

    Args:
        template: Its name in ``templates``.
        charts: Every chart the template places with the macro ``chart``, given to it as ``charts``
            by name.
        data: What the scripts read, one JSON element each: ``<script id="data-NAME">``.
        scripts: Files of ``assets`` to carry, in order. The charts' come by themselves.
        context: Everything else the template needs.
    """
    drawn = {chart.name: chart for chart in charts}
    carried = (*((VEGA, CHARTS) if drawn else ()), *scripts)
    held = dict(data or {})
    if drawn:
        held["charts"] = {name: for_page(chart) for name, chart in drawn.items()}
    environment = templates("mapper.report", html=True)
    environment.filters["shown"] = shown
    environment.filters["digits"] = three_digits
    texts = [asset(name) for name in carried]
    return environment.get_template(template).render(
        charts=drawn,
        style=Markup(asset("page.css")),  # ours, not a model's
        scripts=[Markup(text) for text in texts],
        policy=policy(texts),
        data={name: embedded(value) for name, value in held.items()},
        version=__version__,
        **context,
    )


_RIGHT_TO_LEFT = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"
_RUN = re.compile(f"[{_RIGHT_TO_LEFT}](?:[{_RIGHT_TO_LEFT}\\s_.-]*[{_RIGHT_TO_LEFT}])?")


def shown(text: str) -> str:
    """Write a name of others, or a sentence with one, as a reader should see it.

    Characters that are not printed are escaped. What is written from right to left is isolated, so
    that it does not turn around the numbers beside it.
    """
    return _RUN.sub(lambda found: f"\u2068{found.group()}\u2069", printable(text))


@cache
def asset(name: str) -> str:
    """Return a file of ``assets``, as it is put into a page."""
    text = (files("mapper.report") / "assets" / name).read_text(encoding="utf-8")
    assert "</script" not in text.lower(), f"{name} would end its own element"
    return text


def embedded(value: object) -> Markup:
    """Write data as JSON that no HTML parser takes for anything else."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def policy(scripts: Iterable[str]) -> str:
    """Return the content policy: these scripts by their hashes, styles of the page, no loading."""
    hashes = " ".join(f"'sha256-{_hash(text)}'" for text in scripts) or "'none'"
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
