"""Choose the membrane unit of a layer of neurons, and its integers in that unit."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor, log2

import numpy as np

from mapper.diagnostics import Diagnostic, MappingError, refuse
from mapper.ir.core import Array, Graph
from mapper.ir.leaks import NO_DECAY, NOT_ROUNDED, Decay, LeakRounding
from mapper.ir.levels import Levels
from mapper.ir.neurons import Neuron
from passes.integers.meaning import Meaning
from passes.shared.rewrite import number, simplest
from targets import NeuronUnit, targets_with_membranes

_HEADROOM = 8
"""How many thresholds a membrane may hold before it saturates."""

LEAST_ROOM = 2
"""Where it holds fewer, coarser steps cost less than what saturates."""

MAX_FRACTION_BITS = 12
"""Finer than 2**-12 of a synapse's step, leaks and thresholds round below what data can tell."""

_WIDEST_DRIVE = 60
"""Bits of a neuron's input with its fraction bits; 64-bit integers hold their sums."""

SNAP = 1e-6
"""A threshold this near an integer number of steps is that integer: the rest is rounding noise
of the single-precision scale, and would turn ties around."""

EXACT_LEAK = 1e-7
"""A single-precision leak this near ``1 - 2**-k`` was meant as that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A leak of the target; ``multiplier`` is used where the kind is ``multiply``."""

    decay: Decay = NO_DECAY
    multiplier: Array | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuronUnits:
    """The integers of one layer; arrays broadcast to its shape."""

    unit: Array
    """Real membrane potential of one integer step."""
    current_unit: Array
    fraction_bits: int
    decay: Leak
    current_decay: Leak
    bias: Array
    threshold: Array
    """Of several levels, each behind the other along a leading axis; reached at ``>=`` then."""
    levels: Levels
    reset_amount: Array
    floor: Array | None


STAND_IN = NeuronUnits(
    unit=np.asarray(1.0),
    current_unit=np.asarray(1.0),
    fraction_bits=0,
    decay=Leak(),
    current_decay=Leak(),
    bias=np.asarray(0.0),
    threshold=np.asarray(1.0),
    levels=Levels(),
    reset_amount=np.asarray(0.0),
    floor=None,
)
"""In place of those of a neuron that is refused, while the rest of the network is looked at."""


def neuron_problems(
    graph: Graph, op: Neuron, x: Meaning, unit: NeuronUnit
) -> tuple[Diagnostic, ...]:
    """Return all that keeps a neuron fed by ``x`` from the target's digital unit."""
    checks: list[Callable[[], object]] = [
        lambda: _fraction_bits(graph, op, x, _gain(graph, op, x), unit),
        lambda: leak_of(op, number(graph, op.leak), unit),
    ]
    if op.current is not None:
        checks += [
            lambda: _check_current(graph, op),
            lambda: leak_of(op, number(graph, op.current_leak), unit),
        ]
    found: list[Diagnostic] = []
    for check in checks:
        try:
            check()
        except MappingError as error:
            found += error.diagnostics
    return tuple(dict.fromkeys(found))


def _gain(graph: Graph, op: Neuron, x: Meaning) -> Array:
    gain = number(graph, op.gain) * x.scale
    if (gain <= 0).any():
        raise _refuse(op, "negative-scale", "its input has a scale of zero or below")
    return gain


