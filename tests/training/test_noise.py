"""What chips do to columns in training: hand-checked offsets and cells, copies, seeds."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.encoding import Encoding
from mapper.ir.readout import AdcRead
from mapper.training import LIF, Awareness, Hardened, harden
from mapper.training.backends import choose
from mapper.training.backends.noise import POOL, Columns, Draw, Noise
from mapper.training.backends.readout import Comparators, Converter
from mapper.training.backends.sums import LayerSums
from mapper.training.nets.partial_sums import read_sums
from passes.draw_die import DrawDie
from targets import load_target
from targets.devices import load_device
from tests.training.small import a_macro, a_network, defined_sums, settled, spikes
from tests.training.test_partial_sums import LAYERS, POSSIBLE, a_grid

MARGIN = {False: 0.5, True: 0.25}
"""From a reference to the sums on both its sides: whole counts, or halves."""


def columns(outputs: int, blocks: int = 1, slices: int = 1, **more: Any) -> Columns:
    return Columns(
        groups=1,
        blocks=blocks,
        slices=slices,
        outputs=outputs,
        **{"outputs_per_crossbar": 64, **more},
    )


def a_draw(noise: Noise, of: Columns, seed: int = 1) -> Draw:
    return Draw(noise=noise, seed=seed, columns=of)


@pytest.fixture(params=[True, False], ids=["compiled", "torch"])
def fused(request, monkeypatch):
    monkeypatch.setattr(choose, "FUSED", request.param)


# --- references between counts -------------------------------------------------------------


@pytest.mark.parametrize(("encoding", "readout"), POSSIBLE)
def test_noise_within_the_margin_changes_no_bit(fused, encoding, readout):
    """A reference on the count itself would be tipped by half of these draws, at every tie."""
    layer, x = LAYERS["conv"]()
    hardened = settled(layer, a_macro(readout, encoding=encoding), x)
    expected = defined_sums(hardened, x)
    margin = MARGIN[hardened.grid.half_active]
    hardened.noise = Noise(offset=margin / 20, read=margin / 20, cells=0.0)
    assert (hardened.sums(x).detach().numpy() == expected).all()
    hardened.noise = Noise(cells=margin / 200)
    assert (hardened.sums(x).detach().numpy() == expected).all()


@pytest.mark.parametrize("half_active", [False, True])
@pytest.mark.parametrize("share", [0.9, 1.1])
def test_a_comparison_by_hand(fused, half_active, share):
    """Three cells that are on and a threshold of 1: an offset tips the sum beside it, or does not.

    Relative to half of the active rows sums are 0, 1/2, 1 and 3/2.
    """
    encoding = "offset-binary" if half_active else "differential"
    grid = a_grid(encoding, 2, wordlines=3, half_active=half_active)
    weight = torch.tensor([[1.0], [1.0], [1.0]])  # offset binary: digits 1 and 1
    slices = len(grid.encoding.significances)
    reading = Comparators(
        thresholds=torch.ones(1, 1, 1, 1), levels=(0, 1), half_width=torch.ones(slices)
    )
    x = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]])
    unit = 0.5 if half_active else 1.0
    sums = unit * torch.arange(4)
    draw = a_draw(Noise(offset=1.0), columns(1, slices=slices))
    for sign in (1, -1):
        added = sign * share * MARGIN[half_active]
        draw.__dict__["offsets"] = torch.full((1, 1, 1, slices, 1), added)
        reached = (sums >= 1 - (unit if added > 0 and share > 1 else 0)).float()
        if added < 0 and share > 1:
            reached = (sums >= 1 + unit).float()
        expected = reached * sum(grid.encoding.significances)
        assert read_sums(x, weight, grid, reading, draw=draw).flatten().tolist() == (
            expected.tolist()
        )


@pytest.mark.parametrize(("cell_bits", "cell_levels", "below"), [(2, 4, 0.25), (2, 3, 0.5)])
def test_half_of_an_even_number_is_a_whole_one(cell_bits, cell_levels, below):
    """Cells of three levels count 0, 1, 2: half of the active rows leaves whole counts."""
    cells = {"cell_bits": cell_bits, "cell_levels": cell_levels, "encoding": "offset-binary"}
    layer = Hardened(nn.Linear(40, 5), a_macro("half-active", **cells))
    layer.awareness = Awareness()
    assert layer.grid.below == below


def test_a_conversion_by_hand(fused):
    """Sums 0..3 by 2 bits of step 1: below half a count nothing changes, above it all codes do."""
    grid = a_grid("twos-complement", 2, wordlines=3)
    reading = Converter(step=torch.tensor(1.0), bits=2, signed=False)
    x = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]])
    weight = torch.ones(3, 1)  # the lower slice holds 1, the sign slice 0
    draw = a_draw(Noise(offset=1.0), columns(1, slices=2))
    for added, codes in ((0.45, [0, 1, 2, 3]), (0.55, [1, 2, 3, 3]), (-0.55, [0, 0, 1, 2])):
        draw.__dict__["offsets"] = torch.tensor([added, 0.0]).reshape(1, 1, 1, 2, 1)
        found = read_sums(x, weight, grid, reading, draw=draw)
        assert found.flatten().tolist() == codes


def test_slopes_are_where_the_disturbed_sum_is(fused):
    """A sum of 1, moved by 0.25, is 0.75 from a threshold of 2: half of a window of 1.5."""
    grid = a_grid("differential", 2, wordlines=1)
    reading = Comparators(
        thresholds=torch.full((1, 1, 1, 1), 2.0, requires_grad=True),
        levels=(0, 1),
        half_width=torch.tensor([1.5]),
    )
    weight = torch.ones(1, 1, requires_grad=True)
    draw = a_draw(Noise(offset=1.0), columns(1))
    draw.__dict__["offsets"] = torch.full((1, 1, 1, 1, 1), 0.25)
    read_sums(torch.ones(1, 1), weight, grid, reading, draw=draw).backward()
    assert weight.grad.item() == pytest.approx(0.5 / 1.5)
    assert reading.thresholds.grad.item() == pytest.approx(-0.5 / 1.5)


# --- copies, readouts, reads -----------------------------------------------------------------


def test_copies_of_a_layer_have_offsets_of_their_own(fused):
    """36 positions on 4 copies, nothing driven: bands of 9 read alike, in every sample."""
    layer = nn.Conv2d(2, 3, 3, padding=1, bias=False)
    x = torch.zeros(5, 2, 6, 6)
    hardened = settled(layer, a_macro(), spikes(5, 2, 6, 6))
    hardened.noise, hardened.copies = Noise(offset=4.0), 4
    bands = hardened.sums(x).detach().reshape(5, 3, 4, 9)
    assert (bands == bands[:1, :, :, :1]).all()
    assert len({tuple(band.flatten().tolist()) for band in bands[0, :, :, 0].T}) == 4


def test_a_model_has_the_copies_that_the_compiler_makes():
    x = spikes(3, 4, 2, 6, 6)
    model = harden(a_network(), "adcless-64", example=x)
    model.disturb(Noise(offset=1.0))
    model(x)
    placed = [op.placement.copies for op in model.hardware(x).ops if isinstance(op, CrossbarMvm)]
    assert [layer.copies for layer in model.layers()] == placed
    assert max(placed) > 1


def test_columns_that_share_a_readout_share_its_offset():
    """Three slices and two outputs a crossbar, four columns a readout: 0..3 and 4, 5."""
    of = columns(5, blocks=3, slices=3, outputs_per_crossbar=2, columns_per_readout=4, turns=2)
    assert of.readouts[0].tolist() == [[0, 0, 2, 2, 4], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    offsets = a_draw(Noise(offset=1.0), of).offsets[0, 0]
    assert torch.equal(offsets[0], offsets[1])  # row blocks 0 and 1 are read in turns
    assert not torch.equal(offsets[0], offsets[2])
    for readout in range(5):
        assert len(offsets[0][of.readouts[0] == readout].unique()) == 1
    assert len(offsets[0].unique()) == 5


def test_readouts_are_shared_as_on_dies():
    """Two columns of a model that share an offset in training share it on every die."""
    x = spikes(3, 4, 2, 6, 6)
    model = harden(a_network(20), "hpadc-sar5-64", example=x)
    target = model.target.with_device(load_device("ideal").with_set({"amplifier.offset": 50.0}))
    die = DrawDie().run(model.hardware(x), target)
    firsts = [die.constants[op.first.name] for op in die.ops if isinstance(op, AdcRead)]
    model.disturb(Noise(offset=1.0))
    model.train()(x)
    assert len(firsts) == len(list(model.layers())) == 3
    for layer, first in zip(model.layers(), firsts, strict=True):
        readouts = layer._columns(torch.zeros(1, 4, 6, 6)).readouts[0]
        assert len(first) == layer.copies
        for own in first.reshape(-1, *readouts.shape):  # by copy and row block
            pairs = {(int(r), int(t)) for r, t in zip(readouts.flatten(), own.flat, strict=True)}
            assert len(pairs) == len(readouts.unique()) == len(np.unique(own))


def test_groups_that_share_a_crossbar_share_readouts_as_on_dies():
    """16 groups of 4 columns, 7 on a crossbar, 8 columns an ADC: two groups an offset."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, groups=16), LIF())
    x = spikes(2, 2, 16, 4, 4)
    model = harden(net, "hpadc-sar5-64", example=x)
    (layer,) = model.layers()
    (op,) = (op for op in model.hardware(x).ops if isinstance(op, CrossbarMvm))
    assert (layer.packed, op.packed, op.crossbars) == (7, 7, 3)
    offsets = Draw(noise=Noise(offset=1.0), seed=1, columns=layer._columns(x[0])).offsets
    assert offsets.shape == (op.placement.copies, 16, 1, 4, 1)
    assert [
        len(offsets[0, start:stop].unique()) for start, stop in ((0, 7), (7, 14), (14, 16))
    ] == [4, 4, 1]
    target = model.target.with_device(load_device("ideal").with_set({"amplifier.offset": 50.0}))
    die = DrawDie().run(model.hardware(x), target)
    (first,) = (die.constants[op.first.name] for op in die.ops if isinstance(op, AdcRead))
    for own in first.reshape(-1, 4, 16):  # by copy
        pairs = {
            (float(d), int(t))
            for d, t in zip(offsets[0, :, 0, :, 0].T.flatten(), own.flat, strict=True)
        }
        assert len(pairs) == 9


