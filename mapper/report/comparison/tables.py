"""A comparison of targets as tables: CSV for programs, Markdown and LaTeX for papers.

All three are written from the same rows. Names may come from files of others: each language
escapes them in its own way.
"""

import csv
import io
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mapper.diagnostics import printable
from mapper.report.headline import Verdict, judged
from mapper.report.numbers import interval_text, number, scaled
from mapper.verify.read import read_verification

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One cost that targets are compared by, and where the answer of ``compare`` has it."""

    name: str
    group: str
    key: str
    unit: str

    def of(self, row: Data) -> Mapping[str, float]:
        """Return ``low``, ``nominal`` and ``high`` in ``unit``."""
        found: Mapping[str, float] = row["cost"][self.group][self.key]
        return found


MEASURES = (
    Measure(name="energy", group="energy_pj", key="total", unit="pJ"),
    Measure(name="latency", group="latency_ns", key="inference_pipelined", unit="ns"),
    Measure(name="area", group="area_um2", key="total", unit="um2"),
)

RATIO = (
    "A ratio is of nominal values; its range is the smallest and largest of three ratios: with "
    "both targets at the low ends of the component facts, at nominal, and both at the high ends. "
    "Targets share component facts, so one target's low is not set against another's high; "
    "the range is not a bound where their facts vary independently."
)
"""How the interval of a ratio is formed."""


def ratio(value: Mapping[str, float], base: Mapping[str, float]) -> dict[str, float] | None:
    """Return ``low``, ``nominal`` and ``high`` of a ratio as ``RATIO`` says; none over zero."""
    if not all(base[end] for end in ("low", "nominal", "high")):
        return None
    ends = [value[end] / base[end] for end in ("low", "nominal", "high")]
    return {"low": min(ends), "nominal": ends[1], "high": max(ends)}


def subject(answer: Data) -> str:
    """Return what is compared: ``build`` or ``target``."""
    return "build" if "build" in answer["targets"][0] else "target"


def row_name(row: Data) -> str:
    """Return what a row is called: the folder of a build, or else its target."""
    return str(row.get("build", row["target"]))


NOT_RUN = "'spikeloom verify' was not run on it"


def verified(row: Data) -> Verdict:
    """Return what is known of a build's verification."""
    if row.get("verification") is None:
        return Verdict(style="warn", short="not verified", told=row.get("unverified") or NOT_RUN)
    return judged(read_verification(row["verification"]), row["verified_on"])


def as_csv(answer: Data) -> str:
    """Write one line a target, numbers in full; a name like a formula is made text."""
    first = answer["targets"][0]
    heads = [subject(answer)]
    for measure in MEASURES:
        unit = f"{measure.name}_{measure.unit}"
        heads += [unit, f"{unit}_low", f"{unit}_high"]
        heads += [f"{measure.name}_ratio{end}" for end in ("", "_low", "_high")]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    builds = subject(answer) == "build"
    writer.writerow([*heads, "accuracy", *(("target", "model", "verified") if builds else ())])
    for row in answer["targets"]:
        cells: list[object] = [_no_formula(printable(row_name(row)))]
        for measure in MEASURES:
            value, base = measure.of(row), measure.of(first)
            cells += _ends(value) + _ends(ratio(value, base))
        cells.append(row.get("accuracy", ""))
        if builds:
            model = str(row["source"].get("file", ""))
            cells += [_no_formula(printable(name)) for name in (row["target"], model)]
            cells.append(verified(row).short)
        writer.writerow(cells)
    return out.getvalue()


def _ends(value: Mapping[str, float] | None) -> list[object]:
    return [""] * 3 if value is None else [value["nominal"], value["low"], value["high"]]


def _no_formula(text: str) -> str:
    """Keep a spreadsheet from computing a name; wide forms of the signs count there, too."""
    begins = unicodedata.normalize("NFKC", text).lstrip()
    return f"'{text}" if begins.startswith(("=", "+", "-", "@")) else text


def units(answer: Data) -> dict[str, tuple[float, str]]:
    """Return by measure the factor and the unit that suit the largest nominal value."""
    return {
        measure.name: scaled(
            max(measure.of(row)["nominal"] for row in answer["targets"]), measure.unit
        )
        for measure in MEASURES
    }


