"""Compiled kernels of training against torch's own operations."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mapper.ir.windows import Window
from mapper.kernels import core
from mapper.kernels.core import VARIANTS, supported_levels
from mapper.kernels.structs import as_read
from mapper.kernels.training_structs import Spikes
from mapper.training import LIF, Iand
from mapper.training.backends import choose, native, sums
from mapper.training.backends.noise import Draw, Noise
from mapper.training.backends.windows import laid_out
from tests.training.small import a_macro, defined_sums, settled, spikes
from tests.training.test_partial_sums import LAYERS

if core.unavailable():
    pytest.skip(core.unavailable(), allow_module_level=True)

CASES = [
    ("linear", "differential", "sense-amp", 1),
    ("conv", "offset-binary", "half-active ternary", 1),
    ("grouped", "offset-binary", "flash", 4),
    ("transposed", "differential", "ternary", 2),
    ("grouped transposed", "twos-complement", "half-active", 1),
    ("wide", "offset-binary", "half-active", 1),
    ("wide", "differential", "sar", 1),
    ("even", "differential", "sense-amp", 1),
    ("even", "offset-binary", "half-active", 1),
]
"""``wide`` has more columns than vectors hold, and row blocks of no whole vector; ``even`` has
slices that make whole vectors."""


def a_layer(kind: str) -> tuple[nn.Module, Tensor]:
    """Return a layer by its name, and spikes for it."""
    if kind in LAYERS:
        layer, x = LAYERS[kind]()
        return layer, x
    outputs = {"wide": 37, "even": 24}[kind]
    return nn.Conv2d(11, outputs, 3, padding=1), spikes(6, 11, 5, 7)


WORTH = [CASES[1], CASES[2], CASES[4], CASES[7]]
"""Of several groups of outputs, a table, and what is known when kernels are compiled."""


@pytest.fixture(params=supported_levels(), ids=[VARIANTS[level] for level in supported_levels()])
def level(request, monkeypatch):
    """Each set of instructions that this processor has."""
    monkeypatch.setenv("SPIKELOOM_VARIANT", VARIANTS[request.param])


@pytest.fixture(autouse=True)
def single_precision(monkeypatch):
    """On both sides."""
    monkeypatch.setattr(sums, "sum_type", lambda *_: torch.float32)


def compare(monkeypatch: Any, run: Any) -> None:
    """Run compiled and with torch's own operations: the same numbers, and nearly the gradients."""
    found = run()
    monkeypatch.setattr(choose, "FUSED", False)
    expected = run()
    assert (found[0] == expected[0]).all()
    for a, b in zip(found[1:], expected[1:], strict=True):
        # Single precision on both sides, added in another order.
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5 * float(b.abs().max()))