def test_planes_have_other_reads_on_the_same_cells_and_readouts():
    draw = a_draw(Noise(cells=0.1, offset=1.0, read=1.0), columns(4))
    other = draw.of_plane(1)
    digits, encoding = (
        torch.ones(1, 1, 8, 1, 4),
        Encoding(kind="differential", weight_bits=2, cell_bits=1),
    )
    assert torch.equal(draw.offsets, other.offsets)
    assert torch.equal(*(d.cells(digits, encoding, replica=False) for d in (draw, other)))
    assert not torch.equal(draw.pool, other.pool)


def test_reads_are_independent_and_normal():
    """Where windows of the pool begin is a hash: neighbours have nothing in common."""
    of = columns(8, blocks=5, slices=3)
    found = a_draw(Noise(read=0.5), of).disturbed(torch.zeros(1, 5, 4000, 3, 8), 0)
    flat = found.flatten()
    assert float(flat.std()) == pytest.approx(0.5, rel=0.01)
    assert float(flat.mean()) == pytest.approx(0, abs=0.01)
    assert float((flat / 0.5).pow(4).mean()) == pytest.approx(3, abs=0.1)
    vectors = found[0].transpose(0, 1).flatten(1)
    for ahead, behind in ((vectors[1:], vectors[:-1]), (vectors[:, 24:], vectors[:, :-24])):
        joint = float((ahead * behind).mean() / flat.square().mean())
        assert joint == pytest.approx(0, abs=0.02)
    assert found.unique().numel() > 0.7 * POOL


