"""Tables of what is computed for each op: an entry, or a stated reason why there is none.

What is asked about an op's *kind* is a class variable on the op (``Op.passes_on``). What is
*computed* for an op, such as its cost or its line in a program, stands in a table of the room that
computes it. A table has no default: an op class it does not name is an error, so that a new op is
thought of everywhere. ``tests/ir/test_tables.py`` holds every table against every op class.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Generic, TypeVar

from mapper.ir.core import Op

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpTable(Generic[Entry]):
    """What one room has for each op class, such as a function that takes the op.

    A base class (``Synapse``, ``Move``, ``IntegerNeuron``) stands for all its subclasses that the
    table does not name themselves.

        >>> from mapper.ir.network import Add, Merge, Move, Reshape
        >>> table = OpTable(
        ...     what="gates", entries={Merge: "one"}, without={Move: "wires", Add: "an adder"}
        ... )
        >>> table.entry(Merge), table.entry(Reshape), table.reason(Reshape)
        ('one', None, 'wires')
    """

    what: str
    """What the entries say, for the error about an op class that is missing."""
    entries: Mapping[type[Op], Entry]
    without: Mapping[type[Op], str]
    """Why an op class has no entry, in words that finish "it has none: ..."."""
    of: type[Op] | UnionType = Op
    """The op classes that the table is about: this one's subclasses, or these'."""

    def entry(self, kind: type[Op]) -> Entry | None:
        """Return the entry of an op class; None where the table states that there is none.

        Raises:
            LookupError: The table does not name the class, nor a base class of it.
        """
        return self.entries.get(self.key(kind))

    def reason(self, kind: type[Op]) -> str:
        """Return why an op class has no entry; empty where it has one.

        Raises:
            LookupError: The table does not name the class, nor a base class of it.
        """
        return self.without.get(self.key(kind), "")

    def key(self, kind: type[Op]) -> type[Op]:
        """Return the class under which an op class is listed: itself or its nearest base."""
        for base in self._bases(kind):
            if base in self.entries or base in self.without:
                return base
        raise LookupError(f"{kind.__name__} is missing among {self.what}")

    @staticmethod
    def _bases(kind: type[Op]) -> Iterator[type[Op]]:
        """Yield an op class and its bases below ``Op``, which would be a default."""
        return (base for base in kind.__mro__ if issubclass(base, Op) and base is not Op)
