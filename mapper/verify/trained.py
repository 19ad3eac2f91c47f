"""Ring 7: a network trained for hardware computes what its file says, every spike."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mapper.build.model import Build
from mapper.exchange.canonical import from_trained, tensors_of
from mapper.executor import engine
from mapper.executor.onnx.run import run_lowered
from mapper.frontend.onnx.load import read_stored
from mapper.ir.core import Array
from mapper.verify.result import TRAINED, Ring
from mapper.verify.rings import (
    UNTRAINED,
    difference,
    first_place,
    inputs_of,
    is_integer,
    layer_results,
)


def trained_ring(path: Path, build: Build, codes: Mapping[str, Array]) -> Ring:
    """Compare the executor with ONNX Runtime on the file that training wrote.

    Of a die it is the ideal chip that is compared: what training meant.

    Spikes, membranes and the sums of layers are compared, at every time step.

    Args:
        path: The file; the caller has checked that the build was compiled from it.
        build: What was compiled from it.
        codes: Inputs ``[T, B, ...]`` by name.
    """
    skipped = Ring(name=TRAINED, status="skipped", reason=UNTRAINED)
    if not is_integer(build.network):
        return skipped
    model = read_stored(path)
    if from_trained(model) is None:
        return skipped
    tensors = tensors_of(model)
    codes = inputs_of(build.ideal, codes)
    shown = tuple(v for v in layer_results(build.ideal) if v.name in tensors)
    wide = replace(build.ideal, outputs=shown, codings={})
    found = engine.run(wide, codes, "numpy").outputs
    expected = run_lowered(model, codes, watch={v.name: tensors[v.name] for v in shown})
    wrong = {v.name: difference(found[v.name], expected[v.name]) for v in shown}
    worst = max(wrong.values())
    if not worst:
        reason = f"{len(shown)} layer results, ONNX Runtime on {path.name}"
        return Ring(name=TRAINED, status="equal", reason=reason, max_abs_diff=0.0)
    first = first_place(build.ideal.ops, found, expected)
    return Ring(name=TRAINED, status="mismatch", max_abs_diff=worst, first_mismatch=first)
