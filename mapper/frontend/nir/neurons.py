"""Neurons: the coefficients of one time step from the constants of a differential equation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from mapper.diagnostics import refuse
from mapper.frontend.nir.file import Node
from mapper.frontend.nir.rules import ResetRule, Rules, number, said_in, text
from mapper.ir.core import Array
from mapper.ir.neurons import Phase, ResetPhase

Shape = tuple[int, ...]
SPIKING = frozenset({"IF", "LIF", "CubaLIF"})
WITH_CURRENT = frozenset({"CubaLI", "CubaLIF"})


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Stepped:
    """What ``net.neuron`` needs; arrays are doubles that broadcast to the layer's shape."""

    leak: Array
    gain: Array
    bias: Array
    current_leak: Array | None = None
    current_input: Array | None = None
    current_gain: Array | None = None
    threshold: Array | None = None
    """None for a neuron that never fires."""
    strict: bool = True
    reset: ResetRule | None = None
    amount: Array | None = None
    phase: ResetPhase = "same"
    spike_phase: Phase = "same"
    floor: Array | None = None


def step(node: Node, shape: Shape, rules: Rules) -> Stepped:
    """Return the update of one neuron node.

    With ``a = dt/tau`` (Euler) or ``1 - exp(-dt/tau)`` (exponential), ``tau v' = (v_leak - v) + r
    x`` becomes ``v + a * ((v_leak - v) + r x)``, and ``v' = r x`` becomes ``v + dt * r x``. A
    synaptic current is brought up to date first, and the membrane reads the new one, as every
    library does.

    Raises:
        MappingError: ``invalid-model`` for a field that is missing or has another shape.
    """

    def given(name: str, default: float | None = None) -> Array:
        if name not in node.fields and default is not None:
            return np.asarray(default)
        return spread(node.array(name), shape, name, node)

    zero, one = np.zeros(()), np.ones(())
    as_is = node.kind in rules.as_is
    if node.kind in ("I", "IF"):
        body = Stepped(leak=one, gain=one if as_is else rules.dt * given("r"), bias=zero)
    else:
        m = _share(given("tau_mem" if node.kind in WITH_CURRENT else "tau"), rules, node)
        body = Stepped(
            leak=1 - m,
            gain=one if as_is else m * given("r"),
            bias=m * given("v_leak", 0.0),
        )
    if node.kind in WITH_CURRENT:
        s = _share(given("tau_syn"), rules, node)
        enters = one if as_is else s * given("w_in", 1.0)
        body = _with_current(body, s, enters)
    if node.fires_above is not None:
        above = spread(node.fires_above, shape, "threshold", node)
        return replace(body, threshold=above)
    return body if node.kind not in SPIKING else _firing(body, node, shape, rules)


def _share(tau: Array, rules: Rules, node: Node) -> Array:
    """Return the share of the way to its rest that a membrane goes in one step."""
    if (tau <= 0).any():
        raise refuse(
            "invalid-model", f"a time constant is {tau.min():g}, it must be above 0", loc=node.loc
        )
    ratio = rules.dt / tau
    return -np.expm1(-ratio) if rules.integration == "exponential" else ratio


def _with_current(body: Stepped, s: Array, enters: Array) -> Stepped:
    return replace(
        body,
        gain=body.gain * enters,
        current_leak=1 - s,
        current_input=enters,
        current_gain=body.gain * (1 - s),
    )


def _firing(body: Stepped, node: Node, shape: Shape, rules: Rules) -> Stepped:
    threshold = spread(node.array("v_threshold"), shape, "v_threshold", node)
    own = None if rules.forced_reset else said_in(node.metadata)
    reset = own or rules.reset
    amount = np.zeros(())
    if reset == "subtract":
        amount = threshold
    elif reset == "value" and "v_reset" in node.fields:
        amount = spread(node.array("v_reset"), shape, "v_reset", node)
    if rules.late and node.kind == "CubaLIF":
        amount = amount * body.leak  # Spyx takes it away before the membrane leaks
    phase, spike_phase = _phases(node, reset, rules)
    fires_at = text(node.metadata, "fires_at")
    said = number(node.metadata, "floor")
    floor = np.asarray(said) if said is not None else None
    if rules.floor and node.kind == "IF":
        floor = -threshold
    return replace(
        body,
        threshold=threshold,
        strict=rules.strict if fires_at is None else fires_at != ">=",
        reset=reset,
        amount=amount,
        phase=phase,
        spike_phase=spike_phase,
        floor=floor,
    )


def _phases(node: Node, reset: ResetRule, rules: Rules) -> tuple[ResetPhase, Phase]:
    """Return when a neuron resets and spikes; NIR knows one way, our own files name others."""
    said = text(node.metadata, "reset_phase"), text(node.metadata, "spike_phase")
    if said == (None, None) or rules.forced_reset:
        return ("next", "next") if rules.late else ("same", "same")
    known: tuple[ResetPhase, ...] = get_args(ResetPhase)
    phase: ResetPhase = next((p for p in known if p == said[0]), "same")
    kind = {"late": ("value", "zero"), "guarded": ("subtract",)}.get(phase, (reset,))
    if reset not in kind:
        message = f"a {phase} reset is no reset by '{reset}'"
        raise refuse("invalid-model", message, loc=node.loc)
    return phase, "next" if said[1] == "next" else "same"


def spread(array: Array, shape: Shape, name: str, node: Node) -> Array:
    """Return a parameter under a shape that broadcasts to the layer's, or refuse."""
    if array.size == 1:
        return array.reshape(())
    if _core(array.shape) == _core(shape):
        return array.reshape(shape)
    if array.ndim == len(shape) and all(
        a in (1, n) for a, n in zip(array.shape, shape, strict=True)
    ):
        return array
    raise refuse(
        "invalid-model",
        f"'{name}' has shape {array.shape}, but the layer has {shape}",
        loc=node.loc,
    )


def _core(shape: Shape) -> Shape:
    """Drop leading axes of one: a batch axis that a library wrote along."""
    while shape[:1] == (1,):
        shape = shape[1:]
    return shape


def without_batch(shape: Shape, rank: int) -> Shape:
    """Drop leading axes of one down to ``rank`` axes."""
    while len(shape) > rank and shape[0] == 1:
        shape = shape[1:]
    return shape


def weak_points(nodes: Mapping[str, Node], rules: Rules) -> Iterator[str]:
    """Yield warnings of time steps that a neuron's time constants are too short for."""
    for name, node in nodes.items():
        for field in ("tau", "tau_mem", "tau_syn"):
            if field not in node.fields or rules.integration == "exponential":
                continue
            least = float(node.array(field).min(initial=np.inf))
            if 0 < least < rules.dt:
                yield (
                    f"{name!r}: {field} {least:g} is shorter than the time step {rules.dt:g}; "
                    "an Euler step overshoots"
                )
