"""Models exported by the libraries themselves, with what they computed there."""

import json
from pathlib import Path

import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.ir.evaluate import evaluate
from mapper.verify.model import verify_model
from mapper.verify.original import run_reference
from tests.frontend.models import assert_close

STEP = (
    "flow_analogdec_step_dynamo",
    "flow_spikedec_step_legacy",
    "nmnist_real_csnn_step_legacy",
    "norse_conv_lif_li_step_dynamo",
    "qdq_brevitas_qcdq_w4",
    "qdq_ort_convfc_s8s8_perch",
    "sj14_dvsgesture_32_step_legacy",
    "sj14_sew_iand_step_legacy",
    "sj2_dvsgesture_32_step_dynamo",
    "sj2_mlp_lif_decayin_step_legacy_fallthrough",
    "snntorch_csnn34_bn_kept",
    "snntorch_csnn34_step_dynamo",
    "snntorch_csnn34_step_legacy",
    "snntorch_rleaky_step_legacy",
    "snntorch_synaptic_step_dynamo",
    "spyx_conv_step",
)
SEQUENCES = {
    "loop_plain_whileloop_dynamo": "loop",
    "norse_lifrec_unroll_legacy": "unrolled",
    "rockpool_lif_single_btn_dynamo": "sequence",
    "scan_plain_hop_dynamo": "scan",
    "sinabs_iaf_single_seq_dynamo": "sequence",
    "sj14_mlp_lif_decayin_multistep_legacy": "loop",
    "sj2_mlp_lif_soft_multistep_dynamo": "sequence",
    "snntorch_mlp_leaky_unroll_dynamo": "unrolled",
    "snntorch_mlp_leaky_unroll_legacy": "unrolled",
    "spyx_lif_loop": "loop",
}
REFUSED = {
    "sj2_psn_multistep_dynamo": "unsupported-time-form",
    "snntorch_bntt_unroll": "unsupported-time-form",
    "custom_lif_symbolic_dynamo": "unknown-op",
    "snntorch_mlp_statequant_legacy": "unsupported-neuron",
}


def recorded(case: Path, prefix: str) -> dict[str, np.ndarray]:
    with np.load(case / "io.npz") as io:
        return {
            key.removeprefix(prefix): io[key].astype(np.float32)
            for key in io.files
            if key.startswith(prefix)
        }


@pytest.mark.parametrize("name", STEP)
def test_a_step_model_computes_what_its_library_computed(name, shared):
    case = shared / "models" / name
    imported = import_model(case / "model.onnx")
    inputs, initial = recorded(case, "in_"), recorded(case, "init_")
    found = evaluate(
        imported.graph,
        {n: imported.port(n).to_graph(array) for n, array in inputs.items()},
        initial,
    )
    truth = json.loads((shared / "models" / "expect.json").read_text())[name]["reference"]
    assert_close(imported, found, recorded(case, "ort_" if truth == "ort" else "torch_"))
    if truth != "torch":
        assert_close(imported, found, run_reference(case / "model.onnx", inputs, initial))


@pytest.mark.parametrize(("name", "code"), REFUSED.items())
def test_a_model_that_cannot_be_mapped_is_refused(name, code, shared):
    with pytest.raises(MappingError) as caught:
        import_model(shared / "models" / name / "model.onnx")
    assert caught.value.diagnostics[0].code == code


@pytest.mark.parametrize(("name", "form"), SEQUENCES.items())
def test_a_model_of_many_steps_computes_what_its_library_computed(name, form, shared):
    case = shared / "models" / name
    arrays = recorded(case, "in_") | recorded(case, "init_")
    expected = {f"expected_{n}": a for n, a in recorded(case, "torch_").items()}
    assert import_model(case / "model.onnx").time_form == form
    rings = verify_model(case / "model.onnx", {**arrays, **expected}, name).rings
    assert [ring.status for ring in rings] == ["equal"] * 3


def test_the_lists_name_every_shared_model(shared):
    cases = {path.parent.name for path in shared.glob("models/*/model.onnx")}
    assert cases == {*STEP, *REFUSED, *SEQUENCES}
