"""Colours and fonts of charts: on the page, where they follow the reader's, and in print."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """Colours and fonts of charts."""

    ink: str
    muted: str
    grid: str
    accent: str
    shades: tuple[str, ...]
    """Colours from dark to light, distinct without their hues, too."""
    on_shades: tuple[str, ...]
    """What is written in each shade."""
    rest: tuple[str, str]
    """Of what is left over, and what is written in it."""
    ground: str
    """Behind the drawing: what separates parts."""
    font: str
    size: int
    label: int
    """The longest label, in pixels."""
    columns: int
    """Entries of a legend beside each other."""
    background: str | None = None

    def config(self) -> Spec:
        """Return the Vega-Lite configuration that goes with any chart."""
        axis = {
            "domainColor": self.grid,
            "gridColor": self.grid,
            "tickColor": self.grid,
            "labelColor": self.ink,
            "titleColor": self.muted,
            "titleFontWeight": "normal",
            "labelLimit": self.label,
        }
        return {
            "background": self.background,
            "font": self.font,
            "axis": {**axis, "labelFontSize": self.size, "titleFontSize": self.size},
            "axisQuantitative": {"labelOverlap": "greedy", "labelSeparation": 6},
            "axisBand": {"domain": False, "ticks": False, "grid": False},
            "legend": {
                "labelColor": self.ink,
                "titleColor": self.muted,
                "titleFontWeight": "normal",
                "labelFontSize": self.size,
                "titleFontSize": self.size,
                "labelLimit": self.label,
                "columns": self.columns,
                "symbolStrokeWidth": 0,
            },
            "view": {"stroke": None},
            "range": self._ranges(),
            "mark": {"color": self.accent},
            "bar": {"color": self.accent},
            "line": {"strokeWidth": 2},
            "rule": {"color": self.ink, "strokeWidth": 1.5},
            "tick": {"color": self.ink},
            "text": {"color": self.ink, "fontSize": self.size},
            "style": {
                "part": {"stroke": self.ground, "strokeWidth": 0.8},
                "square": {"stroke": self.ground, "strokeWidth": 0.3},
                "frame": {"color": self.grid, "strokeWidth": 0.7},
                "halo": {"stroke": self.ground, "strokeWidth": 3, "strokeJoin": "round"},
            },
        }

    def _ranges(self) -> Spec:
        """Return colours by name: ``parts-3`` of three parts, ``on-parts-3`` written in them."""
        found: Spec = {"category": list(self.shades)}
        for count in range(1, MOST_PARTS + 1):
            places = _apart(count, len(self.shades))
            shades = [self.shades[place] for place in places]
            written = [self.on_shades[place] for place in places]
            found[f"parts-{count}"], found[f"on-parts-{count}"] = shades, written
            found[f"rest-{count + 1}"] = [*shades, self.rest[0]]
            found[f"on-rest-{count + 1}"] = [*written, self.rest[1]]
        return found


MOST_PARTS = 6
"""Parts with a shade of the theme; more of them share out a longer scale, and have numbers."""


def _apart(count: int, shades: int) -> list[int]:
    """Choose shades at equal distances; the lightest are hard to see and come in last."""
    last = min(max(count, 4), shades) - 1
    return [round(i * last / max(1, count - 1)) for i in range(count)]


def shaded(groups: Sequence[str], *, rest: bool = False, written: bool = False) -> Spec:
    """Return a scale from groups to shades; of ``rest`` the last group is what is left over.

    Each group has a shade of its own, from dark to light.
    """
    if len(groups) > MOST_PARTS + rest:
        scheme = {"name": "viridis", "count": len(groups)}
        return {"domain": list(groups), "scheme": scheme}
    name = f"{'on-' * written}{'rest' if rest and len(groups) > 1 else 'parts'}"
    return {"domain": list(groups), "range": f"{name}-{len(groups)}"}


_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")


def shaped(groups: Sequence[str]) -> Spec:
    """Return a scale from groups to marks, for who sees no colours; more than six share them."""
    return {
        "domain": list(groups),
        "range": [_SHAPES[place % len(_SHAPES)] for place in range(len(groups))],
    }


PAGE = Theme(
    ink="var(--ink)",
    muted="var(--muted)",
    grid="var(--line)",
    accent="var(--c1)",
    shades=tuple(f"var(--s{i})" for i in range(1, MOST_PARTS + 1)),
    on_shades=tuple(f"var(--t{i})" for i in range(1, MOST_PARTS + 1)),
    rest=("var(--s7)", "var(--t7)"),
    ground="var(--ground)",
    font="system-ui, sans-serif",
    size=12,
    label=220,
    columns=4,
)
"""Colours are variables of the page's style sheet, so that one drawing is light, dark and print."""

PAPER = Theme(
    ink="#111111",
    muted="#444444",
    grid="#cccccc",
    accent="#1f5fa8",
    shades=("#1b2f5b", "#2f6690", "#3f938f", "#77b27b", "#c0cf6a", "#f1e3a0"),
    on_shades=("#ffffff", "#ffffff", "#000000", "#000000", "#000000", "#000000"),
    rest=("#a3a8ae", "#000000"),
    ground="#ffffff",
    font="sans-serif",
    size=10,
    label=140,
    columns=2,
    background="#ffffff",
)
"""Dark on white, distinct in print without colours; shades are those of the page."""
