"""Networks that brevitas exported, with what brevitas computed: integers are kept, spikes equal."""

from pathlib import Path

import numpy as np
import pytest

from mapper.exchange.onnx import write_onnx
from mapper.frontend import describe, import_model
from mapper.recordings import read_arrays
from mapper.verify.model import verify_model

FOLDER = Path(__file__).parent / "brevitas"
WIDTHS = {"w4": 4, "w3_channel_act4": 3}


@pytest.mark.parametrize("kind", ["qonnx", "qcdq"])
@pytest.mark.parametrize("name", WIDTHS)
def test_it_computes_what_brevitas_computed(kind, name, tmp_path):
    path = FOLDER / f"{kind}_{name}.onnx"
    arrays = read_arrays(path.with_suffix(".npz"))
    rings = {ring.name: ring.status for ring in verify_model(path, arrays, path.name).rings}
    assert rings["3-expected-outputs"] == "equal"
    assert rings["3-onnxruntime"] == ("skipped" if kind == "qonnx" else "equal")
    write_onnx(import_model(path), tmp_path / "canonical.onnx")
    again = verify_model(tmp_path / "canonical.onnx", arrays, path.name).rings
    assert [ring.status for ring in again] == ["equal", "equal", "equal"]


@pytest.mark.parametrize("name", WIDTHS)
def test_both_forms_hold_the_same_integers(name):
    graphs = [import_model(FOLDER / f"{kind}_{name}.onnx").graph for kind in ("qonnx", "qcdq")]
    integers = [[a for a in g.constants.values() if a.dtype.kind == "i"] for g in graphs]
    assert len(integers[0]) == len(integers[1]) == 2
    assert all(np.array_equal(a, b) for a, b in zip(*integers, strict=True))


@pytest.mark.parametrize(("name", "bits"), WIDTHS.items())
def test_widths_are_shown(name, bits):
    layers = describe(import_model(FOLDER / f"qonnx_{name}.onnx")).layers
    assert [layer.matrix.bits for layer in layers if layer.matrix is not None] == [bits, bits]
