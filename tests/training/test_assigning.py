"""Assignments that are measured after a short training each."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import mapper as spikeloom
from mapper import Assignment, Choice, MappingError
from mapper.cli.assign import trainer
from mapper.ir.crossbar import CrossbarMvm
from mapper.training import LIF, export_onnx
from mapper.training.assigning import Hardening
from mapper.training.hardening.tasks import Classification
from targets import Target, load_target
from tests.assigning.test_assign import FEW

SIDE = 4


def recordings(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``[3, count, 1, 4, 4]`` spikes, more of them in the half that the label names."""
    drawn = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    rate = torch.full((count, 1, SIDE, SIDE), 0.1)
    for place, label in enumerate(labels.tolist()):
        rate[place, :, :, label * 2 : label * 2 + 2] = 0.6
    return (torch.rand((3, count, 1, SIDE, SIDE), generator=drawn) < rate).float(), labels


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Hardening:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 3, 3), LIF(), nn.Flatten(), nn.Linear(12, 2))
    path = tmp_path_factory.mktemp("float") / "float.onnx"
    export_onnx(model, path, recordings(2, 0)[0])
    task = Classification("halves", train=recordings(16, 1), test=recordings(16, 2))
    return Hardening(model=path, target=FEW, task=task)


def given(model: Path, target: Target) -> Hardening:
    """What the command line may name."""
    task = Classification("halves", train=recordings(16, 1), test=recordings(16, 2))
    return Hardening(model=model, target=target, task=task)


def test_a_network_is_trained_for_its_assignment(short):
    decided = Assignment(
        layers={"0": Choice(macro="ternary-64"), "3": Choice(macro="sense-amp-64")}
    )
    made = short(decided)
    assert made.trained_for == FEW.name
    assert made.graph.assignment == decided
    layers = [op for op in made.graph.ops if isinstance(op, CrossbarMvm)]
    assert [op.placement.macro for op in layers] == ["ternary-64", "sense-amp-64"]
    assert short(decided).graph == made.graph


def test_assignments_are_measured_after_training(short):
    x, labels = recordings(24, 3)
    held = {"x": x.numpy().astype(np.uint8), "labels": labels.numpy()}
    found = spikeloom.assign(short.model, FEW, inputs=held, keep=0.2, train=short)
    assert found.layers == ("0", "3")
    plain = spikeloom.assign(short.model, FEW, inputs=held, keep=0.2)
    assert found.finest != plain.finest


def test_the_command_names_a_function_that_returns_what_trains(short):
    made = trainer("tests.training.test_assigning:given", Path(short.model), "readouts-64")
    assert isinstance(made, Hardening)
    assert (made.model, made.target) == (short.model, load_target("readouts-64"))
    for named, message in (
        ("nowhere:at_all", "No module named 'nowhere'"),
        ("tests.training.test_assigning:nobody", "has no attribute 'nobody'"),
        ("tests.training.test_assigning", "is no function"),
    ):
        with pytest.raises(MappingError, match=rf"error\[bad-option\]: .*{message}"):
            trainer(named, Path(short.model), "readouts-64")


def test_what_trains_says_what_it_depends_on(short):
    same = Hardening(model=short.model, target=FEW, task=short.task)
    assert short.identity() == same.identity()
    other = Classification("halves", train=recordings(16, 4), test=recordings(16, 2))
    task = Hardening(model=short.model, target=FEW, task=other)
    assert short.identity()["data"] != task.identity()["data"]


def test_what_cannot_train_is_refused(short):
    with pytest.raises(MappingError, match="train is 5, a int: it takes what trains a network"):
        spikeloom.assign(short.model, FEW, inputs=np.zeros((2, 16, 1, 4, 4)), train=5)
