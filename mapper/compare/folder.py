"""The folder that ``compare -o`` writes: a page, data and tables beside its builds."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from mapper.build.files import read_charted
from mapper.build.folder import others_in
from mapper.build.owned import is_plain_file
from mapper.compare.read import read_sides
from mapper.compare.result import Comparison
from mapper.diagnostics import refuse
from mapper.renames import is_leftover
from mapper.report.comparison.data import SideBySide
from mapper.report.comparison.page import comparison_charts, render_comparison
from mapper.report.comparison.written import (
    as_csv,
    as_latex,
    as_markdown,
    designs_as_csv,
    groups_as_csv,
    pairs_as_csv,
)
from mapper.report.references import FILE as BIBLIOGRAPHY
from mapper.report.references import bibtex
from mapper.study import RECORDS, Study
from mapper.writing import changed_folder, json_text

DATA = "comparison.json"
FILES = (
    *("compare.html", DATA, "comparison.csv", "comparison-groups.csv", "comparison-pairs.csv"),
    *("comparison-designs.csv", "comparison.md", "comparison.tex", BIBLIOGRAPHY),
)

DIES = "dies"
"""Folder of records of dies: one in it for each study, whose digest begins with its name."""


def records_of(study: Study, folder: Path | None) -> Path | None:
    """Return where a comparison keeps the records of a study; None where it keeps none.

    Who compares again, with other builds or other dies, finds what was run before.
    """
    return None if folder is None else folder / DIES / study.digest[:_NAMED]


_NAMED = 16
"""Hexadecimal digits of a study's digest that name its folder."""


def check_names(names: list[str]) -> None:
    """Refuse targets whose builds would not each have a folder of their own in the output."""
    for place, name in enumerate(names):
        if problem := _name_problem(name, names[:place]):
            raise refuse(
                "target-value",
                problem,
                loc="--targets",
                help="change 'name' in its file, or leave -o out",
            )


def _name_problem(name: str, before: Iterable[str]) -> str:
    plain = Path(name).name == name and name not in {"", ".", ".."} and "\\" not in name
    if not plain:
        return f"a target named {name[:80]!r} cannot be the name of a folder"
    # Some file systems take both cases for the same name.
    if name.casefold() in {file.casefold() for file in (*FILES, DIES)}:
        return f"a target named {name!r} would have the name of what compare writes"
    if name.casefold() in {other.casefold() for other in before}:
        return f"two targets are named {name[:80]!r}: one build would replace the other"
    return ""


def changed_comparison(folder: Path) -> AbstractContextManager[Path]:
    """Give an empty folder whose builds and files take the place of those in ``folder``.

    Where that holds a comparison and builds, and nothing else, it changes in one step.
    """
    return changed_folder(folder, alone=_is_ours(folder), last=DATA)


def _is_ours(folder: Path) -> bool:
    """Say whether a folder holds a comparison and builds, and nothing of anyone else's."""
    if not folder.is_dir():
        return False
    names = [path for path in folder.iterdir() if not is_leftover(path.name)]
    files = {path.name for path in names if path.name in FILES and is_plain_file(path)}
    return DATA in files and all(path.name in files or _is_kept(path) for path in names)


def _is_kept(path: Path) -> bool:
    """Say whether a path is a build, or the records of dies, and holds nothing else."""
    if path.is_symlink() or not path.is_dir():
        return False
    return others_in(path) == [] or (path.name == DIES and all(map(_has_records, path.iterdir())))


def _has_records(path: Path) -> bool:
    plain = path.is_dir() and not path.is_symlink()
    return plain and all(file.name == RECORDS and is_plain_file(file) for file in path.iterdir())


def write_comparison(answer: Comparison, folder: Path) -> None:
    """Put the answer into an empty folder: as a page, as data, and as tables."""
    sides = answer.side_by_side()
    texts = (
        render_comparison(sides),
        json_text(answer.as_dict()) + "\n",
        as_csv(sides),
        groups_as_csv(sides),
        pairs_as_csv(sides),
        designs_as_csv(sides),
        as_markdown(sides),
        as_latex(sides),
        bibtex(sides.works),
    )
    for name, text in zip(FILES, texts, strict=True):
        (folder / name).write_text(text, encoding="utf-8")


def other_builds(folder: Path, names: Iterable[str]) -> list[str]:
    """Say which builds in the folder are not of this comparison; they may be anyone's, and stay."""
    held = {path.parent.name for path in folder.glob("*/manifest.json")} - set(names)
    told = ", ".join(sorted(held))
    return [f"{folder} also has files that are not of this comparison: {told}"] if held else []


def is_comparison(folder: Path) -> bool:
    """Say whether a folder looks like one that ``compare -o`` wrote, and is no build."""
    return (folder / DATA).is_file() and not (folder / "manifest.json").exists()


def read_comparison(folder: Path) -> SideBySide:
    """Read the answer that ``compare -o`` wrote; it may come from someone else.

    Raises:
        MappingError: ``bad-comparison`` where it cannot be charted.
    """
    return read_charted(
        folder / DATA, read_sides, comparison_charts, code="bad-comparison", command="compare"
    )
