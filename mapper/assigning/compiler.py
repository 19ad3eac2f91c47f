"""Compile one network with many assignments: what they do not change is done once."""

from collections.abc import Mapping

from mapper.build.make import measured
from mapper.exploration.base import Design
from mapper.exploration.stages import Mapped, Network
from mapper.ir.assignment import Assignment, layer_name
from mapper.ir.core import Array, Graph, IntType
from mapper.ir.synapses import Synapse
from passes.ran import NONE, PassOptions
from targets import Target


class Compiler:
    """A network on its way to a target, again and again, by the stages of an exploration."""

    def __init__(
        self,
        network: Graph,
        target: Target,
        recordings: Mapping[str, Array],
        options: PassOptions = NONE,
    ) -> None:
        codes, samples = measured(recordings)
        self._target, self._options = target, options
        self._mapped = Mapped(Network(graph=network, codes=codes, samples=samples))

    def hardware(self, assignment: Assignment) -> Graph:
        """Return what ``compile`` makes with an assignment.

        Raises:
            MappingError: As ``compile``.
        """
        return self._mapped.hardware(self._design(assignment))

    def input_bits(self, assignment: Assignment) -> dict[str, int]:
        """Return the widest code that each layer of weights reads, by its name, in their order.

        Raises:
            MappingError: The target cannot have the network, or has none of these names and widths.
        """
        found: dict[str, int] = {}
        for op in self._mapped.integers(self._design(assignment)).ops:
            if isinstance(op, Synapse):
                assert isinstance(op.x.type, IntType)
                name = layer_name(op.loc)
                found[name] = max(found.get(name, 0), op.x.type.bits)
        return found

    def _design(self, assignment: Assignment) -> Design:
        return Design(target=self._target, assignment=assignment, options=self._options)
