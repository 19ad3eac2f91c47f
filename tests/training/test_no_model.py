"""What is no network of one type with one tensor as its result is refused by ``harden``."""

import pytest
import torch
from torch import nn

from mapper.diagnostics import MappingError
from mapper.training import LIF, harden


class Returning(nn.Module):
    """A layer whose result is wrapped."""

    def __init__(self, wrap) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)
        self.wrap = wrap

    def forward(self, x):
        return self.wrap(self.layer(x))


def mixed(change) -> nn.Sequential:
    """Return two layers of which the second is changed."""
    return nn.Sequential(nn.Linear(4, 3), LIF(), change(nn.Linear(3, 2)))


WRONG = {
    "a function": (lambda: abs, "a builtin_function_or_method is no torch.nn.Module"),
    "nothing": (lambda: None, "a NoneType is no torch.nn.Module"),
    "a tuple": (lambda: Returning(lambda y: (y,)), "Returning returns a tuple"),
    "by name": (lambda: Returning(lambda y: {"y": y}), "Returning returns a dict"),
    "half": (lambda: mixed(nn.Module.half), "2.weight is torch.float16, the numbers before it are"),
    "double": (lambda: mixed(nn.Module.double), "2.weight is torch.float64, the numbers before it"),
    "elsewhere": (lambda: mixed(lambda m: m.to("meta")), "2.weight is meta, the numbers before it"),
}


@pytest.mark.parametrize(("make", "said"), WRONG.values(), ids=WRONG)
def test_what_is_no_network_of_numbers_is_refused_at_once(make, said):
    with pytest.raises(MappingError) as caught:
        harden(make(), "ideal-128")
    (found,) = caught.value.diagnostics
    assert found.code == "unsupported-forward"
    assert said in found.message


def test_a_network_that_is_of_another_type_as_a_whole_is_none_of_these():
    twin = harden(nn.Sequential(nn.Linear(4, 3), LIF()).double(), "ideal-128")
    spikes = torch.ones(2, 3, 4, dtype=torch.float64)
    assert twin(spikes).shape == twin.eval()(spikes).shape == (2, 3, 3)