def fit_neuron(
    graph: Graph, op: Neuron, x: Meaning, unit: NeuronUnit, fraction_bits: int | None = None
) -> NeuronUnits:
    """Return the integers of a neuron fed by ``x``, on the target's digital unit.

    Its fraction bits are those given, else as many as leave headroom.

    Raises:
        MappingError: With the first of ``neuron_problems``.
    """
    gain = _gain(graph, op, x)
    if op.current is not None:
        _check_current(graph, op)
    fraction = fraction_bits
    if fraction is None:
        fraction = _fraction_bits(graph, op, x, gain, unit)
    step = simplest(gain / (1 << fraction))
    bias = number(graph, op.gain) * x.offset + number(graph, op.bias)
    amount = number(graph, op.reset.amount) / step
    bottom = None if op.floor is None else np.rint(number(graph, op.floor) / step)
    threshold, levels = _thresholds(graph, op, step, unit)
    return NeuronUnits(
        unit=step,
        current_unit=_current_unit(graph, op, step),
        fraction_bits=fraction,
        decay=leak_of(op, number(graph, op.leak), unit, op.leak_rounding),
        current_decay=(
            Leak()
            if op.current is None
            else leak_of(op, number(graph, op.current_leak), unit, op.current_rounding)
        ),
        bias=np.rint(bias / step),
        threshold=threshold,
        levels=levels,
        reset_amount=np.rint(amount),
        floor=bottom,
    )


def excess_bits(graph: Graph, op: Neuron, x: Meaning, unit: NeuronUnit) -> int:
    """Return by how many bits ``x`` counts finer than a membrane can; 0 where it fits or is small.

    Only what reaches the threshold and the reset within a step can do without them: a sum of many
    values that stand for reals. Of smaller inputs nothing would be left.
    """
    gain = number(graph, op.gain) * x.scale
    if (gain <= 0).any() or x.type.bits > _WIDEST_DRIVE:
        return 0
    farthest = _reach(x) if op.spike is None else _farthest(graph, op, gain)
    if farthest > _reach(x):
        return 0
    steps = farthest * 2.0 ** (unit.fraction_bits or 0)
    held = (1 << (unit.membrane_bits - 1)) / steps
    least = 1 if op.spike is None else LEAST_ROOM
    return 0 if held > least else ceil(log2(_headroom(op) / held))


def _reach(x: Meaning) -> float:
    return float(max(-x.type.min, x.type.max))


def _farthest(graph: Graph, op: Neuron, gain: Array) -> float:
    """Return how many steps of its input the threshold or reset is away from zero."""
    numbers = (number(graph, op.threshold), number(graph, op.reset.amount))
    return max(float(np.abs(n / gain).max()) for n in numbers)


def _headroom(op: Neuron) -> int:
    return max(_HEADROOM, op.levels.high + 1, 1 - op.levels.low)


def _fraction_bits(graph: Graph, op: Neuron, x: Meaning, gain: Array, unit: NeuronUnit) -> int:
    """Return the finest membrane unit that leaves headroom below saturation."""
    room = 1 << (unit.membrane_bits - 1)
    if op.spike is not None:
        highest = float((number(graph, op.threshold) / gain).max())
    else:
        highest = _reach(x)
    if highest >= room:
        raise _refuse(
            op,
            "membrane-too-narrow",
            f"its threshold is {highest:.0f} steps of its input, a membrane of "
            f"{unit.membrane_bits} bits holds {room - 1}",
            help=_wider(highest + 1),
        )
    if x.type.bits > _WIDEST_DRIVE:
        raise _refuse(op, "membrane-too-narrow", f"its input takes {x.type.bits} bits")
    spare = floor(log2(room / (_headroom(op) * max(highest, 1.0))))
    most = min(_WIDEST_DRIVE - x.type.bits, _bits_that_fit(graph, op, gain, room))
    own = _own_fraction(graph, op, gain)
    if unit.fraction_bits is None and own is not None and own <= most:
        return own
    if unit.fraction_bits is None:
        return min(max(spare, 0), MAX_FRACTION_BITS, most)
    if unit.fraction_bits > most:
        raise _refuse(
            op,
            "membrane-too-narrow",
            f"with the {unit.fraction_bits} fraction bits of the target its threshold or reset is "
            f"too wide for membranes of {unit.membrane_bits} bits, {most} would fit",
            help=_wider(room * 2.0 ** (unit.fraction_bits - most)),
        )
    return unit.fraction_bits


