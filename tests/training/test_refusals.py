"""What training refuses, it refuses at once, all of it, by the path of a module."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from mapper.diagnostics import MappingError
from mapper.training import LIF, Iand, export_onnx, harden
from tests.training.small import a_network, a_target, spikes
from tests.training.twins import assert_same_as_compiled, disordered


def problems(call, *args, **options) -> list[tuple[str, str]]:
    """Return (code, place) of everything that is refused."""
    with pytest.raises(MappingError) as refused:
        call(*args, **options)
    return [(d.code, d.loc) for d in refused.value.diagnostics]


def between(*layers: nn.Module) -> nn.Sequential:
    """Return a convolution, the layers, and a layer that reads spikes of 8 channels, 6x6."""
    tail = (LIF(), nn.Flatten(), nn.Linear(8 * 36, 4))
    return nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), *layers, *tail)


class Calling(nn.Module):
    """A layer and a function of what it gives, in a module of their own."""

    def __init__(self, function) -> None:
        super().__init__()
        self.body = Called(function)
        self.last = nn.Linear(8 * 36, 3)

    def forward(self, x):
        return self.last(torch.flatten(self.body(x), 1))


class Called(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.conv, self.lif, self.function = nn.Conv2d(2, 8, 3, padding=1), LIF(), function
        self.shift = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.function(self, self.conv(x))


NO_COUNTERPART = {
    "GroupNorm": nn.GroupNorm(2, 8),
    "LayerNorm": nn.LayerNorm([8, 6, 6]),
    "InstanceNorm2d": nn.InstanceNorm2d(8),
    "BatchNorm3d": nn.BatchNorm3d(8),
    "ReLU": nn.ReLU(),
    "Sigmoid": nn.Sigmoid(),
    "Tanh": nn.Tanh(),
    "GELU": nn.GELU(),
    "PReLU": nn.PReLU(),
    "Softmax": nn.Softmax(dim=1),
    "Conv1d": nn.Conv1d(8, 8, 3),
    "AdaptiveAvgPool2d": nn.AdaptiveAvgPool2d(6),
    "Upsample": nn.Upsample(scale_factor=1),
    "MultiheadAttention": nn.MultiheadAttention(8, 2),
}
WRONG_IN_ITSELF = {
    "a batch norm without running statistics": nn.BatchNorm2d(8, track_running_stats=False),
    "returns indices": nn.MaxPool2d(1, return_indices=True),
    "ceil_mode or dilation": nn.MaxPool2d(2, ceil_mode=True),
    "padding out (count_include_pad=False)": nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    "divided by 7": nn.AvgPool2d(1, divisor_override=7),
    "joins the samples": nn.Flatten(0),
    "padding must be numbers, and of zeros": nn.Conv2d(8, 8, 3, padding="same"),
    "does not know its size yet": nn.LazyConv2d(8, 1),
}


@pytest.mark.parametrize("module", NO_COUNTERPART.values(), ids=NO_COUNTERPART)
def test_a_module_without_counterpart_is_refused_by_harden_by_its_path(module):
    model = nn.Sequential(nn.Sequential(nn.Identity(), between(module)))
    with pytest.raises(MappingError) as refused:
        harden(model, "hpadc-sar5-64")
    (problem,) = refused.value.diagnostics
    assert (problem.code, problem.loc) == ("unsupported-op", "0.1.1")
    assert problem.message == (
        f"{type(module).__name__} has no counterpart on the hardware, at '0.1.1'"
    )


@pytest.mark.parametrize(("said", "module"), WRONG_IN_ITSELF.items(), ids=WRONG_IN_ITSELF)
def test_a_module_that_is_set_up_otherwise_is_refused(said, module):
    with pytest.raises(MappingError) as refused:
        harden(between(module))
    (problem,) = refused.value.diagnostics
    assert (problem.code, problem.loc) == ("unsupported-op", "1")
    assert said in problem.message


FUNCTIONS = {
    "relu": lambda self, x: torch.relu(x),
    "mul": lambda self, x: x * 2,
    "add": lambda self, x: x + 1,
    "mean": lambda self, x: self.lif(x).mean(),
    "cumsum": lambda self, x: torch.cumsum(x, 1),
    "view": lambda self, x: self.lif(x).view(x.shape[0], -1),
    "reshape": lambda self, x: self.lif(x).reshape(x.size(0), -1),
    "cat": lambda self, x: torch.cat([self.lif(x), x], dim=2),
}


@pytest.mark.parametrize(("name", "function"), FUNCTIONS.items(), ids=FUNCTIONS)
def test_a_function_without_counterpart_is_refused_by_the_module_whose_forward_calls_it(
    name, function
):
    with pytest.raises(MappingError, match=f"at '{name}' in the forward of 'body'"):
        harden(Calling(function))
    assert problems(harden, Calling(function)) == [("unsupported-op", "body")]


def test_a_parameter_that_a_forward_uses_itself_is_refused():
    model = Calling(lambda self, x: self.lif(x + self.shift))
    assert problems(harden, model) == [("unsupported-op", "body.shift")]


def everything_wrong() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1),
        nn.Sequential(nn.GroupNorm(2, 8), nn.ReLU()),
        nn.Conv2d(8, 8, 3, padding="same"),
        LIF(),
        nn.AvgPool2d(2),
        nn.Conv2d(8, 8, 1),
        LIF(),
        nn.Flatten(),
        nn.Linear(72, 3),
    )


def test_all_that_is_wrong_is_said_at_once():
    found = problems(harden, everything_wrong(), weight_bits=9, input_bits=0, digital=["fc"])
    assert found == [
        ("weight-bits", ""),
        ("bad-option", ""),
        ("unknown-layer", ""),
        ("unsupported-op", "1.0"),
        ("unsupported-op", "1.1"),
        ("unsupported-op", "2"),
        ("unsupported-op", "5"),  # reads means
    ]


def test_harden_and_export_refuse_by_one_table(tmp_path):
    """The float file may hold an average before a layer; the rest is the same."""
    exported = problems(export_onnx, everything_wrong(), tmp_path / "m.onnx", spikes(2, 2, 2, 6, 6))
    assert exported == [("unsupported-op", path) for path in ("1.0", "1.1", "2")]
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("mode", ["eval", "export"])
def test_a_module_that_is_put_into_a_twin_is_refused_where_it_is_used(tmp_path, mode):
    x = spikes(2, 2, 2, 6, 6)
    twin = harden(between(nn.Identity()), example=x).eval()
    twin.network.set_submodule("1", nn.ReLU())
    call = twin if mode == "eval" else lambda x: export_onnx(twin, tmp_path / "m.onnx", x)
    assert problems(call, x) == [("unsupported-op", "1")]


def test_what_was_a_type_error_or_a_value_error_is_caught_as_one():
    for kind in (TypeError, ValueError):
        with pytest.raises(kind, match="ReLU has no counterpart"):
            harden(between(nn.ReLU()))


# --- what drives wordlines ---------------------------------------------------------------------


class Counts(nn.Module):
    """Spikes of two neurons added: 0 to 2."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.a, self.b = nn.Conv2d(2, 4, 3), LIF(), LIF(threshold=2.0)
        self.pool, self.last = nn.MaxPool2d(2), nn.Conv2d(4, 3, 1)

    def forward(self, x):
        y = self.conv(x)
        return self.last(self.pool(self.a(y) + self.b(y)))


