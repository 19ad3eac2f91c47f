"""The functions of our ONNX domain: what standard operators have no single word for.

Bodies are standard operators, in the order of the definition in ``mapper.ir``; so any engine runs
a file that carries them. ``docs/canonical-onnx.md`` is the reference for people. Networks that
were trained for hardware have functions of their own in the same domain: ``trained`` writes them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from onnx import AttributeProto, FunctionProto, NodeProto, TensorProto, helper

from mapper.executor.onnx.neurons import Compared, fire_and_reset
from mapper.executor.onnx.nodes import Nodes
from mapper.ir.core import FLOAT, Value
from mapper.ir.leaks import NOT_ROUNDED, SAID, LeakRounding
from mapper.ir.levels import RoundedLevels, Rounding
from mapper.ir.network import Merge
from mapper.ir.neurons import Neuron, Reset, ResetKind, ResetPhase

DOMAIN = "spikeloom"
VERSION = 1
OPSET = 21
"""Of the standard operators; the first that dequantises 16-bit integers."""

_ANY = Value("any", FLOAT, ())


_RESETS = {
    f"{kind}_{phase}": Reset(kind=kind, phase=phase)
    for kind in get_args(ResetKind)
    for phase in get_args(ResetPhase)
}


# --- neurons -------------------------------------------------------------------------------


def neuron_name(op: Neuron) -> str:
    """Name the function of a neuron after everything about it that is not a number."""
    words = ["Integrator"] if op.spike is None else ["Neuron"]
    words += ["current"] if op.current is not None else []
    words += [] if op.spike is None else [op.reset.kind, op.reset.phase]
    words += ["strict"] if op.strict and op.spike is not None else []
    words += [] if op.levels.is_spike else [_levels_word(op.levels)]
    words += ["delayed"] if op.spike_phase == "next" else []
    words += ["floor"] if op.floor is not None else []
    words += [_LEAK_WORDS[_how(op.leak_rounding)]] if op.leak_rounding.unit else []
    how = op.current_rounding
    words += [f"current{_LEAK_WORDS[_how(how)]}"] if op.current is not None and how.unit else []
    return "_".join(words)


def _how(leak: LeakRounding) -> tuple[str, str]:
    return leak.part, leak.rounding


_LEAK_WORDS = {
    (part, rounding): f"{part}{word}"
    for part in ("kept", "taken")
    for rounding, word in {"floor": "down", "toward-zero": "cut", "nearest": "near"}.items()
}
"""What a leak that rounds is called: ``keptcut`` where what is left is cut toward zero."""
_LEAKS = {
    word: LeakRounding(unit=1.0, part=part, rounding=rounding)  # type: ignore[arg-type]
    for (part, rounding), word in _LEAK_WORDS.items()
}


def named_neuron(name: str) -> Neuron:
    """Undo ``neuron_name``; numbers and values of the result mean nothing.

    Raises:
        ValueError: No neuron has this name.
    """
    head, *words = name.split("_")
    reset = Reset()
    after = words[1:] if words[:1] == ["current"] else words
    if head == "Neuron":
        reset = _RESETS.get("_".join(after[:2]), reset)
    has_current = "current" in words
    leaks = [_LEAKS[word] for word in words if word in _LEAKS]
    currents = [_LEAKS[w[7:]] for w in words if w.startswith("current") and w[7:] in _LEAKS]
    levels = next((held for word in words if (held := _levels_named(word))), RoundedLevels())
    op = Neuron(
        x=_ANY,
        membrane=_ANY,
        membrane_next=_ANY,
        current=_ANY if has_current else None,
        current_next=_ANY if has_current else None,
        spike=Value("spike", levels.type, ()) if head == "Neuron" else None,
        strict="strict" in words,
        levels=levels,
        reset=reset,
        spike_phase="next" if "delayed" in words else "same",
        leak_rounding=leaks[0] if leaks else NOT_ROUNDED,
        current_rounding=currents[0] if currents else NOT_ROUNDED,
        floor=0.0 if "floor" in words else None,
    )
    if neuron_name(op) != name or list(levels.problems()):
        raise ValueError(f"no neuron is named {name!r}")
    return op


_ROUNDINGS: Mapping[str, Rounding] = {
    "down": "toward-zero",
    "even": "half-even",
    "up": "half-up",
    "lower": "half-down",
}
_LEVELS = re.compile(r"(m?)(\d{1,3})to(\d{1,3})(down|even|up|lower)")


def _levels_word(levels: RoundedLevels) -> str:
    """Return ``0to4even``, or ``m1to1down`` where the lowest is below 0."""
    told = next(word for word, held in _ROUNDINGS.items() if held == levels.rounding)
    return f"{'m' if levels.low < 0 else ''}{abs(levels.low)}to{levels.high}{told}"


def _levels_named(word: str) -> RoundedLevels | None:
    """Undo ``_levels_word``; None where the word says something else."""
    found = _LEVELS.fullmatch(word)
    if found is None:
        return None
    minus, low, high, told = found.groups()
    rounding = _ROUNDINGS[told]
    return RoundedLevels(low=-int(low) if minus else int(low), high=int(high), rounding=rounding)


def neuron_numbers(op: Neuron) -> tuple[str, ...]:
    """Return the fields of a neuron that are inputs of its function, in order."""
    return (
        *("leak", *(("leak_unit",) if op.leak_rounding.unit else ()), "gain", "bias"),
        *(("current_leak", "current_input", "current_gain") if op.current is not None else ()),
        *(("current_unit",) if op.current_rounding.unit else ()),
        *(("threshold",) if op.spike is not None else ()),
        *(("reset",) if op.reset.kind != "none" else ()),
        *(("floor",) if op.floor is not None else ()),
    )


def neuron_function(op: Neuron) -> FunctionProto:
    """Return the function that computes one time step of neurons of this kind."""
    states = ["membrane"] if op.current is None else ["membrane", "current"]
    inputs = ["x", *states, *neuron_numbers(op)]
    spikes = [] if op.spike is None else ["spike"]
    outputs = [*spikes, *(f"{state}_next" for state in states)]
    n = Nodes(reserved=frozenset([*inputs, *outputs]))
    drive = _drive(n, op)

    def integrate(membrane: str) -> str:
        left = _left(n, op.leak_rounding, "leak", membrane, "leak_unit")
        return n.op("Add", n.op("Add", left, drive), "bias")

    zero = n.op("Constant", value_float=0.0) if op.reset.kind == "subtract" else ""
    compared = Compared(threshold="threshold", amount="reset", zero=zero, floor="floor")
    spike, after = fire_and_reset(n, op, "membrane", integrate, lambda u: u, compared)
    if op.spike is not None:
        n.op("Cast", spike, result="spike", to=TensorProto.FLOAT)
    n.op("Identity", after, result="membrane_next")
    return _function(neuron_name(op), inputs, outputs, n.nodes, _told(op), _facts(op))


def _drive(n: Nodes, op: Neuron) -> str:
    """Write what a membrane takes of its input and current, and that current's update."""

    def updated() -> str:
        kept = _left(n, op.current_rounding, "current_leak", "current", "current_unit")
        return n.op("Add", kept, n.op("Mul", "current_input", "x"), result="current_next")

    if op.current is not None and op.current_rounding.unit:
        return n.op("Mul", n.op("Div", "gain", "current_input"), updated())
    drive = n.op("Mul", "gain", "x")
    if op.current is not None:
        drive = n.op("Add", n.op("Mul", "current_gain", "current"), drive)
        updated()
    return drive


