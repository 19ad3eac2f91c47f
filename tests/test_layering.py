"""No room imports one above it or beside it, no modules import each other in a circle."""

import ast
from collections.abc import Iterator
from pathlib import Path

import networkx
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("mapper", "passes", "targets")
TRAINING = "mapper.training"

# The rooms of the house by floor, bottom to top. A module may import its own room and the floors
# below it: nothing above, and no other room of its own floor. A room is a module or a package; what
# a package holds belongs to the longest name that is listed.
FLOORS = (
    (
        "mapper.diagnostics",
        "mapper.exchange",
        "mapper.executor",
        "mapper.hdf5",
        "mapper.kernels",
        "mapper.json_values",
        "mapper.later",
        "mapper.layout",
        "mapper.npz",
        "mapper.progress",
        "mapper.proportions",
        "mapper.renames",
        "mapper.rendering",
        "mapper.report.answer",
        "mapper.report.on_host",
        "mapper.report.one_chip",
        "mapper.runtime",
        "mapper.threads",
    ),
    (
        "mapper.arguments",
        "mapper.executor.names",
        "mapper.executor.ports",
        "mapper.notebook",
        "mapper.presented",
        "mapper.report.markup",
        "mapper.writing",
    ),
    ("mapper.ir", "mapper.study"),
    (
        "mapper.epilogue",
        "mapper.executor.base",
        "mapper.frontend.algebra",
        "mapper.frontend.info",
        "mapper.frontend.limits",
        "mapper.inputs",
        "mapper.report.names",
        "mapper.report.warned",
        "mapper.training.backends",
        "mapper.training.data",
        "mapper.verify.result",
        "targets",
    ),
    (
        "mapper.cost",
        "mapper.executor.definition",
        "mapper.executor.numpy",
        "mapper.executor.onnx",
        "mapper.report.grids",
        "mapper.report.references",
        "mapper.training.nets",
        "mapper.verify.answers",
        "mapper.verify.read",
        "passes.dies",
        "passes.shared",
    ),
    (
        "mapper.exchange.canonical",
        "mapper.executor.native",
        "mapper.report.data",
        "mapper.report.numbers",
        "mapper.report.waiting",
        "passes.integers",
    ),
    (
        "mapper.executor.engine",
        "mapper.frontend.onnx",
        "mapper.report.charts",
        "mapper.report.steps",
        "mapper.report.ternary",
        "passes.folding",
        "passes.readout",
    ),
    (
        "mapper.frontend.neurons",
        "mapper.frontend.tail",
        "mapper.frontend.time",
        "mapper.report.answers",
        "mapper.report.figures",
        "mapper.report.study",
        "passes",
    ),
    (
        "mapper.frontend.result",
        "mapper.frontend.write",
        "mapper.listing",
        "mapper.pipeline",
        "mapper.recordings",
        "mapper.report.headline",
    ),
    (
        "mapper.decided",
        "mapper.frontend.arrays",
        "mapper.frontend.describe",
        "mapper.frontend.nir",
        "mapper.frontend.noted",
        "mapper.report.page",
        "mapper.training.hardening",
    ),
    (
        "mapper.dies",
        "mapper.exchange.nir_nodes",
        "mapper.frontend.recognise",
        "mapper.report",
        "mapper.report.comparison",
    ),
    ("mapper.frontend.imported", "mapper.report.dies"),
    ("mapper.frontend",),
    (
        "mapper.build",
        "mapper.exchange.export",
        "mapper.exchange.nir",
        "mapper.exchange.onnx",
        "mapper.training.importing",
    ),
    ("mapper.training", "mapper.verify"),
    ("mapper.compare", "mapper.exploration"),
    ("mapper.assigning", "mapper.demo", "mapper.report.exploration"),
    ("mapper.report.assigning",),
    ("mapper.api",),
    ("mapper.cli",),
    ("mapper.__main__",),
)
HEIGHT = {room: height for height, floor in enumerate(FLOORS) for room in floor}


def unit_of(module: str) -> str | None:
    """Return the room that a module belongs to, or None."""
    parts = module.split(".")
    prefixes = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((prefix for prefix in prefixes if prefix in HEIGHT), None)


def imported_modules(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """Yield (line, absolute name) of every import, inside functions and type checks too."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            # `from mapper import api` imports a module, so the name is part of what is imported.
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)


def complaint(module: str, imported: str) -> str | None:
    """Say why a module may not import another, or return None."""
    top = imported.split(".")[0]
    if top in {"benchmarks", "examples", "tests"}:
        return f"{top} is not installed"
    if top == "torch" and not module.startswith(TRAINING):
        return f"torch belongs to {TRAINING}"
    if top not in PACKAGES:
        return None
    if module == "mapper":
        return "mapper/__init__.py imports nothing of ours"
    importer, target = unit_of(module), unit_of(imported)
    if importer is None or target is None:
        return None  # a file without a room is reported by itself
    if target.startswith(TRAINING) and not module.startswith(TRAINING):
        return f"nothing that is installed needs {TRAINING}"
    if HEIGHT[target] > HEIGHT[importer]:
        return f"{importer} stands below {target}"
    if HEIGHT[target] == HEIGHT[importer] and target != importer:
        return f"{importer} stands beside {target}"
    return None


def is_for_type_checkers(node: ast.stmt) -> bool:
    """Say whether a statement is ``if TYPE_CHECKING:``, which nothing runs."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def modules_of(root: Path) -> dict[str, Path]:
    """Return every module under root by its name."""
    files = sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))
    return {name_of(path.relative_to(root)): path for path in files}


