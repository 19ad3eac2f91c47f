"""An epilogue, and what it makes of the reals that a network's outputs stand for."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from hashlib import sha256
from math import prod
from typing import Any, Literal

import numpy as np
from onnx import ModelProto

from mapper.diagnostics import refuse
from mapper.epilogue.file import (
    MOST_WORK_IN_ALL,
    EpilogueError,
    Facts,
    parsed,
    sized,
    work_of,
)
from mapper.epilogue.limits import FILE
from mapper.epilogue.operators import FLOATS, Shape
from mapper.ir.core import FLOAT, Array, Type
from mapper.ir.values import INT64
from mapper.report.on_host import OnHost
from mapper.runtime import session_of

_Run = Callable[[dict[str, Array]], list[Array]]
"""One run: arrays by input in, outputs in their order out."""

_NAMING = {"ArgMax": (0, 0), "ArgMin": (0, 0), "TopK": (1, -1)}
"""What gives places of elements: as which of its results, and along which axis if it says none."""
_HANDS_ON = ("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze")


def codes_of(name: str) -> str:
    """Return what the integers of an output of the graph are called beside the model's outputs."""
    return f"{name}.codes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An output of the model, as the epilogue gives it."""

    name: str
    time_axis: int | None
    """Which axis is time, of a function of the whole sequence that gives every step."""
    batch_axis: int | None
    """Which axis is that of samples, of one; None where the model has none."""
    over_time: Literal["each", "sum", "mean", "max", "min", "last", "one"] = "each"
    """What the output is of what a function of each step gives: ``one`` is a step before the
    last."""
    scale: float = 1.0
    """What a sum or mean over time is multiplied with."""
    step: int | None = None
    """Which step, from 0, where it is ``one``."""

    def arranged(self, array: Array) -> Array:
        """Return one sample's array as ``[T, *shape]``, T = 1 without a time axis."""
        if self.batch_axis is not None:
            array = array.take(0, axis=self.batch_axis)
        if self.time_axis is None:
            return array[None]
        late = self.batch_axis is not None and self.batch_axis < self.time_axis
        return np.moveaxis(array, self.time_axis - late, 0)

    def over(self, array: Array) -> Array:
        """Return of ``[T, ...]`` what the output is of all steps, ``[1, ...]``.

        Raises:
            MappingError: ``input-shape`` where there are fewer steps than the one that is asked
                for.
        """
        match self.over_time:
            case "each":
                return array
            case "last":
                return array[-1:]
            case "one":
                return one_step(array, self.step or 0, self.name)
            case reduction:
                return reduced(array, reduction, self.scale)

    def in_graph(self, array: Array, shape: Shape) -> Array:
        """Return the model's array of an output as ``Epilogue.of`` does, of any number of samples.

        Args:
            array: In the shape of the model, with any size of its axes of time and samples.
            shape: Of one sample, without time.
        """
        if self.time_axis is None:
            return array.reshape(1, -1, *shape)
        array = np.moveaxis(array, self.time_axis, 0)
        if self.batch_axis is not None:
            array = np.moveaxis(array, self.batch_axis + (self.batch_axis < self.time_axis), 1)
        return array.reshape(len(array), -1, *shape)


_REDUCED: Mapping[str, Callable[[Array], Array]] = {
    "sum": lambda array: np.asarray(array.sum(axis=0)),
    "mean": lambda array: np.asarray(array.mean(axis=0)),
    "max": lambda array: np.asarray(array.max(axis=0)),
    "min": lambda array: np.asarray(array.min(axis=0)),
}


def reduced(array: Array, reduction: str, scale: float) -> Array:
    """Return ``[1, ...]`` of ``[T, ...]``: the sum, mean, max or min over time, times a number."""
    found = _REDUCED[reduction](array.astype(np.float64))
    return np.asarray(found[None] * scale, dtype=np.float32)


def one_step(array: Array, step: int, name: str) -> Array:
    """Return ``[1, ...]`` of ``[T, ...]``: a step, counted from 0.

    Raises:
        MappingError: ``input-shape`` where there are fewer.
    """
    if step >= len(array):
        raise refuse(
            "input-shape",
            f"the output {name!r} is of time step {step + 1}, the recording has {len(array)} time "
            "steps",
            help=f"give recordings of {step + 1} time steps or more",
        )
    return array[step : step + 1]


