"""Inputs that are none of a network: refused in our words, on the first batch."""

import numpy as np
import pytest
import torch
from torch import nn

from mapper.diagnostics import MappingError
from mapper.training import LIF, export_onnx, harden, over_time
from mapper.training.hardening.stages import staged
from mapper.training.hardening.tasks import Classification, Flow
from mapper.training.hardening.trainer import Options, Run
from tests.training.small import a_network, a_target, spikes

GOOD = (4, 3, 2, 6, 6)


def small_network() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(72, 3))


WRONG = {
    "numpy": (np.zeros(GOOD, np.float32), "input-type", "got a ndarray"),
    "a list": ([[0.0]], "input-type", "got a list"),
    "half": (torch.zeros(GOOD).half(), "input-type", r"torch.float16, .* are torch.float32"),
    "double": (torch.zeros(GOOD).double(), "input-type", r"torch.float64, .* are torch.float32"),
    "complex": (torch.zeros(GOOD).cfloat(), "input-type", r"torch.complex64, "),
    "sparse": (torch.zeros(GOOD).to_sparse(), "input-type", "dense tensors, got torch.sparse"),
    "another device": (torch.zeros(GOOD, device="meta"), "input-type", "on meta, .* is on cpu"),
    "no step": (torch.zeros(0, *GOOD[1:]), "input-shape", r"\[T, B, ...\]"),
    "two axes": (torch.zeros(4, 72), "input-shape", r"\[T, B, ...\]"),
    "no time": (torch.zeros(GOOD[1:]), "input-shape", r"shape \(3, 2, 6, 6\)"),
    "no time, by chance": (torch.zeros(1, 2, 6, 6), "input-shape", r"shape \(1, 2, 6, 6\)"),
    "one axis more": (torch.zeros(1, *GOOD), "input-shape", r"shape \(1, 4, 3, 2, 6, 6\)"),
    "channels last": (torch.zeros(4, 3, 6, 6, 2), "input-shape", r"axis 4, x.movedim\(4, 2\)"),
    "channels first": (torch.zeros(3, 2, 4, 6, 6), "input-shape", r"axis 1, x.movedim\(1, 2\)"),
    "channels": (torch.zeros(4, 3, 5, 6, 6), "input-shape", r"2 input channels cannot take \[5"),
    "larger": (torch.zeros(4, 3, 2, 9, 9), "input-shape", r"36 input features .* \[64\], at '7'"),
    "smaller": (torch.zeros(4, 3, 2, 1, 1), "input-shape", r"'3' cannot take \[4, 1, 1\]"),
    "analogue": (torch.full(GOOD, 0.25), "input-range", "takes spikes, 0 to 1, got 0.25"),
    "counts": (torch.full(GOOD, 2.0), "input-range", "takes spikes, 0 to 1, got 2"),
    "negative": (torch.full(GOOD, -1.0), "input-range", "takes spikes, 0 to 1, got -1"),
    "no number": (torch.full(GOOD, torch.nan), "input-range", "got nan"),
}
OF_FLOAT = {name: case for name, case in WRONG.items() if case[1] != "input-range"}


def assert_refused(call, code: str, said: str) -> None:
    with pytest.raises(MappingError, match=said) as refused:
        call()
    assert [d.code for d in refused.value.diagnostics] == [code]


@pytest.mark.campaign(16)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(("x", "code", "said"), WRONG.values(), ids=WRONG)
def test_what_is_no_input_of_a_twin_is_refused(x, code, said, training):
    for twin in (
        harden(a_network(), a_target()).train(training),
        harden(a_network(), a_target(), example=spikes(*GOOD)).train(training),
    ):
        assert_refused(lambda twin=twin: twin(x), code, said)
    assert_refused(lambda: harden(a_network(), a_target(), example=x), code, said)


@pytest.mark.parametrize(("x", "code", "said"), OF_FLOAT.values(), ids=OF_FLOAT)
def test_what_is_no_input_of_a_float_model_is_refused(tmp_path, x, code, said):
    assert_refused(lambda: over_time(a_network(), x), code, said)
    assert_refused(lambda: export_onnx(a_network(), tmp_path / "m.onnx", x), code, said)


def test_what_torch_alone_computes_is_left_to_it():
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding="same"), nn.ReLU(), nn.LazyConv2d(3, 3))
    assert over_time(model, spikes(*GOOD)).shape == (4, 3, 3, 4, 4)
    tokens = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Linear(4, 7))  # along the last axis
    assert over_time(tokens, spikes(*GOOD)).shape == (4, 3, 4, 4, 7)


