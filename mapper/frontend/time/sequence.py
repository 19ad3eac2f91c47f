"""Try where time may be in a model, and return the step networks that explain it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from onnx import ModelProto, NodeProto, ValueInfoProto

from mapper.diagnostics import MappingError, forget_frames, refuse
from mapper.frontend.onnx.load import nodes_of
from mapper.frontend.onnx.operators import operator_of
from mapper.frontend.onnx.ports import fixed_shape
from mapper.frontend.onnx.refusals import many_steps
from mapper.frontend.time.flatten import Clock, Laid, lay_out
from mapper.frontend.time.kernels import check_ends
from mapper.frontend.time.readouts import ONE_STEP_HELP
from mapper.frontend.time.reroll import FOUR_STEPS, LAST_OF_THREE, rolled
from mapper.frontend.time.shown import shown
from mapper.frontend.time.start import started
from mapper.frontend.time.step import Readout, StepModel, one_step
from mapper.frontend.time.tail import SequenceTail, has_tail, tails
from mapper.frontend.time.tensors import NoStartError, NotShownError, Shape, TimeFormError

OPEN_LENGTH = 7
"""Time steps that a model is laid out for where it leaves their number open.

A sum that is divided by it is a mean; by chance no model divides by seven.
"""
_BESIDE_DELAYS = 4
"""Time steps that are laid out beside those that the longest delay takes."""
_HELP = "export one time step with its state as inputs and outputs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A model of many time steps, as one step and a clock."""

    step: StepModel
    form: str
    clock: Clock
    shapes: Mapping[str, Shape]
    """Of the model's inputs."""
    open: bool
    """The model leaves the number of time steps open."""
    tail: SequenceTail | None = None
    """What its outputs are of the step's outputs in all steps, where that is not in ``step``."""


def sequences(model: ModelProto, path: Path) -> Iterator[Sequence]:
    """Yield readings of a model of many time steps, the most natural first.

    Raises:
        MappingError: ``unsupported-time-form``, with what prevents the likeliest form from fitting,
            also after other readings where only its first step did; and what
            ``ports.fixed_shape`` raises.
    """
    first: TimeFormError | None = None
    found, sure, steps = False, False, steps_apart(model)
    ends: list[tuple[Clock, dict[str, Shape]]] = []  # those with an end to cut off
    for clock, shapes in _clocks(model, path):
        try:
            laid = _laid(model, path, clock, shapes)
            if is_open(model, clock) and laid.tape.deepest > clock.length - _BESIDE_DELAYS:
                clock, shapes = _of_length(OPEN_LENGTH + laid.tape.deepest, clock, shapes)
                laid = _laid(model, path, clock, shapes)
            check_ends(laid.tape, laid.outputs.values())
            if has_tail(laid):
                ends.append((clock, shapes))
            for reading in _readings(model, laid, clock, shapes):
                found = True
                yield reading
        except TimeFormError as error:
            known_image = not clock.axes and not isinstance(error, NotShownError)
            if not sure and 0 < clock.length == steps:
                first, sure = error, True
            elif not sure:
                first = error if known_image else first or error
            forget_frames(error)
    for clock, shapes in ends:
        with suppress(TimeFormError):
            # Anew: readings write into what is laid out, and ends are told by what uses them.
            yield from _without_tails(model, _laid(model, path, clock, shapes), shapes)
    if not found or isinstance(first, NoStartError):
        raise _refusal(first, path)


def has_fixed_batch(reading: Sequence) -> bool:
    """Say whether what is left of each input without time is a batch of several samples."""
    clock = reading.clock
    for name in (*clock.axes, *clock.shown):
        axis, shape = clock.axes.get(name), reading.shapes[name]
        one = [n for k, n in enumerate(shape) if k != axis]
        if len(one) not in (2, 4) or one[0] == 1:
            return False
    return True


def tells_too_little(reading: Sequence) -> bool:
    """Say whether neurons that do not fit may be a wrong guess at how a step goes on."""
    readouts = reading.step.readouts.values()
    return all(one.alone(reading.clock.length) == 2 for one in readouts)


