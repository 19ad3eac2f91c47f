"""Count how often functions are called, by whatever name they were imported."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from cProfile import Profile
from inspect import unwrap
from typing import Any


@contextmanager
def counted_calls(*functions: Callable[..., Any]) -> Iterator[Counter[str]]:
    """Count calls on this thread, by the functions' names; those never called are not listed.

    The counts are there after the block.
    """
    names = {unwrap(function).__code__: function.__qualname__ for function in functions}
    counts: Counter[str] = Counter()
    profile = Profile()
    with profile:
        yield counts
    for entry in profile.getstats():
        if entry.code in names:
            counts[names[entry.code]] += entry.callcount
