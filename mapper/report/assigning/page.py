"""The page of ``assign -o DIR``: one file, nothing to fetch."""

from mapper.assigning import Assigned
from mapper.diagnostics import printable
from mapper.report.assigning.charts import assigning_charts
from mapper.report.assigning.told import answer_lines, score_table, single_table, step_table
from mapper.report.page.frame import render_page


def assigning_caption(answer: Assigned) -> str:
    """Say in a caption what was searched, and what has to be known before it is used."""
    return " ".join(f"{printable(line)}." for line in (*answer_lines(answer), *answer.warnings))


def render_assigning(answer: Assigned) -> str:
    """Lay an answer out as one self-contained page."""
    return render_page(
        "assigning.html.j2",
        charts=assigning_charts(answer),
        answer=answer,
        lines=tuple(answer_lines(answer)),
        scores=score_table(answer),
        steps=step_table(answer),
        singles=single_table(answer),
    )
