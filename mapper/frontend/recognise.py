"""Recognise a network in an ONNX model: one time step, or many of them in any form."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import ModelProto

from mapper.diagnostics import MappingError, forget_frames, refuse
from mapper.epilogue.file import EpilogueError
from mapper.frontend.algebra.logic import type_of
from mapper.frontend.arrays import in_time
from mapper.frontend.limits import check_limits, check_spiking, fine_grids, no_neurons
from mapper.frontend.neurons.check import check_neurons
from mapper.frontend.neurons.echoes import (
    Echo,
    has_states,
    is_spiking,
    leftover_echoes,
    likely_echoes,
    placed_echoes,
    waiting,
)
from mapper.frontend.neurons.needed import live_comparisons
from mapper.frontend.neurons.stateless import keeping_nothing
from mapper.frontend.neurons.states import Dynamics, find_dynamics, missing_state
from mapper.frontend.noted import joined_again, notes_of, ports_of
from mapper.frontend.onnx.joined import apart
from mapper.frontend.onnx.located import Located
from mapper.frontend.onnx.refusals import (
    FIXED_BATCH,
    fixed_batch,
    many_steps,
    refuse_fixed_batch,
)
from mapper.frontend.onnx.samples import has_steps_and_samples, one_sample, told_apart
from mapper.frontend.onnx.steps import other_form
from mapper.frontend.onnx.trace import Trace, trace
from mapper.frontend.result import Imported, Port
from mapper.frontend.tail import Tail, cut_off, ending_at, epilogue_of
from mapper.frontend.time.sequence import (
    Sequence,
    has_fixed_batch,
    is_likely,
    sequences,
    steps_apart,
    tells_too_little,
    too_few_steps,
)
from mapper.frontend.time.step import StepModel
from mapper.frontend.time.tail import SequenceTail
from mapper.frontend.time.unslotted import without_slots
from mapper.frontend.write.build import build_graph
from mapper.frontend.write.names import with_modules
from mapper.ir.core import SPIKE, Array, Type
from mapper.ir.frozen import FrozenMap
from mapper.ir.verify import check_graph

TOO_LARGE = "model-too-large"
NONE: Mapping[str, Array] = FrozenMap({})
_OF_A_NETWORK = ("unsupported-neuron", "unsupported-op")
"""What tells more of a network than that its outputs mix time steps."""


def recognise(model: ModelProto, path: Path) -> Imported:
    """Read a model whose functions are inlined.

    Raises:
        MappingError: ``docs/frontend.md`` lists the codes.
    """
    asked = has_steps_and_samples(model)
    alone = one_sample(model, path) if asked else None
    try:
        if alone is None:
            return _read(model, path)
    except MappingError as error:
        alone = None if asked or error.diagnostics[0].code == TOO_LARGE else one_sample(model, path)
        if alone is None:
            raise told_apart(error, model, path) from None
    found = _read(alone.model, path)
    note = f"the file takes {alone.count} samples at once, independent of each other: one is read"
    return replace(found, at_once=alone.count, sample_axes=alone.axes, notes=(*found.notes, note))


def _read(model: ModelProto, path: Path) -> Imported:
    """Read a model in the first form that fits."""
    readers = [_import_step, _import_sequence]
    if is_likely(model):
        readers.reverse()
    errors: list[MappingError] = []
    for reader in readers:
        try:
            return reader(model, path)
        except MappingError as error:
            if error.diagnostics[0].code == TOO_LARGE:  # another reading would take as long
                raise errors[0] if errors else error from None
            errors.append(error)
            forget_frames(error)
            if error.diagnostics[0].code == FIXED_BATCH and len(_data_inputs(model)) > 1:
                break  # states beside the data: the axis that all have is no time
    if (plain := without_slots(model, path)) is not None:
        return replace(_import_step(plain, path), located={})
    raise with_modules(_telling(errors, model), model, path)


def _telling(errors: list[MappingError], model: ModelProto) -> MappingError:
    """Return the refusal that says more: that of the form the model is in."""
    if len(errors) == 1:
        return errors[0]
    step, sequence = errors[::-1] if is_likely(model) else errors
    if is_likely(model) or step.diagnostics[0].code == "unsupported-time-form":
        return sequence
    code = step.diagnostics[0].code
    if code == FIXED_BATCH and len(_data_inputs(model)) == 1:  # nothing is a state: it is time
        return sequence
    in_time = sequence.diagnostics[0].code != "unsupported-time-form" or steps_apart(model) > 0
    return sequence if in_time and code == "missing-state" else step


def _import_step(model: ModelProto, path: Path) -> Imported:
    held = apart(model, path)
    if held is None:
        return _with_host(model, lambda: _import_network(model, path), lambda: _typed(model, path))
    one = held.model
    found = _with_host(one, lambda: _import_network(one, path), lambda: _typed(one, path))
    return joined_again(found, held)


def _typed(model: ModelProto, path: Path) -> Trace:
    """Walk a model of one time step with those inputs as spikes that are spikes of its own."""
    first = trace(model, path)
    first = _with_lines(first, lambda types: trace(model, path, types, before=first))
    types = {echo.read: type_of(first.form(echo.output)) for echo in likely_echoes(first)}
    return trace(model, path, types, before=first) if types else first


def _with_host(
    model: ModelProto, read: Callable[[], Imported], walk: Callable[[], Trace]
) -> Imported:
    """Read a step model, or else what is left of it without what only its outputs depend on."""
    try:
        return read()
    except MappingError as error:
        told = error
    if told.diagnostics[0].code == "unsupported-time-form":  # of all that there is, not of its end
        raise told
    try:
        walked = walk()
    except MappingError:
        raise told from None
    outputs = [port.name for port in model.graph.output]
    for cut in cut_off(walked, model):
        try:
            if (tail := cut()) is None:
                continue
            with ending_at(model, tail, outputs):
                found = read()
                check_spiking(found.graph)
            returned = [value.name for value in found.graph.outputs]
            if {tail.returned(name) for name in tail.cut}.issubset(returned):
                return _with_epilogue(found, tail, outputs)
        except MappingError as error:
            if told.diagnostics[0].code == "unsupported-op":  # of what is cut off; this is not
                told = error
    raise told


def _import_network(model: ModelProto, path: Path) -> Imported:
    first = _trace(model, path)
    first = _with_lines(first, lambda types: trace(model, path, types, before=first))
    echoes = likely_echoes(first)
    if not echoes and not has_states(first):
        if (unkept := keeping_nothing(live_comparisons(first), first)) is None:
            raise _without_state(first, model)
        refuse_fixed_batch(first.shapes.values(), path)
        return _imported(model, first, Dynamics(neurons=tuple(unkept), echoes=(), kept=()))
    refuse_fixed_batch(first.shapes.values(), path)
    walked, dynamics = _recognised(model, path, first, echoes)
    return _imported(model, walked, dynamics)


def _imported(model: ModelProto, walked: Trace, dynamics: Dynamics) -> Imported:
    graph, located = build_graph(walked, dynamics)
    check_limits(graph)
    check_graph(graph, "the ONNX reader")
    check_neurons(walked, dynamics, graph)
    return Imported(
        graph=graph,
        time_form="step",
        producer=" ".join(part for part in (model.producer_name, model.producer_version) if part),
        opset=walked.folder.opset,
        ports=tuple(ports_of(walked)),
        warnings=(*walked.warnings, *fine_grids(graph)),
        notes=tuple(notes_of(dynamics, graph)),
        located=located,
    )


def _with_epilogue(found: Imported, tail: Tail, outputs: list[str]) -> Imported:
    """Return an imported network with what was cut off of it, and the ports of its outputs."""
    ports = {port.name: port for port in found.ports}
    returned = {v.name: ports[v.name].model_shape for v in found.graph.outputs}
    batched = any(port.batch_axis is not None for port in found.ports)
    epilogue = epilogue_of(tail, outputs, returned, batched=batched, loc=found.graph.name)
    more = (
        Port(
            name=answer.name,
            model_shape=epilogue.model_shape(answer.name),
            graph_shape=epilogue.shape(answer.name),
            batch_axis=answer.batch_axis,
        )
        for answer in epilogue.answers
        if answer.name not in ports
    )
    located = {a: Located(tensor=name) for name, a in tail.aliases.items()}
    return replace(
        found,
        ports=(*found.ports, *more),
        epilogue=epilogue,
        located={**found.located, **located},
    )


def recognised_step(model: ModelProto, path: Path) -> StepModel:
    """Return the step of a model of many that ``recognise`` reads, as a model of its own.

    Raises:
        MappingError: as ``recognise``.
    """
    _, reading = _first_reading(model, path)
    return reading.step


def _import_sequence(model: ModelProto, path: Path) -> Imported:
    found, _ = _first_reading(model, path)
    return found


def _first_reading(model: ModelProto, path: Path) -> tuple[Imported, Sequence]:
    """Read a model of many time steps: the first reading whose neurons are known."""
    first: MappingError | None = None
    behind: MappingError | None = None  # of a network without the ends of its outputs
    batch = False
    for reading in _readings(model, path):
        if isinstance(reading, MappingError):
            raise behind if behind is not None and first is None else reading
        try:
            return _import_reading(model, path, reading), reading
        except MappingError as error:
            code = error.diagnostics[0].code
            if code == TOO_LARGE:
                raise
            forget_frames(error)
            if reading.tail is not None:
                again = behind is not None and behind.diagnostics == error.diagnostics
                if again and code == "unsupported-neuron":
                    break  # of the network itself, whatever else is taken off its outputs
                behind = error if code in _OF_A_NETWORK else behind
                continue
            unfit = code == "unsupported-neuron"
            first = first or (too_few_steps(path) if unfit and tells_too_little(reading) else error)
            batch = batch or has_fixed_batch(reading)
    told = first or behind
    assert told is not None
    if batch and told.diagnostics[0].code in ("missing-state", "unsupported-op"):
        raise fixed_batch("several", path) from told
    raise told


def _readings(model: ModelProto, path: Path) -> Iterator[Sequence | MappingError]:
    """Yield readings of a model of many time steps, and last why there are no others."""
    try:
        yield from sequences(model, path)
    except MappingError as error:
        yield error


def _import_reading(model: ModelProto, path: Path, reading: Sequence) -> Imported:
    step = reading.step
    fed_back = {output: name for name, output in step.states.items()}

    def walk() -> tuple[Trace, list[Echo]]:
        first = trace(step.proto, path, fed_back=fed_back, arrays=step.arrays)

        def again(types: Mapping[str, Type]) -> Trace:
            return trace(step.proto, path, types, fed_back, before=first)

        walked = _with_lines(first, again, step.starts)
        echoes = likely_echoes(walked)
        if echoes:
            walked = again({echo.read: type_of(walked.form(echo.output)) for echo in echoes})
        return walked, echoes

    def read() -> Imported:
        walked, echoes = walk()
        dynamics = find_dynamics(walked, echoes)
        if not fed_back.keys() >= {pair.output for pair in dynamics.pairs}:
            raise many_steps("a state that is given anew in every time step", path.name)
        return _imported(model, walked, dynamics)

    if reading.tail is not None:
        return in_time(_before_tail(read(), reading.tail), reading)
    return in_time(_with_host(step.proto, read, lambda: walk()[0]), reading)


def _before_tail(found: Imported, tail: SequenceTail) -> Imported:
    """Return an imported step with what the host computes of all steps."""
    check_spiking(found.graph)
    try:
        return replace(found, epilogue=tail.epilogue([v.name for v in found.graph.outputs]))
    except EpilogueError as error:
        raise refuse(
            "unsupported-op",
            f"its outputs cannot be left to the host: {error}",
            loc=found.graph.name,
        ) from error


def _with_lines(
    first: Trace, again: Callable[[Mapping[str, Type]], Trace], starts: Mapping[str, Array] = NONE
) -> Trace:
    """Return a walk in which lines of spikes have the type of spikes.

    Args:
        first: A walk in which all inputs are reals.
        again: Walks with types of inputs.
        starts: What states hold before the first step, where it is not zero.
    """
    lines = {o: i for o, i in waiting(first).items() if np.isin(starts.get(i, 0), (0, 1)).all()}
    known = {e.read: type_of(first.form(e.output)) for e in likely_echoes(first)} if lines else {}
    while lines:
        walked = again(known | dict.fromkeys(lines.values(), SPIKE))
        spiking = {o: i for o, i in lines.items() if is_spiking(walked.form(o))}
        if spiking == lines:
            return walked
        lines = spiking
    return first


def _trace(model: ModelProto, path: Path) -> Trace:
    """Walk a model; where that fails because it holds many time steps, say so instead."""
    try:
        return trace(model, path)
    except MappingError as error:
        if error.diagnostics[0].code != "unsupported-op" or len(_data_inputs(model)) > 1:
            raise
        raise other_form(model, path, set()) or error from error


def _data_inputs(model: ModelProto) -> list[str]:
    known = {tensor.name for tensor in model.graph.initializer}
    return [port.name for port in model.graph.input if port.name not in known]


def _recognised(
    model: ModelProto, path: Path, first: Trace, echoes: list[Echo]
) -> tuple[Trace, Dynamics]:
    """Find the states, trying once more with other spikes fed back where that explains more."""
    try:
        walked, dynamics = _with_echoes(model, path, first, echoes)
    except MappingError as error:
        guessed = placed_echoes(first, echoes)
        if not guessed:
            raise
        try:
            return _with_echoes(model, path, first, [*echoes, *guessed])
        except MappingError:
            raise error from None
    reads = {pair.read.name for pair in dynamics.pairs} | {echo.read for echo in echoes}
    more = leftover_echoes(walked, echoes, reads)
    return _with_echoes(model, path, first, [*echoes, *more]) if more else (walked, dynamics)


def _with_echoes(
    model: ModelProto, path: Path, first: Trace, echoes: list[Echo]
) -> tuple[Trace, Dynamics]:
    types = {echo.read: type_of(first.form(echo.output)) for echo in echoes}
    walked = trace(model, path, types, before=first) if echoes else first
    return walked, find_dynamics(walked, echoes)


def _without_state(walked: Trace, model: ModelProto) -> MappingError:
    """Return the refusal of what has no state: many steps in one file, or no neuron at all."""
    lengths = {shape[0] for shape in walked.shapes.values() if shape}
    if other := other_form(model, walked.path, lengths):
        return other
    if walked.comparisons.all:
        return missing_state(walked.comparisons.all[0], walked)
    return no_neurons(walked.path.name)