def _left(n: Nodes, how: LeakRounding, leak: str, state: str, unit: str) -> str:
    """Write ``LeakRounding.apply``."""
    if not how.unit:
        return n.op("Mul", leak, state)

    def wide(x: str) -> str:
        return n.op("Cast", x, to=TensorProto.DOUBLE)

    leak, v, unit = wide(leak), wide(state), wide(unit)
    if how.part == "taken":
        leak = n.op("Sub", wide(n.op("Constant", value_float=1.0)), leak)
    steps = n.op("Div", n.op("Mul", leak, v), unit)
    if how.rounding == "toward-zero":
        steps = n.op("Mul", n.op("Sign", steps), n.op("Floor", n.op("Abs", steps)))
    else:
        steps = n.op("Floor" if how.rounding == "floor" else "Round", steps)
    rounded = n.op("Mul", steps, unit)
    left = rounded if how.part == "kept" else n.op("Sub", v, rounded)
    return n.op("Cast", left, to=TensorProto.FLOAT)


def _facts(op: Neuron) -> dict[str, int | str]:
    """Return what the name says, as attributes with defaults, for tools that look."""
    return {
        "fires": int(op.spike is not None),
        "strict": int(op.strict),
        "reset_kind": op.reset.kind,
        "reset_phase": op.reset.phase,
        "spike_phase": op.spike_phase,
    }


def _told(op: Neuron) -> str:
    drive = "gain * x" if op.current is None else "(current_gain * current + gain * x)"
    if op.current_rounding.unit:
        drive = "gain / current_input * current_next"
    told = [f"u = ({_told_left(op.leak_rounding, 'leak', 'membrane')} + {drive}) + bias."]
    if op.current is not None:
        left = _told_left(op.current_rounding, "current_leak", "current")
        told += [f"current_next = {left} + current_input * x."]
    if op.spike is not None:
        told += [_told_firing(op)]
        told += [f"Reset: {op.reset.kind}, phase {op.reset.phase}."]
    if op.spike_phase == "next":
        told += ["The spike returned is the one of the membrane before the step."]
    if op.floor is not None:
        told += ["The membrane stays at or above floor."]
    return " ".join(told)


def _told_left(how: LeakRounding, leak: str, state: str) -> str:
    if not how.unit:
        return f"{leak} * {state}"
    part = {"kept": f"{leak} * {state}", "taken": "what the leak takes"}[how.part]
    unit = "leak_unit" if leak == "leak" else "current_unit"
    return f"(left of the {state}: {part} rounded {SAID[how.rounding]}, to multiples of {unit})"


