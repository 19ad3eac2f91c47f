"""Every ring of a build; with its model, where that is given, also those that need it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from mapper.build.model import Build
from mapper.frontend import NirOptions
from mapper.ir.core import Array
from mapper.recordings import Recording, to_codes
from mapper.verify.build import verify_recorded
from mapper.verify.model import reference_ring
from mapper.verify.result import Verification
from mapper.verify.trained import trained_ring


def every_ring(
    build: Build,
    recording: Recording,
    model: Path | None,
    nir: NirOptions | None,
    progress: Callable[[str], None],
    codes: Mapping[str, Array] | None = None,
) -> Verification:
    """Run every ring on a recording; rings 3 and 7 need the model, and are skipped without.

    ``codes`` are those of the recording's inputs, where they are known.

    Raises:
        MappingError: ``other-model`` where the build was compiled from another file, and for
            anything wrong with the recording.
    """
    if codes is None:
        codes = to_codes(build.hardware, recording.inputs, recording.where)
    reference = trained = None
    if model is not None:
        reference = reference_ring(model, build, recording.inputs, progress, nir)
        trained = trained_ring(model, build, codes)
    return verify_recorded(build, recording, reference, progress, trained, codes)
