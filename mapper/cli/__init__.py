"""The ``spikeloom`` command: parse, call ``mapper.api``, print. No logic of its own."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from mapper.later import later

if TYPE_CHECKING:
    from mapper.cli.commands import app as app

__getattr__ = later(__name__, {"mapper.cli.commands": ("app",)})
"""With every command, for who calls it from Python."""

_ALONE = {"run": "mapper.cli.run"}
"""Commands that are imported without the others."""


def main() -> None:
    """Run the command line."""
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    import_module(_ALONE.get(asked, "mapper.cli.commands"))
    import_module("mapper.cli.frame").app()
