"""Neurons that keep nothing: what a network of one time step rounds, without any state.

Integer training with a single time step leaves ``Round(Clip(x, 0, D))`` between layers. That is a
neuron whose membrane is its input, and all that it needs is a place on the hardware.
"""

from collections.abc import Iterator

import numpy as np

from mapper.diagnostics import refuse
from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Atom, Counts, Fires, Form, Input
from mapper.frontend.neurons.fit import Fitted, Gains, Pair, common_factor
from mapper.frontend.neurons.resets import Firing, UnfitError, levels_of
from mapper.frontend.neurons.states import Dynamics, live_comparisons
from mapper.frontend.onnx.trace import Trace
from mapper.ir.leaks import NOT_ROUNDED


def keeping_nothing(trace: Trace) -> Dynamics | None:
    """Return the neurons of a model without states; None where one of them would need some.

    Something compared with a threshold fires, and has a membrane that the file does not hand on. So
    has what is rounded of a number that was rounded before, without a layer between them: a later
    step of the same neuron.

    Raises:
        MappingError: ``unsupported-neuron`` for more levels than a neuron has.
    """
    live = live_comparisons(trace)
    counts = [event for event in live if isinstance(event, Counts)]
    if not counts or len(counts) < len(live):
        return None
    for count in counts:
        if any(isinstance(atom, Fires) for atom in forms.depends_on(count.level)):
            return None
    found: list[Fitted] = []
    for count, name in zip(counts, _names(counts, trace), strict=True):
        try:
            found.append(_neuron(count, name))
        except UnfitError as error:
            raise refuse(
                "unsupported-neuron",
                f"what is rounded at {count.tensor!r} is no neuron: {error}",
                loc=error.loc,
                help=error.help,
            ) from error
    return Dynamics(neurons=tuple(found), echoes=(), kept=())


def _names(counts: list[Counts], trace: Trace) -> Iterator[str]:
    """Yield a name for the membrane of each, which no tensor of the model has."""
    taken = set(trace.tensors)
    for count in counts:
        name = f"{count.tensor}.membrane"
        while name in taken:
            name += "'"
        taken.add(name)
        yield name


def _neuron(count: Counts, name: str) -> Fitted:
    """Return the neuron whose membrane is what is rounded, in units of its threshold."""
    zero, level = np.zeros(()), count.level
    factor = common_factor(level)
    if not np.all(factor > 0):
        factor = np.ones(())
    inside = forms.scale(level, 1.0 / factor)
    bias = inside.constant
    drive = forms.subtract(inside, forms.of_array(bias))
    firing = Firing(
        event=count, threshold=1.0 / factor, strict=False, phase="same", levels=levels_of(count)
    )
    read = Input(name=name, shape=count.shape, loc=count.loc)
    after = Atom(name=f"{name}.next", shape=count.shape, loc=count.loc)
    return Fitted(
        shape=level.shape,
        membrane=Pair(read=read, output="", form=Form(level.shape, {}), after=after),
        current=None,
        drive=drive,
        leak=zero,
        rounding=NOT_ROUNDED,
        rounds=frozenset(),
        cuts=False,
        gains=Gains(
            gain=np.ones(()), bias=bias, current_leak=zero, current_input=zero, current_gain=zero
        ),
        firing=firing,
        reset="none",
        amount=zero,
        reset_phase="same",
        spike_phase="same",
        floor=None,
        events=frozenset([count]),
        told={},
        echoes={},
        starts_below=False,
        loc=count.loc,
    )