def with_gradients(module: nn.Module, call: Any, x: Tensor) -> list[Tensor]:
    source = x.clone().requires_grad_()
    result = call(source)
    upstream = torch.arange(result.numel()).reshape(result.shape).sin()
    learned = [p for p in module.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(result, [source, *learned], upstream, allow_unused=True)
    return [result, *(torch.zeros(()) if g is None else g for g in gradients)]


@pytest.mark.parametrize(("kind", "encoding", "readout", "cell_bits"), CASES)
def test_layers_are_what_torch_computes(monkeypatch, level, kind, encoding, readout, cell_bits):
    layer, x = a_layer(kind)
    macro = a_macro(readout, encoding=encoding, cell_bits=cell_bits)
    hardened = settled(layer, macro, x, scale="block")
    torch.nn.init.uniform_(hardened.block_scale, 0.5, 2.0)
    assert native.driven(x, hardened.weight, hardened.grid) is not None
    compare(monkeypatch, lambda: with_gradients(hardened, hardened.sums, x))


@pytest.mark.parametrize("scale", ["layer", "column", "block"])
@pytest.mark.parametrize(("kind", "encoding", "readout", "cell_bits"), WORTH)
def test_what_layers_are_worth_is_what_torch_computes(
    monkeypatch, level, kind, encoding, readout, cell_bits, scale
):
    """Integers times a scale and a bias: the same number, and gradients of both."""
    layer, x = a_layer(kind)
    macro = a_macro(readout, encoding=encoding, cell_bits=cell_bits)
    hardened = settled(layer, macro, x, scale=scale)
    torch.nn.init.uniform_(hardened.log_scale, -2, 1)
    torch.nn.init.uniform_(hardened.bias, -3, 3)
    compare(monkeypatch, lambda: with_gradients(hardened, hardened, x))


@pytest.mark.parametrize(("kind", "encoding", "readout", "cell_bits"), CASES)
@pytest.mark.parametrize(
    "noise", [Noise(offset=2.5), Noise(offset=0.7, read=1.0)], ids=["offsets", "reads too"]
)
def test_layers_with_noise_are_what_torch_computes(
    monkeypatch, level, kind, encoding, readout, cell_bits, noise
):
    """To the bit, on copies that have offsets of their own."""
    layer, x = a_layer(kind)
    macro = a_macro(readout, encoding=encoding, cell_bits=cell_bits)
    hardened = settled(layer, macro, x, scale="block")
    torch.nn.init.uniform_(hardened.block_scale, 0.5, 2.0)
    hardened.noise, hardened.copies = noise, 4

    def run() -> list[Tensor]:
        torch.manual_seed(9)
        return with_gradients(hardened, hardened.sums, x)

    quiet = defined_sums(hardened.eval(), x)
    hardened.train()
    assert (run()[0].detach().numpy() != quiet).any()
    compare(monkeypatch, run)


@pytest.mark.parametrize("reset", ["subtract", "value", "none"])
@pytest.mark.parametrize("options", [{}, {"current_leak": 0.6}, {"spiking": False}])
def test_neurons_are_what_torch_computes(monkeypatch, level, reset, options):
    """Spikes with ``==``, more neurons than are walked at once, channels last in memory."""
    learn = ("leak", "threshold", *(["current_leak"] if "current_leak" in options else []))
    neurons = LIF(0.8, 0.7, reset, learn=learn, sharpness=1.5, **options)
    x = torch.randn(5, 3, 20, 30, 2).permute(0, 1, 4, 2, 3)
    assert not x.is_contiguous()
    compare(monkeypatch, lambda: with_gradients(neurons, neurons, x))


def test_a_join_is_one_less_the_first_times_the_second():
    a, b = (spikes(3, 4, 5).requires_grad_() for _ in range(2))
    upstream = torch.randn(3, 4, 5)
    found, expected = Iand()(a, b), (1 - a) * b
    assert torch.equal(found, expected)
    for own, torchs in zip(
        torch.autograd.grad(found, (a, b), upstream),
        torch.autograd.grad(expected, (a, b), upstream),
        strict=True,
    ):
        assert (own == torchs).all()


def test_two_threads_give_the_same_but_for_the_order_of_sums(monkeypatch):
    layer, x = LAYERS["conv"]()
    hardened = settled(layer, a_macro(), x)
    alone = with_gradients(hardened, hardened.sums, x)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    together = with_gradients(hardened, hardened.sums, x)
    assert (alone[0] == together[0]).all()
    for a, b in zip(alone[1:], together[1:], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)  # sums in another order


def test_a_repeat_gives_the_same_bits():
    layer, x = LAYERS["conv"]()
    hardened = settled(layer, a_macro(), x)
    first, second = (with_gradients(hardened, hardened.sums, x) for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, second, strict=True))


NEXT_TO_ONE = (1 - 2**-24, 1 + 2**-23)
FAR = (1e-30, 1e30, float("inf"), float("nan"))


@pytest.mark.parametrize("number", [0.5, 2.0, -1.0, *NEXT_TO_ONE, *FAR])
def test_other_numbers_than_0_and_1_are_left_to_torch(monkeypatch, number):
    x = spikes(4, 40)
    hardened = settled(nn.Linear(40, 5), a_macro(), x)
    assert native.driven(x, hardened.weight, hardened.grid) is not None
    x[1, 3] = number
    assert native.driven(x, hardened.weight, hardened.grid) is None


def test_sums_beyond_16_bits_are_left_to_torch():
    x = spikes(4, 300)
    grid = settled(nn.Linear(300, 5), a_macro(wordlines=128), x).grid
    assert native.driven(x, torch.zeros(300, 5), grid) is not None
    assert native.driven(x, torch.zeros(300, 5, dtype=torch.float64), grid) is None
    macro = a_macro(encoding="offset-binary", cell_bits=8, weight_bits=8, wordlines=256)
    wide = settled(nn.Linear(300, 5), macro, x)
    assert native.driven(x, torch.zeros(300, 5), wide.grid) is None


WINDOWS = {
    "padded": Window(kernel=(3, 3), stride=(1, 1), padding=(1, 2, 0, 3), dilation=(1, 1)),
    "stuffed": Window(kernel=(2, 3), stride=(1, 1), padding=(2, 1, 1, 0), stuffing=(2, 3)),
    "cut": Window(kernel=(1, 1), stride=(1, 1), padding=(-1, -2, -1, -1), dilation=(1, 1)),
    "stuffed and cut": Window(
        kernel=(1, 1), stride=(1, 1), padding=(-1, -2, 1, -1), stuffing=(2, 3)
    ),
}


