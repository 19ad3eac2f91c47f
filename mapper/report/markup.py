"""Tables for papers: Markdown and LaTeX, from cells of plain text; and CSV for programs.

Names may come from files of others: each language escapes them in its own way.
"""

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence

from mapper.diagnostics import printable


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a pipe table; cells keep their columns whatever is in them."""
    cells = ([markdown(cell) for cell in row] for row in (heads, *rows))
    lines = [next(cells), ["---"] * len(heads), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_MARKDOWN = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "\\`*_[]|#~$!{}"},
        **{"<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " ", "\r": " "},
    }
)


def markdown(text: str) -> str:
    """Escape text for Markdown."""
    return text.translate(_MARKDOWN)


def latex_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a ``tabular`` for the package booktabs."""
    head = " & ".join(map(latex, heads))
    body = "".join(" & ".join(map(latex, row)) + " \\\\\n" for row in rows)
    return (
        f"\\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}\n\\toprule\n{head} \\\\\n"
        f"\\midrule\n{body}\\bottomrule\n\\end{{tabular}}\n"
    )


_LATEX = str.maketrans(
    {
        **{mark: f"\\{mark}" for mark in "&%$#_{}"},
        **{"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}"},
        **{"<": "\\textless{}", ">": "\\textgreater{}", '"': "\\textquotedbl{}"},
        **{"[": "{[}", "]": "{]}", "*": "{*}", "`": "\\textasciigrave{}"},
        **{"±": "$\\pm$", "µ": "\\textmu{}", "²": "\\textsuperscript{2}"},
        **{"\n": " ", "\r": " "},
    }
)


def latex(text: str) -> str:
    """Escape text for LaTeX."""
    return text.translate(_LATEX)


def csv_table(heads: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Write comma-separated values, numbers in full; names of others go through ``csv_name``."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([heads, *lines])
    return out.getvalue()


def csv_name(name: str) -> str:
    """Write a name, and keep a spreadsheet from computing it; wide signs count there, too."""
    text = printable(name)
    begins = unicodedata.normalize("NFKC", text).lstrip()
    return f"'{text}" if begins.startswith(("=", "+", "-", "@")) else text
