"""What says the class of each sample: the first output of the model, as the host gives it.

The one place that decides it: accuracy is counted of this everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import TYPE_CHECKING

from mapper.diagnostics import refuse
from mapper.ir.core import Array, Graph
from mapper.recordings import Recording, to_reals
from mapper.verify.answers import wanted_classes

if TYPE_CHECKING:
    from mapper.epilogue.model import Epilogue


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """The output of a build that says a class of each sample."""

    graph: Graph
    epilogue: "Epilogue | None" = None

    @property
    def name(self) -> str:
        return self.graph.outputs[0].name if self.epilogue is None else self.epilogue.first

    @property
    def classes(self) -> int:
        """How many classes there are."""
        if self.epilogue is None:
            return prod(self.graph.outputs[0].shape)
        return self.epilogue.classes(self.name) or prod(self.epilogue.shape(self.name))

    @property
    def names_classes(self) -> bool:
        """Say whether each of its elements is a class, which is not so of maps."""
        if self.epilogue is None:
            shape = self.graph.outputs[0].shape
        else:
            shape = self.epilogue.shape(self.name)
            if self.epilogue.classes(self.name):
                return True
        return len(shape) == 1 and shape[0] > 1

    @property
    def reads(self) -> tuple[str, ...]:
        """The outputs of the graph that it is computed from."""
        return (self.name,) if self.epilogue is None else self.epilogue.reads

    def of(self, outputs: Mapping[str, Array]) -> Array:
        """Return ``[T, B, ...]`` whose greatest sum over time is the class of a sample.

        Args:
            outputs: Integers of the graph's outputs, ``[T, B, *shape]`` by name.
        """
        return self.votes(self.answers({name: outputs[name] for name in self.reads}))

    def answers(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs of the model: ``[T, B, *shape]``, of a whole sequence ``[B, *shape]``.

        Args:
            outputs: Integers of the graph's outputs, ``[T, B, *shape]`` by name.
        """
        reals = to_reals(self.graph, outputs)
        if self.epilogue is None:
            return reals
        found = self.epilogue.of(reals)
        return {n: array[0] if self.epilogue.sums_up(n) else array for n, array in found.items()}

    def votes(self, answers: Mapping[str, Array]) -> Array:
        """Return ``[T, B, ...]`` whose greatest sum over time is the class, from ``answers``."""
        found = answers[self.name]
        if self.epilogue is None:
            return found
        return self.epilogue.votes(found[None] if self.epilogue.sums_up(self.name) else found)

    def wanted(self, arrays: Mapping[str, Array], recording: Recording) -> Array | None:
        """Return the classes that arrays of a recording ask for; see ``wanted_classes``."""
        return wanted_classes(
            arrays,
            self.name,
            recording.samples,
            self.classes,
            recording.where,
            None if self.epilogue is None else partial(self._expected, recording=recording),
        )

    def _expected(self, array: Array, recording: Recording) -> Array:
        """Return votes from a reference output in the shape of ``answers``.

        Raises:
            MappingError: ``input-shape`` where it is in another, ``input-range`` where it names no
                class.
        """
        assert self.epilogue is not None
        shape, samples = self.epilogue.shape(self.name), recording.samples
        whole = self.epilogue.sums_up(self.name)
        given = array[None] if whole and array.shape[:1] == (samples,) else array
        if given.shape[1:2] != (samples,) or prod(given.shape[2:]) != prod(shape):
            time = () if whole else ("T",)
            raise refuse(
                "input-shape",
                f"array 'expected_{self.name}' has shape {list(array.shape)}, the output has "
                f"[{', '.join(map(str, (*time, samples, *shape)))}]",
                loc=recording.where,
            )
        return self.epilogue.votes(given.reshape(len(given), samples, *shape))
