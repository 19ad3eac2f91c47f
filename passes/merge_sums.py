"""Merge the sums of layers."""

from dataclasses import dataclass
from typing import ClassVar

from mapper.ir.core import Graph
from passes.base import Pass
from passes.facts import READ, Fact
from passes.shared.sums import with_merged_sums
from targets import Target


@dataclass(frozen=True, kw_only=True)
class MergeSums(Pass):
    """Merge bit-slices whose codes make one code, and scale the sum of row blocks once.

    One-bit codes of slices that count 1, 2, 4 and 8 are the bits of a number: wires put it
    together, where adders would add. So are codes of more bits whose slices count as far apart. A
    scale that is the same in every row block is multiplied after their sum, in exact integers:
    what is shifted right and what neurons saturate is the same number. Exact.
    """

    name: ClassVar[str] = "merge-sums"
    exact: ClassVar[bool] = True
    needs: ClassVar[tuple[Fact, ...]] = (READ,)

    def run(self, graph: Graph, target: Target) -> Graph:
        return with_merged_sums(graph)
