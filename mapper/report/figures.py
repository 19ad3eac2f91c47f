"""The charts of a report, and the same charts as files for a paper.

A figure is drawn once, as SVG; PNG and PDF are made of that, so that the three show one picture.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from mapper.cost import Activity
from mapper.cost.actions import random_density
from mapper.cost.sensitivity import SPREAD
from mapper.diagnostics import many, printable, refuse
from mapper.renames import is_leftover
from mapper.report.charts.base import COLUMN, PAGE_WIDE, Chart, for_paper
from mapper.report.charts.breakdown import breakdown_charts, stage_chart, swing_charts
from mapper.report.charts.die import die_chart
from mapper.report.charts.network import Node, network_nodes
from mapper.report.charts.placement import floorplan_charts, utilisation_chart
from mapper.report.charts.timeline import pipeline_chart, spike_chart
from mapper.report.data import Report
from mapper.report.references import FILE as BIBLIOGRAPHY
from mapper.report.references import bibtex, sources_in_words, works_behind, works_cited
from mapper.writing import changed_folder
from targets import Work

CAPTIONS = "figures.md"
HASHES = "figures.json"
SCHEMA = "spikeloom/figure-files/1"


def report_charts(report: Report, nodes: Sequence[Node] | None = None) -> tuple[Chart, ...]:
    """Return every chart of a report, in the order of its page.

    ``nodes`` are those of its network, where they are known.
    """
    if nodes is None:
        nodes = network_nodes(report.graph, report.evidence.trace)
    layers = report.counts.layers
    stages = tuple(layer.stage for layer in layers)
    rounds = len({layer.round for layer in layers})
    spikes = spike_chart(nodes, report.evidence.trace)
    used = utilisation_chart(report)
    return (
        *breakdown_charts(report.cost),
        *(() if used is None else (used,)),
        *(() if report.die is None else (die_chart(report.die),)),
        pipeline_chart(report.cost, stages, rounds),
        stage_chart(report.cost, overlap=report.preset.overlap),
        *(() if spikes is None else (spikes,)),
        *swing_charts(report.swings, report.cost),
    )


# --- files ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One chart as the files of a paper."""

    name: str
    title: str
    caption: str
    """Plain text: what is drawn, of what, under which assumptions."""
    files: Mapping[str, bytes]
    """By file name: SVG, PNG, PDF."""


WIDTHS = {1: COLUMN, 2: PAGE_WIDE}
"""Width of a figure in pixels, by the columns of the paper that it takes."""


def figure_charts(report: Report, columns: int = 1) -> tuple[Chart, ...]:
    """Return the charts of a paper: those of the page, and the floorplan."""
    return (*report_charts(report), *floorplan_charts(report, WIDTHS[columns]))


def draw_figures(report: Report, columns: int = 1) -> tuple[Figure, ...]:
    """Draw every chart of a report for a paper; see ``draw``."""
    return draw(figure_charts(report, columns), report_caption(report), columns)


def report_caption(report: Report) -> str:
    """Say in a caption what is drawn, and under which assumptions."""
    sources = sources_in_words(report_works(report))
    return f"{_mapped(report)} {_assumed(report)} {_intervals(report)} {sources}"


def report_works(report: Report) -> tuple[Work, ...]:
    """Return the works that the numbers of a report come from, by key: of a die devices, too."""
    cited = () if report.die is None else works_cited(report.die.cites)
    works = {work.key: work for work in (*cited, *works_behind(report.target, report.preset))}
    return tuple(works[key] for key in sorted(works))


def draw(charts: Iterable[Chart], said: str, columns: int = 1) -> tuple[Figure, ...]:
    """Draw charts for one column of a paper, or over two; ``said`` ends the caption of each.

    Letters are as large in both.

    Raises:
        MappingError: ``missing-extra`` where vl-convert is not installed.
    """
    library, width = import_vl_convert(), WIDTHS[columns]
    return tuple(
        Figure(
            name=chart.name,
            title=chart.title,
            caption=f"{chart.title}. {chart.description} {said}",
            files=_drawn(library, chart, width),
        )
        for chart in charts
    )


def import_vl_convert() -> ModuleType:
    """Return vl_convert, or refuse ``missing-extra``."""
    try:
        import vl_convert
    except ImportError as error:
        raise refuse(
            "missing-extra",
            "figures are drawn by vl-convert-python, which is not installed",
            help='pip install "spikeloom[figures]"',
        ) from error
    module: ModuleType = vl_convert
    return module


VEGA_LITE = "6.4"
"""That of the page (``assets/vega.js``)."""

POINTS = 0.75  # of a pixel: 72 to the inch against 96
DOTS = 300  # an inch of a PNG


def _drawn(library: ModuleType, chart: Chart, width: int = COLUMN) -> dict[str, bytes]:
    drawn = library.vegalite_to_svg(
        for_paper(chart, width), vl_version=VEGA_LITE, allowed_base_urls=[]
    )
    svg = _numbered(drawn)
    return {
        f"{chart.name}.svg": svg.encode(),
        f"{chart.name}.png": library.svg_to_png(svg, scale=POINTS, ppi=DOTS),
        f"{chart.name}.pdf": _ordered(library.svg_to_pdf(_SIZE.sub(_in_points, svg, count=1))),
    }


