"""What a study does for each case, and what it says where a case fails."""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mapper.diagnostics import MappingError
from mapper.study.case import Case, canonical, told

Run = Callable[[Case], Mapping[str, Any]]
"""Runs one case and returns its record; several threads may call it at once."""


class Work(Protocol):
    """What is run: a frozen dataclass whose fields pickle, of a module that can be imported.

    Worker processes, perhaps on other machines, get a copy. Nothing that changes a record may come
    from anywhere but its fields and the case: no clock, no global seed, no order of cases.
    """

    def identity(self) -> Mapping[str, Any]:
        """Return what determines every record beside the case, by name; digests of what is large.

        The version of the compiler is added to it.
        """
        ...

    def prepare(self) -> Run:
        """Do once what every case needs: load, plan, pack. Each process calls it once.

        Its threads share what it returns, so nothing in there may change from case to case. An
        engine that is prepared for a graph keeps states while it runs: prepare one in each case.
        """
        ...


class CaseError(Exception):
    """A bug that one case met: the text names the case."""


@dataclass(frozen=True, slots=True)
class Failed:
    """What a case raised in place of a record."""

    error: Exception

    def naming(self, case: Case) -> Exception:
        """Return the error to raise, which names the case.

        What a user may have to mend stays of its kind: diagnostics, files, memory.
        """
        error, name = self.error, f"case {told(case)}"
        if isinstance(error, MappingError):
            parts = ((d, f"{name}: {d.loc}" if d.loc else name) for d in error.diagnostics)
            return MappingError([replace(d, loc=loc) for d, loc in parts])
        if isinstance(error, MemoryError):
            return MemoryError(f"{name}: {str(error) or 'an allocation failed'}")
        if isinstance(error, OSError):
            return OSError(error.errno, f"{name}: {error.strerror or error}", error.filename)
        return CaseError(f"{name}: {_kind(error)}{error}")

    def portable(self) -> "Failed":
        """Return it so that it can be pickled, and knows where it happened."""
        error = self.error
        if isinstance(error, MappingError):
            return Failed(MappingError(error.diagnostics))
        if isinstance(error, MemoryError):
            return Failed(MemoryError(str(error)))
        if isinstance(error, OSError):
            name = None if error.filename is None else str(error.filename)
            return Failed(OSError(error.errno, error.strerror or str(error), name))
        made = CaseError(f"{_kind(error)}{error}")
        made.add_note("".join(traceback.format_exception(error)))
        return Failed(made)


def _kind(error: Exception) -> str:
    return "" if isinstance(error, CaseError) else f"{type(error).__name__}: "


Outcome = str | Failed
"""The canonical text of a record, or what went wrong."""


def attempt(run: Run, case: Case) -> Outcome:
    """Run one case."""
    try:
        return canonical(dict(run(case)))
    except Exception as error:
        return Failed(error)
