"""Integer neurons on the native kernels."""

from dataclasses import dataclass

import numpy as np

from mapper.executor.native.bounds import WORD, NotNativeError, is_word
from mapper.executor.native.held import Held, layout, words
from mapper.ir.core import INT64, Array, Constants, IntType, Scalar, Value, param
from mapper.ir.neurons import IntegerNeuron
from mapper.kernels import core
from mapper.kernels.arrays import Arrays, Numbers, Reset
from mapper.kernels.structs import (
    Leak,
    NeuronResults,
    Neurons,
    NeuronStates,
    Phase,
    Rounding,
    Sums,
    as_read,
)

_LEAKS: dict[str, Leak] = {"none": "NO_LEAK", "shift": "SHIFT_LEAK", "multiply": "FACTOR_LEAK"}
_ROUNDINGS: dict[str, Rounding] = {
    "floor": "FLOOR",
    "toward-zero": "TOWARD_ZERO",
    "nearest": "NEAREST",
}
_RESETS: dict[str, Reset] = {"none": "NO_RESET", "subtract": "SUBTRACT", "value": "TO_VALUE"}
_PHASES: dict[str, Phase] = {"same": "SAME", "next": "NEXT", "late": "LATE", "guarded": "GUARDED"}


@dataclass(frozen=True, slots=True)
class NeuronTables:
    """A layer of neurons as the kernels take it."""

    op: IntegerNeuron
    numbers: Numbers
    """Of ``Neurons``, as the kernels read them; ``arrays`` too."""
    arrays: Arrays
    gives_membranes: bool
    gives_currents: bool

    @classmethod
    def make(
        cls, op: IntegerNeuron, constants: Constants, read_elsewhere: set[str]
    ) -> "NeuronTables":
        """Lay out a layer's parameters.

        Args:
            op: The neurons.
            constants: The graph's.
            read_elsewhere: Values that more than the next step of these neurons needs.

        Raises:
            NotNativeError: where a state does not fit 32 bits.
        """
        for state in (op.membrane, op.current):
            if state is not None and not (isinstance(state.type, IntType) and is_word(state.type)):
                raise NotNativeError(f"a state of {state.type}, at most 32 bits")
        assert isinstance(op.x.type, IntType)
        if not is_word(op.x.type):
            raise NotNativeError(f"inputs of {op.x.type}, at most 32 bits")
        tables, per_position = _tables(op, constants)
        fast = None if per_position else _fast_tables(op, tables)
        neurons = _neurons(op, tables, fast, per_position=per_position)

        def leaves(value: Value | None) -> bool:
            return value is not None and value.name in read_elsewhere

        return cls(op, *as_read(neurons), leaves(op.membrane_next), leaves(op.current_next))

    def outputs(self, leading: tuple[int, ...]) -> NeuronResults:
        """Return arrays for the results of steps, samples, rows and columns ``leading``."""
        channels = layout(self.op.x.shape)[0]
        shape, fires = (*leading, channels), self.op.spike is not None
        packed = fires and self.op.levels.is_spike
        return NeuronResults(
            spikes=np.zeros((*leading, words(channels)), np.uint64) if packed else None,
            levels_out=np.empty(shape, np.int32) if fires and not packed else None,
            v_out=np.empty(shape, np.int32) if self.gives_membranes else None,
            i_out=np.empty(shape, np.int32) if self.gives_currents else None,
        )

    def initial(self, membrane: Array, current: Array | None) -> NeuronStates:
        """Return states ``[B, H, W, N]`` from ``[B, *shape]``."""
        return NeuronStates(
            v=self._laid_out(membrane), i=None if current is None else self._laid_out(current)
        )

    def _laid_out(self, state: Array) -> Array:
        channels, height, width = layout(self.op.x.shape)
        if not any(state.strides):  # one number for all neurons
            full = (len(state), height, width, channels)
            return np.full(full, state.flat[0], np.int32)
        turned = Held(self.op.x, dense=state[None]).as_channels_last()[0]
        return np.array(turned, dtype=np.int32, order="C")

    def as_read(
        self, states: NeuronStates, made: NeuronResults, *more: Sums
    ) -> tuple[Numbers, Arrays]:
        """Return what a call gives the kernels."""
        numbers, arrays = as_read(states, made, *more)
        return self.numbers | numbers, self.arrays | arrays

    def run(self, y: Held, states: NeuronStates, level: int) -> NeuronResults:
        """Run some time steps on a layer's sums; ``states`` advance in place."""
        sums = np.ascontiguousarray(y.as_channels_last(), dtype=np.int32)
        steps, batch, height, width, channels = sums.shape
        made = self.outputs(sums.shape[:4])
        given = Sums(T=steps, B=batch, P=height * width, N=channels, y=sums)
        core.run_neurons(level, *self.as_read(states, made, given))
        return made

    def held(self, made: NeuronResults) -> dict[str, Held]:
        """Return the results by value name."""
        op = self.op
        found = {}
        if op.spike is not None and made.spikes is not None:
            found[op.spike.name] = Held(op.spike, packed=made.spikes[None])
        more = (op.membrane_next, made.v_out), (op.current_next, made.i_out)
        for value, array in ((op.spike, made.levels_out), *more):
            if value is not None and array is not None:
                found[value.name] = Held(value, last=array)
        return found