_SIZE = re.compile(r'width="([\d.]+)" height="([\d.]+)"')


def _in_points(size: re.Match[str]) -> str:
    """Write the size of a drawing in points, which a PDF takes for its own; the view box stays."""
    width, height = (float(value) * POINTS for value in size.groups())
    return f'width="{width:g}" height="{height:g}"'


_GRADIENT = re.compile(r'(?<=id="gradient_)\d+(?=")|(?<=url\(#gradient_)\d+(?=\))')


def _numbered(svg: str) -> str:
    """Count gradients from 0: the library goes on counting from one drawing to the next."""
    order = {
        number: str(index) for index, number in enumerate(dict.fromkeys(_GRADIENT.findall(svg)))
    }
    return _GRADIENT.sub(lambda found: order[found.group()], svg)


_RESOURCES = re.compile(rb"(?:^ +/[a-z]+\d+ \d+ 0 R\n){2,}", re.MULTILINE)


def _ordered(pdf: bytes) -> bytes:
    """Sort the names in each dictionary of resources: the library writes them in any order.

    Lines change places within a dictionary, so every object stays where the table of the file has
    it. Only whole lines of this form are taken; a compressed stream does not hold two in a row.
    """
    return _RESOURCES.sub(
        lambda found: b"".join(sorted(found.group().splitlines(keepends=True))), pdf
    )


def write_figures(figures: tuple[Figure, ...], folder: Path, works: Iterable[Work] = ()) -> None:
    """Write the files of the figures, captions, ``references.bib`` and a list: all, or none.

    Figures of an earlier call that are not among these are removed, where they are as they were
    written: ``figures.json`` has the hash of each.
    """
    files = {name: data for figure in figures for name, data in figure.files.items()}
    files[CAPTIONS] = captions_of(figures).encode()
    files[BIBLIOGRAPHY] = bibtex(works).encode()
    known = _written_before(folder)
    alone = folder.is_dir() and known | {CAPTIONS, BIBLIOGRAPHY, HASHES} >= {
        path.name for path in folder.iterdir() if not is_leftover(path.name)
    }
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    files[HASHES] = (json.dumps({"schema": SCHEMA, "files": hashes}, indent=1) + "\n").encode()
    gone = known - files.keys()
    with changed_folder(folder, alone=alone, last=HASHES, without=gone) as new:
        for name, data in files.items():
            (new / name).write_bytes(data)


def _written_before(folder: Path) -> set[str]:
    """Return the names of figures in a folder that are as an earlier call wrote them."""
    try:
        listed = folder / HASHES
        if not listed.is_file() or listed.stat().st_size > _MOST_HASHES:
            return set()
        held = json.loads(listed.read_text(encoding="utf-8"))
        files = held["files"] if held["schema"] == SCHEMA else {}
        known = {str(name): digest for name, digest in files.items() if _FIGURE.fullmatch(name)}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return set()  # no list of ours: nothing is known to be ours
    return {name for name, digest in known.items() if _is_still(folder / name, digest)}


_MOST_HASHES = 1 << 20
"""Bytes of a list of ours: a line a figure."""

_FIGURE = re.compile(r"[a-z0-9-]+\.(svg|png|pdf)")


def _is_still(path: Path, digest: object) -> bool:
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == digest


# --- captions ------------------------------------------------------------------------------


def captions_of(figures: tuple[Figure, ...]) -> str:
    """Return the captions as Markdown, a section for each figure."""
    parts = [
        f"## {figure.title}\n\n![{figure.title}]({figure.name}.svg)\n\n{_escaped(figure.caption)}\n"
        for figure in figures
    ]
    return "\n".join(["# Figures\n", *parts])


def _escaped(text: str) -> str:
    """Write text so that Markdown shows it as it is: names are a model's."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&$])", r"\\\1", text)


def _mapped(report: Report) -> str:
    die = "" if report.die is None else f", {printable(report.die.named)}"
    return f"Network {printable(report.network)} on target {printable(report.target.name)}{die}."


def _assumed(report: Report) -> str:
    """Name the preset and where spikes come from."""
    evidence, steps = report.evidence, report.cost.steps
    counted = evidence.activity
    if report.preset.activity == "random":
        told = f"random, {random_density(steps):.3g} of all input bits, whatever was recorded"
    elif isinstance(counted, Activity):
        told = f"counted in a run of {many(counted.samples, 'sample')}"
        source = evidence.files.get("activity", "")
        told += f" ({printable(source)})" if source else ""
    else:
        told = f"assumed, {counted:.3g} of all input bits"
    return (
        f"Preset {report.preset.name}; activity {told}; an inference of {many(steps, 'time step')}."
    )


def _intervals(report: Report) -> str:
    if report.preset.components is None:
        return "Intervals are low .. high of published facts; no chip was measured."
    return (
        "Constants of this preset are fitted single numbers without intervals; what an estimate "
        f"hangs on moves each by {100 * SPREAD:g} % either way."
    )
