"""Spiking neurons: the trained float neuron and its integer counterpart.

Order within one time step, the same for both (``v`` membrane potential, ``i`` synaptic
current, ``x`` input, ``r`` a delayed reset):

1. Where the reset is delayed: ``r = fires(v)``; a reset to a value sets ``v`` where ``r``.
2. Leak and input: ``u = leak(v) + input``; a delayed subtraction takes ``amount`` where ``r``, a
   late reset sets ``u`` to the value where ``r``.
3. Fire: ``s = fires(u)``, or where guarded ``s = fires(u - amount)`` where ``r``.
4. Where the reset is immediate or guarded: subtract ``amount``, or set to the value, where ``s``.
5. Floor, where there is one: ``v = max(v, floor)``.

The output spike is ``s``, or ``r`` where ``spike_phase`` is ``next`` (one step late). Where a
neuron has several levels (``mapper.ir.levels``), ``s`` and ``r`` are whole numbers: subtractions
take ``amount`` as often as they say, values are set where they are not 0.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from mapper.ir.core import (
    FLOAT,
    INT64,
    Array,
    Const,
    Constants,
    FloatType,
    IntType,
    Op,
    Part,
    Scalar,
    Type,
    Value,
    param,
)
from mapper.ir.leaks import NO_DECAY, NOT_ROUNDED, Decay, LeakRounding
from mapper.ir.levels import (
    ONE_SPIKE,
    ONE_TRAINED_SPIKE,
    Levels,
    RoundedLevels,
    level_problems,
)
from mapper.ir.network import broadcast_problems

ResetKind = Literal["none", "subtract", "value"]
Phase = Literal["same", "next"]
ResetPhase = Literal["same", "next", "late", "guarded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset(Part):
    """What firing does to the membrane potential.

    ``subtract`` takes ``amount`` away, ``value`` sets the membrane to ``amount`` (hard reset),
    ``none`` leaves it. In phase ``same`` this happens in the step that fired; in phase ``next``
    at the start of the following one, from the membrane it then finds. Two phases of snnTorch:
    ``late`` (values only) is ``next``, but the value replaces the input of that step as well;
    ``guarded`` (subtraction only) is ``same``, but a membrane that starts the step above its
    threshold must pass it by ``amount`` to fire again.
    """

    kind: ResetKind = "none"
    amount: Scalar = 0
    phase: ResetPhase = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neuron(Op):
    """A layer of float neurons: IF, LIF, current-based LIF, leaky integrator.

    ``u = leak * v + (current_gain * i + gain * x) + bias`` and, where there is a synaptic
    current, ``i' = current_leak * i + current_input * x``. Fires where ``u > threshold``
    (``strict``) or ``u >= threshold``; with several ``levels`` the level of ``u / threshold`` is
    given. Without ``spike`` it integrates and never fires. Single precision, in the order written.
    ``leak * v`` is rounded where ``leak_rounding`` says so. Where ``current_rounding`` rounds
    ``current_leak * i``, the membrane takes the current after that: ``gain / current_input * i'``
    is in place of ``current_gain * i + gain * x``, which it is where nothing is rounded.
    """

    mnemonic: ClassVar[str] = "net.neuron"
    RESULTS: ClassVar[tuple[str, ...]] = ("spike", "membrane_next", "current_next")

    x: Value
    membrane: Value
    current: Value | None = None
    spike: Value | None = None
    membrane_next: Value
    current_next: Value | None = None

    leak: Scalar = 1.0
    leak_rounding: LeakRounding = NOT_ROUNDED
    gain: Scalar = 1.0
    bias: Scalar = 0.0
    current_leak: Scalar = 0.0
    current_rounding: LeakRounding = NOT_ROUNDED
    current_input: Scalar = 0.0
    current_gain: Scalar = 0.0
    threshold: Scalar = 1.0
    strict: bool = False
    levels: RoundedLevels = ONE_TRAINED_SPIKE
    reset: Reset = Reset()
    spike_phase: Phase = "same"
    floor: Scalar | None = None

    def verify(self, constants: Constants) -> Iterator[str]:
        yield from _state_problems(self, constants)
        yield from self.leak_rounding.problems()
        yield from self.current_rounding.problems()
        yield from self._rounded_current_problems(constants)
        for value in (self.membrane, self.membrane_next, self.current, self.current_next):
            if value is not None and value.type != FLOAT:
                yield f"a trained neuron's state is {FLOAT}, got {value.type}"
        if not self.levels.is_spike and not (param(constants, self.threshold, FLOAT) > 0).all():
            yield "a neuron of several levels measures in thresholds, which are above 0"
        if self.strict and self.levels.rounding != "toward-zero":
            yield "the nearest level is neither reached nor passed: 'strict' has no meaning"

    def _rounded_current_problems(self, constants: Constants) -> Iterator[str]:
        if not self.current_rounding.unit:
            return
        if self.current is None:
            yield "a current is rounded, and there is none"
            return
        names = ("current_input", "current_gain", "current_leak", "gain")
        fields = [getattr(self, name) for name in names]
        if any(list(broadcast_problems("", f, self.x.shape, constants)) for f in fields):
            return  # said already
        given, taken, leak, gain = (param(constants, f, FLOAT) for f in fields)
        if not (given != 0).all() or not np.allclose(given * taken, leak * gain, rtol=1e-5):
            yield "a membrane takes a rounded current as it is after its update"

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        def number(scalar: Scalar) -> Array:
            return param(constants, scalar, FLOAT)

        x, v = operands[0].astype(np.float32), operands[1]
        drive = number(self.gain) * x
        results: list[Array] = []
        if self.current is not None:
            i = operands[2]
            left = self.current_rounding.apply(number(self.current_leak), i)
            results = [left + number(self.current_input) * x]
            if self.current_rounding.unit:
                gain: Array = number(self.gain) / number(self.current_input)
                drive = gain * results[0]
            else:
                drive = number(self.current_gain) * i + drive

        def integrate(membrane: Array) -> Array:
            left = self.leak_rounding.apply(number(self.leak), membrane)
            driven: Array = (left + drive) + number(self.bias)
            return driven

        spike, v = fire_and_reset(self, constants, v, integrate)
        return (*([] if spike is None else [spike]), v, *results)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerNeuron(Op):
    """A layer of integer neurons, saturating at the width of their state.

    With a synaptic current ``i' = sat(current_decay(i) + (x << fraction_bits) + bias)`` and
    ``u = sat(decay(v) + input_decay(i'))``; without, ``u = sat(decay(v) + (x <<
    fraction_bits) + bias)``. Thresholds and resets are integers in membrane units
    (``2**-fraction_bits`` of an input unit). With several ``levels``, ``threshold`` is a table with
    a leading axis, of one threshold for each level above the lowest; the level is
    ``low + sum_k [u >= threshold[k]]``.
    """

    mnemonic: ClassVar[str] = "net.integer_neuron"
    RESULTS: ClassVar[tuple[str, ...]] = ("spike", "membrane_next", "current_next")

    x: Value
    membrane: Value
    current: Value | None = None
    spike: Value | None = None
    membrane_next: Value
    current_next: Value | None = None

    fraction_bits: int = 0
    decay: Decay = NO_DECAY
    bias: int | Const = 0
    current_decay: Decay = NO_DECAY
    input_decay: Decay = NO_DECAY
    threshold: int | Const = 1
    strict: bool = False
    levels: Levels = ONE_SPIKE
    reset: Reset = Reset()
    spike_phase: Phase = "same"
    floor: int | Const | None = None

    def verify(self, constants: Constants) -> Iterator[str]:
        yield from _state_problems(self, constants)
        yield from integer_state_problems(self, constants)
        if not self.levels.is_spike:
            yield from level_problems(self.levels, self.threshold, self.x.shape, constants)

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        return evaluate_integer_neuron(self, constants, *operands)


def evaluate_integer_neuron(
    op: "IntegerNeuron", constants: Constants, *operands: Array
) -> tuple[Array, ...]:
    """Define integer neurons: ``x, v`` or ``x, v, i`` in; spike, membrane, current out."""
    x, v = operands[:2]
    drive = (x << op.fraction_bits) + param(constants, op.bias, INT64)
    results: list[Array] = []
    if op.current is not None:
        current = saturate(op.current_decay.apply(constants, operands[2]) + drive, op.current.type)
        drive = op.input_decay.apply(constants, current)
        results = [current]

    def integrate(membrane: Array) -> Array:
        driven: Array = op.decay.apply(constants, membrane) + drive
        return driven

    spike, v = fire_and_reset(op, constants, v, integrate)
    return (*([] if spike is None else [spike]), v, *results)


def fire_and_reset(
    op: "Neuron | IntegerNeuron",
    constants: Constants,
    v: Array,
    integrate: Callable[[Array], Array],
) -> tuple[Array | None, Array]:
    """Run steps 1 to 5 of the module docstring: the output spike (or None) and the membrane."""
    type = op.membrane.type
    reset = op.reset
    amount = param(constants, reset.amount, type)
    delayed: Array | None = None
    taken = np.zeros_like(amount)
    if reset.phase != "same" or op.spike_phase == "next":
        delayed = fires(op, constants, v)
        taken = taken_by(delayed, amount)
    if reset.kind == "value" and reset.phase == "next":
        v = np.where(delayed != 0, amount, v)

    u = integrate(v)
    if reset.kind == "subtract" and reset.phase == "next":
        u = u - taken
    elif reset.kind == "value" and reset.phase == "late":
        u = np.where(delayed != 0, amount, u)
    u = saturate(u, type)

    firing = u - taken if reset.phase == "guarded" else u
    spike = None if op.spike is None else fires(op, constants, firing)
    if reset.kind == "value" and reset.phase == "same":
        u = np.where(spike != 0, amount, u)
    elif reset.kind == "subtract" and reset.phase in ("same", "guarded"):
        assert spike is not None  # what never fires does not reset
        u = u - taken_by(spike, amount)
    if op.floor is not None:
        u = np.maximum(u, param(constants, op.floor, type))
    u = saturate(u, type)
    return (delayed if op.spike_phase == "next" else spike), u


def taken_by(spike: Array, amount: Array) -> Array:
    """Return what spikes subtract: ``amount`` for each, in the precision of the membrane."""
    taken: Array = np.where(spike != 0, spike.astype(amount.dtype) * amount, np.zeros_like(amount))
    return taken


def fires(op: "Neuron | IntegerNeuron", constants: Constants, u: Array) -> Array:
    """Return 1 where the membrane reaches (``strict``: passes) the threshold, else 0.

    With several levels, return that of the membrane.
    """
    threshold = param(constants, op.threshold, op.membrane.type)
    if op.levels.is_spike:
        reached = u > threshold if op.strict else u >= threshold
        return reached.astype(np.int64)
    if isinstance(op.levels, RoundedLevels):
        return op.levels.of(u / threshold, op.strict).astype(np.int64)
    return op.levels.reached(threshold, u, op.strict)


def saturate(u: Array, type: Type) -> Array:
    """Clip to the range of an integer type; floats pass."""
    return u if isinstance(type, FloatType) else np.clip(u, type.min, type.max)


def _state_problems(op: "Neuron | IntegerNeuron", constants: Constants) -> Iterator[str]:
    pairs = ((op.membrane, op.membrane_next), (op.current, op.current_next))
    for before, after in pairs:
        if (before is None) != (after is None):
            yield "a synaptic current is read and written, or neither"
        elif before is not None and after is not None:
            if (before.type, before.shape) != (after.type, after.shape):
                yield f"state is {before} before, {after} after"
            if before.shape != op.x.shape:
                yield f"input has shape {op.x.shape}, but the state has {before.shape}"
    yield from op.levels.problems()
    given = op.levels.type
    if op.spike is not None and (op.spike.type != given or op.spike.shape != op.x.shape):
        yield f"spikes are {given} {op.x.shape}, got {op.spike.type} {op.spike.shape}"
    if op.spike is None and not op.levels.is_spike:
        yield "a neuron that never fires has no levels"
    if op.spike is None and (op.reset.kind != "none" or op.spike_phase == "next"):
        yield "a neuron that never fires cannot reset"
    needed = {"late": "value", "guarded": "subtract"}.get(op.reset.phase, op.reset.kind)
    if op.reset.kind != needed:
        yield f"a {op.reset.phase} reset is to '{needed}', got '{op.reset.kind}'"
    currents = ("current_leak", "current_input", "current_gain")
    compared = () if isinstance(op, IntegerNeuron) and not op.levels.is_spike else ("threshold",)
    for name in (*compared, "bias", "floor", "leak", "gain", *currents):
        scalar = getattr(op, name, None)
        if scalar is not None:
            yield from broadcast_problems(name, scalar, op.x.shape, constants)
    yield from broadcast_problems("reset amount", op.reset.amount, op.x.shape, constants)
    for name in ("decay", "current_decay", "input_decay"):
        decay = getattr(op, name, None)
        if decay is not None:
            yield from broadcast_problems(name, decay.multiplier, op.x.shape, constants)


def integer_state_problems(op: "IntegerNeuron", constants: Constants) -> Iterator[str]:
    """Yield why the integer arithmetic of a neuron may leave 63 bits or its declared types."""
    for value in (op.membrane, op.current):
        if value is None:
            continue
        if not isinstance(value.type, IntType) or not value.type.signed or value.type.bits > 40:
            yield f"an integer neuron's state is i2..i40, got {value.type}"
            return
    if not isinstance(op.x.type, IntType):
        yield f"an integer neuron's input is an integer, got {op.x.type}"
        return
    if op.x.type.bits + op.fraction_bits > 60:
        yield f"input {op.x.type} << {op.fraction_bits} may pass 61 bits"
    held = op.membrane.type if op.current is None else op.current.type
    assert isinstance(op.membrane.type, IntType)
    assert isinstance(held, IntType)
    yield from op.decay.problems(constants, op.membrane.type)
    for decay in (op.current_decay, op.input_decay):
        yield from decay.problems(constants, held)
    for name, scalar in (("threshold", op.threshold), ("reset amount", op.reset.amount)):
        values = param(constants, scalar, op.membrane.type)
        wide = IntType(op.membrane.type.bits + 1, signed=True)
        if op.spike is not None and not wide.holds(int(values.min()), int(values.max())):
            yield f"{name} spans {values.min()}..{values.max()}, too wide for {op.membrane.type}"