def _tables(op: IntegerNeuron, constants: Constants) -> tuple[dict[str, Array], bool]:
    """Return every parameter for each channel, or for each neuron where one differs within.

    Thresholds of several levels follow one another.
    """
    wide = np.iinfo(np.int64)
    scalars: dict[str, Scalar] = {
        "bias": op.bias,
        "threshold": op.threshold if op.spike is not None else wide.max,
        "amount": op.reset.amount,
        "floor": op.floor if op.floor is not None else wide.min,
        "factor": op.decay.multiplier,
        "current_factor": op.current_decay.multiplier,
        "input_factor": op.input_decay.multiplier,
    }
    values = {name: param(constants, scalar, INT64) for name, scalar in scalars.items()}
    thresholds = values.pop("threshold") + int(op.strict and op.spike is not None)
    levels = [thresholds] if op.levels.is_spike else list(thresholds)
    per_position = len(op.x.shape) == 3 and any(
        max(array.shape[-2:], default=1) > 1 for array in (*values.values(), *levels) if array.ndim
    )

    def spread(array: Array) -> Array:
        channels = layout(op.x.shape)[0]
        if per_position:
            return np.broadcast_to(array, op.x.shape).transpose(1, 2, 0)
        full = (channels, 1, 1) if len(op.x.shape) == 3 else op.x.shape
        return np.broadcast_to(array, full).reshape(channels)

    tables = {name: np.ascontiguousarray(spread(array)) for name, array in values.items()}
    thresholds = np.concatenate([spread(array) for array in levels])
    tables["threshold"] = np.ascontiguousarray(thresholds)
    return tables, per_position


def _neurons(
    op: IntegerNeuron, tables: dict[str, Array], fast: Array | None, *, per_position: bool
) -> Neurons:
    membrane = op.membrane.type
    current = membrane if op.current is None else op.current.type
    assert isinstance(membrane, IntType)
    assert isinstance(current, IntType)
    return Neurons(
        fired=op.spike is not None,
        reset=_RESETS[op.reset.kind],
        phase=_PHASES[op.reset.phase],
        spike_next=op.spike_phase == "next",
        has_current=op.current is not None,
        has_floor=op.floor is not None,
        fraction=op.fraction_bits,
        fast=fast is not None,
        simple=fast is not None and _is_simple(op, fast),
        leak=_LEAKS[op.decay.kind],
        leak_shift=op.decay.shift,
        leak_rounding=_ROUNDINGS[op.decay.rounding],
        current_leak=_LEAKS[op.current_decay.kind],
        current_shift=op.current_decay.shift,
        current_rounding=_ROUNDINGS[op.current_decay.rounding],
        input_leak=_LEAKS[op.input_decay.kind],
        input_shift=op.input_decay.shift,
        input_rounding=_ROUNDINGS[op.input_decay.rounding],
        vmin=membrane.min,
        vmax=membrane.max,
        imin=current.min,
        imax=current.max,
        per_position=per_position,
        Nw=words(layout(op.x.shape)[0]),
        levels=op.levels.thresholds,
        least_level=op.levels.low,
        bias=tables["bias"],
        threshold=tables["threshold"],
        amount=tables["amount"],
        floor=tables["floor"],
        factor=tables["factor"],
        current_factor=tables["current_factor"],
        input_factor=tables["input_factor"],
        fast_tables=fast,
    )


def _fast_tables(op: IntegerNeuron, tables: dict[str, Array]) -> Array | None:
    """Return the tables of the 32-bit neuron, ``int32 [5, N]``; None where it is not exact."""
    shifts = op.decay.kind == "none" or (op.decay.kind, op.decay.rounding) == ("shift", "floor")
    plain = op.current is None and shifts and op.spike_phase == "same"
    plain = plain and op.levels.is_spike
    if not plain or (op.reset.kind != "none" and op.reset.phase != "same"):
        return None
    assert isinstance(op.membrane.type, IntType)
    assert isinstance(op.x.type, IntType)
    zero = np.zeros_like(tables["bias"])
    subtract = tables["amount"] if op.reset.kind == "subtract" else zero
    value = tables["amount"] if op.reset.kind == "value" else zero
    low, high = op.membrane.type.min, op.membrane.type.max
    floor = tables["floor"] if op.floor is not None else zero + low
    threshold = tables["threshold"] if op.spike is not None else zero + WORD - 1
    reach = max(-op.x.type.min, op.x.type.max) << op.fraction_bits
    greatest = [int(np.abs(table).max()) for table in (tables["bias"], subtract, value, floor)]
    # Every intermediate sum: leaked membrane, drive and bias; then the membrane less the amount.
    if max(reach + greatest[0] - low, greatest[1] - low, *greatest) >= WORD or high >= WORD - 1:
        return None
    if op.fraction_bits > 30 or max(int(np.abs(threshold).max()), 0) >= WORD:
        return None
    return np.stack([tables["bias"], threshold, subtract, value, floor]).astype(np.int32)


def _is_simple(op: IntegerNeuron, fast: Array) -> bool:
    """Say whether a reset can neither set the membrane nor leave its type: no floor, no clip."""
    assert isinstance(op.membrane.type, IntType)
    _, threshold, subtract, _, floor = fast.astype(np.int64)
    stays = (threshold - subtract >= op.membrane.type.min).all() and (subtract >= 0).all()
    return bool(stays and op.reset.kind != "value" and (floor <= op.membrane.type.min).all())
