"""Jinja templates of a package, and text of modules that generated programs carry."""

import ast
from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


@cache
def templates(package: str, *, html: bool = False) -> "jinja2.Environment":
    """Return the templates in a package's ``templates`` folder.

    A name the template does not get is an error. Where ``html``, everything put in is escaped;
    in programs, names are literals or comments before they get here.
    """
    import jinja2  # a run renders nothing

    return jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=html,
    )


def standard_imports(sources: list[str]) -> list[str]:
    """Merge the imports of all sources; those from each other are not needed in one file."""
    names: dict[str, set[str]] = {}
    whole: set[str] = set()
    for source in sources:
        for node in ast.parse(source).body:
            if isinstance(node, ast.Import):
                whole.update(alias.name for alias in node.names)
            if isinstance(node, ast.ImportFrom) and not str(node.module).startswith("mapper"):
                names.setdefault(str(node.module), set()).update(a.name for a in node.names)
    return [
        *(f"import {name}" for name in sorted(whole)),
        *(f"from {module} import {', '.join(sorted(names[module]))}" for module in sorted(names)),
    ]


def body(source: str) -> str:
    """Return what follows the docstring and the imports of a module."""
    head = list(takewhile(_is_head, ast.parse(source).body))
    last = max(node.end_lineno or 0 for node in head)
    return "\n".join(source.splitlines()[last:]).strip()


def _is_head(node: ast.stmt) -> bool:
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return docstring or isinstance(node, ast.Import | ast.ImportFrom)
