"""Layers of calibration on the compiled kernels: the integers that their ops define, sooner."""

from collections.abc import Mapping, Sequence

import numpy as np

from mapper.executor.engine import ENGINES
from mapper.ir.core import Array, Constants, Graph, Op
from mapper.ir.infer import infer_types
from passes.readout.activity import layer_as_defined
from passes.shared.rewrite import pruned


def layer_on_kernels(ops: Sequence[Op], constants: Constants, frames: Mapping[str, Array]) -> Array:
    """Evaluate a layer with its readout as ``layer_as_defined`` does, on one thread.

    Args:
        ops: Its partial sums first, then counts of active wordlines, its read, what adds up.
        constants: Of the graph.
        frames: What the layer reads, ``[T, B, *shape]`` by name.

    Returns:
        ``[T, B, *shape]`` of what the layer leaves; as defined where kernels were not built.
    """
    engine = ENGINES["native"]
    if engine.unavailable():
        return layer_as_defined(ops, constants, frames)
    read = {value.name: value for op in ops for value in op.operands if value.name in frames}
    last = ops[-1].results[0]
    layer = Graph(
        name="layer",
        inputs=tuple(read.values()),
        outputs=(last,),
        ops=tuple(ops),
        constants=constants,
    )
    prepared = engine.prepare(infer_types(pruned(layer)), threads=1)
    found = prepared.run({name: frames[name] for name in read})
    return found[last.name].astype(np.int64, copy=False)