def columns(answer: Data) -> tuple[str, ...]:
    """Return the heads of the table for readers."""
    pairs = ((f"{name} ({unit})", "ratio") for name, (_, unit) in units(answer).items())
    return (subject(answer), *(head for pair in pairs for head in pair), "accuracy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """One target's cells of the table on a page, where a cell may have several lines."""

    target: str
    cells: tuple[tuple[str, tuple[str, ...]], ...]
    """The head of each cell and its lines: the value, its interval, its ratio."""


def cards(answer: Data) -> tuple[Costs, ...]:
    """Return the same numbers as ``rows``, a value and its ratio in one cell."""
    shown = units(answer)
    heads = (*(f"{name} ({unit})" for name, (_, unit) in shown.items()), "accuracy")
    return tuple(
        Costs(target=cells[0], cells=tuple(zip(heads, _lines(cells[1:]), strict=True)))
        for cells in rows(answer)
    )


def _lines(cells: tuple[str, ...]) -> list[tuple[str, ...]]:
    *pairs, accuracy = cells
    made = []
    for value, compared in zip(pairs[::2], pairs[1::2], strict=True):
        nominal, _, interval = value.partition(" (")
        head, *rest = compared.split(" ", 1)
        told = (
            nominal,
            f"({interval}" * bool(interval),
            " ".join([f"{head}×" * bool(head), *rest]),
        )
        made.append(tuple(line for line in told if line))
    return [*made, (accuracy or "not known",)]


def rows(answer: Data) -> list[tuple[str, ...]]:
    """Return the cells of the table for readers, three digits each, names not escaped."""
    first, shown = answer["targets"][0], units(answer)
    return [_cells(row, first, shown) for row in answer["targets"]]


def _cells(row: Data, first: Data, shown: Mapping[str, tuple[float, str]]) -> tuple[str, ...]:
    cells = [printable(row_name(row))]
    for measure in MEASURES:
        value, factor = measure.of(row), shown[measure.name][0]
        compared = ratio(value, measure.of(first))
        cells.append(_told({end: factor * held for end, held in value.items()}))
        cells.append("" if compared is None else _told(compared))
    accuracy = row.get("accuracy")
    return (*cells, "" if accuracy is None else f"{number(100 * accuracy)} %")


def _told(value: Mapping[str, float]) -> str:
    return interval_text(value["low"], value["nominal"], value["high"], "")


def as_markdown(answer: Data) -> str:
    """Write a pipe table with what its numbers are below it."""
    heads, held = _with_verdicts(answer)
    lines = [heads, tuple("---" for _ in heads), *map(_escaped_row, held)]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    return f"{table}\n\n{_markdown(_note(answer))}\n"


def _with_verdicts(answer: Data) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return heads and cells of a table for papers; of builds, verified or not as well."""
    heads, held = columns(answer), rows(answer)
    if subject(answer) == "target":
        return heads, held
    verdicts = (verified(row).short for row in answer["targets"])
    return (*heads, "verified"), [(*c, v) for c, v in zip(held, verdicts, strict=True)]


def _escaped_row(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(_markdown, cells))


_MARKDOWN = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "\\`*_[]|#~$!{}"},
        **{"<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " ", "\r": " "},
    }
)


def _markdown(text: str) -> str:
    return text.translate(_MARKDOWN)


def as_latex(answer: Data) -> str:
    """Write a ``tabular`` for the package booktabs, its note as a comment above it."""
    columns, held = _with_verdicts(answer)
    heads = " & ".join(map(_latex, columns))
    body = "".join(" & ".join(map(_latex, cells)) + " \\\\\n" for cells in held)
    return (
        f"% {_latex(_note(answer))}\n% Needs \\usepackage{{booktabs}}.\n"
        f"\\begin{{tabular}}{{l{'r' * (len(columns) - 1)}}}\n\\toprule\n{heads} \\\\\n"
        f"\\midrule\n{body}\\bottomrule\n\\end{{tabular}}\n"
    )


_LATEX = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "&%$#_{}"},
        **{"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"},
        **{"<": "\\textless{}", ">": "\\textgreater{}", '"': "\\textquotedbl{}"},
        **{"[": "{[}", "]": "{]}", "*": "{*}", "`": "\\textasciigrave{}"},
        **{"µ": "\\textmu{}", "²": "\\textsuperscript{2}"},
        **{"\n": " ", "\r": " "},
    }
)


def _latex(text: str) -> str:
    return text.translate(_LATEX)


def _note(answer: Data) -> str:
    return (
        f"{printable(answer['network'])}; activity: {answer['activity']}; "
        f"preset: {printable(answer['preset'])}. Ranges from the low to the high end of component "
        f"facts. Ratios are to the first {subject(answer)}. {RATIO}"
    )
