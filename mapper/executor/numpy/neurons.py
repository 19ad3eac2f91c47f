"""What the templates need to know about a layer of integer neurons."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mapper.executor.names import comment
from mapper.executor.numpy.readouts import table_text
from mapper.ir.core import Const, Constants, IntType, Scalar, param
from mapper.ir.leaks import Decay
from mapper.ir.neurons import IntegerNeuron


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuronCode:
    """One class of the generated program: integer neurons on the digital unit."""

    template: str = "neurons.py.j2"
    name: str
    remarks: tuple[str, ...]
    parameters: tuple[tuple[str, str], ...]
    """Attributes and the expressions they are set to."""
    arguments: tuple[str, ...]
    lines: tuple[str, ...]
    results: tuple[str, ...]
    needs: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Writer:
    """Collects statements, and the parameters that they refer to."""

    constants: Constants
    keys: Mapping[str, str]
    state: IntType
    lines: list[str] = field(default_factory=list)
    parameters: list[tuple[str, str]] = field(default_factory=list)

    def number(self, name: str, scalar: Scalar) -> str:
        """Return a parameter as an expression, a literal or an attribute called ``name``."""
        if isinstance(scalar, Const):
            self.parameters.append((name, table_text(scalar, self.keys)))
            return f"self.{name}"
        return repr(int(param(self.constants, scalar, self.state)))

    def leaked(self, name: str, decay: Decay, variable: str) -> str:
        if decay.kind == "none":
            return variable
        if decay.kind == "shift":
            return f"{variable} - {self.shifted(variable, decay)}"
        product = f"{variable} * {self.number(name, decay.multiplier)}"
        if decay.rounding != "floor":
            self.lines.append(f"product = {product}")
            product = "product"
        return self.shifted(product, decay)

    def shifted(self, x: str, decay: Decay) -> str:
        """Return ``mapper.ir.leaks.shifted`` of an expression, a name where it is used twice."""
        bits = decay.shift
        more = {
            "floor": "",
            "toward-zero": f" + ({x} < 0) * {(1 << bits) - 1}",
            "nearest": f" + {(1 << (bits - 1)) - 1} + ({x} >> {bits} & 1)",
        }
        return f"({x}{more[decay.rounding]} >> {bits})"

    def saturate(self, variable: str, type: IntType) -> None:
        self.lines.append(f"{variable} = np.clip({variable}, {type.min}, {type.max})")


def neuron_code(
    op: IntegerNeuron, name: str, constants: Constants, keys: Mapping[str, str]
) -> NeuronCode:
    """Describe a layer of neurons: the statements follow ``mapper/ir/neurons.py`` one by one."""
    assert isinstance(op.membrane.type, IntType)
    write = _Writer(constants, keys, op.membrane.type)
    _drive(op, write)
    threshold = write.number("threshold", op.threshold)
    amount = write.number("amount", op.reset.amount) if op.reset.kind != "none" else ""
    _integrate(op, write, threshold, amount)
    _fire(op, write, threshold, amount)

    spike = "late" if op.spike_phase == "next" else "spike"
    given = ((op.spike, f"{spike}.astype(np.int64)"), (op.membrane_next, "u"), (op.current, "i"))
    return NeuronCode(
        name=name,
        remarks=comment(op.loc or name, _summary(op, op.membrane.type)),
        parameters=tuple(write.parameters),
        arguments=("x", "v") if op.current is None else ("x", "v", "i"),
        lines=tuple(write.lines),
        results=tuple(text for value, text in given if value is not None),
    )


def _drive(op: IntegerNeuron, write: _Writer) -> None:
    drive = f"(x << {op.fraction_bits})" if op.fraction_bits else "x"
    if isinstance(op.bias, Const) or op.bias:
        drive = f"{drive} + {write.number('bias', op.bias)}"
    if op.current is None:
        write.lines.append(f"drive = {drive}")
        return
    assert isinstance(op.current.type, IntType)
    write.lines.append(f"i = {write.leaked('current_factor', op.current_decay, 'i')} + {drive}")
    write.saturate("i", op.current.type)
    write.lines.append(f"drive = {write.leaked('input_factor', op.input_decay, 'i')}")


def _fired(op: IntegerNeuron, membrane: str, threshold: str) -> str:
    """Return whether a membrane fires, or its level where a neuron has several."""
    compare = ">" if op.strict else ">="
    if op.levels.is_spike:
        return f"{membrane} {compare} {threshold}"
    return f"sum((({membrane}) {compare} t for t in {threshold}), start={op.levels.low})"


def _taken(op: IntegerNeuron, spike: str, amount: str) -> str:
    """Return what spikes subtract."""
    return f"np.where({spike}, {amount}, 0)" if op.levels.is_spike else f"{spike} * {amount}"


def _integrate(op: IntegerNeuron, write: _Writer, threshold: str, amount: str) -> None:
    if op.reset.phase != "same" or op.spike_phase == "next":
        write.lines.append(f"late = {_fired(op, 'v', threshold)}")
    if op.reset.kind == "value" and op.reset.phase == "next":
        write.lines.append(f"v = np.where(late, {amount}, v)")
    write.lines.append(f"u = {write.leaked('factor', op.decay, 'v')} + drive")
    if op.reset.kind == "subtract" and op.reset.phase == "next":
        write.lines.append(f"u = u - {_taken(op, 'late', amount)}")
    if op.reset.phase == "late":
        write.lines.append(f"u = np.where(late, {amount}, u)")
    write.saturate("u", write.state)


def _fire(op: IntegerNeuron, write: _Writer, threshold: str, amount: str) -> None:
    resets_now = op.reset.kind != "none" and op.reset.phase in ("same", "guarded")
    if op.spike is not None and (resets_now or op.spike_phase == "same"):
        firing = f"u - {_taken(op, 'late', amount)}" if op.reset.phase == "guarded" else "u"
        write.lines.append(f"spike = {_fired(op, firing, threshold)}")
    if op.reset.kind == "value" and op.reset.phase == "same":
        write.lines.append(f"u = np.where(spike, {amount}, u)")
    if op.reset.kind == "subtract" and resets_now:
        write.lines.append(f"u = u - {_taken(op, 'spike', amount)}")
    if op.floor is not None:
        write.lines.append(f"u = np.maximum(u, {write.number('floor', op.floor)})")
    if op.floor is not None or resets_now:
        write.saturate("u", write.state)


def _summary(op: IntegerNeuron, state: IntType) -> str:
    kind = "Neurons" if op.spike is not None else "Accumulators"
    fraction = f" with {op.fraction_bits} fraction bits" if op.fraction_bits else ""
    reset = "" if op.reset.kind == "none" else f", reset: {op.reset.kind}"
    when = f" ({op.reset.phase})" if reset and op.reset.phase != "same" else ""
    levels = "" if op.levels.is_spike else f", {op.levels.low}..{op.levels.high} a step"
    return f"{kind} of {state}{fraction}{levels}{reset}{when}."
