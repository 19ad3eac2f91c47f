"""Recognise spikes that are counted, and then limited to one a step.

Rockpool divides the membrane by its threshold, rounds down, and takes away what is more than
``max_spikes_per_dt``. Where that is one, the neuron fires once: where it reaches its threshold.
"""

import numpy as np

from mapper.frontend.time.tensors import Known, Part, Slot, Step, Tape


def simplified(tape: Tape, part: Part) -> Part:
    """Return the spike that a part is, where it is one that was counted first."""
    step = tape.maker.get(part) if isinstance(part, Slot) else None
    spike = fires_once(tape, step) if step is not None else None
    return part if spike is None or spike.shape != part.shape else spike


def fires_once(tape: Tape, step: Step) -> Part | None:
    """Return the spike that a subtraction computes as ``n - (n - 1) * (n > 1)``, or None.

    ``n`` is ``(v >= threshold) * floor(v / threshold)``: at least one where the neuron fires.
    """
    count, excess = step.inputs if step.proto.op_type == "Sub" else (None, None)
    product = _maker(tape, excess, "Mul")
    compared = _maker(tape, count, "Mul")
    if product is None or compared is None or not isinstance(count, Slot):
        return None
    over = _either(tape, product, "Sub")
    flag = _either(tape, product, "Cast")
    greater = None if flag is None else _maker(tape, flag.inputs[0], "Greater")
    if over is None or greater is None or over.inputs != greater.inputs:
        return None
    if over.inputs[0] is not count or not _is_one(over.inputs[1]):
        return None
    return _spike(tape, compared)


def _spike(tape: Tape, counted: Step) -> Part | None:
    rounded = _either(tape, counted, "Floor")
    cast = _either(tape, counted, "Cast")
    if rounded is None or cast is None:
        return None
    ratio = _maker(tape, rounded.inputs[0], "Div")
    reached = _maker(tape, cast.inputs[0], "GreaterOrEqual")
    turned = _maker(tape, cast.inputs[0], "LessOrEqual")
    compared = reached.inputs if reached else turned.inputs[::-1] if turned else None
    if ratio is None or ratio.inputs != compared:
        return None
    threshold = ratio.inputs[1]
    if not isinstance(threshold, Known) or not np.all(threshold.array > 0):
        return None
    return cast.outputs[0]


def _maker(tape: Tape, part: Part | None, op: str) -> Step | None:
    step = tape.maker.get(part) if isinstance(part, Slot) else None
    return step if step is not None and step.proto.op_type == op else None


def _either(tape: Tape, step: Step, op: str) -> Step | None:
    """Return the operand of a product that an operator computes."""
    found = (_maker(tape, part, op) for part in step.inputs)
    return next((maker for maker in found if maker is not None), None)


def _is_one(part: Part | None) -> bool:
    return isinstance(part, Known) and bool(part.array.size and np.all(part.array == 1))
