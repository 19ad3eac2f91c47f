"""Names of a package that are imported when they are first used, not with the package.

A command imports what it needs: ``spikeloom run`` needs no report, no reader of models, no search.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module


def later(package: str, homes: Mapping[str, Iterable[str]]) -> Callable[[str], object]:
    """Return a package's ``__getattr__``.

    Args:
        package: Its ``__name__``.
        homes: Names by the module that has them. Type checkers read imports under
            ``TYPE_CHECKING``, which a test compares with them.
    """
    home = {name: module for module, names in homes.items() for name in names}

    def find(name: str) -> object:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found: object = getattr(import_module(home[name]), name)
        setattr(sys.modules[package], name, found)
        return found

    return find