@dataclass(frozen=True, kw_only=True)
class Epilogue:
    """A function of what a network returns: of each time step, or of the whole sequence.

    Example:
        >>> build.epilogue.of({"flow_sum": reals})["flow"].shape  # [T, B, *shape]
        (20, 8, 2, 12, 12)
    """

    content: bytes
    """Of ``epilogue.onnx``. Its inputs have the shapes that the model has itself for one sample:
    of one step, or ``[T, *shape of a step]`` of the whole sequence."""
    whole: bool
    """It is a function of the whole sequence, not of each time step."""
    reads: tuple[str, ...]
    """Which outputs of the graph its inputs are, in their order."""
    answers: tuple[Answer, ...]
    """The outputs of the model, in its order."""

    @cached_property
    def model(self) -> ModelProto:
        return parsed(self.content)

    @property
    def digest(self) -> str:
        """SHA-256 of the file."""
        return sha256(self.content).hexdigest()

    @property
    def operators(self) -> tuple[str, ...]:
        """The operators that compute something, each once, in order of execution."""
        names = (node.op_type for node in self.model.graph.node)
        return tuple(dict.fromkeys(name for name in names if name not in _HANDS_ON))

    @cached_property
    def steps(self) -> int:
        """How many time steps it takes; 0 where that is open, or it is a function of each."""
        first = self.model.graph.input[0].type.tensor_type.shape.dim
        return int(first[0].dim_value) if self.whole else 0

    @cached_property
    def _facts(self) -> Mapping[str, Facts]:
        return sized(self.model, self.steps or 1)

    def types(self) -> dict[str, Type]:
        """Return what each output of the model holds: reals, or whole numbers."""
        kinds = {
            one.name: self._facts[one.name].kind
            for one in self.answers
            if one.over_time not in ("sum", "mean")
        }
        whole = {name: INT64 for name, kind in kinds.items() if kind not in FLOATS}
        return {one.name: whole.get(one.name, FLOAT) for one in self.answers}

    def shape(self, name: str) -> Shape:
        """Return the shape of one sample's output, without time; see ``Answer.arranged``."""
        shape = self._facts[name].shape
        return tuple(self.answer(name).arranged(np.broadcast_to(np.float32(0), shape)).shape[1:])

    def model_shape(self, name: str) -> Shape:
        """Return the shape of an output as the model says it."""
        return self._facts[name].shape

    def classes(self, name: str) -> int:
        """Return among how many an output names one, for a sample; 0 where it is no such name."""
        makers = {out: node for node in self.model.graph.node for out in node.output}
        made = name
        while made in makers and makers[made].op_type in _HANDS_ON:
            made = makers[made].input[0]
        summed = self.answer(name).over_time in ("sum", "mean")
        if summed or made not in makers or prod(self.shape(name)) != 1:
            return 0
        node = makers[made]
        place, axis = _NAMING.get(node.op_type, (-1, 0))
        if made not in node.output[place : place + 1]:
            return 0
        axis = next((held.i for held in node.attribute if held.name == "axis"), axis)
        return int(self._facts[node.input[0]].shape[axis])

    @property
    def first(self) -> str:
        """The output that says a class of each sample."""
        return self.answers[0].name

    def answer(self, name: str) -> Answer:
        return next(one for one in self.answers if one.name == name)

    def sums_up(self, name: str) -> bool:
        """Say whether an output is one of the whole sequence, not one of every step."""
        answer = self.answer(name)
        return answer.time_axis is None if self.whole else answer.over_time != "each"

    def votes(self, output: Array) -> Array:
        """Return ``[T, B, ...]`` whose greatest sum over time is the class of a sample.

        That is the first output ``[T, B, *shape]``, as ``of`` gives it, or, where it names a class,
        a vote for the one that it names.

        Raises:
            MappingError: ``input-range`` for one that names no class: it is not of ``of``.
        """
        number = self.classes(self.first)
        if not number:
            return output
        named = output.reshape(output.shape[:2])
        if (other := named[~np.isin(named, np.arange(number))]).size:
            raise refuse(
                "input-range",
                f"an output {self.first!r} names the class {other[0]}, there are {number} from 0",
            )
        return np.eye(number, dtype=np.int64)[named.astype(np.int64)]

    def __getstate__(self) -> dict[str, Any]:
        return {spec.name: getattr(self, spec.name) for spec in fields(self)}

    # --- running it ------------------------------------------------------------------------

    def of(self, reals: Mapping[str, Array]) -> dict[str, Array]:
        """Compute the outputs of the model, sample by sample.

        Args:
            reals: What the graph's outputs stand for, ``[T, B, *shape]`` by name.

        Returns:
            By name ``[T, B, *shape]`` where the model has the output in every step, else
            ``[1, B, *shape]``.

        Raises:
            MappingError: ``input-shape`` for a number of time steps that it does not take,
                ``bad-epilogue`` where ONNX Runtime refuses it or gives other shapes, or where so
                many samples and steps take too long.
        """
        steps, samples = next(iter(reals.values())).shape[:2]
        if self.steps not in (0, steps):
            raise refuse(
                "input-shape",
                f"the model's outputs are computed from {self.steps} time steps, the recording has "
                f"{steps}",
                help=f"what they are depends on that number: give recordings of {self.steps} time "
                f"steps, as the model's file has them, or export the model for {steps}",
            )
        run = self._runner(steps)
        self._check_work(steps, samples)
        columns = [
            self._column(run, {n: a[:, b] for n, a in reals.items()}) for b in range(samples)
        ]
        found = {a.name: np.stack([c[a.name] for c in columns], axis=1) for a in self.answers}
        return {answer.name: answer.over(found[answer.name]) for answer in self.answers}

    def _check_work(self, steps: int, samples: int) -> None:
        runs = samples if self.whole else samples * steps
        work = runs * work_of(self.model, sized(self.model, steps) if self.whole else self._facts)
        if work > MOST_WORK_IN_ALL:
            told = f"{samples} samples of {steps} time steps take {work} operations on the host"
            raise refuse(
                "bad-epilogue",
                f"{told}, at most {MOST_WORK_IN_ALL} are computed",
                loc=FILE,
                help="give fewer samples at once",
            )

    def _column(self, run: _Run, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Return what one sample ``[T, *shape]`` gives, by name."""
        if self.whole:
            return self._once(run, arrays)
        steps = range(len(next(iter(arrays.values()))))
        rows = [self._once(run, {n: array[t] for n, array in arrays.items()}) for t in steps]
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}

    def _once(self, run: _Run, arrays: Mapping[str, Array]) -> dict[str, Array]:
        fed = {
            port.name: arrays[name]
            .astype(np.float32)
            .reshape([d.dim_value or -1 for d in port.type.tensor_type.shape.dim])
            for port, name in zip(self.model.graph.input, self.reads, strict=True)
        }
        found = zip(self.answers, run(fed), strict=True)
        return {one.name: one.arranged(array) for one, array in found}

    def _runner(self, steps: int) -> _Run:
        """Return what runs it; whatever sizes it has for so many steps were checked."""
        key = steps if self.whole else 0
        runners = self.__dict__.setdefault("_runners", {})
        if key not in runners:
            try:
                facts = sized(self.model, steps)
                shapes = {answer.name: facts[answer.name].shape for answer in self.answers}
                runners[key] = _session(self.content, shapes)
            except EpilogueError as error:
                raise refuse("bad-epilogue", str(error), loc=FILE) from error
        return runners[key]  # type: ignore[no-any-return]

    # --- in mapping.json -------------------------------------------------------------------

    def entry(self) -> dict[str, Any]:
        """Return what ``mapping.json`` says of it."""
        return {
            "sha256": self.digest,
            "of": "sequence" if self.whole else "step",
            "reads": list(self.reads),
            "outputs": [asdict(answer) for answer in self.answers],
        }


def host_of(epilogue: Epilogue) -> OnHost:
    """Return what a report says of an epilogue."""
    return OnHost(
        file=FILE,
        operators=epilogue.operators,
        outputs=tuple(answer.name for answer in epilogue.answers),
        whole=epilogue.whole,
    )


def _session(content: bytes, shapes: Mapping[str, Shape]) -> _Run:
    """Return what runs an epilogue whose outputs have such shapes, by name in their order."""
    try:
        session = session_of(content)
    except Exception as error:  # ONNX Runtime has no base of its errors
        raise _refused(error) from error

    def guarded(fed: dict[str, Array]) -> list[Array]:
        try:
            found: list[Array] = session.run(None, fed)
        except Exception as error:  # ONNX Runtime has no base of its errors
            raise _refused(error) from error
        for array, (name, shape) in zip(found, shapes.items(), strict=True):
            if array.shape != shape:
                given, said = list(array.shape), list(shape)
                told = f"ONNX Runtime gives output {name!r} as {given}, by its file it is {said}"
                raise refuse("bad-epilogue", told, loc=FILE)
        return found

    return guarded


def _refused(error: Exception) -> Exception:
    reason = str(error).strip().splitlines() or ["?"]
    return refuse("bad-epilogue", f"ONNX Runtime refuses it: {reason[0][:200]}", loc=FILE)
