"""Frame of every command: the app, its consoles, progress, and errors as exit codes."""

import os
import sys
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec, Protocol

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.status import Status
from rich.text import Text

from mapper import __version__
from mapper.diagnostics import Diagnostic, MappingError, printable
from mapper.renames import recover
from mapper.writing import json_text

P = ParamSpec("P")
app = typer.Typer(
    help="Compile spiking neural networks to in-memory computing hardware.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class PlainConsole(Console):
    """Shows control characters of what it is given as escapes: names come from files of others."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield what is shown of a renderable, in pieces."""
        for piece in super().render(renderable, options):
            if piece.control is None and not piece.text.isprintable():
                piece = piece._replace(text=shown(piece.text))
            yield piece


def shown(text: str) -> str:
    """Return text of several lines with control characters as escapes."""
    return "\n".join(map(printable, text.split("\n")))


log = Console(stderr=True, highlight=False)
out = PlainConsole(highlight=False, width=None if sys.stdout.isatty() else 140)


class Answer(Protocol):
    """What a command returns: the answer of a call of ``mapper.api``."""

    def as_dict(self) -> dict[str, Any]:
        """Return its JSON."""
        ...


def command(
    name: str, to: typer.Typer = app
) -> Callable[[Callable[P, Answer | None]], Callable[P, Answer | None]]:
    """Register a command that returns its answer, and turn errors into exit codes."""

    def register(function: Callable[P, Answer | None]) -> Callable[P, Answer | None]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> Answer | None:
            as_json = bool(kwargs.get("as_json"))
            try:
                _recover(kwargs.values())
                with report_progress:
                    answer = function(*args, **kwargs)
            except typer.BadParameter:  # wrong usage: typer says so and exits 2
                raise
            except MappingError as error:
                raise _refused(error.diagnostics, as_json) from None
            except BrokenPipeError:  # "| head" has read enough: the frame exits 1 in silence
                raise
            except OSError as error:
                raise _refused((_unusable_file(error),), as_json) from None
            except MemoryError as error:
                raise _refused((_out_of_memory(error),), as_json) from None
            except Exception as error:  # a bug of ours: one line for the user, details on request
                if os.environ.get("SPIKELOOM_TRACEBACK"):
                    raise
                raise _refused((_internal(error),), as_json) from None
            if as_json and answer is not None:
                print(json_text(answer.as_dict()))
            looked = getattr(answer, "bit_exact", None)  # of those answers that did
            if getattr(answer, "failed", looked is False):
                raise typer.Exit(1)
            return answer

        to.command(name)(run)
        return run

    return register


def _recover(given: Iterable[object]) -> None:
    """Bring what is named into order, before anything looks at it, if a run was killed there."""
    for value in given:
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, Path):
                recover(path)


def warn(warnings: Iterable[str]) -> None:
    for text in warnings:
        print(printable(f"warning: {text}"), file=sys.stderr)


def _internal(error: Exception) -> Diagnostic:
    return Diagnostic(
        code="internal",
        message=f"{type(error).__name__}: {error}",
        help="this is a bug; please report it with the output under SPIKELOOM_TRACEBACK=1",
    )


def _unusable_file(error: OSError) -> Diagnostic:
    return Diagnostic(
        code="file-error",
        message=error.strerror or str(error),
        loc=str(error.filename or ""),
        help="check the path, its permissions and the space left",
    )


def _out_of_memory(error: MemoryError) -> Diagnostic:
    return Diagnostic(
        code="out-of-memory",
        message=f"there is not enough memory: {str(error) or 'an allocation failed'}",
        help="give fewer samples or time steps at once, or a smaller network",
    )


def _refused(diagnostics: tuple[Diagnostic, ...], as_json: bool) -> typer.Exit:
    if as_json:
        errors = [diagnostic.as_dict() for diagnostic in diagnostics]
        print(json_text({"schema": "spikeloom/errors/1", "errors": errors}))
    for diagnostic in diagnostics:
        print(diagnostic, file=sys.stderr)
    return typer.Exit(1)


class _Reporter:
    """Says on stderr what is being done: in one place on a terminal, a line each in a log."""

    def __init__(self) -> None:
        self._status: Status | None = None

    def __enter__(self) -> None:
        if log.is_terminal:
            self._status = log.status("starting")
            self._status.start()

    def __exit__(self, *error: object) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __call__(self, text: str) -> None:
        shown = Text(printable(text))
        if self._status is not None:
            self._status.update(shown)
        else:
            log.print(Text("  ") + shown, style="dim")


report_progress = _Reporter()


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit
