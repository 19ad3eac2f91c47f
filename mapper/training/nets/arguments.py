"""What the calls of ``mapper.training`` take, by the name of the argument.

Targets, inputs and options of a layer are not here: what reads them refuses all that they cannot
be.
"""

import os
from collections.abc import Iterable

from torch import nn

from mapper.arguments import CALL, PATH, Takes, check_arguments
from mapper.ir.assignment import Assignment

TAKES = {
    "assignment": Takes(
        words="a mapper.Assignment or its file", types=(Assignment, str, os.PathLike)
    ),
    "digital": Takes(
        words='names of layers, as ["head"]',
        types=(Iterable,),
        each=Takes(words="the name of a layer", types=(str,)),
    ),
    "folder": PATH,
    "model": Takes(words="a torch.nn.Module", types=(nn.Module,)),
    "path": PATH,
    "report": CALL,
}


def check_given(needed: dict[str, object], **given: object) -> None:
    """Refuse arguments that no call takes; those that are not ``needed`` may be None.

    Raises:
        MappingError: ``bad-argument``.
    """
    check_arguments(TAKES, needed, given)
