"""What was active in the last run on a recording, stored with its build.

``activity.npz`` is a trace as ``run --trace`` writes it, so ``cost --activity`` takes it, with one
array more: JSON that names the build, the recording, and what the outputs of the run were worth. It
is a note of whoever keeps the folder, as ``verification.json`` is: what shows it says that it was
recorded, and counts that this network cannot give are refused.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mapper import __version__
from mapper.build.folder import ACTIVITY, identity
from mapper.build.model import Build
from mapper.build.owned import is_plain_file
from mapper.cost import Activity, measure
from mapper.diagnostics import MappingError, refuse
from mapper.executor.engine import Ran
from mapper.ir.core import Array
from mapper.ir.weights import write_arrays
from mapper.recordings import IN_MEMORY, Recording, read_arrays
from mapper.report.data import Counted
from mapper.verify.answers import classes
from mapper.verify.record import described_file

ABOUT = "spikeloom/activity/1"
"""The array of the file that is no count, and the schema of what it holds."""

_LONGEST = 1 << 16
_HELP = f"remove {ACTIVITY}, or run 'spikeloom run --trace' on the folder again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A run on a recording: what was active, on what, and how right the outputs were."""

    trace: Mapping[str, Array] = field(default_factory=dict)
    """Counts by the names of ``mapper.ir.activity``."""
    counted: Counted


def recorded_on(build: Build, ran: Ran, recording: Recording) -> Recorded:
    """Say of a traced run on a recording what its build keeps of it.

    Raises:
        MappingError: ``input-shape`` where there is not one label for each sample.
    """
    where, deciding = recording.where, build.deciding
    file = IN_MEMORY if where == IN_MEMORY else described_file(Path(where))
    labels = deciding.wanted(recording.arrays, recording)
    if labels is None:
        return Recorded(trace=ran.counts, counted=Counted(file=file))
    given = classes(deciding.of(ran.outputs))
    right = int((given == labels).sum())
    return Recorded(trace=ran.counts, counted=Counted(file=file, right=right, labelled=len(labels)))


def activity_of(build: str, found: Recorded) -> bytes:
    """Return the content of the file; ``build`` is the identity of the build."""
    counted = found.counted
    about = {
        "schema": ABOUT,
        "version": __version__,
        "build": build,
        "input": counted.file,
        "right": counted.right,
        "labelled": counted.labelled,
    }
    content = io.BytesIO()
    arrays = {**found.trace, ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8)}
    write_arrays(content, arrays, compress=True)
    return content.getvalue()


def recall_activity(build: Build, folder: Path) -> tuple[Recorded, Activity] | None:
    """Return the run that is stored with a build; None where there is none of it.

    Raises:
        MappingError: ``bad-activity`` where the file is not one that ``run --trace`` writes.
    """
    path = folder / ACTIVITY
    if not path.exists():
        return None
    try:
        if not is_plain_file(path):
            raise ValueError("this is no plain file")
        arrays = read_arrays(path)
        about, counted = _about(arrays.pop(ABOUT, None))
        ours = about["build"] == identity(folder)
        if not ours or about["version"] != __version__:
            return None
        found = measure(build.hardware, arrays, build.counts.levels)
        if counted.right is not None and counted.labelled != found.samples:
            raise ValueError(f"{counted.labelled} labels for {found.samples} samples")
    except (KeyError, MappingError, RecursionError, TypeError, ValueError) as error:
        message = f"cannot be read: {error}"
        if isinstance(error, MappingError):
            message = f"cannot be read: {error.diagnostics[0].message}"
        raise refuse("bad-activity", message, loc=str(path), help=_HELP) from error
    return Recorded(trace=arrays, counted=counted), found


def _about(held: Array | None) -> tuple[Mapping[str, object], Counted]:
    """Return what the file says of itself, or raise for one that ``run --trace`` does not write."""
    if held is None or held.dtype != np.uint8 or held.ndim != 1 or held.size > _LONGEST:
        raise ValueError(f"it has no array {ABOUT!r} of bytes")
    about = json.loads(held.tobytes())
    if not isinstance(about, dict) or about.get("schema") != ABOUT:
        raise ValueError(f"it is not of schema {ABOUT!r}")
    file, right, labelled = about["input"], about["right"], about["labelled"]
    if not isinstance(file, str):
        raise ValueError("it does not name its recording")
    if right is None and labelled == 0:
        return about, Counted(file=file)
    if type(right) is not int or type(labelled) is not int or not 0 <= right <= labelled:
        raise ValueError(f"{right!r:.40} of {labelled!r:.40} right answers")
    return about, Counted(file=file, right=right, labelled=labelled)
