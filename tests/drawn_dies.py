"""Dies of small compiled networks, for tests of the pass and of engines."""

from collections.abc import Mapping

import numpy as np

from mapper.ir.core import Array, Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.noise import KEY_TYPE
from mapper.pipeline import make_passes, run_passes
from passes.draw_die import DrawDie
from targets import Target
from targets.devices import Device, load_device

EVERYTHING = {
    "cell.sigma": 0.1,
    "cell.on_off": 20.0,
    "cell.stuck_on": 0.02,
    "cell.stuck_off": 0.02,
    "amplifier.offset": 0.5,
    "amplifier.gain": 0.05,
    "wire.share": 1e-4,
}


def device(**settings: float) -> Device:
    """Return an ideal device but for some settings, as ``cell__sigma=0.1``."""
    return load_device("ideal").with_set({k.replace("__", "."): v for k, v in settings.items()})


def compiled(network: Graph, target: Target) -> Graph:
    return run_passes(network, target, make_passes())[0]


def drawn(graph: Graph, target: Target, device: Device, seed: int = 0, **options: object) -> Graph:
    """Return a die whose wordlines are taken to be driven in one read of four."""
    layers = (op for op in graph.ops if isinstance(op, CrossbarMvm))
    activity = {op.partial_sum.name: np.full((op.groups, op.rows[-1].stop), 0.25) for op in layers}
    step = DrawDie(seed=seed, activity=activity, **options)  # type: ignore[arg-type]
    return run_passes(graph, target.with_device(device), [step])[0]


def with_keys(die: Graph, inputs: Mapping[str, Array], seed: int = 0) -> dict[str, Array]:
    """Return inputs of a die: with keys of noise, where it asks for them."""
    (steps, batch), rng = next(iter(inputs.values())).shape[:2], np.random.default_rng(seed)
    keys = {
        v.name: rng.integers(0, KEY_TYPE.max, (steps, batch))
        for v in die.inputs
        if v.name not in inputs
    }
    return {**inputs, **keys}