def too_few_steps(path: Path) -> MappingError:
    return _refusal(TimeFormError(LAST_OF_THREE, help=FOUR_STEPS), path)


def _refusal(error: TimeFormError | None, path: Path) -> MappingError:
    if error is None:
        return many_steps("no axis that could be time", path.name)
    return refuse(
        "unsupported-time-form",
        f"the model has many time steps, which are not one network: {error.reason}",
        loc=error.loc if ":" in error.loc else f"{path.name}:{error.loc}".rstrip(":"),
        help=error.help or _HELP,
    )


def _readings(
    model: ModelProto, laid: Laid, clock: Clock, shapes: Mapping[str, Shape]
) -> Iterator[Sequence]:
    clock = laid.clock
    outputs = [port.name for port in model.graph.output]
    first: TimeFormError | None = None
    found = False
    for one in rolled(laid):
        try:
            step = started(one, clock, one_step(one, clock, outputs))
        except TimeFormError as error:
            first = first or error
            forget_frames(error)
            continue
        found = True
        if is_open(model, clock):
            _refuse_one_of_any(step)
            step = replace(step, readouts=_of_any_length(step.readouts, clock))
        form = _form(model, laid)
        yield Sequence(step=step, form=form, clock=clock, shapes=shapes, open=is_open(model, clock))
    if first is not None and (not found or isinstance(first, NoStartError)):
        raise first


def _laid(model: ModelProto, path: Path, clock: Clock, shapes: Mapping[str, Shape]) -> Laid:
    laid = lay_out(model, path, shapes, clock)
    return laid if clock.axes else shown(laid)


def _without_tails(
    model: ModelProto, laid: Laid, shapes: Mapping[str, Shape]
) -> Iterator[Sequence]:
    """Yield readings whose outputs are the host's function of the whole sequence."""
    for front, tail in _tails(model, laid, shapes):
        with suppress(TimeFormError):
            for one in rolled(front):
                step = started(one, front.clock, one_step(one, front.clock, list(front.outputs)))
                yield Sequence(
                    step=step,
                    form=_form(model, front),
                    clock=front.clock,
                    shapes=shapes,
                    open=is_open(model, front.clock),
                    tail=tail,
                )


def _tails(
    model: ModelProto, laid: Laid, shapes: Mapping[str, Shape]
) -> Iterator[tuple[Laid, SequenceTail]]:
    found, clock = tails(laid), laid.clock
    if not is_open(model, clock):
        yield from found
        return
    # Numbers in it may be made of how many steps there are: another number of them tells.
    others = tails(_laid(model, laid.tape.path, *_of_length(clock.length + 1, clock, shapes)))
    for (front, tail), (_, other) in zip(found, others, strict=False):
        yield front, replace(tail, longer=other)


def _of_length(
    length: int, clock: Clock, shapes: Mapping[str, Shape]
) -> tuple[Clock, dict[str, Shape]]:
    """Return a clock and the sizes of inputs for another number of time steps."""
    longer = {
        name: tuple(length if k == clock.axes.get(name) else n for k, n in enumerate(shape))
        for name, shape in shapes.items()
    }
    return replace(clock, length=length), longer


def _refuse_one_of_any(step: StepModel) -> None:
    """Refuse a step before the last of a model that leaves the number of time steps open."""
    for name, readout in step.readouts.items():
        if readout.reduction == "one":
            raise TimeFormError(
                f"output {name!r} is of one time step before the last, and the number of time "
                "steps is open: where that step is is not known",
                name,
                ONE_STEP_HELP,
            )


def _form(model: ModelProto, laid: Laid) -> str:
    """Name the form of a model: its loops, or written out, or with a time axis throughout."""
    if laid.tape.forms:
        return "-".join(sorted(laid.tape.forms))
    inputs = set(laid.clock.axes)
    if not inputs:
        return "unrolled"
    picked = any(_picks(n) and inputs.intersection(n.input) for n in model.graph.node)
    return "unrolled" if picked else "sequence"


