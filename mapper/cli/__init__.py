"""The ``spikeloom`` command: parse, call ``mapper.api``, print. No logic of its own."""

from mapper.cli import (
    assign,
    build,
    compare,
    dies,
    explore,
    facts,
    model,
    new_target,
    yields,
)
from mapper.cli.app import app

__all__ = [
    "app",
    "assign",
    "build",
    "compare",
    "dies",
    "explore",
    "facts",
    "main",
    "model",
    "new_target",
    "yields",
]

# fmt: off
_ORDER = (
    "demo", "inspect", "compile", "run", "verify", "yield", "die", "calibrate", "cost", "report",
    "assign", "compare", "explore", "energy-table", "figures", "export", "targets", "devices",
    "passes",
)
# fmt: on
"""As a user meets them, not as the modules are imported."""

app.registered_commands.sort(key=lambda command: _ORDER.index(command.name or ""))


def main() -> None:
    """Run the command line."""
    app()
