"""What was worked out before, as far as there is room for it."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Held(Generic[T]):
    """Results by what they follow from; the one that was not asked for longest goes first.

    Several threads may ask at once: who finds nothing works it out, perhaps twice, to the same.
    """

    def __init__(self, most_bytes: int, most: int = 1024) -> None:
        """Begin without any.

        Args:
            most_bytes: Of all results; one that is larger is not kept.
            most: Results.
        """
        self._most_bytes, self._most = most_bytes, most
        self._held: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()
        self.found, self.missed = 0, 0

    def get(self, key: Hashable) -> T | None:
        """Return a result, or None."""
        with self._lock:
            found = self._held.get(key)
            if found is None:
                self.missed += 1
                return None
            self.found += 1
            self._held.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, result: T, size: int) -> None:
        """Keep a result of so many bytes, and let go of others until there is room."""
        with self._lock:
            if key in self._held or size > self._most_bytes:
                return
            self._held[key] = (result, size)
            self._bytes += size
            while self._bytes > self._most_bytes or len(self._held) > self._most:
                _, (_, freed) = self._held.popitem(last=False)
                self._bytes -= freed
