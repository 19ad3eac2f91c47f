"""What the pages of docs/ show runs, and what they link to exists."""

import re
import runpy
from pathlib import Path

import pytest

from targets import load_target
from tests.files import DEMO

ROOT = Path(__file__).resolve().parents[1]
HOW_TO = ROOT / "docs" / "how-to"
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
SOURCES = ("mapper", "passes", "targets", "examples")
SCREENS = 100
"""Lines that a page on how to write something may have, its examples included."""

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return [body for word, body in _FENCE.findall(text) if word == language]


def links(page: Path) -> list[str]:
    """Return the targets of a page's links that are files, without fragments."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [
        link.partition("#")[0] for link in found if not link.startswith(("http", "mailto:", "#"))
    ]


def named_files(page: Path) -> list[str]:
    """Return the files of the repository that a page names in backticks."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    pattern = r"`((?:docs|mapper|passes|targets|examples|tests|benchmarks)/[\w./-]*)`"
    return re.findall(pattern, text)


def relative(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


RUN_ELSEWHERE = ("README.md", "docs/python.md", "docs/exporting.md")
"""Pages with tests of their own, which also look at what their code gives: test_readme,
test_notebook, test_recipes."""


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if blocks(page, "python") and relative(page) not in RUN_ELSEWHERE],
    ids=relative,
)
def test_the_code_of_a_page_runs_as_it_stands(page, tmp_path, monkeypatch):
    code = "\n\n".join(blocks(page, "python"))
    if "mapper.training" in code:
        pytest.importorskip("torch", reason="needs the extra 'train'")
    (tmp_path / "mapper" / "data").mkdir(parents=True)
    (tmp_path / "mapper" / "data" / "demo").symlink_to(DEMO)
    (tmp_path / "shown.py").write_text(code, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_path("shown.py", run_name="__main__")


@pytest.mark.parametrize("page", sorted(HOW_TO.glob("*.md")), ids=relative)
def test_a_how_to_is_about_a_page_long(page):
    assert len(page.read_text(encoding="utf-8").splitlines()) <= SCREENS


def test_the_target_that_is_shown_loads(tmp_path):
    (facts,) = blocks(HOW_TO / "write-a-target.md", "toml")
    file = tmp_path / "my-chip.toml"
    file.write_text(facts, encoding="utf-8")
    target = load_target(str(file))
    assert (target.name, target.macros[0].readout.kind) == ("my-chip", "sense-amp")


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_links_and_files_named_on_a_page_exist(page):
    missing = [link for link in links(page) if not (page.parent / link).exists()]
    missing += [name for name in named_files(page) if not (ROOT / name).exists()]
    assert missing == []


def test_a_network_is_trained_for_hardware_wherever_it_is_said():
    texts = [*PAGES, *(path for folder in SOURCES for path in (ROOT / folder).rglob("*.py"))]
    wrong = re.compile(r"trained on (?:its |the |other |in-memory)?[\w-]*\s?hardware")
    said = [relative(path) for path in texts if wrong.search(path.read_text(encoding="utf-8"))]
    assert said == []


def test_every_page_is_in_the_index():
    index = ROOT / "docs" / "index.md"
    listed = {(index.parent / link).resolve() for link in links(index)}
    pages = set((ROOT / "docs").rglob("*.md")) - {index}
    assert {relative(page) for page in pages - listed} == set()