def test_cutting_a_batch_changes_nothing():
    draw = a_draw(Noise(offset=1.0, read=1.0), columns(4, blocks=2, positions=6, copies=3))
    whole = draw.disturbed(torch.zeros(1, 2, 24, 1, 4), 0)
    parts = [draw.disturbed(torch.zeros(1, 2, 12, 1, 4), first) for first in (0, 12)]
    assert torch.equal(whole, torch.cat(parts, dim=2))


# --- cells -----------------------------------------------------------------------------------

ON_PAIRS = Encoding(kind="differential", weight_bits=4, cell_bits=1)
ALONE = Encoding(kind="offset-binary", weight_bits=4, cell_bits=2)


def cells_of(
    noise: Noise, digit: int, encoding: Encoding, *, replica: bool = False, wide: int = 64
) -> Any:
    digits = torch.full((1, 1, 200, 1, 200), float(digit))
    draw = a_draw(noise, columns(200, outputs_per_crossbar=wide))
    return draw.cells(digits, encoding, replica=replica)


@pytest.mark.parametrize("digit", [-1, 0, 1])
def test_both_cells_of_a_pair_vary(digit):
    """With its own spread by level; a cell that is off has 0.5 of conductance to lose."""
    found = cells_of(Noise(cells=(0.1, 0.2), off=0.5), digit, ON_PAIRS)
    expected = 0.02**0.5 if digit == 0 else 0.05**0.5
    assert float(found.mean()) == pytest.approx(digit, abs=0.005)
    assert float(found.std()) == pytest.approx(expected, rel=0.02)


