"""Every ring of a build; with its model, where that is given, also those that need it."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from mapper.build.model import Build
from mapper.frontend import NirOptions
from mapper.ir.core import Array
from mapper.recordings import Recording, to_codes
from mapper.verify.asked import EVERYTHING, Asked, Ended, Rings
from mapper.verify.build import Later, verify_recorded
from mapper.verify.model import check_source, reference_ring
from mapper.verify.result import Verification
from mapper.verify.trained import trained_ring


def every_ring(
    build: Build,
    recording: Recording,
    model: Path | None,
    nir: NirOptions | None,
    progress: Callable[[str], None],
    codes: Mapping[str, Array] | None = None,
    asked: Asked = EVERYTHING,
    ended: Ended = lambda found: None,
) -> Verification:
    """Run every ring that is asked for; rings 3 and 7 need the model, and are skipped without.

    Args:
        build: A build that ``read_build`` accepted.
        recording: What to run it on.
        model: What the build was compiled from.
        nir: What a NIR model leaves open.
        progress: Called with a line about what comes next.
        codes: Those of the recording's inputs, where they are known.
        asked: Which rings, and how much of the recording.
        ended: Called whenever a ring has ended, with all that have.

    Raises:
        MappingError: ``other-model`` where the build was compiled from another file, and for
            anything wrong with the recording.
    """
    if model is not None:
        check_source(model, build)
    recording, extent = asked.cut(recording)
    if codes is None or not extent.whole:
        codes = to_codes(build.hardware, recording.inputs, recording.where)
    reference: Later = None
    trained: Later = None
    if model is not None:
        reference = partial(reference_ring, model, build, recording.inputs, progress, nir)
        trained = partial(trained_ring, model, build, codes)
    rings = Rings(asked=asked, extent=extent, ended=ended)
    return verify_recorded(build, recording, reference, progress, trained, codes, rings)
