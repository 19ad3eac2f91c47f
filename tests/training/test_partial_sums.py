"""Layers on crossbars: forwards the integers of the definition, backwards their gradients."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mapper.ir.encoding import Encoding
from mapper.training.backends import choose, sums
from mapper.training.backends.readout import Comparators, Converter
from mapper.training.backends.sums import Grid
from mapper.training.nets.layers import Hardened
from mapper.training.nets.partial_sums import read_sums
from tests.training.small import ENCODINGS, READOUTS, a_macro, defined_sums, settled, spikes

POSSIBLE = [
    (encoding, readout)
    for encoding, readout in product(ENCODINGS, READOUTS)
    if encoding != "differential" or not readout.startswith("half-active")  # no target has it
]
LAYERS: dict[str, Any] = {
    "linear": lambda: (nn.Linear(40, 5), spikes(7, 40)),
    "conv": lambda: (nn.Conv2d(3, 4, 3, stride=2, padding=1), spikes(5, 3, 7, 6)),
    "grouped": lambda: (nn.Conv2d(4, 6, 3, dilation=2, groups=2), spikes(5, 4, 7, 7)),
    "transposed": lambda: (
        nn.ConvTranspose2d(3, 4, 4, stride=2, padding=1, output_padding=1),
        spikes(5, 3, 4, 3),
    ),
    "grouped transposed": lambda: (
        nn.ConvTranspose2d(4, 6, (3, 2), stride=(1, 2), groups=2),
        spikes(5, 4, 4, 3),
    ),
}


@pytest.mark.campaign(80)
@pytest.mark.parametrize("cell_bits", [1, 2, 4])
@pytest.mark.parametrize(("encoding", "readout"), POSSIBLE)
@pytest.mark.parametrize("kind", LAYERS)
def test_sums_are_those_of_the_definition(monkeypatch, kind, encoding, readout, cell_bits):
    """In compiled kernels, where they were built, and in torch's operations."""
    layer, x = LAYERS[kind]()
    macro = a_macro(readout, encoding=encoding, cell_bits=cell_bits)
    hardened = settled(layer, macro, x, scale="block")
    with torch.no_grad():
        hardened.block_scale += torch.rand(hardened.block_scale.shape)
    expected = defined_sums(hardened, x)
    for fused in (True, False):
        monkeypatch.setattr(choose, "FUSED", fused)
        assert (hardened.sums(x).detach().numpy() == expected).all()


@pytest.mark.parametrize(("encoding", "readout"), POSSIBLE)
@pytest.mark.parametrize("weight_bits", [2, 3, 5, 8])
def test_weights_of_any_width(weight_bits, encoding, readout):
    x = spikes(6, 40)
    macro = a_macro(readout, encoding=encoding, cell_bits=2)
    hardened = settled(nn.Linear(40, 5), macro, x, weight_bits=weight_bits)
    assert hardened.whole_weights().abs().max() == 2 ** (weight_bits - 1) - 1
    assert (hardened.sums(x).detach().numpy() == defined_sums(hardened, x)).all()


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize(
    ("encoding", "weight_bits", "cell_bits", "cell_levels"),
    [
        ("binary", 1, 1, None),
        ("differential", 1, 1, None),
        ("ternary", 2, 2, 3),
        ("offset-binary", 4, 3, 6),
        ("twos-complement", 4, 2, 3),
    ],
)
def test_weights_of_few_levels_and_cells_of_any_number(
    encoding, weight_bits, cell_bits, cell_levels, readout
):
    if (encoding, readout) not in POSSIBLE and encoding == "differential":
        return
    x = spikes(6, 40)
    cells = {"cell_bits": cell_bits, "cell_levels": cell_levels, "weight_bits": weight_bits}
    hardened = settled(nn.Linear(40, 5), a_macro(readout, encoding=encoding, **cells), x)
    if weight_bits == 1:
        assert hardened.whole_weights().unique().tolist() == [-1, 1]
    assert (hardened.sums(x).detach().numpy() == defined_sums(hardened, x)).all()


def test_a_weight_of_one_bit_is_its_sign_and_0_counts_as_positive():
    """The mean magnitude of 0.5, -1.5 and 0 is 2/3; ends of the range let it learn back inside."""
    layer = nn.Linear(3, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -1.5, 0.0]]))
    hardened = Hardened(layer, a_macro(encoding="binary", weight_bits=1))
    assert hardened.whole_weights().flatten().tolist() == [1, -1, 1]
    assert hardened.step.item() == pytest.approx(2 / 3)
    (-hardened.whole_weights()).sum().backward()  # every weight is to grow, -1.5 as well
    assert (hardened.weight.grad.flatten() < 0).tolist() == [True, True, True]