def test_a_twin_of_half_precision_is_refused():
    twin = harden(a_network(), a_target()).half()
    assert_refused(lambda: twin(spikes(*GOOD).half()), "input-type", "network are torch.float16")


@pytest.mark.parametrize("training", [True, False])
def test_a_batch_that_is_wrong_after_others_is_found_too(training):
    twin, x = harden(a_network(), a_target(), example=spikes(*GOOD)).train(training), spikes(*GOOD)
    twin(x)
    rare = x.clone()
    rare[3, 2, 1, 5, 5] = 2
    assert_refused(lambda: twin(rare), "input-range", "0 to 1, got 2")
    assert_refused(lambda: twin(x[..., :5, :5]), "input-shape", "36 input features")


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64])
def test_spikes_and_counts_may_be_of_any_whole_type(dtype):
    x = spikes(*GOOD)
    twin = harden(a_network(), a_target(), example=x).eval()
    assert (twin(x.to(dtype)) == twin(x)).all()
    model = a_network().eval()
    assert (over_time(model, x.to(dtype)) == over_time(model, x)).all()


class Viewing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.lif, self.last = nn.Conv2d(2, 4, 3), LIF(), nn.Linear(64, 3)

    def forward(self, x):
        s = self.lif(self.conv(x))
        return self.last(s.view(s.shape[0], -1))


def test_a_view_that_torch_refuses_is_refused_with_what_to_do():
    model = Viewing().to(memory_format=torch.channels_last)
    x = spikes(2, 3, 2, 6, 6)
    assert over_time(Viewing(), x).shape == (2, 3, 3)  # as torch takes it
    said = r"'view' in the forward of the model cannot take \[4, 4, 4\](.|\n)*nn.Flatten\(\)"
    assert_refused(lambda: over_time(model, x), "input-shape", said)
    assert_refused(lambda: harden(model), "unsupported-op", r"'view' in(.|\n)*nn.Flatten\(\)")