def _own_fraction(graph: Graph, op: Neuron, gain: Array) -> int | None:
    """Return the fraction bits with which membranes count in the unit that a leak rounds to.

    That of the membrane, else of its current.
    """
    unit = np.asarray(op.leak_rounding.unit)
    if not unit and op.current_rounding.unit:
        unit = current_step(graph, op)
    if not unit.all():
        return None
    bits = np.log2(np.abs(gain / unit))
    own = np.rint(bits)
    exact = np.abs(bits - own) <= SNAP
    if not exact.all() or np.ptp(own) or not 0 <= own.flat[0] <= MAX_FRACTION_BITS:
        return None
    return int(own.flat[0])


def _bits_that_fit(graph: Graph, op: Neuron, gain: Array, room: int) -> int:
    """Return the fraction bits with which every threshold and reset is below ``room``."""
    if op.spike is None:
        return MAX_FRACTION_BITS
    farthest = _farthest(graph, op, gain)
    if farthest >= room - 1:
        raise _refuse(
            op,
            "membrane-too-narrow",
            f"its threshold or reset is {farthest:.0f} steps of its input away from zero, the "
            f"membrane holds {room - 1}",
            help=_wider(farthest + 2),
        )
    return floor(log2((room - 1) / max(farthest, 1.0)))


def _thresholds(graph: Graph, op: Neuron, step: Array, unit: NeuronUnit) -> tuple[Array, Levels]:
    """Round so that an integer membrane fires exactly where the real one would.

    Several levels begin at numbers of their own, each reached or passed; in integers what is
    passed is reached one higher. Levels that no membrane of the target reaches are left out.
    """
    if op.spike is None:
        return np.asarray(1.0), Levels()  # never looked at
    if op.levels.is_spike:
        return _rounded(number(graph, op.threshold) / step, op.strict), Levels()
    lowest, highest = ends_of(unit)
    table = np.clip(level_starts(graph, op, step), lowest, highest + 1)
    each = table.reshape(len(table), -1)
    always, never = (each == lowest).all(axis=1), (each == highest + 1).all(axis=1)
    levels = Levels(low=op.levels.low + int(always.sum()), high=op.levels.high - int(never.sum()))
    left = table[~(always | never)]
    return (left[0] - op.strict, Levels()) if levels.is_spike else (left, levels)


def ends_of(unit: NeuronUnit) -> tuple[int, int]:
    """Return the lowest and the highest membrane."""
    return -(1 << (unit.membrane_bits - 1)), (1 << (unit.membrane_bits - 1)) - 1


def level_starts(graph: Graph, op: Neuron, step: Array) -> Array:
    """Return the membrane at which each level above the lowest begins, however far away."""
    one = number(graph, op.threshold) / step
    starts = op.levels.starts(op.strict)
    return np.stack([_rounded(one * start, past) + past for start, past in starts])


def _rounded(steps: Array, past: bool) -> Array:
    """Return the integer at which steps are reached, or past which they are passed."""
    nearest = np.rint(steps)
    snapped = np.abs(steps - nearest) <= SNAP * np.maximum(1.0, np.abs(steps))
    return np.where(snapped, nearest, np.floor(steps) if past else np.ceil(steps))