@pytest.mark.parametrize("last", [False, True], ids=["", "channels last"])
@pytest.mark.parametrize("kind", WINDOWS)
def test_images_of_spikes_are_laid_out_like_torchs(level, kind, last):
    x, window = spikes(2, 5, 4, 7), WINDOWS[kind]
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    expected = laid_out(x.to(torch.uint8), window)
    assert torch.equal(native.spikes_image(x, window), expected)
    for number in (2.0, -1.0, float("nan")):
        x[1, 4, 2, 3] = number  # is cut off by none of them
        assert native.spikes_image(x, window) is None


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("K", 41, "K"),
        ("np", 8, "np"),
        ("lowest", 3, "lowest"),
        ("V", 5, "starts"),
        ("pixels", 150, "x"),
        ("group_step", 0, "group_step"),
        ("copies", 5, "shifts"),
        ("positions", 3, "copy_of"),
        ("places", 3, "places"),
        ("places", 1 << 15, "pool"),
        ("affine", True, "gains"),
        ("affine", 2, "affine"),
    ],
)
def test_what_does_not_fit_together_is_refused(name, value, problem):
    x = spikes(4, 40)
    hardened = settled(nn.Linear(40, 5), a_macro(), x)
    hardened.copies = 2
    draw = Draw.of(Noise(offset=1.0, read=1.0), replace(hardened._columns(x), positions=2))
    weight = hardened.whole_weights().detach()
    sums = native.NativeSums(hardened.grid, hardened.reading(), weight, torch.ones(1), draw)
    read = sums._with_levels(sums._read(x.to(torch.uint8)))
    read = replace(read, out=torch.empty(4, 5).numpy())
    native.in_shares(core.read_forward, 4, 1, read)
    with pytest.raises(ValueError, match=problem):
        native.in_shares(core.read_forward, 4, 1, replace(read, **{name: value}))


def test_positions_of_no_copy_are_refused():
    x = spikes(4, 40)
    hardened = settled(nn.Linear(40, 5), a_macro(), x)
    draw = Draw.of(Noise(offset=1.0), hardened._columns(x))
    weight = hardened.whole_weights().detach()
    sums = native.NativeSums(hardened.grid, hardened.reading(), weight, torch.ones(1), draw)
    read = sums._with_levels(sums._read(x.to(torch.uint8)))
    read = replace(read, out=torch.empty(4, 5).numpy(), copy_of=read.copy_of + 1)
    with pytest.raises(ValueError, match="copy_of"):
        native.in_shares(core.read_forward, 4, 1, read)


def test_cells_of_spare_wordlines_are_refused():
    x = spikes(4, 40)
    hardened = settled(nn.Linear(40, 5), a_macro(), x)
    weight = hardened.whole_weights().detach()
    sums = native.NativeSums(hardened.grid, hardened.reading(), weight, torch.ones(1))
    read = sums._with_levels(sums._read(x.to(torch.uint8)))
    read.cells[-1, 0] = 1
    with pytest.raises(ValueError, match="cells"):
        native.in_shares(core.read_forward, 4, 1, replace(read, out=torch.empty(4, 5).numpy()))


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [("C", 0, "C"), ("H", 5, "x"), ("tall", 9, "image"), ("fx", 0, "fx"), ("top", 1 << 25, "top")],
)
def test_spikes_that_do_not_fit_are_refused(name, value, problem):
    x, image = torch.zeros(2, 3, 4, 5), torch.zeros(2, 4, 5, 3, dtype=torch.uint8)
    sizes = {"B": 2, "C": 3, "H": 4, "W": 5, "tall": 4, "wide": 5}
    still = {"last": False, "top": 0, "left": 0, "fy": 1, "fx": 1}
    given = Spikes(**sizes, **still, x=x.numpy(), image=image.numpy())
    assert core.lay_spikes(core.best_level(), *as_read(given))
    with pytest.raises(ValueError, match=problem):
        core.lay_spikes(core.best_level(), *as_read(replace(given, **{name: value})))


def test_windows_beyond_the_image_are_refused():
    x = spikes(4, 40)
    hardened = settled(nn.Linear(40, 5), a_macro(), x)
    sums = native.NativeSums(
        hardened.grid, hardened.reading(), hardened.whole_weights().detach(), torch.ones(1)
    )
    read = sums._with_levels(sums._read(x.to(torch.uint8)))
    read = replace(read, out=torch.empty(4, 5).numpy(), starts=read.starts + 40)
    with pytest.raises(ValueError, match="pixels"):
        native.in_shares(core.read_forward, 4, 1, read)
