"""Arguments and options that ``run`` shares with other commands."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print data for machines on stdout.")]
Folder = Annotated[Path, typer.Argument(help="Folder that 'compile' wrote.")]
Layout = Annotated[
    str | None,
    typer.Option(
        metavar="steps|samples",
        help="What the first axis of an input counts, where it is not as the docs say.",
    ),
]
