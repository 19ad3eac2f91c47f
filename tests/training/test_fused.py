"""GPU programs against torch's own operations, run on the CPU by triton's interpreter."""

from typing import Any

import pytest
import torch
from torch import Tensor

from mapper.training import LIF
from mapper.training.backends import choose, sums
from tests.training.small import a_macro, settled
from tests.training.test_partial_sums import LAYERS, POSSIBLE

with pytest.MonkeyPatch.context() as patch:
    patch.setenv("TRITON_INTERPRET", "1")  # triton asks once, when it is imported
    triton = pytest.importorskip("triton", reason="needs triton, whose interpreter runs programs")
    from mapper.training.backends import kernels

if isinstance(kernels.read_forward, triton.JITFunction):
    pytest.skip("triton was imported before its interpreter was asked for", allow_module_level=True)


@pytest.fixture(autouse=True)
def in_the_interpreter(monkeypatch):
    """Single precision on both sides: the interpreter has no bfloat16."""
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setattr(sums, "sum_type", lambda *_: torch.float32)


def both(monkeypatch: Any, run: Any) -> tuple[list[Tensor], list[Tensor]]:
    """Run fused and with torch's own operations."""
    found = run()
    monkeypatch.setattr(choose, "FUSED", False)
    return found, run()


CASES = [
    *(("linear", *case, 1) for case in POSSIBLE),
    ("conv", "offset-binary", "half-active ternary", 1),
    ("grouped", "offset-binary", "flash", 4),
    ("transposed", "differential", "ternary", 2),
    ("grouped transposed", "twos-complement", "half-active", 1),
]


@pytest.mark.parametrize(("kind", "encoding", "readout", "cell_bits"), CASES)
def test_fused_is_what_torch_computes(monkeypatch, kind, encoding, readout, cell_bits):
    layer, x = LAYERS[kind]()
    macro = a_macro(readout, encoding=encoding, cell_bits=cell_bits)
    hardened = settled(layer, macro, x, scale="block")
    learned = [p for p in hardened.parameters() if p.requires_grad]
    torch.nn.init.uniform_(hardened.block_scale, 0.5, 2.0)

    def run() -> list[Tensor]:
        source = x.clone().requires_grad_()
        sums = hardened.sums(source)
        upstream = torch.arange(sums.numel()).reshape(sums.shape).sin()
        gradients = torch.autograd.grad(sums, [source, *learned], upstream, allow_unused=True)
        return [sums, *(g for g in gradients if g is not None)]

    found, expected = both(monkeypatch, run)
    assert (found[0] == expected[0]).all()
    for a, b in zip(found[1:], expected[1:], strict=True):
        # Single precision on both sides, added in another order.
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(b.abs().max()))


@pytest.mark.parametrize("reset", ["subtract", "value", "none"])
@pytest.mark.parametrize("options", [{}, {"current_leak": 0.6}, {"spiking": False}])
def test_neurons_are_what_torch_computes(monkeypatch, reset, options):
    """Spikes with ``==``, over more neurons than a program has."""
    learn = ("leak", "threshold", *(["current_leak"] if "current_leak" in options else []))
    neurons = LIF(0.8, 0.7, reset, learn=learn, sharpness=1.5, **options)
    x = torch.randn(5, 3, 100)

    def run() -> list[Tensor]:
        source = x.clone().requires_grad_()
        result = neurons(source)
        upstream = torch.arange(result.numel()).reshape(result.shape).sin()
        learned = [p for p in neurons.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(result, [source, *learned], upstream, allow_unused=True)
        return [result, *(g for g in gradients if g is not None)]

    found, expected = both(monkeypatch, run)
    assert (found[0] == expected[0]).all()
    for a, b in zip(found[1:], expected[1:], strict=False):
        # Single precision on both sides, added in another order.
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(b.abs().max()))
