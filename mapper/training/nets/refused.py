"""Refusals of training: of a model, of inputs, of options."""

from mapper.diagnostics import Diagnostic, MappingError


class TrainingError(MappingError, TypeError, ValueError):
    """What cannot be trained for the hardware, everything at once.

    Programs written for 0.2 catch ``TypeError`` and ``ValueError``, which these were.
    """


def refused(code: str, message: str, *, loc: str = "", help: str = "") -> TrainingError:
    """Make the error for one problem; the caller raises it."""
    return TrainingError([Diagnostic(code=code, message=message, loc=loc, help=help)])
