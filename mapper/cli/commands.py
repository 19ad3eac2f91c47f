"""Every command: importing this module registers them."""

from mapper.cli import (
    assign,
    build,
    compare,
    dies,
    explore,
    facts,
    model,
    new_target,
    run,
    yields,
)
from mapper.cli.frame import app

__all__ = [
    "app",
    "assign",
    "build",
    "compare",
    "dies",
    "explore",
    "facts",
    "model",
    "new_target",
    "run",
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
