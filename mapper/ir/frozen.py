"""What makes a graph a value: mappings that cannot change, and equality to the last bit."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

V = TypeVar("V")


class FrozenMap(Mapping[str, V]):
    """An immutable mapping by name, in the order given; arrays in it are read-only.

    It pickles, copies and compares: two maps are equal where they have the same names, in any
    order, with values that are ``exactly`` the same. Arrays that were given are not copied, so
    whoever still writes to one of them changes the map.

        weights = FrozenMap({"w": np.zeros(3)})
        weights == FrozenMap({"w": np.zeros(3, np.float32)})  # False: other numbers
    """

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, V]) -> None:
        self._items: dict[str, V] = (
            items._items  # of another map, which cannot change either
            if isinstance(items, FrozenMap)
            else {name: _read_only(value) for name, value in items.items()}
        )

    def __getitem__(self, name: str) -> V:
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FrozenMap):
            return NotImplemented
        return self._items.keys() == other._items.keys() and all(
            exactly(value, other._items[name]) for name, value in self._items.items()
        )

    def __hash__(self) -> int:
        return hash(frozenset(self._items))  # names cannot change; bits of a given array might

    def __reduce__(self) -> tuple[type["FrozenMap[V]"], tuple[dict[str, V]]]:
        return FrozenMap, (self._items,)

    def __repr__(self) -> str:
        return f"FrozenMap({self._items!r})"


def _read_only(value: V) -> V:
    if isinstance(value, np.generic):
        value = np.asarray(value)  # type: ignore[assignment]  # NumPy's arithmetic drops the array
    if isinstance(value, np.ndarray) and value.flags.writeable:
        view = value.view()
        view.flags.writeable = False
        return view
    return value


def exactly(one: object, other: object) -> bool:
    """Say whether two values are the same, bit for bit.

    Stricter than ``==``: 1 is neither 1.0 nor True, and 0.0 is not -0.0; arrays have the same
    shape, type and bits. Looser in one point: what is no number (NaN) is equal to itself.
    """
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("<d", one) == struct.pack("<d", other)
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return _same_bits(one, other)  # type: ignore[arg-type]  # of the same type
    if isinstance(one, tuple):
        assert isinstance(other, tuple)
        return len(one) == len(other) and all(map(exactly, one, other))
    if is_dataclass(one):
        names = (spec.name for spec in fields(one))
        return all(exactly(getattr(one, name), getattr(other, name)) for name in names)
    return one == other


def _same_bits(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    if one.dtype.kind == "f" and one.dtype.itemsize <= 8:
        bits = f"u{one.dtype.itemsize}"
        one, other = one.view(bits), other.view(bits)
    return np.array_equal(one, other)


def is_default(spec: Field[Any], value: object) -> bool:
    """Say whether a field has its default value, so that files and text may leave it out."""
    return spec.default is not MISSING and exactly(value, spec.default)
