"""Rows of operators that are computed where their inputs are known, and of random ones."""

from mapper.frontend.onnx import sizes
from mapper.frontend.onnx.operators.row import InTime, Operator
from mapper.frontend.onnx.sizes import as_given

ALONG = InTime(through="along axis")
REDUCES = InTime(through="reduce step")

NUMBERS = (
    Operator(
        "ArgMax",
        "other",
        folds=as_given,
        time=ALONG,
        in_neuron="only the greatest of several neurons fires (ArgMax)",
    ),
    Operator(
        "ArgMin",
        "other",
        folds=as_given,
        time=ALONG,
        in_neuron="its state is looked up in a table (ArgMin)",
    ),
    Operator("Compress", "other", folds=as_given),
    Operator("Constant", "other", folds=as_given, time=InTime(through="constant")),
    Operator("ConstantOfShape", "other", folds=sizes.filled),
    Operator("CumSum", "other", folds=as_given),
    Operator("EyeLike", "other", folds=sizes.first),
    Operator("LogSoftmax", "other", folds=as_given, time=ALONG),
    Operator("NonZero", "other", folds=sizes.places),
    Operator("OneHot", "other", folds=sizes.one_hot),
    Operator("Range", "other", folds=sizes.counted_up),
    Operator("ReduceL1", "other", folds=as_given, time=REDUCES),
    Operator("ReduceL2", "other", folds=as_given, time=REDUCES),
    Operator("ReduceProd", "other", folds=as_given, time=REDUCES),
    Operator("ReduceSumSquare", "other", folds=as_given, time=REDUCES),
    Operator("Shape", "size", folds=as_given, time=InTime(through="shape")),
    Operator("Size", "size", folds=as_given, time=InTime(through="size")),
    Operator("Softmax", "other", folds=as_given, time=ALONG),
    Operator("Trilu", "other", folds=as_given),
)

NOISE = (
    Operator("Bernoulli", "random", in_neuron="it adds random noise (Bernoulli)"),
    Operator("Multinomial", "random", in_neuron="it adds random noise (Multinomial)"),
    Operator("RandomNormal", "random", in_neuron="it adds random noise (RandomNormal)"),
    Operator("RandomNormalLike", "random", in_neuron="it adds random noise (RandomNormalLike)"),
    Operator("RandomUniform", "random", in_neuron="it adds random noise (RandomUniform)"),
    Operator("RandomUniformLike", "random", in_neuron="it adds random noise (RandomUniformLike)"),
)
