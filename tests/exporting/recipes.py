"""Run the programs of docs/exporting.md, each in an environment of its own: ``make recipes``.

A recipe is a section of the page: what to install, a Python program that writes a model and a
recording, and the commands that check them. The library has an environment in ``build/recipes``;
the commands run in the one that this runs in.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "exporting.md"
PLACE = ROOT / "build" / "recipes"

_SECTION = re.compile(r"^## (.*)$", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One library's section."""

    title: str
    requirements: tuple[str, ...]
    program: str
    commands: tuple[tuple[str, ...], ...]
    """The words of each command, ``spikeloom`` left out."""

    @property
    def folder(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def recipes(page: str) -> Iterator[Recipe]:
    """Yield the recipes of a page in their order: sections that install something."""
    _, *parts = _SECTION.split(page)
    for title, body in zip(parts[::2], parts[1::2], strict=True):
        found = _BLOCK.findall(body)
        if [kind for kind, _ in found] != ["sh", "python", "sh"]:
            continue
        (_, install), (_, program), (_, commands) = found
        pip, verb, *requirements = shlex.split(install)
        assert (pip, verb) == ("pip", "install")
        lines = [shlex.split(line) for line in commands.splitlines()]
        assert all(words[0] == "spikeloom" for words in lines)
        yield Recipe(
            title=title,
            requirements=tuple(requirements),
            program=program,
            commands=tuple(tuple(words[1:]) for words in lines),
        )


def run(recipe: Recipe) -> bool:
    """Install, export and check; print what each said. Say whether all went well."""
    place = PLACE / recipe.folder
    shutil.rmtree(place, ignore_errors=True)
    work = place / "work"
    work.mkdir(parents=True)
    print(f"== {recipe.title}: {' '.join(recipe.requirements)}", flush=True)
    python = place / "env" / "bin" / "python"
    (work / "export.py").write_text(recipe.program, encoding="utf-8")
    alone = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    install = ["install", "--quiet", "--no-compile", *recipe.requirements]
    steps = [
        ([sys.executable, "-m", "venv", str(place / "env")], alone, False),
        ([str(python), "-m", "pip", *install], alone, False),
        ([str(python), "-c", _VERSIONS, *recipe.requirements], alone, True),
        ([str(python), "-W", "ignore", "export.py"], alone, False),
    ]
    try:
        return all(_succeeds(words, work, env, shown) for words, env, shown in steps) and all(
            _checks(words, work) for words in recipe.commands
        )
    finally:
        shutil.rmtree(place / "env", ignore_errors=True)  # the libraries are large


_VERSIONS = """
import re, sys
from importlib.metadata import version
names = [re.match("[a-z]+", text)[0] for text in sys.argv[1:]]
print("installed", ", ".join(f"{name} {version(name)}" for name in names))
"""


def _checks(words: tuple[str, ...], work: Path) -> bool:
    print(f"$ spikeloom {' '.join(words)}", flush=True)
    ours = {**os.environ, "PYTHONPATH": str(ROOT)}
    return _succeeds([sys.executable, "-m", "mapper", *words], work, ours, True)


def _succeeds(words: list[str], work: Path, env: dict[str, str], shown: bool) -> bool:
    done = subprocess.run(words, cwd=work, env=env, capture_output=True, text=True, check=False)
    if shown:
        print(done.stdout, end="", flush=True)
    if done.returncode:
        print(f"FAILED ({done.returncode}): {shlex.join(words)}\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def main() -> int:
    """Run all recipes, or those that are named; 1 if one fails."""
    known = {recipe.folder: recipe for recipe in recipes(PAGE.read_text(encoding="utf-8"))}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("libraries", nargs="*", help=f"of {', '.join(known)}; all by default")
    named = parser.parse_args().libraries or list(known)
    if unknown := [name for name in named if name not in known]:
        parser.error(f"no recipe of that name: {unknown[0]}; there are {', '.join(known)}")
    failed = [name for name in named if not run(known[name])]
    print(f"{len(named) - len(failed)} of {len(named)} recipes passed", *failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
