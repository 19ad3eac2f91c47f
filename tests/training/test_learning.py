"""What moves parameters over a stage: the mean of its last epochs."""

import pytest
import torch
from torch import nn

from mapper.training.hardening.learning import Learning
from mapper.training.hardening.stages import Stage


def a_stage(averaged: int) -> Stage:
    return Stage(name="float", kind="float", epochs=3, rate=1e-2, averaged=averaged)


@pytest.mark.parametrize(
    ("averaged", "ends"),
    [(0, 8.0), (1, 8.0), (2, (2.0 + 8.0) / 2), (3, (5.0 + 2.0 + 8.0) / 3), (9, 5.0)],
)
@pytest.mark.parametrize("cut", [0, 1, 2])
def test_a_stage_ends_with_the_mean_of_its_last_epochs(averaged, ends, cut):
    """Weights are 5, 2 and 8 after its three epochs; it is cut off after ``cut`` of them."""
    model = nn.Linear(1, 1)
    learning = Learning(model, a_stage(averaged), batches=1)
    for done, weight in enumerate((5.0, 2.0, 8.0), start=1):
        with torch.no_grad():
            model.weight.fill_(weight)
            model.bias.fill_(-weight)
        learning.end_epoch(done)
        if done < 3:
            assert model.weight.item() == weight
        if done == cut:
            kept = learning.state()
            learning = Learning(model, a_stage(averaged), batches=1)
            learning.go_on(kept)
    assert model.weight.item() == ends
    assert model.bias.item() == -ends
