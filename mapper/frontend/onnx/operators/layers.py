"""Rows of operators that become layers: weights, pools, norms, grids, whole neurons."""

from mapper.frontend.onnx import custom, einsum, pooling, qonnx, scaling, sizes, synapses, tokens
from mapper.frontend.onnx.operators.row import InTime, Operator
from mapper.frontend.onnx.refusals import QDQ_HELP
from mapper.frontend.onnx.sizes import as_given

SAMPLES = InTime(through="each sample")
LAYER = InTime(through="each sample", again="layer")
NEURON = InTime(through="neuron")

FUSED = ("fused integer operators are not supported", QDQ_HELP)
"""Products of codes round inside: no layer and no grid of ours says that exactly."""
INEXACT = (
    "this quantiser has no exact form here",
    "use Quant or BipolarQuant of QONNX, or QDQ",
)
"""``Trunc`` rounds twice, ``FloatQuant`` to floats: no grid of ours says either exactly."""

LAYERS = (
    Operator(
        "AveragePool",
        "layer",
        pooling.average_pool,
        time=InTime(through="each sample", again="layer", linear="linear"),
    ),
    Operator(
        "BatchNormalization",
        "layer",
        scaling.batch_norm,
        folds=as_given,
        time=InTime(through="each channel"),
    ),
    Operator(
        "Conv",
        "layer",
        synapses.convolution,
        folds=sizes.convolved,
        terms=sizes.kernel_terms,
        is_run=True,
        time=InTime(through="convolution", again="layer"),
        has_weights=True,
    ),
    Operator(
        "ConvTranspose", "layer", synapses.transposed_convolution, time=LAYER, has_weights=True
    ),
    Operator(
        "Einsum",
        "layer",
        einsum.einsum,
        time=InTime(through="einsum", again="layer"),
    ),
    Operator(
        "Gemm",
        "layer",
        synapses.general_product,
        folds=sizes.product,
        terms=sizes.matrix_terms,
        time=InTime(through="general product", again="layer", linear="weighs"),
        has_weights=True,
    ),
    Operator(
        "GlobalAveragePool",
        "layer",
        pooling.global_average_pool,
        time=InTime(through="each sample", linear="linear"),
    ),
    Operator("GlobalMaxPool", "layer", pooling.global_max_pool, time=SAMPLES),
    Operator(
        "MatMul",
        "layer",
        tokens.product,
        folds=sizes.product,
        terms=sizes.matrix_terms,
        time=InTime(through="matrix product", again="layer", linear="linear"),
        has_weights=True,
    ),
    Operator("MaxPool", "layer", pooling.max_pool, time=LAYER),
    Operator(
        "ReduceMax",
        "layer",
        pooling.reduce_max,
        folds=as_given,
        time=InTime(through="reduce", side_by_side="Max"),
    ),
    Operator(
        "ReduceMean",
        "layer",
        pooling.reduce_mean,
        folds=as_given,
        time=InTime(through="reduce", side_by_side="Mean"),
    ),
    Operator(
        "ReduceMin", "other", folds=as_given, time=InTime(through="reduce", side_by_side="Min")
    ),
    Operator(
        "ReduceSum",
        "layer",
        pooling.reduce_sum,
        folds=as_given,
        time=InTime(through="reduce", side_by_side="Sum"),
    ),
    Operator("ConvInteger", "layer", refusal=FUSED),
    Operator("DynamicQuantizeLinear", "layer", refusal=FUSED),
    Operator("MatMulInteger", "layer", refusal=FUSED),
    Operator("QLinearConv", "layer", refusal=FUSED),
    Operator("QLinearMatMul", "layer", refusal=FUSED),
)

QUANTISERS = (
    Operator(
        "BipolarQuant", "quantiser", qonnx.bipolar_quant, domains=qonnx.DOMAINS, has_engine=False
    ),
    Operator("DequantizeLinear", "quantiser", scaling.dequantise, domains=scaling.DOMAINS),
    Operator("FloatQuant", "quantiser", refusal=INEXACT, domains=qonnx.DOMAINS, has_engine=False),
    Operator("IntQuant", "quantiser", qonnx.quant, domains=qonnx.DOMAINS, has_engine=False),
    Operator("Quant", "quantiser", qonnx.quant, domains=qonnx.DOMAINS, has_engine=False),
    Operator("QuantizeLinear", "quantiser", scaling.quantise, domains=scaling.DOMAINS),
    Operator("Trunc", "quantiser", refusal=INEXACT, domains=qonnx.DOMAINS, has_engine=False),
)

NEURONS = (
    Operator(
        "forward",
        "neuron",
        domains=("sj_if",),
        spelled_out=custom.integrate_and_fire,
        time=NEURON,
        has_engine=False,
    ),
    Operator(
        "forward",
        "neuron",
        domains=("sj_lif",),
        spelled_out=custom.leaky,
        time=NEURON,
        has_engine=False,
    ),
    Operator(
        "forward",
        "neuron",
        domains=("sj_plif",),
        spelled_out=custom.parametric_leaky,
        time=NEURON,
        has_engine=False,
    ),
)