def _told_firing(op: Neuron) -> str:
    compare, levels = ">" if op.strict else ">=", op.levels
    if levels.is_spike:
        return f"Fires where u {compare} threshold."
    if levels.rounding == "half-even":
        rule = "the whole number nearest to u / threshold, of two the even one"
    elif levels.rounding == "half-up":
        rule = "the whole number nearest to u / threshold, of two the greater one"
    elif levels.rounding == "half-down":
        rule = "the whole number nearest to u / threshold, of two the lesser one"
    else:
        rule = f"k where u / threshold {compare} k, -k where -u / threshold {compare} k"
    return f"Gives {levels.low}..{levels.high} a step: {rule}."


# --- what lies between neurons -------------------------------------------------------------


def scale_function() -> FunctionProto:
    n = Nodes(reserved=frozenset(["x", "factor", "offset", "y"]))
    n.op("Add", n.op("Mul", "x", "factor"), "offset", result="y")
    return _function("Scale", ["x", "factor", "offset"], ["y"], n.nodes, "x * factor + offset")


def fake_quantize_function() -> FunctionProto:
    n = Nodes(reserved=frozenset(["x", "step", "zero", "y"]))
    low, high = (_whole(n, end) for end in ("low", "high"))
    code = n.op("Add", n.op("Round", n.op("Div", "x", "step")), "zero")
    code = n.op("Min", n.op("Max", code, low), high)
    n.op("Mul", n.op("Sub", code, "zero"), "step", result="y")
    told = "(clip(round(x / step) + zero, low, high) - zero) * step, ties rounded to even:"
    told += " QuantizeLinear followed by DequantizeLinear, on any grid."
    inputs, given = ["x", "step", "zero"], ("low", "high")
    return _function("FakeQuantize", inputs, ["y"], n.nodes, told, given=given)


def _whole(n: Nodes, attribute: str) -> str:
    """Return a whole number that the call gives as an attribute."""
    number = n.op("Constant")
    n.nodes[-1].attribute.append(_passed("value_int", attribute, AttributeProto.INT))
    return n.op("Cast", number, to=TensorProto.FLOAT)


MERGES: Mapping[str, str] = {"and": "And", "or": "Or", "xor": "Xor", "iand": "InvertedAnd"}
"""Names of ``net.merge`` by kind."""


def merge_function(kind: str) -> FunctionProto:
    n = Nodes(reserved=frozenset(["a", "b", "y"]))
    if kind == "and":
        n.op("Mul", "a", "b", result="y")
    elif kind == "or":
        n.op("Max", "a", "b", result="y")
    elif kind == "xor":
        n.op("Abs", n.op("Sub", "a", "b"), result="y")
    else:
        n.op("Mul", n.op("Sub", n.op("Constant", value_float=1.0), "a"), "b", result="y")
    meant = (Merge.__doc__ or "").splitlines()[0]
    return _function(MERGES[kind], ["a", "b"], ["y"], n.nodes, f"{meant} Here: {kind}.")


WINDOW = ("strides", "pads", "dilations")


def sum_pool_function() -> FunctionProto:
    """A convolution with ones, of shape ``ones = [channels, 1, height, width]``."""
    n = Nodes(reserved=frozenset(["x", "y"]))
    shape = n.op("Constant")
    n.nodes[-1].attribute.append(_passed("value_ints", "ones", AttributeProto.INTS))
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    ones = n.op("ConstantOfShape", shape, value=one)
    n.op("Conv", "x", ones, result="y")
    passed = [_passed(name, name, AttributeProto.INTS) for name in WINDOW]
    passed.append(_passed("group", "channels", AttributeProto.INT))
    n.nodes[-1].attribute.extend(passed)
    told = "Sum of each window of each channel; elements outside count as zero."
    return _function("SumPool", ["x"], ["y"], n.nodes, told, given=("ones", *WINDOW, "channels"))


def _passed(name: str, source: str, kind: int) -> AttributeProto:
    """Make an attribute of a node that takes its value from one of the function's."""
    return AttributeProto(name=name, ref_attr_name=source, type=kind)  # type: ignore[arg-type]


def _function(
    name: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    nodes: Sequence[NodeProto],
    told: str,
    facts: Mapping[str, int | str] | None = None,
    given: Sequence[str] = (),
) -> FunctionProto:
    return helper.make_function(
        DOMAIN,
        name,
        inputs,
        outputs,
        nodes,
        [helper.make_opsetid("", OPSET)],
        given,
        [helper.make_attribute(key, held) for key, held in (facts or {}).items()],
        doc_string=told,
    )


PLAIN: Mapping[str, Callable[[], FunctionProto]] = {
    "Scale": scale_function,
    "FakeQuantize": fake_quantize_function,
    "SumPool": sum_pool_function,
}


def function_named(name: str) -> FunctionProto:
    """Return a function of the domain by name.

    Raises:
        ValueError: There is none.
    """
    if name in PLAIN:
        return PLAIN[name]()
    for kind, merge in MERGES.items():
        if merge == name:
            return merge_function(kind)
    return neuron_function(named_neuron(name))


def attributes_of(node: NodeProto) -> dict[str, Any]:
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}
