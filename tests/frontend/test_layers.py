"""Layers between neurons, exported with torch: equal to ONNX Runtime."""

from functools import partial

import pytest

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.ir.core import SPIKE, IntType
from tests.frontend import zoo
from tests.frontend.export import exported
from tests.frontend.models import assert_equal_to_reference
from tests.frontend.nets import MERGES, Branches, Case, Does, Net, Residual, cnn
from tests.frontend.zoo import nn

LEAKY, JELLY = zoo.SnnTorchLeaky, zoo.SpikingJelly
CONV = partial(nn.Conv2d, 2, 4, 3)
MIX = partial(nn.Conv2d, 4, 2, 1)
UNMIX = partial(nn.Conv2d, 2, 4, 1)


def wide(*parts, size=3):
    return cnn(CONV, LEAKY, *parts, nn.Flatten, partial(nn.Linear, 4 * size * size, 6), LEAKY)


LAYERS = {
    "convolution-options": cnn(
        partial(nn.Conv2d, 2, 6, (3, 5), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2),
        LEAKY,
        partial(nn.Conv2d, 6, 4, 3, bias=False),
        JELLY,
    ),
    "transposed": cnn(
        partial(nn.Conv2d, 2, 6, 3, stride=2),
        LEAKY,
        partial(nn.ConvTranspose2d, 6, 4, 3, stride=2, padding=1, output_padding=1, groups=2),
        LEAKY,
    ),
    "transposed-dilated": cnn(
        partial(nn.ConvTranspose2d, 2, 3, 4, stride=2, padding=1, dilation=2), LEAKY
    ),
    "one-dimension": Case(
        lambda: Net(
            nn.Conv1d(3, 6, 5, padding=2),
            LEAKY(),
            nn.AvgPool1d(2),
            nn.Conv1d(6, 4, 3, groups=2),
            LEAKY(),
            nn.ConvTranspose1d(4, 2, 4, stride=2),
            LEAKY(),
        ),
        (1, 3, 20),
    ),
    "max-pool-before-and-after": cnn(
        CONV, partial(nn.MaxPool2d, 3, 2, padding=1), LEAKY, partial(nn.MaxPool2d, 2), MIX, LEAKY
    ),
    "max-pool-rounded-up": wide(partial(nn.MaxPool2d, 3, 4, ceil_mode=True)),
    "average-pool-before": cnn(CONV, partial(nn.AvgPool2d, 3, 2, padding=1), LEAKY),
    "average-pool-after": wide(partial(nn.AvgPool2d, 3, 3)),
    "average-pool-uncounted": cnn(
        CONV, partial(nn.AvgPool2d, 3, 2, padding=1, count_include_pad=False), LEAKY
    ),
    "average-pool-of-spikes-uncounted": cnn(
        CONV, LEAKY, partial(nn.AvgPool2d, 3, 2, padding=1, count_include_pad=False), MIX, LEAKY
    ),
    "average-pool-rounded-up": wide(partial(nn.AvgPool2d, 4, 3, ceil_mode=True)),
    "global-average": wide(partial(nn.AdaptiveAvgPool2d, 1), size=1),
    "mean": cnn(
        CONV, LEAKY, lambda: Does(lambda x: x.mean((2, 3))), partial(nn.Linear, 4, 3), LEAKY
    ),
    "sum": cnn(CONV, LEAKY, lambda: Does(lambda x: x.sum((2, 3))), partial(nn.Linear, 4, 3), LEAKY),
    "votes": Case(
        lambda: Net(
            nn.Linear(20, 30),
            JELLY(),
            Does(lambda x: nn.functional.avg_pool1d(x.unsqueeze(1), 3, 3).squeeze(1)),
        ),
        (1, 20),
    ),
    "batch-norm-everywhere": cnn(
        partial(nn.BatchNorm2d, 2),
        partial(nn.Conv2d, 2, 4, 3, bias=False),
        partial(nn.BatchNorm2d, 4),
        LEAKY,
        nn.Flatten,
        partial(nn.Linear, 400, 6),
        partial(nn.BatchNorm1d, 6),
        LEAKY,
    ),
    "batch-norm-after-pool": cnn(CONV, partial(nn.MaxPool2d, 2), partial(nn.BatchNorm2d, 4), LEAKY),
    "joined": cnn(Branches, LEAKY, partial(nn.Conv2d, 8, 3, 1), LEAKY),
    "channels-last": Case(
        lambda: Net(
            Does(lambda x: x.permute(0, 3, 1, 2)),
            nn.Conv2d(2, 4, 3),
            Does(lambda x: x.permute(0, 2, 3, 1)),
            LEAKY(),
            Does(lambda x: x.permute(0, 3, 1, 2)),
            nn.Conv2d(4, 3, 3),
            Does(lambda x: x.permute(0, 2, 3, 1)),
            LEAKY(),
        ),
        (1, 12, 12, 2),
    ),
    "padded": cnn(partial(nn.ZeroPad2d, (1, 2, 0, 1)), CONV, LEAKY),
    "dropout": cnn(CONV, nn.Dropout, LEAKY, nn.Dropout2d, MIX, zoo.Integrator),
    "scaled": cnn(
        CONV,
        lambda: Does(lambda x: x * 2.5 + 0.1),
        LEAKY,
        lambda: Does(lambda x: x * 3.0),
        MIX,
        LEAKY,
    ),
    **{
        f"merge-{kind}": Case(partial(Residual, kind), (1, 4, 6, 6))
        for kind in (*MERGES, "current")
    },
}


@pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS)
def test_layers_compute_what_the_legacy_export_computes(case, tmp_path):
    assert_equal_to_reference(exported(case, "legacy", tmp_path))


@pytest.mark.campaign(12)
@pytest.mark.slow
@pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS)
def test_layers_compute_what_the_dynamo_export_computes(case, tmp_path):
    assert_equal_to_reference(exported(case, "dynamo", tmp_path))


def ops_of(name, folder):
    return import_model(exported(LAYERS[name], "legacy", folder)).graph.ops


@pytest.mark.parametrize("kind", ["and", "iand", "or", "xor"])
def test_merged_spikes_stay_spikes(kind, tmp_path):
    (merge,) = (op for op in ops_of(f"merge-{kind}", tmp_path) if op.mnemonic == "net.merge")
    assert (merge.kind, merge.result.type) == (kind, SPIKE)


@pytest.mark.parametrize("name", ["or-max", "or-clamp"])
def test_an_or_is_seen_however_it_is_written(name, tmp_path):
    (merge,) = (op for op in ops_of(f"merge-{name}", tmp_path) if op.mnemonic == "net.merge")
    assert merge.kind == "or"


def test_added_spikes_are_counts(tmp_path):
    (total,) = (op for op in ops_of("merge-add", tmp_path) if op.mnemonic == "net.add")
    assert total.result.type == IntType(2, signed=False)


def test_a_residual_current_is_added_before_the_neuron(tmp_path):
    ops = ops_of("merge-current", tmp_path)
    (total,) = (op for op in ops if op.mnemonic == "net.add")
    assert [term.type == SPIKE for term in total.terms] == [False, True]


def test_pooled_spikes_stay_spikes(tmp_path):
    pools = [op for op in ops_of("max-pool-before-and-after", tmp_path) if "pool" in op.mnemonic]
    assert [pool.result.type == SPIKE for pool in pools] == [False, True]


def test_a_batch_norm_is_a_factor_and_an_offset_per_channel(tmp_path):
    norms = [op for op in ops_of("batch-norm-everywhere", tmp_path) if op.mnemonic == "net.scale"]
    assert [norm.result.shape for norm in norms] == [(2, 12, 12), (4, 10, 10), (6,)]


@pytest.mark.parametrize(
    ("part", "node"),
    [
        (nn.ReLU, "Relu"),
        (partial(nn.Upsample, scale_factor=2, mode="bilinear"), "Resize"),
        (nn.Tanh, "Tanh"),
    ],
)
def test_what_the_hardware_cannot_do_is_refused_at_its_node(part, node, tmp_path):
    path = exported(cnn(CONV, LEAKY, MIX, part, UNMIX, LEAKY), "legacy", tmp_path)
    with pytest.raises(MappingError) as caught:
        import_model(path)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.loc) == ("unsupported-op", f"model.onnx:/parts.3/{node}")


def test_an_open_batch_axis_is_read_as_one_sample(tmp_path):
    case = LAYERS["max-pool-before-and-after"]
    axes = {name: {0: "batch"} for name in ("x", "s0", "s1", "y", "s0_out", "s1_out")}
    imported = assert_equal_to_reference(exported(case, "legacy", tmp_path, dynamic_axes=axes))
    assert imported.port("x").model_shape == (1, 2, 12, 12)
    assert imported.port("x").graph_shape == (2, 12, 12)
