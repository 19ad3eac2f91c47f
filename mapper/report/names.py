"""Names of a model as labels: printable, short, and distinct."""

from collections import Counter
from collections.abc import Iterable

from mapper.diagnostics import printable
from mapper.ir.assignment import layer_name

LONGEST = 72
"""Characters of a name: real ones are shorter, and what is longer is cut."""


def labels(names: Iterable[str], longest: int = LONGEST) -> tuple[str, ...]:
    """Return a label for each name, in order; equal labels get a number."""
    short = [shortened(printable(name), longest) or "(no name)" for name in names]
    total, seen = Counter(short), Counter[str]()
    told = []
    for name in short:
        seen[name] += 1
        told.append(f"{name} #{seen[name]}" if total[name] > 1 else name)
    return tuple(told)


def shortened(name: str, longest: int = LONGEST) -> str:
    """Leave out the middle of a long name: its end tells layers apart."""
    if len(name) <= longest:
        return name
    head = longest // 3
    return f"{name[:head]}...{name[head + 3 - longest :]}"


def layer_names(locations: Iterable[str]) -> tuple[str, ...]:
    """Return the labels of layers by where they come from."""
    return labels(map(layer_name, locations))
