"""Run graphs by their definition with one time step in memory, and keep what is small.

Outputs are kept as they are, spikes as counts; of hidden layers nothing stays.
"""

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from mapper.executor.definition import DefinitionEngine
from mapper.ir.core import Array, Graph
from mapper.ir.firing import used_spikes

Arrays = Mapping[str, Array]


def of_samples(codes: Arrays, samples: slice) -> dict[str, Array]:
    """Return some samples of recordings ``[T, B, *shape]``."""
    return {name: array[:, samples] for name, array in codes.items()}


def counted(arrays: Arrays) -> dict[str, Array]:
    """Return how many elements of ``[T, B, *shape]`` are not 0, ``[T, B]`` by name."""
    return {n: np.count_nonzero(a.reshape(*a.shape[:2], -1), axis=2) for n, a in arrays.items()}


class Record:
    """What is kept of a graph that runs step by step, a few samples after the others."""

    def __init__(self, graph: Graph, kept: Collection[str] = ()) -> None:
        self.graph = graph
        names = dict.fromkeys((*(v.name for v in graph.outputs), *kept))
        self._outputs: dict[str, list[list[Array]]] = {name: [] for name in names}
        self._counts: dict[str, list[list[Array]]] = {v.name: [] for _, v in used_spikes(graph)}

    @property
    def watch(self) -> tuple[str, ...]:
        """Values that a step must have besides outputs."""
        return tuple(self._counts)

    def begin(self) -> None:
        """Begin with further samples."""
        for held in (*self._outputs.values(), *self._counts.values()):
            held.append([])

    def add(self, step: Arrays) -> None:
        """Keep what one step gave, ``[B, *shape]`` by name."""
        for name, outputs in self._outputs.items():
            outputs[-1].append(step[name])
        for name, counts in self._counts.items():
            array = step[name]
            counts[-1].append(np.count_nonzero(array.reshape(len(array), -1), axis=1))

    def steps(
        self, inputs: Arrays, initial: Arrays | None = None, watch: Collection[str] = ()
    ) -> Iterator[dict[str, Array]]:
        """Run further samples; yield what each step gave, ``[B, *shape]`` by name."""
        names = tuple(dict.fromkeys((*self.watch, *watch)))
        self.begin()
        for step in DefinitionEngine().prepare(self.graph, watch=names).steps(inputs, initial):
            self.add(step)
            yield step

    @property
    def outputs(self) -> dict[str, Array]:
        """``[T, B, *shape]`` by name."""
        return _joined(self._outputs)

    @property
    def counts(self) -> dict[str, Array]:
        """Spikes of each layer, ``[T, B]`` by name."""
        return _joined(self._counts)


def _joined(parts: Mapping[str, list[list[Array]]]) -> dict[str, Array]:
    return {
        name: np.concatenate([np.stack(steps) for steps in held], axis=1)
        for name, held in parts.items()
    }


class Agreement:
    """Which share of some values is equal in two graphs, step after step."""

    def __init__(self, names: Collection[str]) -> None:
        self._equal = dict.fromkeys(names, 0)
        self._all = dict.fromkeys(names, 0)

    def add(self, found: Arrays, expected: Arrays) -> None:
        """Compare one step of both."""
        for name in self._equal:
            self._equal[name] += int((found[name] == expected[name]).sum())
            self._all[name] += expected[name].size

    @property
    def share(self) -> float:
        """Of all values; 1 where there are none."""
        return sum(self._equal.values()) / max(1, sum(self._all.values())) if self._all else 1.0

    @property
    def by_name(self) -> dict[str, float]:
        """The same, value by value."""
        return {name: self._equal[name] / max(1, self._all[name]) for name in self._equal}