def test_what_fails_in_a_model_that_cannot_be_followed_is_said_by_torch():
    class Deciding(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(7, 3)

        def forward(self, x):
            return self.last(x if x.sum() > 0 else -x)

    with pytest.raises(RuntimeError, match="cannot be multiplied") as failed:
        over_time(Deciding(), spikes(2, 3, 5))
    assert not isinstance(failed.value, MappingError)


# --- tasks -------------------------------------------------------------------------------------


def some_recordings(count: int = 10, steps: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    return spikes(steps, count, 2, 6, 6), torch.arange(count) % 3


@pytest.mark.parametrize(("count", "sizes"), [(96, [48, 48]), (100, [48, 48, 4]), (7, [7])])
def test_no_recording_is_lost_in_an_epoch(count, sizes):
    x, labels = spikes(1, count, 1), torch.arange(count)
    x[0, :, 0] = labels.float()
    task = Classification("all", (x, labels), (x, labels), batch=48)
    for epoch in range(2):
        batches = list(task.batches(epoch, seed=3))
        assert [len(wanted) for _, wanted in batches] == sizes
        seen = torch.cat([wanted for _, wanted in batches])
        assert sorted(seen.tolist()) == list(range(count))
        assert all((x[0, :, 0] == wanted).all() for x, wanted in batches)


def test_no_scene_is_lost_in_an_epoch():
    x, flow, mask = spikes(2, 11, 4, 3, 3), torch.zeros(11, 2, 3, 3), torch.ones(11, 3, 3) > 0
    task = Flow("all", (x, flow, mask), (x, flow, mask), batch=4)
    assert [x.shape[1] for x, _ in task.batches(0, 0)] == [4, 4, 3]
    assert_refused(
        lambda: Flow("all", (x, flow, mask), (x, flow, mask[:3])),
        "input-shape",
        r"test: recordings .* N = 11 of shape .*, there are 3 mask",
    )


def test_recordings_that_come_before_time_are_refused():
    x, labels = some_recordings()
    said = r"N = 4 of shape \(10, 4, 2, 6, 6\), there are 10 labels(.|\n)*x.transpose\(0, 1\)"
    first = x.transpose(0, 1)
    assert_refused(
        lambda: Classification("t", (first, labels), (x, labels)), "input-shape", "train: .*" + said
    )
    assert_refused(
        lambda: Classification("t", (x, labels), (first, labels)), "input-shape", "test: .*" + said
    )


@pytest.mark.parametrize(
    ("x", "labels", "code", "said"),
    [
        (np.zeros(GOOD), torch.arange(3), "input-type", "recordings are a tensor .* a ndarray"),
        (torch.zeros(GOOD), np.arange(3), "input-type", "labels are a tensor of torch"),
        (torch.zeros(GOOD), torch.arange(4), "input-shape", "N = 3 .*, there are 4 labels"),
        (torch.zeros(4, 3), torch.arange(3), "input-shape", r"\[T, N, ...\], with labels"),
        (torch.zeros(GOOD), torch.eye(3), "input-type", "labels are the numbers of classes"),
        (torch.zeros(GOOD), torch.rand(3), "input-type", "got torch.float32"),
        (torch.zeros(GOOD), torch.tensor([0, -1, 1]), "input-type", "labels are the numbers"),
    ],
)
def test_recordings_and_labels_that_are_none(x, labels, code, said):
    good = some_recordings()
    assert_refused(lambda: Classification("t", (x, labels), good), code, said)


def test_labels_may_be_of_any_whole_type():
    x, labels = some_recordings()
    task = Classification("t", (x, labels.to(torch.int32)), (x, labels.to(torch.uint8)))
    output = torch.zeros(4, 10, 3)
    assert float(task.loss(output, task.train[1])) == pytest.approx(np.log(3))


# --- runs --------------------------------------------------------------------------------------


def a_run(model: nn.Module, task: Classification, target="adcless-64", **changes) -> Run:
    options = {"schedule": staged(1, 1, target=1), "device": "cpu", **changes}
    return Run(model, task, target, Options(**options), report=lambda line: None)


def test_a_run_takes_the_name_of_a_target(tmp_path):
    task = Classification("t", some_recordings(), some_recordings())
    run = a_run(a_network(), task)
    run.folder = str(tmp_path / "run")
    twin = run.train()
    assert twin.target.name == "adcless-64"
    assert "metric" in run.history[-1]
    assert '"name": "adcless-64"' in (tmp_path / "run" / "config.json").read_text()


@pytest.mark.parametrize(
    ("model", "changes", "code"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(72, 3), nn.Softmax(1)), {}, "unsupported-op"),
        (Viewing(), {}, "unsupported-op"),
        (nn.Sequential(nn.Flatten(), nn.Linear(70, 3)), {}, "input-shape"),
        (small_network(), {"weight_bits": 1}, "weight-bits"),
        (small_network(), {"target": "adcless-63"}, "unknown-target"),
    ],
)
def test_a_run_that_would_be_refused_in_the_end_does_not_begin(tmp_path, model, changes, code):
    task = Classification("t", some_recordings(), some_recordings())
    run = a_run(model, task, **changes)
    run.folder = tmp_path / "run"
    with pytest.raises(MappingError) as refused:
        run.train()
    assert [d.code for d in refused.value.diagnostics] == [code]
    assert run.history == []
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("when", [0, 9])
def test_analogue_recordings_are_refused_while_weights_are_still_floats(when):
    x, labels = some_recordings(10)
    x[0, when] += 0.5
    run = a_run(small_network(), Classification("t", (x, labels), some_recordings(), batch=2))
    with pytest.raises(MappingError, match=r"takes spikes, 0 to 1, got (0|1)\.5"):
        run.train()
    assert run.history == []
    floats = a_run(small_network(), run.task, schedule=staged(1, 1, target=1)[:1])
    floats.train()  # which runs on no crossbar


def test_a_gpu_is_taken_where_torch_finds_one(monkeypatch):
    for found, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda found=found: found)
        assert Options(schedule=()).device == device


@pytest.mark.parametrize("count", [20, 21, 25])
def test_moments_are_those_of_all_recordings_however_short_the_last_batch(count):
    """Each recording counts as much as another: 1 of 21 is not half of two batches."""
    x, labels = some_recordings(count)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), LIF(), nn.Flatten())
    model.append(nn.Linear(64, 3))
    task = Classification("t", (x, labels), (x, labels), batch=20)
    trained = a_run(model, task, schedule=staged(1, 1, target=1)[:1]).train()
    sums = trained[0](x.flatten(0, 1)).detach().double()
    found = trained[1].running_mean.double()
    torch.testing.assert_close(found, sums.mean(dim=(0, 2, 3)), rtol=1e-5, atol=1e-6)


def test_a_last_batch_of_one_recording_trains_a_batch_norm():
    """Its T steps are what the norm takes moments of."""
    x, labels = some_recordings(5)
    model = nn.Sequential(nn.Flatten(), nn.Linear(72, 4), nn.BatchNorm1d(4), LIF(), nn.Linear(4, 3))
    run = a_run(model, Classification("t", (x, labels), (x, labels), batch=4))
    run.train()
    assert all(np.isfinite(row["loss"]) for row in run.history)
