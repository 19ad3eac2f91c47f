"""Arguments of a wrong type are refused by every call of training, and so is what is no batch."""

import pytest
import torch
from torch import Tensor, nn

from mapper import Assignment, Choice
from mapper.diagnostics import MappingError
from mapper.training import LIF, Awareness, export_onnx, harden, over_time
from mapper.training.hardening.stages import Stage
from mapper.training.hardening.trainer import Options, Run

X = torch.ones(3, 2, 6)
WRONG = (None, object(), -1.5, b"bytes", [None], {1: 2})


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 4), LIF(), nn.Linear(4, 3), LIF())


def code_of(call, *args, **options) -> str:
    with pytest.raises(MappingError) as caught:
        call(*args, **options)
    return caught.value.diagnostics[0].code


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: type(wrong).__name__)
def test_no_call_takes_what_is_no_such_thing(wrong, tmp_path):
    for name in ("target", "scale", "input_bits", "assignment"):
        assert code_of(harden, model(), **{name: wrong})
    if wrong is not None:
        assert code_of(harden, model(), digital=wrong) in ("bad-argument", "unknown-layer")
        assert code_of(harden, model(), weight_bits=wrong) == "weight-bits"
    for path, given in (("m.onnx", wrong), (wrong, model())):
        place = tmp_path / path if isinstance(path, str) else path
        assert code_of(export_onnx, given, place, X) == "bad-argument"
    assert code_of(over_time, wrong, X) == "bad-argument"
    assert code_of(harden(model()).raise_awareness, wrong, X) == "bad-argument"
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_is_none_and_choices_that_are_none_are_named():
    with pytest.raises(MappingError, match="name_or_path is None: it takes a target's name"):
        harden(model(), target=None)
    with pytest.raises(MappingError, match="weight_bits is '4', a str: it takes a whole number"):
        harden(model(), assignment=Assignment(layers={"0": Choice(weight_bits="4")}))
    with pytest.raises(MappingError, match="digital is '0', a str: it takes names of layers"):
        harden(model(), digital="0")


def no_batches() -> dict[str, Tensor]:
    return {
        "nested": torch.nested.nested_tensor([torch.zeros(2, 6), torch.zeros(1, 6)]),
        "quantized": torch.quantize_per_tensor(X, 1.0, 0, torch.quint8),
        "sparse": X.to_sparse(),
    }


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", ["nested", "quantized", "sparse"])
def test_tensors_of_another_layout_are_refused_at_harden_and_as_the_first_batch(kind, tmp_path):
    x = no_batches()[kind]
    assert code_of(harden, model(), example=x) == "input-type"
    twin = harden(model())
    for call in (twin, twin.eval(), twin.check, twin.compiled, twin.integers):
        assert code_of(call, x) == "input-type"
    assert code_of(over_time, model(), x) == "input-type"
    assert code_of(export_onnx, model(), tmp_path / "m.onnx", x) == "input-type"
    assert code_of(a_run(Once(x)).train) == "input-type"


class Once:
    """A task of one batch."""

    name, greater_is_better = "once", True

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def batches(self, epoch, seed):
        yield self.x, torch.zeros(2, dtype=torch.int64)

    held_out = batches

    def loss(self, output, wanted):
        return output.sum()

    def score(self, output, wanted):
        return 0.0, 1


def a_run(task, **other) -> Run:
    stage = Stage(name="target", kind="target", epochs=1, rate=1e-3)
    parts = {"model": model(), "target": "adcless-64", "options": Options(schedule=(stage,))}
    return Run(**{**parts, "task": task, **other})


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: type(wrong).__name__)
def test_the_parts_of_a_run_are_looked_at_before_it_starts(wrong):
    for name in ("model", "target", "options", "report"):
        assert code_of(a_run(Once(X), **{name: wrong}).train) == "bad-argument"
    assert code_of(a_run(wrong).train) == "bad-argument"
    if wrong is not None:
        assert code_of(a_run(Once(X), folder=wrong).train) == "bad-argument"


def test_awareness_is_what_training_calls_it():
    twin = harden(model())
    twin.raise_awareness(Awareness(), X)
    assert bool(twin.settled)