class Skip(nn.Module):
    """The input itself beside spikes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif, self.last = nn.Conv2d(2, 4, 1), LIF(), nn.Conv2d(6, 3, 1)

    def forward(self, x):
        return self.last(torch.cat([x, self.lif(self.conv(x))], dim=1))


ANALOGUE = {
    "means": (between(LIF(), nn.AvgPool2d(2, 1, 1), nn.Conv2d(8, 8, 2)), {}, "3"),
    "sums": (between(nn.Conv2d(8, 8, 1)), {}, "1"),
    "membranes": (between(LIF(spiking=False), nn.Conv2d(8, 8, 1)), {}, "2"),
    "scaled spikes": (between(LIF(), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1)), {}, "3"),
    "a norm of the input": (nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1)), {}, "1"),
    "counts": (Counts(), {}, "last"),
    "codes of 3 bits": (Skip(), {"input_bits": 3}, "last"),
    "on the digital unit": (between(nn.Conv2d(8, 8, 1)), {"digital": ["1"]}, "1"),
}


@pytest.mark.parametrize(("model", "options", "path"), ANALOGUE.values(), ids=ANALOGUE)
def test_a_layer_that_is_driven_by_no_spikes_is_refused(model, options, path):
    with pytest.raises(MappingError) as refused:
        harden(model, **options)
    (problem,) = refused.value.diagnostics
    assert (problem.code, problem.loc) == ("unsupported-op", path)
    assert "takes spikes, 0 to 1, and is given" in problem.message


def test_codes_may_drive_the_first_layer_and_spikes_beside_them_another():
    x = spikes(3, 4, 2, 6, 6)
    assert_same_as_compiled(disordered(harden(Skip(), a_target(), example=x)), x)


def test_iand_joins_spikes_alone():
    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.lif, self.join = nn.Conv2d(2, 4, 1), LIF(), Iand()

        def forward(self, x):
            y = self.conv(x)
            return self.join(self.lif(y), y)

    assert problems(harden, Joined()) == [("unsupported-op", "join")]


def test_a_value_that_is_used_twice_counts_twice():
    class Doubled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.lif = nn.Conv2d(2, 4, 1), LIF(threshold=0.3)
            self.last = nn.Conv2d(8, 3, 1)

        def forward(self, x):
            y = self.conv(x)
            s = self.lif(y + y)
            return self.last(torch.cat([s, s], dim=1))

    x = spikes(3, 4, 2, 5, 5)
    assert_same_as_compiled(disordered(harden(Doubled(), a_target(), example=x)), x)


# --- what the target has not -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leaks", "leak", "accepted"),
    [
        (("none",), 1.0, True),
        (("none",), 0.75, False),
        (("none", "shift"), 0.8, True),
        (("none", "shift"), 0.0, False),
        (("multiply",), 0.0, True),
    ],
)
def test_leaks_are_those_of_the_digital_unit(leaks, leak, accepted):
    bits = 12 if "multiply" in leaks else 0
    unit = replace(a_target().neuron, leaks=leaks, leak_bits=bits)
    target, model = replace(a_target(), neuron=unit), nn.Sequential(nn.Linear(6, 4), LIF(leak=leak))
    x = spikes(3, 2, 6)
    if accepted:
        assert_same_as_compiled(harden(nn.Sequential(model, nn.Linear(4, 2)), target, example=x), x)
    else:
        assert problems(harden, model, target) == [("unsupported-leak", "1")]


@pytest.mark.parametrize(
    ("leak", "learn", "accepted"),
    [
        ([0.5, 0.75, 0.5, 0.75], (), False),
        ([1.0, 1.0, 1.0, 1.0], (), True),
        ([1.0, 1.0, 1.0, 1.0], ("leak",), False),
    ],
)
def test_leaks_that_differ_by_channel_need_a_multiplier(leak, learn, accepted):
    shifting = replace(a_target().neuron, leaks=("none", "shift"), leak_bits=0)
    target = replace(a_target(), neuron=shifting)
    own, x = LIF(leak=torch.tensor(leak), learn=learn), spikes(3, 2, 6)
    model = nn.Sequential(nn.Linear(6, 4), own, nn.Linear(4, 2))
    if accepted:
        assert_same_as_compiled(harden(model, target, example=x), x)
    else:
        assert problems(harden, model, target) == [("unsupported-leak", "1")]
        multiplying = replace(shifting, leaks=("multiply",), leak_bits=12)
        harden(model, replace(target, neuron=multiplying))


def test_a_network_that_the_chip_has_no_room_for_is_refused_on_the_first_batch():
    chip = replace(a_target().chip, tiles=1, crossbars_per_tile=1, max_chips=1, max_rounds=1)
    small, x = replace(a_target(), chip=chip), spikes(2, 2, 2, 6, 6)
    assert problems(harden, a_network(), small, example=x)[0][0] == "too-many-crossbars"
    assert problems(harden(a_network(), small).train(), x)[0][0] == "too-many-crossbars"


def test_a_threshold_that_is_too_wide_is_left_to_training():
    model = a_network()
    with torch.no_grad():
        model[2].threshold.fill_(1e6)
    twin, x = harden(model, "adcless-64"), spikes(2, 2, 2, 6, 6)
    twin.train()(x)
    assert problems(twin.eval(), x)[0][0] == "membrane-too-narrow"


# --- models that cannot be followed, options -------------------------------------------------


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(self.layer(x))


class Deciding(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return x + y


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(LIF()), "the model has no layer of weights"),
        (Twice(), "'layer' is called more than once"),
        (Deciding(), "Deciding cannot be followed"),
        (TwoInputs(), "a network has one input, TwoInputs takes 2"),
    ],
)
def test_models_that_cannot_be_followed(model, message):
    with pytest.raises(MappingError, match=message) as refused:
        harden(model)
    assert refused.value.diagnostics[0].code == "unsupported-forward"


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"weight_bits": 0}, "weight-bits", "weights have 1 to 8 bits, got 0"),
        ({"weight_bits": 9}, "weight-bits", "weights have 1 to 8 bits, got 9"),
        ({"scale": "row"}, "bad-option", "scale is one of .*, got 'row'"),
        ({"input_bits": 0}, "bad-option", "input codes have 1 to 8 bits, got 0"),
        ({"digital": ["1"]}, "unknown-layer", r"\['1'\], the layers of weights are \['0'\]"),
        ({"digital": ["0"]}, "bad-option", "every layer is digital"),
        ({"example": torch.zeros(3, 4)}, "input-shape", r"inputs are \[T, B, ...\]"),
    ],
)
def test_options_out_of_range(options, code, message):
    with pytest.raises(MappingError, match=message) as refused:
        harden(nn.Sequential(nn.Linear(4, 2), LIF()), **options)
    assert refused.value.diagnostics[0].code == code
