"""Compile one network with many assignments: passes that macros change nothing for run once."""

from collections.abc import Mapping
from dataclasses import replace

from mapper.build.make import measured
from mapper.ir.assignment import Assignment, layer_name
from mapper.ir.core import Array, Graph, IntType
from mapper.ir.synapses import Synapse
from mapper.pipeline import make_passes, run_passes
from passes import Partition
from passes.options import NONE, PassOptions
from targets import Target, weight_bits


class Compiler:
    """A network on its way to a target, again and again.

    Passes up to ``partition`` take from an assignment how wide weights are, and nothing else, so
    that assignments of the same widths share what these passes make. References and steps are set
    anew each time: those of a layer follow from what the layers before it send.
    """

    def __init__(
        self,
        network: Graph,
        target: Target,
        recordings: Mapping[str, Array],
        options: PassOptions = NONE,
    ) -> None:
        codes, samples = measured(recordings)
        steps = make_passes(codes=codes, samples=samples, options=options)
        place = next(i for i, step in enumerate(steps) if isinstance(step, Partition))
        self.network, self.target = network, target
        self._before, self._after = steps[:place], steps[place:]
        self._shared: dict[tuple[int, ...], Graph] = {}

    def integers(self, assignment: Assignment) -> Graph:
        """Return the network in integers, before it is known what runs where.

        Raises:
            MappingError: The target cannot have it, or has none of these names and widths.
        """
        layers = [op.loc for op in self.network.ops if isinstance(op, Synapse)]
        widths = tuple(weight_bits(self.target, assignment, loc) for loc in layers)
        if widths not in self._shared:
            given = replace(self.network, assignment=assignment)
            self._shared[widths], _ = run_passes(given, self.target, self._before)
        return replace(self._shared[widths], assignment=assignment)

    def hardware(self, assignment: Assignment) -> Graph:
        """Return what ``compile`` makes with an assignment.

        Raises:
            MappingError: As ``compile``.
        """
        graph, _ = run_passes(self.integers(assignment), self.target, self._after)
        return graph

    def input_bits(self, assignment: Assignment) -> dict[str, int]:
        """Return the widest code that each layer of weights reads, by its name, in their order."""
        found: dict[str, int] = {}
        for op in self.integers(assignment).ops:
            if isinstance(op, Synapse):
                assert isinstance(op.x.type, IntType)
                name = layer_name(op.loc)
                found[name] = max(found.get(name, 0), op.x.type.bits)
        return found