def leak_of(
    op: Neuron, leak: Array, unit: NeuronUnit, rounding: LeakRounding = NOT_ROUNDED
) -> Leak:
    """Return the nearest leak that the digital unit has."""
    if (leak == 1).all():
        return Leak()
    if (leak == 0).all():  # a membrane that is cleared takes no multiplier
        return Leak(decay=Decay(kind="multiply", shift=1), multiplier=np.zeros(()))
    shift = _nearest_shift(float(leak)) if leak.ndim == 0 else None
    multiplies = "multiply" in unit.leaks
    kept = rounding.unit > 0 and rounding.part == "kept"  # a shift rounds what it takes
    if shift is not None and "shift" in unit.leaks and not (kept and multiplies):
        exact = abs(1 - 2.0**-shift - float(leak)) < EXACT_LEAK
        if exact or not multiplies:
            return Leak(decay=Decay(kind="shift", shift=shift, rounding=unit.leak_rounding))
    if not multiplies:
        raise _refuse(op, "unsupported-leak", f"its leak of {leak} needs a multiplier")
    if float(np.abs(leak).max()) * (1 << unit.leak_bits) >= 1 << (62 - unit.membrane_bits):
        raise _refuse(op, "unsupported-leak", f"its leak of {np.abs(leak).max():g} is no leak")
    decay = Decay(kind="multiply", shift=unit.leak_bits, rounding=unit.leak_rounding)
    return Leak(decay=decay, multiplier=np.rint(leak * (1 << unit.leak_bits)))


def _nearest_shift(leak: float) -> int | None:
    if not 0 < leak < 1:
        return None
    return min(range(1, 16), key=lambda k: abs(1 - 2.0**-k - leak))


def nearest_leak(leak: float, unit: NeuronUnit) -> float:
    """Return the leak that a digital unit gives a neuron of ``leak``, 0..1.

    Training uses it, so that a network learns with the leak it will run with. A leak that the unit
    has nothing for is returned as it is; compiling refuses it.
    """
    shift = _nearest_shift(leak)
    if "multiply" in unit.leaks:
        return float(np.rint(leak * (1 << unit.leak_bits))) / (1 << unit.leak_bits)
    return leak if shift is None or "shift" not in unit.leaks else 1 - 2.0**-shift


def _check_current(graph: Graph, op: Neuron) -> None:
    """Refuse a synaptic current that does not feed the membrane as it is updated.

    The hardware keeps ``J = current_gain * i + gain * x``, which follows ``J' = leak * J +
    gain * x`` only where ``current_input * current_gain = current_leak * gain``. That covers both
    orders in use: decay before the input (snnTorch) and after it (Norse).
    """
    left = number(graph, op.current_input) * number(graph, op.current_gain)
    right = number(graph, op.current_leak) * number(graph, op.gain)
    if not np.allclose(left, right, rtol=1e-5, atol=1e-9):  # parameters are single precision
        raise _refuse(op, "unsupported-neuron", "its synaptic current reaches the membrane late")
    if number(graph, op.bias).any():
        raise _refuse(op, "unsupported-neuron", "it has a membrane bias beside its current")


def current_step(graph: Graph, op: Neuron) -> Array:
    """Return what the unit that a current is rounded to is in a membrane."""
    gain, given = number(graph, op.gain), number(graph, op.current_input)
    return np.asarray(op.current_rounding.unit * gain / np.where(given == 0, 1.0, given))


def _current_unit(graph: Graph, op: Neuron, step: Array) -> Array:
    """Return what one integer step of ``J`` is in the model's own current.

    Before the first step the hardware holds ``J = current_gain * i / current_leak``.
    """
    if op.current is None:
        return step
    gain, leak = number(graph, op.current_gain), number(graph, op.current_leak)
    carried = np.where(leak == 0, 1.0, leak)  # nothing is left of the initial state
    return simplest(np.asarray(step * carried / np.where(gain == 0, 1.0, gain)))


def _wider(values: float) -> str:
    """Say what to do where membranes have to hold integers below ``values``."""
    bits = 1 + ceil(log2(values))
    wide = targets_with_membranes(bits)
    if wide:
        target = f"choose a target with wider membranes: {', '.join(map(repr, wide))}"
    else:
        target = f"no target that comes with the compiler has membranes of {bits} bits"
    return f"{target}; or use fewer weight bits, or lower the threshold"


def _refuse(op: Neuron, code: str, reason: str, help: str = "") -> MappingError:
    return refuse(
        code,
        f"this neuron cannot run on the target: {reason}",
        loc=op.loc,
        help=help or "choose a target whose digital unit has it, or change the neuron",
    )
