"""Repeat the bodies of ``Loop`` and ``Scan``: one turn a time step."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from onnx import GraphProto, NodeProto

from mapper.frontend.onnx.operators import operator_of
from mapper.frontend.time.parts import bundled, number, pieces, setting, whole
from mapper.frontend.time.tensors import (
    Bundle,
    Known,
    Listed,
    Part,
    Slot,
    Tape,
    Tensor,
    TimeFormError,
)

MAX_STEPS = 4096
"""Turns of one loop; recordings are shorter, hostile counts longer."""
Inputs = Sequence[Tensor | None]
_SAME = ("same", "cast")
Turn = Callable[[Iterable[Tensor]], list[Tensor]]
"""Runs the body once: what it reads in, what it gives out."""


def loop(tape: Tape, node: NodeProto, inputs: Inputs, turn: Turn) -> list[Tensor]:
    """Return the results of a ``Loop``, every turn laid out."""
    tape.forms.add("loop")
    return _Turns(tape, node, turn).loop(node, inputs)


def scan(tape: Tape, node: NodeProto, inputs: Inputs, turn: Turn) -> list[Tensor]:
    """Return the results of a ``Scan``, every turn laid out."""
    tape.forms.add("scan")
    return _Turns(tape, node, turn).scan(node, inputs)


class _Turns:
    def __init__(self, tape: Tape, node: NodeProto, turn: Turn) -> None:
        body = setting(node, "body")
        assert isinstance(body, GraphProto)
        self.tape, self.body, self.turn = tape, body, turn
        self.makers = {name: n for n in body.node for name in n.output}

    def loop(self, node: NodeProto, inputs: Inputs) -> list[Tensor]:
        limit = _whole_number(inputs[0], MAX_STEPS + 1)
        goes_on = _truth(inputs[1] if len(inputs) > 1 else None)
        count = len(inputs) - 2
        reads = [port.name for port in self.body.input[2:]]
        writes = [port.name for port in self.body.output[1 : 1 + count]]
        held = self._started(list(inputs[2:]), reads, writes)
        history, scanned = [held], []
        turn = 0
        while goes_on and turn < limit:
            if turn == MAX_STEPS:
                raise TimeFormError(f"a Loop runs for more than {MAX_STEPS} turns")
            given = [self.tape.known(np.asarray(turn, np.int64)), self.tape.known(np.asarray(True))]
            results = self.turn([*given, *held])
            goes_on = _truth(results[0])
            held = [
                b if w is None else w
                for b, w in zip(
                    held, self._moved(results[1 : 1 + count], held, reads, writes), strict=True
                )
            ]
            history.append(held)
            scanned.append(results[1 + count :])
            turn += 1
        self._remember(history)
        return [*held, *(self._stacked(column, 0, node) for column in zip(*scanned, strict=True))]

    def scan(self, node: NodeProto, inputs: Inputs) -> list[Tensor]:
        sources = number(node, "num_scan_inputs", 1)
        count = len(inputs) - sources
        reads = [port.name for port in self.body.input[:count]]
        writes = [port.name for port in self.body.output[:count]]
        held = self._started(list(inputs[:count]), reads, writes)
        tracks = [self._track(node, i, t) for i, t in enumerate(inputs[count:])]
        if len({len(track) for track in tracks}) != 1:
            raise TimeFormError("a Scan over tensors of different lengths")
        history, scanned = [held], []
        for row in zip(*tracks, strict=True):
            results = self.turn([*held, *row])
            held = results[:count]
            history.append(held)
            scanned.append(results[count:])
        self._remember(history)
        columns = list(zip(*scanned, strict=True))
        return [*held, *(self._scan_output(node, k, c) for k, c in enumerate(columns))]

    def _track(self, node: NodeProto, index: int, tensor: Tensor | None) -> list[Part]:
        """Return what a scan input gives turn by turn."""
        assert tensor is not None
        assert not isinstance(tensor, Listed)
        axis = _listed(node, "scan_input_axes", index) % len(tensor.shape)
        if tensor.shape[axis] > MAX_STEPS:  # before each turn gets a part of its own
            raise TimeFormError(f"a Scan runs for more than {MAX_STEPS} turns")
        parts = pieces(self.tape, tensor, axis, node)
        if _listed(node, "scan_input_directions", index):
            raise TimeFormError("a Scan that runs backwards in time")
        shape = [n for k, n in enumerate(tensor.shape) if k != axis]
        return [self.tape.reshaped(part, shape, node) for part in parts]

    def _scan_output(self, node: NodeProto, index: int, column: Sequence[Tensor]) -> Tensor:
        if _listed(node, "scan_output_directions", index):
            raise TimeFormError("a Scan that writes backwards in time")
        return self._stacked(column, _listed(node, "scan_output_axes", index), node)

    def _stacked(self, column: Sequence[Tensor], axis: int, node: NodeProto) -> Tensor:
        parts = []
        for tensor in column:
            assert not isinstance(tensor, Listed)
            part = whole(self.tape, tensor, node)
            place = axis % (len(part.shape) + 1)
            shape = (*part.shape[:place], 1, *part.shape[place:])
            parts.append(self.tape.reshaped(part, shape, node))
        return bundled(place, parts)

    # --- what is handed from turn to turn --------------------------------------------------

    def _started(self, initial: Inputs, reads: list[str], writes: list[str]) -> list[Tensor]:
        """Return what the first turn finds; numbers that change become the start of a state."""
        found: list[Tensor] = []
        for tensor, read, written in zip(initial, reads, writes, strict=True):
            assert tensor is not None
            changes = self._source(written) != read
            if changes and isinstance(tensor, Known) and self._is_state(tensor, written):
                slot = self.tape.slot(tensor.shape)
                self.tape.starts[slot] = tensor.array
                tensor = slot
            found.append(self._taken_apart(tensor, written))
        return found

    def _taken_apart(self, tensor: Tensor, written: str) -> Tensor:
        """Return an input that becomes a stack of tensors as one, as later turns find it."""
        maker = self.makers.get(self._source(written))
        if maker is None or maker.op_type != "Concat" or tensor not in self.tape.given:
            return tensor
        assert isinstance(tensor, Slot)
        axis = number(maker, "axis", 0) % len(tensor.shape)
        if len(maker.input) != tensor.shape[axis]:
            return tensor
        return bundled(axis, pieces(self.tape, tensor, axis, maker))

    def _is_state(self, tensor: Known, written: str) -> bool:
        """Say whether a float is a state, and no memory that steps are written into."""
        if tensor.array.dtype != np.float32 or not tensor.array.size:
            return False
        maker = self.makers.get(self._source(written))
        if maker is None:
            return True
        operator = operator_of(maker)
        return operator.kind not in ("write", "sequence") and operator.time.through != "concat"

    def _source(self, name: str) -> str:
        """Return the tensor that a name stands for, followed through nodes that hand it on."""
        while name in self.makers and operator_of(self.makers[name]).time.through in _SAME:
            name = self.makers[name].input[0]
        return name

    def _moved(
        self, results: Sequence[Tensor], held: Sequence[Tensor], reads: list[str], writes: list[str]
    ) -> list[Tensor | None]:
        """Keep what a turn returns as it was, time axis and all."""
        same = [self._source(w) == r for r, w in zip(reads, writes, strict=True)]
        return [None if s else r for s, r in zip(same, results, strict=True)]

    def _remember(self, history: Sequence[Sequence[Tensor]]) -> None:
        for column in zip(*history, strict=True):
            slots = all(isinstance(tensor, Slot) for tensor in column)
            if (slots and len(set(column)) > 1) or _are_stacks(column[1:]):
                self.tape.carried.append(list(column))


def _are_stacks(column: Sequence[Tensor]) -> bool:
    """Say whether every turn hands on a stack of as many tensors of its own.

    What steps are written into, or waits in, is in those of several turns.
    """
    stacks = [tensor.parts for tensor in column if isinstance(tensor, Bundle)]
    if not stacks or len(stacks) != len(column) or len({len(parts) for parts in stacks}) > 1:
        return False
    every = [part for parts in stacks for part in parts]
    return all(isinstance(part, Slot) for part in every) and len(set(every)) == len(every)


def _listed(node: NodeProto, name: str, index: int) -> int:
    values = setting(node, name)
    return int(values[index]) if isinstance(values, Sequence) and index < len(values) else 0


def _whole_number(tensor: Tensor | None, otherwise: int) -> int:
    if tensor is None:
        return otherwise
    if not isinstance(tensor, Known):
        raise TimeFormError("Loop: how often it turns depends on the data")
    return int(tensor.array.reshape(-1)[0])


def _truth(tensor: Tensor | None) -> bool:
    if tensor is None:
        return True
    if not isinstance(tensor, Known):
        raise TimeFormError("Loop: how long it runs depends on the data")
    return bool(tensor.array.reshape(-1)[0])