def test_no_cell_conducts_less_than_nothing():
    """One that is off conducts 0.1: normal numbers below -0.1 are cut off there."""
    found = cells_of(Noise(cells=1.0, off=0.1), 0, ALONE)
    assert float(found.min()) == pytest.approx(-0.1)
    assert float((found == found.min()).float().mean()) == pytest.approx(0.460, abs=0.01)


@pytest.mark.parametrize("digit", [0, 1, 3])
def test_stuck_cells_are_full_on_or_off(digit):
    found = cells_of(Noise(stuck_on=0.2, stuck_off=0.1), digit, ALONE)
    shares = [float((found == level).float().mean()) for level in range(4)]
    expected = [0.1, 0.0, 0.0, 0.2]
    expected[digit] += 0.7
    assert shares == pytest.approx(expected, abs=0.01)


def test_each_crossbar_has_replicas_of_its_own():
    draw = a_draw(Noise(cells=0.3, off=9.0), columns(200, outputs_per_crossbar=100))
    found = draw.cells(torch.ones(1, 1, 400, 1, 200), ALONE, replica=True)
    left, right = found[0, 0, 0, :, 0, :100].mean(dim=-1), found[0, 0, 0, :, 0, 100:].mean(dim=-1)
    together = float(torch.corrcoef(torch.stack([left, right]))[0, 1])
    assert together == pytest.approx(0, abs=0.2)
    assert float(left.std()) == pytest.approx(0.3 / 2**0.5, rel=0.15)


def test_replicas_vary_too_and_one_serves_a_row():
    """Half of a full and an off cell, which should be 3/2: what is missing is added everywhere."""
    found = cells_of(Noise(stuck_off=1.0), 3, ALONE, replica=True)
    assert (found == 1.5).all()  # the cell is off, and so are both of its replica
    spread = cells_of(Noise(cells=0.2, off=9.0), 1, ALONE, replica=True, wide=200)
    rows = spread.mean(dim=-1).flatten()
    assert float(rows.std()) == pytest.approx((0.04 / 2 + 0.04 / 200) ** 0.5, rel=0.15)
    assert float((spread - spread.mean(dim=-1, keepdim=True)).std()) == pytest.approx(0.2, rel=0.02)


def test_a_reference_without_cells_does_not_vary():
    found = cells_of(Noise(stuck_off=1.0, replica=False), 3, ALONE, replica=True)
    assert (found == 0).all()


def test_levels_that_moved_are_where_cells_vary_around():
    found = cells_of(Noise(levels=(0.0, 0.8, 1.6, 2.4), cells=(0.0, 0.0, 0.1, 0.0)), 2, ALONE)
    assert float(found.mean()) == pytest.approx(1.6, abs=0.005)
    assert float(found.std()) == pytest.approx(0.1, rel=0.02)
    moved = Noise(levels=(0.0, 0.8))
    assert moved.varies_cells
    assert cells_of(moved, -1, ON_PAIRS).unique().tolist() == pytest.approx([-0.8])


