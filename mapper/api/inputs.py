"""What calls accept: models, targets, recordings and activity, as files or as Python objects."""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from pathlib import Path

from numpy.typing import ArrayLike
from onnx import ModelProto

from mapper.api.arguments import check_given
from mapper.api.run import Run
from mapper.arguments import Takes, check_arguments
from mapper.build.make import source_of
from mapper.compare.run import Recorded
from mapper.diagnostics import refuse
from mapper.frontend import Imported, NirOptions, import_model
from mapper.frontend.onnx.load import check_file
from mapper.inputs import check_unused
from mapper.ir.core import Array, Value
from mapper.layout import IN_STEPS, Presentation
from mapper.recordings import Recording, checked_arrays
from targets import Target, chosen_device, load_target
from targets.devices import Device

Model = str | Path | ModelProto
"""A trained network: the path of an ONNX or NIR file, or an ONNX model in memory."""

Inputs = str | Path | Mapping[str, ArrayLike] | ArrayLike
"""A recording: the path of a ``.npz`` file, arrays by name, or one array.

``[T, B, ...]`` are T time steps of B samples, ``[T, ...]`` is one sample; of a network that was
exported on images, ``[B, ...]`` are B images, each shown as long as the file shows one.
"""

Activity = str | Path | float | Run | Mapping[str, Array] | None
"""How active a network is: a run that was traced, its trace or the path of it, or the share of
input bits that are 1, 0..1. None takes the share that an estimate assumes."""


_ACTIVITY = Takes(
    words="a run with trace=True, its trace or the path of one, or a share of input bits, 0..1",
    types=(Run, Mapping, str, Path, Real),
)

Progress = Callable[[str], None]
"""Is called with what comes next."""


def silent(text: str) -> None:
    """Say nothing of what comes next."""


@contextmanager
def model_file(model: Model) -> Iterator[Path]:
    """Give the path of a model's file; one in memory is written to a temporary folder for it.

    Raises:
        MappingError: ``not-a-model`` for anything else, such as a torch module; ``no-such-file``
            and ``model-too-large`` before a file is opened, or read to find its hash.
    """
    if isinstance(model, str | Path):
        check_file(Path(model))
        yield Path(model)
        return
    if not isinstance(model, ModelProto):
        raise refuse(
            "not-a-model",
            f"a {type(model).__module__}.{type(model).__qualname__} is no ONNX or NIR model",
            help="give the path of a file, an onnx.ModelProto or what import_model returns; export "
            "a torch module first, with mapper.training.export_onnx or torch.onnx.export",
        )
    name = re.sub(r"\W+", "_", model.graph.name) or "model"
    with tempfile.TemporaryDirectory(prefix="spikeloom.") as folder:
        path = Path(folder) / f"{name[:80]}.onnx"
        path.write_bytes(model.SerializeToString(deterministic=True))
        yield path


def read_model(
    model: Model | Imported, nir: NirOptions | None = None
) -> tuple[Imported, dict[str, str]]:
    """Return a model as a network, and its source: file name and SHA-256 where there is a file."""
    check_given({}, nir=nir)
    if isinstance(model, Imported):
        return model, {}
    with model_file(model) as path:
        return import_model(path, nir), source_of(path)


def read_target(target: str | Path | Target, device: str | Path | Device | None = None) -> Target:
    """Return a target by its name, the path of its file, or as it is; with another device in it.

    Raises:
        MappingError: ``device-kind`` where its library prices cells of another kind, and what
            ``load_target``, ``chosen_device`` and ``Target.with_device`` raise.
    """
    check_given({"target": target}, device=device)
    found = target if isinstance(target, Target) else load_target(str(target))
    if device is None:
        return found
    made = found.with_device(chosen_device(found, device))
    if problem := next(made.problems(), ""):
        raise refuse(
            "device-kind",
            f"target '{found.name}' is not made of such a device: {problem}",
            loc="--device",
            help="choose a device of its kind of cells, or leave it out; 'yield' takes any",
        )
    return made


def read_inputs(
    inputs: Inputs,
    values: tuple[Value, ...],
    presented: Presentation = IN_STEPS,
    layout: str | None = None,
    labels: ArrayLike | None = None,
) -> Recording:
    """Return a recording of a network with these inputs, which it takes as ``presented`` says."""
    check_given({}, layout=layout)
    if isinstance(inputs, str | Path):
        recording = Recording.read(Path(inputs), values, presented, layout)
    else:
        recording = Recording.of(inputs, values, presented, layout)
    return recording if labels is None else recording.labelled(labels)


def read_inputs_if(
    inputs: Inputs | None,
    values: tuple[Value, ...],
    presented: Presentation,
    layout: str | None,
) -> Recording | None:
    """Return a recording where one is given.

    Raises:
        MappingError: ``input-layout`` for a layout of nothing; what ``read_inputs`` raises.
    """
    if inputs is not None:
        return read_inputs(inputs, values, presented, layout)
    check_given({}, layout=layout)
    check_unused(layout)
    return None


def recorded_by(inputs: Inputs | None, layout: str | None) -> Recorded:
    """Return what reads these recordings for any network; see ``read_inputs_if``."""
    return lambda values, presented: read_inputs_if(inputs, values, presented, layout)


def read_activity(activity: Activity) -> str | float | Mapping[str, Array] | None:
    """Return activity without its wrappers: a run is its trace.

    Raises:
        MappingError: ``activity-array`` for a run that was not traced, ``bad-argument`` for what is
            no activity, ``bad-recording`` for a trace that holds no numbers.
    """
    check_arguments({"activity": _ACTIVITY}, {}, {"activity": activity})
    if isinstance(activity, Path):
        return str(activity)
    if isinstance(activity, Mapping):
        return checked_arrays(activity)
    if not isinstance(activity, Run):
        return activity
    if activity.trace is None:
        raise refuse("activity-array", "the run has no trace", help="run it with trace=True")
    return activity.trace
