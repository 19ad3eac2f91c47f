"""Integer neurons on the native kernels."""

from dataclasses import dataclass

import numpy as np

from mapper.executor.native.bounds import WORD, NotNativeError, is_word
from mapper.executor.native.held import Held, layout, words
from mapper.ir.core import INT64, Array, Constants, IntType, Scalar, param
from mapper.ir.neurons import Decay, IntegerNeuron
from mapper.kernels import core

_LEAKS = {"none": 0, "shift": 1, "multiply": 2}
_RESETS = {"none": 0, "subtract": 1, "value": 2}
_PHASES = {"same": 0, "next": 1, "late": 2, "guarded": 3}


@dataclass(frozen=True, slots=True)
class NeuronTables:
    """A layer of neurons as the kernels take it."""

    op: IntegerNeuron
    fields: dict[str, int]
    arrays: dict[str, Array]
    wanted: frozenset[str]
    """Which of ``v_out`` and ``i_out`` leave."""

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
        arrays = dict(tables)
        if fast is not None:
            arrays["fast_tables"] = fast
        wanted = {"v_out": op.membrane_next, "i_out": op.current_next}
        return cls(
            op,
            _fields(op, per_position, fast is not None)
            | {"simple": int(fast is not None and _is_simple(op, fast))},
            arrays,
            frozenset(n for n, v in wanted.items() if v is not None and v.name in read_elsewhere),
        )

    def outputs(self, leading: tuple[int, ...]) -> dict[str, Array]:
        """Return arrays for the results of steps, samples, rows and columns ``leading``."""
        channels = layout(self.op.x.shape)[0]
        made = {name: np.empty((*leading, channels), np.int32) for name in self.wanted}
        if self.op.spike is not None:
            made["spikes"] = np.zeros((*leading, words(channels)), np.uint64)
        return made

    def initial(self, membrane: Array, current: Array | None) -> dict[str, Array]:
        """Return states ``[B, H, W, N]`` from ``[B, *shape]``."""
        given = {"v": membrane, "i": current}
        return {name: self._laid_out(array) for name, array in given.items() if array is not None}

    def _laid_out(self, state: Array) -> Array:
        channels, height, width = layout(self.op.x.shape)
        if not any(state.strides):  # one number for all neurons
            full = (len(state), height, width, channels)
            return np.full(full, state.flat[0], np.int32)
        turned = Held(self.op.x, dense=state[None]).as_channels_last()[0]
        return np.array(turned, dtype=np.int32, order="C")

    def run(self, y: Held, states: dict[str, Array], level: int) -> dict[str, Array]:
        """Run some time steps on a layer's sums; ``states`` advance in place."""
        sums = np.ascontiguousarray(y.as_channels_last(), dtype=np.int32)
        steps, batch, height, width, channels = sums.shape
        made = self.outputs(sums.shape[:4])
        sizes = {"T": steps, "B": batch, "P": height * width, "N": channels}
        core.run_neurons(level, self.fields | sizes, self.arrays | states | made | {"y": sums})
        return made

    def held(self, made: dict[str, Array]) -> dict[str, Held]:
        """Return the results by value name."""
        op = self.op
        found = {}
        if op.spike is not None:
            found[op.spike.name] = Held(op.spike, packed=made["spikes"][None])
        for name, value in (("v_out", op.membrane_next), ("i_out", op.current_next)):
            if value is not None and name in made:
                found[value.name] = Held(value, last=made[name])
        return found


def _tables(op: IntegerNeuron, constants: Constants) -> tuple[dict[str, Array], bool]:
    """Return every parameter for each channel, or for each neuron where one differs within."""
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
    if op.strict and op.spike is not None:
        values["threshold"] = values["threshold"] + 1
    channels = layout(op.x.shape)[0]
    per_position = len(op.x.shape) == 3 and any(
        max(array.shape[-2:], default=1) > 1 for array in values.values() if array.ndim
    )
    spread = {}
    for name, array in values.items():
        if per_position:
            full = np.broadcast_to(array, op.x.shape).transpose(1, 2, 0)
        elif len(op.x.shape) == 3:
            full = np.broadcast_to(array, (channels, 1, 1)).reshape(channels)
        else:
            full = np.broadcast_to(array, op.x.shape).reshape(channels)
        spread[name] = np.ascontiguousarray(full)
    return spread, per_position


def _fields(op: IntegerNeuron, per_position: bool, fast: bool) -> dict[str, int]:
    membrane, current = (
        op.membrane.type,
        op.membrane.type if op.current is None else op.current.type,
    )
    assert isinstance(membrane, IntType)
    assert isinstance(current, IntType)

    def leak(name: str, decay: Decay) -> dict[str, int]:
        return {f"{name}leak": _LEAKS[decay.kind], f"{name}shift": decay.shift}

    leaks = leak("", op.decay) | leak("current_", op.current_decay) | leak("input_", op.input_decay)
    leaks["leak_shift"] = leaks.pop("shift")
    return leaks | {
        "fired": int(op.spike is not None),
        "reset": _RESETS[op.reset.kind],
        "phase": _PHASES[op.reset.phase],
        "spike_next": int(op.spike_phase == "next"),
        "has_current": int(op.current is not None),
        "has_floor": int(op.floor is not None),
        "fraction": op.fraction_bits,
        "fast": int(fast),
        "vmin": membrane.min,
        "vmax": membrane.max,
        "imin": current.min,
        "imax": current.max,
        "per_position": int(per_position),
        "Nw": words(layout(op.x.shape)[0]),
    }


def _fast_tables(op: IntegerNeuron, tables: dict[str, Array]) -> Array | None:
    """Return the tables of the 32-bit neuron, ``int32 [5, N]``; None where it is not exact."""
    plain = op.current is None and op.decay.kind != "multiply" and op.spike_phase == "same"
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