def test_cells_of_every_copy_meet_the_positions_of_its_band():
    """Against one product a copy, all digits 1: the sum is that of the cells that are driven."""
    layer, x = LAYERS["conv"]()
    hardened = settled(layer, a_macro("flash", encoding="offset-binary"), x)
    hardened.noise, hardened.copies = Noise(cells=0.5, stuck_on=0.1), 3
    draw = Draw.of(hardened.noise, hardened._columns(x))
    assert draw is not None
    weight = hardened.whole_weights().detach()
    sums = LayerSums(hardened.grid, hardened.reading(), weight, torch.ones(1), draw)
    driven = sums._driven(x)
    found = sums._by_copy(driven, sums.cells).unflatten(2, (len(x), -1))
    for band, own in zip(draw.columns.bands, sums.cells, strict=True):
        one = driven.unflatten(2, (len(x), -1))[:, :, :, band].flatten(2, 3) @ own
        torch.testing.assert_close(found[:, :, :, band].flatten(2, 3), one)
    assert not torch.equal(sums.cells[0], sums.cells[1])


# --- in training -----------------------------------------------------------------------------

EVERYTHING = Noise(cells=0.2, offset=1.0, read=1.0, stuck_on=0.02, stuck_off=0.05, off=0.05)


def test_noise_is_drawn_anew_and_only_in_training():
    x = spikes(30, 40)
    layer = settled(nn.Linear(40, 5), a_macro(), x)
    quiet = layer(x)
    layer.noise = EVERYTHING
    assert not torch.equal(layer(x), quiet)
    assert not torch.equal(layer(x), layer(x))
    assert torch.equal(layer.eval()(x), quiet)
    layer.train().noise = Noise()
    assert torch.equal(layer(x), quiet)


@pytest.mark.parametrize("noise", [Noise(offset=2.0), Noise(read=1.0), EVERYTHING])
def test_a_seed_gives_the_same_noise_forwards_and_backwards(fused, noise):
    x = spikes(30, 16)
    layer = settled(nn.Linear(16, 3), a_macro(), x)
    layer.noise = noise

    def gradient(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        (found,) = torch.autograd.grad(layer(x).square().sum(), layer.weight)
        return found

    assert torch.equal(gradient(3), gradient(3))
    assert not torch.equal(gradient(4), gradient(3))


def test_settling_sees_no_noise():
    quiet, noisy = (harden(a_network(), "adcless-64") for _ in range(2))
    noisy.load_state_dict(quiet.state_dict())
    noisy.disturb(EVERYTHING)
    x = spikes(4, 6, 2, 6, 6)
    for model in (quiet, noisy):
        model.train()(x)
    for a, b in zip(quiet.layers(), noisy.layers(), strict=True):
        assert torch.equal(a.thresholds, b.thresholds)
        assert torch.equal(a.log_scale, b.log_scale)
        assert torch.equal(a.half_width, b.half_width)


@pytest.mark.parametrize("target", ["adcless-64", "hpadc-sar5-64", "ternary-diff-64"])
def test_a_model_with_noise_still_evaluates_in_integers(target):
    x = spikes(4, 6, 2, 6, 6)
    model = harden(a_network(), target, example=x)
    expected = model.eval()(x)
    model.disturb(EVERYTHING)
    assert (model.eval()(x) == expected).all()
    assert np.isfinite(model.train()(x).detach().numpy()).all()


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"read": -1}, "zero or more"),
        ({"cells": (0.1, -0.1)}, "zero or more"),
        ({"stuck_on": 0.6, "stuck_off": 0.5}, "0 to 1 together"),
    ],
)
def test_noise_that_there_is_not_is_refused(wrong, problem):
    with pytest.raises(ValueError, match=problem):
        Noise(**wrong)


def test_spreads_by_level_are_those_of_the_cells():
    model = harden(a_network(), load_target("adcless-64"))
    with pytest.raises(ValueError, match="cells have 2 levels, and the noise has 3"):
        model.disturb(Noise(cells=(0.1, 0.2, 0.3)))
    with pytest.raises(ValueError, match="cells have 2 levels, and the noise has 1 means"):
        model.disturb(Noise(levels=(0.0,)))
