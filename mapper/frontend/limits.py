"""Numbers and sizes of a model that no engine computes with, refused where a model is read."""

from collections.abc import Iterator, Mapping

from mapper.diagnostics import MappingError, refuse
from mapper.ir.assignment import layer_name
from mapper.ir.core import Graph, Op
from mapper.ir.edges import ANALOGUE, Edge
from mapper.ir.network import FakeQuantize
from mapper.ir.neurons import Neuron
from mapper.ir.ranges import op_range_problems
from mapper.ir.switched import filters, switched_leaks
from mapper.ir.synapses import Synapse
from mapper.ir.windows import Window


def check_limits(graph: Graph) -> None:
    """Refuse a network with numbers past single precision, or with maps past all memory.

    Raises:
        MappingError: ``out-of-range``.
    """
    for op in graph.ops:
        if problem := next(_problems(op, graph), ""):
            raise refuse(
                "out-of-range",
                problem,
                loc=op.loc,
                help="scale the network, or look for a damaged file",
            )


def _problems(op: Op, graph: Graph) -> Iterator[str]:
    yield from op_range_problems(op, graph.constants)
    window = getattr(op, "window", None)
    if isinstance(window, Window) and not window.problems():
        yield from window.size_problems(op.operands[0].shape)


def fine_grids(graph: Graph) -> Iterator[str]:
    """Warn of grids so fine that the order of a sum decides which step it is rounded to.

    A sum in single precision is known to about ``2**-22`` of its range. One that lies that near
    the middle between two steps may be rounded either way. On a grid of 8 bits that hardly ever
    happens; of 16 bits it has been seen in 3 sums of 9216.
    """
    fine = [op for op in graph.ops if isinstance(op, FakeQuantize) and op.high - op.low > 1 << 12]
    if fine:
        bits = max((op.high - op.low).bit_length() for op in fine)
        yield (
            f"{fine[0].result.name!r} is rounded to {bits} bits: engines that add in another order "
            "may round a sum to the neighbouring step"
        )


def analogue_layers(graph: Graph, carried: Mapping[str, Edge]) -> Iterator[str]:
    """Warn of layers of weights whose inputs are no spikes, counts or codes."""
    writers = {value.name: op for op in graph.ops for value in op.results}
    switched = switched_leaks(graph)
    for op in graph.ops:
        if not isinstance(op, Synapse) or carried[op.x.name] != ANALOGUE:
            continue
        layer, writer = layer_name(op.loc, op.result.name), writers.get(op.x.name)
        source = op.x.name if writer is None else layer_name(writer.loc, op.x.name)
        own = isinstance(writer, Neuron) and switched.get(writer.membrane.name)
        if isinstance(writer, Neuron) and filters(graph, writer, own or None):
            yield (
                f"layer '{layer}' reads the membrane of the filter '{source}': in codes of as many "
                "bits as a macro takes, bit plane by bit plane; compile says how many"
            )
            continue
        yield (
            f"layer '{layer}' reads analogue values, which '{source}' gives: wordlines take spikes "
            "and codes of few bits, so no crossbar may take it; --target tells what becomes of it"
        )


def check_spiking(graph: Graph) -> None:
    """Refuse a network that outputs were cut off of and no neuron is left of: it is all host's.

    Raises:
        MappingError: ``no-neurons``.
    """
    if not any(isinstance(op, Neuron) for op in graph.ops):
        raise no_neurons(graph.name)


def no_neurons(loc: str) -> MappingError:
    """Return the refusal of a model without neurons."""
    return refuse("no-neurons", "no spiking neuron was recognised", loc=loc)
