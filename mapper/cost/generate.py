"""Write a stand-alone ``cost.py`` for a build folder.

The file needs the standard library alone. It carries the text of ``mapper.cost.model`` and
``mapper.cost.summary``, so its numbers are those of ``mapper.cost`` to the last bit.
"""

import ast
from dataclasses import fields, is_dataclass
from importlib.resources import files

import mapper
from mapper.cost.counts import count_layers
from mapper.cost.estimate import DENSITY, checked_steps
from mapper.cost.facts import chip_of, corners_of
from mapper.ir.core import Graph
from mapper.rendering import templates
from targets import Target

EMBEDDED = ("arith.py", "model.py", "energy.py", "timing.py", "area.py", "summary.py")


def generate_cost(graph: Graph, target: Target, steps: int = 1) -> str:
    """Return the text of ``cost.py``: the same inputs give the same bytes.

    Args:
        graph: What the last pass made.
        target: The target it was made for.
        steps: Time steps of an inference, unless the user of the file says otherwise.
    """
    low, nominal, high = corners_of(target)
    sources = [files("mapper.cost").joinpath(name).read_text("utf-8") for name in EMBEDDED]
    return (
        templates("mapper.cost")
        .get_template("cost.py.j2")
        .render(
            version=mapper.__version__,
            imports=standard_imports(sources),
            bodies=[body(source) for source in sources],
            literals={
                "NETWORK": literal(graph.name),
                "TARGET": literal(target.name),
                "STEPS": literal(checked_steps(steps)),
                "DENSITY": literal(DENSITY),
                "CHIP": literal(chip_of(target)),
                "LOW": literal(low),
                "NOMINAL": literal(nominal),
                "HIGH": literal(high),
                "LAYERS": literal(count_layers(graph, target)),
            },
        )
    )


def standard_imports(sources: list[str]) -> list[str]:
    """Merge the imports of all sources; those from each other are not needed in one file."""
    names: dict[str, set[str]] = {}
    for source in sources:
        for node in ast.parse(source).body:
            if isinstance(node, ast.ImportFrom) and not str(node.module).startswith("mapper"):
                names.setdefault(str(node.module), set()).update(a.name for a in node.names)
    return [f"from {module} import {', '.join(sorted(names[module]))}" for module in sorted(names)]


def body(source: str) -> str:
    """Return what follows the docstring and the imports of a module."""
    head = [node for node in ast.parse(source).body if _is_head(node)]
    last = max(node.end_lineno or 0 for node in head)
    return "\n".join(source.splitlines()[last:]).strip()


def _is_head(node: ast.stmt) -> bool:
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return docstring or isinstance(node, ast.ImportFrom)


def literal(value: object, indent: str = "") -> str:
    """Write a value as Python text, a field a line; texts are escaped and ASCII alone.

    >>> print(literal((1, "a")))
    (
        1,
        'a',
    )
    """
    deeper = f"{indent}    "
    if is_dataclass(value) and not isinstance(value, type):
        entries = [(f"{f.name}=", getattr(value, f.name)) for f in fields(value)]
        opening, closing = f"{type(value).__name__}(", ")"
    elif isinstance(value, dict):
        entries = [(f"{key!a}: ", item) for key, item in value.items()]
        opening, closing = "{", "}"
    elif type(value) is tuple:  # a named tuple fits on one line
        entries = [("", item) for item in value]
        opening, closing = "(", ")"
    else:
        return ascii(value)
    lines = [f"{deeper}{name}{literal(item, deeper)}," for name, item in entries]
    return "\n".join([opening, *lines, f"{indent}{closing}"])
