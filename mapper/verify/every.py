"""Every ring of a build; with its model, where that is given, also those that need it."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from mapper.build.model import Build
from mapper.frontend import NirOptions
from mapper.ir.core import Array
from mapper.recordings import Recording, to_codes
from mapper.verify.asked import Rings
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
    rings: Rings | None = None,
) -> Verification:
    """Run every ring that is asked for; rings 3 and 7 need the model, and are skipped without.

    Args:
        build: A build that ``read_build`` accepted.
        recording: What to run it on.
        model: What the build was compiled from.
        nir: What a NIR model leaves open.
        progress: Called with a line about what comes next.
        codes: Those of the recording's inputs, where they are known.
        rings: Which were asked for, and whom to tell of each that ends; all where None.

    Raises:
        MappingError: ``other-model`` where the build was compiled from another file, and for
            anything wrong with the recording.
    """
    if codes is None:
        codes = to_codes(build.hardware, recording.inputs, recording.where)
    reference: Later = None
    trained: Later = None
    if model is not None:
        check_source(model, build)
        reference = partial(reference_ring, model, build, recording.inputs, progress, nir)
        trained = partial(trained_ring, model, build, codes)
    return verify_recorded(build, recording, reference, progress, trained, codes, rings)
