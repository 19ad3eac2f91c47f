"""What an imported time step says of itself: its ports, and what its reading takes for granted."""

from collections.abc import Iterator
from dataclasses import replace

from mapper.frontend.neurons.levels import unlimited
from mapper.frontend.neurons.states import Dynamics
from mapper.frontend.onnx.joined import Apart
from mapper.frontend.onnx.trace import Trace
from mapper.frontend.result import Imported, Port
from mapper.ir.core import Graph
from mapper.ir.switched import switched_leaks


def notes_of(dynamics: Dynamics, graph: Graph) -> Iterator[str]:
    """Say what a reading takes for granted, where it does."""
    unkept = {n.membrane.read.name for n in dynamics.neurons if n.keeps_nothing}
    for name in sorted(unkept):
        yield f"{name.removesuffix('.membrane')!r} is rounded and nothing of it kept: no state"
    for state in graph.states:
        if not state.output and state.read.name not in unkept:
            yield f"{state.read.name!r} starts as 0: no membrane may start above its threshold"
    for neuron in dynamics.neurons:
        name = neuron.membrane.read.name
        yield from unlimited(neuron.firing)
        if neuron.starts_below:
            yield f"{name!r} must not start above its threshold; from zero it never does"
        for read in (state.name for state in neuron.cut):
            yield f"{read!r} must start as whole numbers, and inputs be whole: it is cut to them"
        for echo in neuron.echoes:
            yield f"{echo.name!r} must start as 1 where {name!r} starts above its threshold, else 0"
    for name, leak in switched_leaks(graph).items():
        switches = " and ".join(repr(value.name) for value, _ in leak.switches)
        yield f"the leak of {name!r} is another one where {switches} is 1"


def ports_of(walked: Trace) -> Iterator[Port]:
    """Return how inputs and outputs of one time step relate to those of the graph."""
    for name, shape in walked.shapes.items():
        yield _port(name, shape, walked)
    for name in walked.outputs:
        yield _port(name, walked.form(name).shape, walked)


def _port(name: str, shape: tuple[int, ...], walked: Trace) -> Port:
    inner = walked.inner(shape)
    axis = 0 if len(inner) < len(shape) else None
    return Port(name=name, model_shape=shape, graph_shape=inner, batch_axis=axis)


def joined_again(found: Imported, held: Apart) -> Imported:
    """Return what was read of states taken apart as what it is of the file, which joins them."""
    inner = {name for names in held.parts.values() for name in names}
    states = tuple(replace(s, output="") if s.read.name in inner else s for s in found.graph.states)
    told = (
        f"{name!r} holds {' and '.join(map(repr, names))} side by side: they start as 0"
        for name, names in held.parts.items()
    )
    return replace(
        found,
        graph=replace(found.graph, states=states),
        unreturned={**found.unreturned, **held.returned},
        notes=(*found.notes, *told),
    )