@pytest.mark.parametrize("readout", ["sense-amp", "ternary", "flash"])
@pytest.mark.parametrize("bits", [2, 4])
def test_inputs_of_several_bits_are_read_plane_by_plane(bits, readout):
    x = torch.randint(0, 2**bits, (5, 3, 6, 6)).float()
    hardened = settled(nn.Conv2d(3, 4, 3), a_macro(readout), x, input_bits=bits)
    assert (hardened.sums(x).detach().numpy() == defined_sums(hardened, x)).all()


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("per_read", [2, 3])
def test_inputs_of_several_bits_a_read(readout, per_read):
    """Codes of 4 bits: 2 and 2, or 3 and 1."""
    x = torch.randint(0, 16, (5, 3, 6, 6)).float()
    macro = a_macro(readout, encoding="offset-binary", input_bits_per_read=per_read)
    hardened = settled(nn.Conv2d(3, 4, 3), macro, x, input_bits=4)
    assert (hardened.sums(x).detach().numpy() == defined_sums(hardened, x)).all()


@pytest.mark.parametrize("readout", ["sense-amp", "half-active", "flash", "adder-tree"])
def test_rows_that_are_read_in_turns(readout):
    """40 wordlines in blocks of 6: a crossbar of 16 holds two of them."""
    x = spikes(6, 40)
    macro = a_macro(readout, encoding="offset-binary", rows_per_read=6)
    hardened = settled(nn.Linear(40, 5), macro, x, scale="block")
    assert (hardened.blocks, macro.turns) == (7, 2)
    assert (hardened.sums(x).detach().numpy() == defined_sums(hardened, x)).all()


def test_a_sense_amplifier_by_hand():
    """Weights 3 and -2 on pairs: digits (1, 1) and (0, -1); a block of each row."""
    weight = torch.tensor([[3.0], [-2.0]])
    grid = a_grid("differential", 3, wordlines=1)
    reading = Comparators(
        thresholds=torch.ones(1, 1, 1, 1), levels=(-1, 1), half_width=torch.ones(2)
    )
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    # Row 0 driven: +1 +2, the undriven row reads -1 -2. Row 1 never reaches 1: -1 -2.
    assert read_sums(x, weight, grid, reading).tolist() == [[0.0], [-6.0], [0.0]]


def test_an_adc_by_hand():
    """Sums 0..3 by 1 bit of step 2: 0 reads 0, 1 and more reads 2."""
    grid = a_grid("twos-complement", 2, wordlines=3)
    reading = Converter(step=torch.tensor(2.0), bits=1, signed=False)
    x = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 1]])
    weight = torch.ones(3, 1)  # the lower slice holds 1, the sign slice 0
    assert read_sums(x, weight, grid, reading).tolist() == [[0.0], [2.0], [2.0]]


def a_grid(encoding: Any, weight_bits: int, wordlines: int, half_active: bool = False) -> Grid:
    return Grid(
        encoding=Encoding(kind=encoding, weight_bits=weight_bits, cell_bits=1),
        wordlines=wordlines,
        window=None,
        groups=1,
        half_active=half_active,
    )


# --- gradients -----------------------------------------------------------------------------


@pytest.fixture
def torch_only(monkeypatch):
    monkeypatch.setattr(choose, "FUSED", False)


@pytest.fixture
def single_precision(monkeypatch):
    """Half-sized types are exact forwards only."""
    monkeypatch.setattr(sums, "sum_type", lambda *_: torch.float32)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(("encoding", "readout"), POSSIBLE)
def test_gradients_are_those_of_plain_operations(
    monkeypatch, single_precision, encoding, readout, fused
):
    """Against the same layer in operations that torch differentiates by itself."""
    monkeypatch.setattr(choose, "FUSED", fused)
    macro = a_macro(readout, encoding=encoding)
    layer = settled(nn.Linear(40, 5), macro, spikes(20, 40), scale="block")
    x, upstream = spikes(9, 40), torch.randn(9, 5)
    reading = layer.reading()
    leaves = [t.detach().clone() for t in (x, layer.whole_weights(), layer.block_scale)]
    learned = layer.thresholds if isinstance(reading, Comparators) else layer.converter_step
    leaves.append(learned.detach().clone())

    def gradients(compute: Any) -> tuple[Tensor, ...]:
        given = [leaf.clone().requires_grad_() for leaf in leaves]
        of = (
            Comparators(thresholds=given[3], levels=reading.levels, half_width=reading.half_width)
            if isinstance(reading, Comparators)
            else Converter(step=given[3], bits=reading.bits, signed=reading.signed)
        )
        result = compute(given[0], given[1], layer.grid, of, given[2])
        return (result.detach(), *torch.autograd.grad(result, given, upstream))

    for found, expected in zip(gradients(read_sums), gradients(plain_sums), strict=True):
        # Single precision, added in another order.
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def plain_sums(
    x: Tensor, weight: Tensor, grid: Grid, reading: Comparators | Converter, scale: Tensor
) -> Tensor:
    """Compute a linear layer all at once, with what passes gradients put in by hand."""
    significances = grid.significances(weight)
    share = (weight - weight.detach())[None] / significances.square().sum()
    digits = grid.digits(weight.detach()) + share * significances[:, None, None]
    height = grid.wordlines
    padding = -len(weight) % height
    blocks = functional.pad(x, (0, padding)).reshape(len(x), -1, height)
    cells = functional.pad(digits, (0, 0, 0, padding))
    cells = cells.reshape(len(significances), -1, height, weight.shape[1])
    sums = torch.einsum("bgr,sgrn->bgsn", blocks, cells)
    active = blocks.sum(dim=2)[:, :, None, None]
    if grid.half_active:
        sums = sums - active * ((1 << grid.encoding.cell_bits) - 1) / 2
    compare = isinstance(reading, Comparators)
    codes = plain_levels(sums, reading) if compare else plain_conversion(sums, reading)
    total = (codes * significances[:, None]).sum(dim=2)
    if not compare:
        total = total + grid.encoding.offset * active[:, :, 0]
    return (scale[:, None] * total).sum(dim=1)


