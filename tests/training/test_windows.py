"""What wordlines see, and exact sums of it as training computes them."""

import pytest
import torch

from mapper.ir.windows import Window
from mapper.training.backends.windows import outputs_image, wordline_inputs
from mapper.training.nets.layers import exact_sums


@pytest.mark.parametrize(
    ("window", "groups"),
    [
        (Window(kernel=(3, 3), padding=(1, 1, 1, 1)), 1),
        (Window(kernel=(4, 3), stride=(2, 1), padding=(1, 0, 2, 1), dilation=(1, 2)), 3),
        (Window(kernel=(4, 4), padding=(2, 2, 2, 2), stuffing=(2, 2)), 2),
    ],
)
def test_exact_sums_in_training_are_those_of_wordlines(window, groups):
    torch.manual_seed(0)
    x = (torch.rand(5, 6, 9, 8) < 0.3).float()
    rows = window.kernel[0] * window.kernel[1] * 6 // groups
    weight = torch.randint(-7, 8, (rows, 6 * groups)).float().requires_grad_()
    x.requires_grad_()
    trained = exact_sums(x, weight, window, groups)
    with torch.no_grad():
        assert (trained == exact_sums(x, weight, window, groups)).all()
    upstream = torch.randn_like(trained)
    found = torch.autograd.grad(trained, (x, weight), upstream)
    columns = weight.double().reshape(rows, groups, -1).transpose(0, 1)
    inputs = wordline_inputs(x.double(), window, groups)
    sums = (inputs @ columns).transpose(0, 1).reshape(inputs.shape[1], -1)
    plain = outputs_image(sums, len(x), window, x.shape)
    for mine, true in zip(found, torch.autograd.grad(plain, (x, weight), upstream), strict=True):
        # Products and sums in single precision, a few hundred terms each.
        torch.testing.assert_close(mine, true.to(mine.dtype), rtol=1e-4, atol=1e-4)
