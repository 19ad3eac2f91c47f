"""The answer of a search of readouts as files: a page, data for programs, tables for papers."""

import os
from pathlib import Path

from mapper.assigning import Assigned
from mapper.assigning.result import WRITTEN
from mapper.diagnostics import MappingError, refuse
from mapper.report.assigning.page import assigning_caption, render_assigning
from mapper.report.assigning.told import tables
from mapper.report.study.tables import as_latex, as_markdown
from mapper.writing import changed_folder, json_text, whole_file

DATA = "assign.json"
ASSIGNMENT = "assignment.toml"
FILES = ("index.html", DATA, ASSIGNMENT, "assign.md", "assign.tex")
"""What is written into a folder."""


def check_place(output: Path) -> None:
    """Refuse a file, or a folder, in which something would be replaced that no search wrote.

    Raises:
        MappingError: ``output-exists``.
    """
    if is_file(output):
        if os.path.lexists(output) and not _ours(output):
            raise _not_ours(
                output, f"no 'assign' wrote this file: its first line is not '{WRITTEN}'"
            )
        return
    if output.exists() and not output.is_dir():
        raise _not_ours(output, "this is no folder, and no file whose name ends in .toml")
    others = [name for name in FILES if os.path.lexists(output / name)]
    if others and not (DATA in others and _ours(output / ASSIGNMENT)):
        raise _not_ours(
            output, f"{', '.join(others)} would be replaced, and no 'assign' wrote this folder"
        )


def is_file(output: Path) -> bool:
    """Say whether the assignment alone is written: ``.toml`` names a file, all else a folder."""
    return output.suffix == ".toml" and not output.is_dir()


def save_assigned(answer: Assigned, output: Path) -> None:
    """Write the assignment as a file, or as a folder with its page, data and tables."""
    check_place(output)
    if is_file(output):
        with whole_file(output) as file:
            file.write_text(answer.toml, encoding="utf-8")
        return
    with changed_folder(output, alone=False, last=DATA) as new:
        for name, text in assigning_files(answer).items():
            (new / name).write_text(text, encoding="utf-8")


def assigning_files(answer: Assigned) -> dict[str, str]:
    """Return the text of every file of a folder, by its name."""
    held = [table for _, table in tables(answer) if table.rows]
    return {
        "index.html": render_assigning(answer),
        DATA: json_text(answer.as_dict()) + "\n",
        ASSIGNMENT: answer.toml,
        "assign.md": as_markdown(held, assigning_caption(answer)),
        "assign.tex": as_latex(held, assigning_caption(answer)),
    }


def _ours(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as held:
        return held.read(len(WRITTEN) + 1) == f"{WRITTEN}\n".encode()


def _not_ours(output: Path, message: str) -> MappingError:
    return refuse(
        "output-exists", message, loc=str(output), help="move that elsewhere, or choose another -o"
    )