def name_of(file: Path) -> str:
    return ".".join(file.parent.parts if file.stem == "__init__" else file.with_suffix("").parts)


def parsed(path: Path, module: str) -> ast.Module:
    """Return a module's text as a tree; what ``mapper`` names for type checkers is left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    if module == "mapper":
        tree.body = [node for node in tree.body if not is_for_type_checkers(node)]
    return tree


def circles(root: Path) -> list[set[str]]:
    """Return the modules under root that import each other, wherever the imports stand."""
    modules = modules_of(root)
    graph = networkx.DiGraph()
    for module, path in modules.items():
        tree = parsed(path, module)
        for _, name in imported_modules(tree, module, path.stem == "__init__"):
            # `from package import name` imports a module of that name, or else the package.
            target = name if name in modules else name.rpartition(".")[0]
            if target in modules and target != module:
                graph.add_edge(module, target)
    return [part for part in networkx.strongly_connected_components(graph) if len(part) > 1]


def violations(root: Path) -> list[str]:
    """List every import under root that breaks a rule, as `file:line imports name: why`."""
    found = []
    for module, path in modules_of(root).items():
        file = path.relative_to(root)
        is_package = path.stem == "__init__"
        if module != "mapper" and unit_of(module) is None:
            found.append(f"{file} has no room: give it one in FLOORS")
        for line, imported in imported_modules(parsed(path, module), module, is_package):
            if reason := complaint(module, imported):
                found.append(f"{file}:{line} imports {imported}: {reason}")
    return found


def test_no_modules_import_each_other():
    assert circles(ROOT) == []


@pytest.mark.parametrize(
    "back",
    [
        "from passes import a",
        "from .a import b",
        "def late():\n    from passes.a import b",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import passes.a",
    ],
)
def test_a_circle_is_found_wherever_an_import_stands(tmp_path, back):
    write(tmp_path / "passes" / "a.py", "from passes.b import c")
    (tmp_path / "passes" / "b.py").write_text(back, encoding="utf-8")
    (tmp_path / "passes" / "c.py").write_text("import passes.a", encoding="utf-8")
    assert circles(tmp_path) == [{"passes.a", "passes.b"}]


def test_every_room_stands_as_low_as_its_imports_allow():
    floors: dict[str, set[str]] = {}
    for module, path in modules_of(ROOT).items():
        room = unit_of(module)
        if room is None:
            continue  # ``mapper`` itself, which names others for type checkers alone
        for _, name in imported_modules(parsed(path, module), module, path.stem == "__init__"):
            below = unit_of(name)
            if below not in (None, room):
                floors.setdefault(room, set()).add(str(below))
    lowest = {
        room: 1 + max((HEIGHT[b] for b in floors.get(room, ())), default=-1) for room in HEIGHT
    }
    assert lowest == HEIGHT


def test_no_import_goes_up_or_sideways():
    assert (ROOT / "mapper" / "__init__.py").is_file()
    assert violations(ROOT) == []


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        (
            "passes/tile_rows.py",
            "from mapper.api import compile_model",
            "passes/tile_rows.py:1 imports mapper.api.compile_model: "
            "passes stands below mapper.api",
        ),
        (
            "mapper/ir/core.py",
            "from mapper import pipeline",
            "mapper/ir/core.py:1 imports mapper.pipeline: mapper.ir stands below mapper.pipeline",
        ),
        (
            "mapper/cost/estimate.py",
            "from ..cli import main",
            "mapper/cost/estimate.py:1 imports mapper.cli.main: "
            "mapper.cost stands below mapper.cli",
        ),
        (
            "mapper/cost/__init__.py",
            "from .. import api",
            "mapper/cost/__init__.py:1 imports mapper.api: mapper.cost stands below mapper.api",
        ),
        (
            "targets/__init__.py",
            "import numpy\nimport passes.base",
            "targets/__init__.py:2 imports passes.base: targets stands below passes",
        ),
        (
            "mapper/__init__.py",
            "from mapper.ir import Graph",
            "mapper/__init__.py:1 imports mapper.ir.Graph: "
            "mapper/__init__.py imports nothing of ours",
        ),
        (
            "mapper/executor/numpy/run.py",
            "def run():\n    import torch.nn",
            "mapper/executor/numpy/run.py:2 imports torch.nn: torch belongs to mapper.training",
        ),
        (
            "mapper/cli.py",
            "from mapper.training import stages",
            "mapper/cli.py:1 imports mapper.training.stages: "
            "nothing that is installed needs mapper.training",
        ),
        (
            "mapper/api.py",
            "from tests.builders import one_layer",
            "mapper/api.py:1 imports tests.builders.one_layer: tests is not installed",
        ),
        ("mapper/helpers.py", "", "mapper/helpers.py has no room: give it one in FLOORS"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path, file, source, expected):
    write(tmp_path / file, source)
    assert violations(tmp_path) == [expected]


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("passes/tile_rows.py", "from mapper.ir import Graph\nfrom targets import Target"),
        ("mapper/report/data.py", "from mapper.cost import Cost"),
        ("mapper/training/nets/a.py", "import torch\nfrom mapper.ir import core"),
        ("mapper/cli.py", "import typer\nfrom mapper import __version__, api"),
        ("mapper/ir/ops.py", "from .core import Op"),
        ("mapper/__init__.py", "if TYPE_CHECKING:\n    from mapper.api import Build"),
    ],
)
def test_an_allowed_import_is_left_alone(tmp_path, file, source):
    write(tmp_path / file, source)
    assert violations(tmp_path) == []


def write(path: Path, source: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
