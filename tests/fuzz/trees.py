"""Edits of plain data: dictionaries, lists and scalars, as TOML and JSON hold them."""

from random import Random
from typing import Any

from tests.fuzz import values


def edit_tree(data: Any, rng: Random) -> Any:
    """Return the data with one place changed."""
    holder, key = _place(data, rng)
    if holder is None:
        return odd_value(rng)
    kind = rng.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        _add(holder, key, rng)
    elif kind == 2 and isinstance(holder[key], str):
        holder[key] = values.text(rng)
    elif type(holder[key]) in (int, float) and rng.random() < 0.8:
        holder[key] = _number(holder[key], rng)
    else:
        holder[key] = odd_value(rng)
    return data


def _place(data: Any, rng: Random) -> tuple[Any, Any]:
    """Choose a key of some dictionary or list inside."""
    places: list[tuple[Any, Any]] = []
    waiting = [data]
    while waiting:
        held = waiting.pop()
        keys = list(held) if isinstance(held, dict) else range(len(held))
        places += [(held, key) for key in keys]
        waiting += [held[key] for key in keys if isinstance(held[key], dict | list)]
    return rng.choice(places) if places else (None, None)


def _add(holder: Any, key: Any, rng: Random) -> None:
    if isinstance(holder, list):
        holder.insert(key, holder[key] if rng.random() < 0.6 else odd_value(rng))
    else:
        name = rng.choice((values.text(rng), f"{key}s", str(key).upper()))
        holder[name] = holder[key] if rng.random() < 0.5 else odd_value(rng)


def _number(old: float, rng: Random) -> Any:
    if rng.random() < 0.4:
        return old + rng.choice((-1, 1))
    if rng.random() < 0.1:
        return rng.choice((float(old), str(old), [old], old == 1))
    return values.integer(rng) if isinstance(old, int) else values.real(rng)


def odd_value(rng: Random) -> Any:
    """Return a value that is probably of the wrong kind."""
    return rng.choice(
        (
            lambda: values.integer(rng),
            lambda: values.real(rng),
            lambda: values.text(rng),
            lambda: rng.choice((True, False)),
            list,
            dict,
            lambda: 10 ** rng.choice((20, 300, 3000)),
            lambda: [values.integer(rng)] * rng.choice((1, 5, 100)),
            lambda: {values.text(rng): values.integer(rng)},
            lambda: _deep(rng),
        )
    )()


def _deep(rng: Random) -> Any:
    data: Any = 1
    for _ in range(rng.choice((3, 50, 300))):
        data = [data] if rng.random() < 0.5 else {"a": data}
    return data