def _picks(node: NodeProto) -> bool:
    """Say whether exporters take time steps out of an input with a node."""
    return _repeats(node) or operator_of(node).time.picks_steps


def _repeats(node: NodeProto) -> bool:
    """Say whether a node runs once a time step, or gives or takes a list of time steps."""
    return operator_of(node).kind in ("loop", "sequence")


def _of_any_length(readouts: Mapping[str, Readout], clock: Clock) -> dict[str, Readout]:
    """Read a sum that is divided by the number of time steps as a mean."""
    return {
        name: replace(readout, reduction="mean", scale=readout.scale * clock.length)
        if readout.reduction == "sum" and abs(readout.scale * clock.length - 1) < 1e-6
        else readout
        for name, readout in readouts.items()
    }


def is_open(model: ModelProto, clock: Clock) -> bool:
    """Say whether a model leaves the number of its time steps open."""
    if not clock.axes:
        return False
    (name, axis) = next(iter(clock.axes.items()))
    port = next(port for port in model.graph.input if port.name == name)
    return not port.type.tensor_type.shape.dim[axis].dim_value


def is_likely(model: ModelProto) -> bool:
    """Say whether a model looks like many time steps rather than one."""
    ports = _data_inputs(model)
    returned = [] if len(ports) == 1 else [port.type for port in model.graph.output]
    inputs = {port.name for port in ports if port.type not in returned}  # others may be states
    for node in nodes_of(model):
        if _repeats(node) or (_picks(node) and inputs.intersection(node.input[:1])):
            return True
    return False


def steps_apart(model: ModelProto) -> int:
    """Return how many time steps an input has whose nodes take a tensor apart step by step; else 0.

    A layer over time may come before that, and make more steps than the input has.
    """
    taken = Counter[str]()
    for node in model.graph.node:
        if node.input and operator_of(node).time.picks_steps:
            taken[node.input[0]] += len(node.output)
    most = max(taken.values(), default=0)
    dims = [dim for port in _data_inputs(model) for dim in port.type.tensor_type.shape.dim]
    sizes = [dim.dim_value for dim in dims if _LEAST_STEPS <= dim.dim_value <= most]
    return max(sizes, default=0)


_LEAST_STEPS = 4
"""Three may be the queries, keys and values of attention."""


def _data_inputs(model: ModelProto) -> list[ValueInfoProto]:
    known = {tensor.name for tensor in model.graph.initializer}
    return [port for port in model.graph.input if port.name not in known]


def _clocks(model: ModelProto, path: Path) -> Iterator[tuple[Clock, dict[str, Shape]]]:
    """Yield where time may be: an axis of the first input, then of all inputs that share it.

    Last comes a clock without an axis: an image that every step reads.
    """
    ports = _data_inputs(model)
    for axis in range(len(ports[0].type.tensor_type.shape.dim)) if ports else ():
        dim = ports[0].type.tensor_type.shape.dim[axis]
        length = int(dim.dim_value) or OPEN_LENGTH
        if length < 2:
            continue
        sharing = [
            port.name
            for port in ports
            if len(port.type.tensor_type.shape.dim) > axis
            and port.type.tensor_type.shape.dim[axis] == dim
        ]
        for names in ([sharing[0]], sharing) if len(sharing) > 1 else (sharing,):
            axes = dict.fromkeys(names, axis)
            yield Clock(axes=axes, length=length), _shapes(ports, path, axes)
    if ports:
        yield Clock(axes={}, length=0), _shapes(ports, path, {})


def _shapes(ports: list[ValueInfoProto], path: Path, axes: Mapping[str, int]) -> dict[str, Shape]:
    """Return the sizes of inputs; open ones are time steps, or one sample."""
    shapes = {}
    for port in ports:
        closed = ValueInfoProto()
        closed.CopyFrom(port)
        for axis, dim in enumerate(closed.type.tensor_type.shape.dim):
            if not dim.dim_value and axis == axes.get(port.name):
                dim.dim_value = OPEN_LENGTH
            elif not dim.dim_value and axis < 2:
                dim.dim_value = 1
        shapes[port.name] = fixed_shape(closed, path)
    return shapes
