"""Neurons that keep nothing: what a network of one time step rounds, without any state.

Integer training with a single time step leaves ``Round(Clip(x, 0, D))`` between layers. That is a
neuron whose membrane is its input, and all that it needs is a place on the hardware. Others of the
network may keep a state.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from mapper.diagnostics import refuse
from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Atom, Counts, Fires, Form, Input
from mapper.frontend.neurons.fit import Fitted, Gains, Pair, common_factor
from mapper.frontend.neurons.levels import parts_of, widest
from mapper.frontend.neurons.resets import Firing, UnfitError, levels_of
from mapper.frontend.neurons.rows import Row, threshold_event
from mapper.frontend.onnx.trace import Trace
from mapper.ir.core import Array
from mapper.ir.leaks import NOT_ROUNDED


def keeping_nothing(events: Sequence[Fires], trace: Trace) -> list[Fitted] | None:
    """Return the neurons of comparisons that no state is in; None where one would need some.

    Something compared with a threshold fires, and has a membrane that the file does not hand on. So
    has what is rounded of a number that was rounded before, without a layer between them: a later
    step of the same neuron.

    Raises:
        MappingError: ``unsupported-neuron`` for more levels than a neuron has.
    """
    rows = _rows(events)
    if rows is None:
        return None
    for count in rows:
        if any(isinstance(atom, Fires) for atom in forms.depends_on(count.level)):
            return None
    found: list[Fitted] = []
    for count, name in zip(rows, _names(list(rows), trace), strict=True):
        try:
            found.append(_neuron(count, name, rows[count]))
        except UnfitError as error:
            raise refuse(
                "unsupported-neuron",
                f"what is rounded at {count.tensor!r} is no neuron: {error}",
                loc=error.loc,
                help=error.help,
            ) from error
    return found


def _rows(live: Sequence[Fires]) -> dict[Counts, Row] | None:
    """Return what is rounded, with what other comparisons of the same number tell of it.

    None where nothing is rounded, or something is compared that nothing rounds.
    """
    alike: dict[object, list[Fires]] = {}
    for event in live:
        moving = forms.subtract(event.level, forms.of_array(event.level.constant))
        alike.setdefault(forms.key_of(moving), []).append(event)
    rows: dict[Counts, Row] = {}
    for events in alike.values():
        count = widest([event for event in events if isinstance(event, Counts)])
        if count is None:
            return None
        base = count.level.constant
        starts = {e: (np.asarray(base - e.level.constant), e.strict) for e in events}
        try:
            parts = parts_of(count, starts)
        except UnfitError:
            parts = {}  # its neuron has no such levels, which is refused in its place
        if parts is None:
            return None
        rows[count] = parts
    return rows or None


def _names(counts: list[Counts], trace: Trace) -> Iterator[str]:
    """Yield a name for the membrane of each, which no tensor of the model has."""
    taken = set(trace.tensors)
    for count in counts:
        name = f"{count.tensor}.membrane"
        while name in taken:
            name += "'"
        taken.add(name)
        yield name


def _neuron(count: Counts, name: str, row: Row) -> Fitted:
    """Return the neuron whose membrane is what is rounded, in units of its threshold."""
    level = count.level
    factor = common_factor(level)
    if not np.all(factor > 0):
        factor = np.ones(())
    inside = forms.scale(level, 1.0 / factor)
    bias = inside.constant
    firing = Firing(
        event=count,
        threshold=1.0 / factor,
        strict=count.strict,
        phase="same",
        levels=levels_of(count),
    )
    return _keeping_nothing(name, forms.subtract(inside, forms.of_array(bias)), bias, firing, row)


def alone(neuron: Fitted, level: int) -> Fitted:
    """Return the neuron that reads one threshold of another alone, and keeps nothing.

    It fires where the level is reached, above 0; from 0 down, where it is not.
    """
    assert neuron.firing is not None  # it has levels
    event = threshold_event(neuron.firing.event, neuron.row, level)
    given = forms.of_atom(neuron.firing.event, neuron.shape)
    drive = given if level > 0 else forms.negate(given)
    half = np.asarray(level - 0.5 if level > 0 else 0.5 - level)  # between two levels
    firing = Firing(event=event, threshold=half, strict=False, phase="same")
    return _keeping_nothing(f"{event.tensor}.membrane", drive, np.zeros(()), firing, {})


def _keeping_nothing(name: str, drive: Form, bias: Array, firing: Firing, row: Row) -> Fitted:
    event, zero = firing.event, np.zeros(())
    read = Input(name=name, shape=event.shape, loc=event.loc)
    after = Atom(name=f"{name}.next", shape=event.shape, loc=event.loc)
    return Fitted(
        shape=drive.shape,
        membrane=Pair(read=read, output="", form=Form(drive.shape, {}), after=after),
        current=None,
        drive=drive,
        leak=zero,
        rounding=NOT_ROUNDED,
        current_rounding=NOT_ROUNDED,
        rounds=frozenset(),
        cut=(),
        gains=Gains(
            gain=np.ones(()), bias=bias, current_leak=zero, current_input=zero, current_gain=zero
        ),
        firing=firing,
        reset="none",
        amount=zero,
        reset_phase="same",
        spike_phase="same",
        floor=None,
        events=frozenset([event, *row]),
        row=row,
        echoes={},
        starts_below=False,
        loc=event.loc,
    )