def plain_levels(sums: Tensor, reading: Comparators) -> Tensor:
    """Step forwards; backwards the slope of a triangle's integral, which is a smooth step."""
    half = reading.half_width[:, None]
    result = torch.full_like(sums, float(reading.levels[0]))
    for i, threshold in enumerate(reading.thresholds):
        gap = reading.levels[i + 1] - reading.levels[i]
        step = (sums >= threshold.ceil()).float().detach()
        smooth = smooth_step((sums - threshold) / half)
        result = result + gap * (step + smooth - smooth.detach())
    return result


def smooth_step(z: Tensor) -> Tensor:
    """Rise from 0 at -1 to 1 at 1; the slope is the triangle ``1 - |z|``."""
    z = z.clamp(-1, 1)
    return 0.5 + z - 0.5 * z * z.abs()


def plain_conversion(sums: Tensor, reading: Converter) -> Tensor:
    """``base + step * clip(...)`` with LSQ's gradients of sums and step."""
    step = reading.step.round()
    lowest = -(1 << (reading.bits - 1)) if reading.signed else 0
    first = lowest * step + torch.ceil(step / 2)
    raw = torch.floor((sums - first) / step).detach() + 1
    top = (1 << reading.bits) - 1
    code = lowest + raw.clamp(0, top)
    within = ((raw >= 0) & (raw <= top)).float()
    learned = step.detach() + reading.step - reading.step.detach()
    share = (sums.numel() * (1 << reading.bits)) ** -0.5
    slow = learned * share + (learned - learned * share).detach()
    drift = torch.where(within.bool(), code - sums.detach() / step.detach(), code)
    passed = within * (sums - sums.detach())
    return (code * step).detach() + passed + drift.detach() * (slow - slow.detach())


def test_the_triangle_is_the_slope_of_a_smooth_step():
    z = torch.linspace(-1.4, 1.4, 57, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(smooth_step(z).sum(), z)
    ahead, behind = smooth_step(z + 1e-6), smooth_step(z - 1e-6)
    torch.testing.assert_close(slope, (ahead - behind) / 2e-6, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(slope, (1 - z.abs()).clamp(min=0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("readout", ["half-active", "ternary", "flash"])
@pytest.mark.parametrize("kind", ["conv", "grouped transposed"])
def test_chunks_change_nothing(monkeypatch, torch_only, single_precision, kind, readout):
    layer, x = LAYERS[kind]()
    hardened = settled(layer, a_macro(readout, encoding="offset-binary"), x, scale="block")

    def run() -> list[Tensor]:
        source = x.clone().requires_grad_()
        result = hardened(source)
        learned = [p for p in hardened.parameters() if p.requires_grad]
        return [
            result,
            *(
                g
                for g in torch.autograd.grad(
                    (result * torch.arange(result.numel()).reshape(result.shape).sin()).sum(),
                    [source, *learned],
                    allow_unused=True,
                )
                if g is not None
            ),
        ]

    whole = run()
    monkeypatch.setattr(sums, "CHUNK_ELEMENTS", 1)  # one sample at a time
    parts = run()
    assert (whole[0] == parts[0]).all()
    for a, b in zip(whole, parts, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)  # sums of chunks, another order


def test_narrow_types_keep_integers_and_nearly_keep_gradients(torch_only):
    layer = settled(nn.Linear(40, 5), a_macro(), spikes(20, 40))
    x = spikes(9, 40)

    def run() -> tuple[Tensor, Tensor]:
        result = layer(x)
        (gradient,) = torch.autograd.grad(result.sum(), layer.weight)
        return result, gradient

    found = run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sums, "sum_type", lambda *_: torch.float32)
        expected = run()
    assert (found[0] == expected[0]).all()
    # bfloat16, where the processor has it, keeps 8 bits of each slope.
    torch.testing.assert_close(found[1], expected[1], rtol=0.05, atol=0.05)
