"""Dies of what was measured: each value in its place, the rest drawn or ideal, hostile files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import mapper as spikeloom
from mapper.diagnostics import MappingError
from mapper.dies.trims import measured_offsets
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.identity import digest
from passes.dies.sites import sites_of
from targets import load_target
from tests.drawn_dies import device
from tests.fuzz.onnx_seeds import two_layers

SAMPLES = (np.random.default_rng(0).random((6, 8, 4)) < 0.4).astype(np.uint8)


@pytest.fixture(scope="module")
def build() -> spikeloom.Build:
    return spikeloom.compile(two_layers(), "adcless-diff-64", calibrate=SAMPLES)


def layers(build: spikeloom.Build) -> list[CrossbarMvm]:
    return [op for op in build.hardware.ops if isinstance(op, CrossbarMvm)]


def cells_of(build: spikeloom.Build, op: CrossbarMvm) -> np.ndarray:
    """Return net cells ``[S, K, N]`` of one copy, in counts."""
    if op.cells is None:
        return op.encoding.digits(build.hardware.constants[op.weight.name])
    return build.hardware.constants[op.cells.name][0] / 2**op.fraction


def made(build, tmp_path: Path, text: str, **options) -> spikeloom.Build:
    path = tmp_path / "chip.csv"
    path.write_text(text)
    return build.die(measured=path, **options)


def test_all_offsets_of_a_die_make_that_die(build, tmp_path):
    """What is drawn of a die, measured and read back, is the same chip."""
    die = build.die(3, device=device(amplifier__offset=2.0))
    rows = []
    for held in measured_offsets(die.mapped.die, build.target):
        sites, offset = sites_of(held.op), held.counts
        slot = np.broadcast_to(sites.slot[:, :, None], offset.shape)
        readout = sites.bitline // sites.pair
        rows += list(zip(slot.ravel(), readout.ravel(), offset.ravel(), strict=True))
    np.savez(tmp_path / "chip.npz", offsets=np.array(rows))
    known = build.die(measured=tmp_path / "chip.npz", device="ideal")
    assert digest(known.hardware) == digest(die.hardware)
    assert known.mapped.die.named == "a measured chip, the rest ideal"
    known.save(tmp_path / "die")
    again = spikeloom.load(tmp_path / "die")
    assert digest(again.hardware) == digest(die.hardware)
    assert again.verify(SAMPLES).bit_exact
    assert again.calibrate(SAMPLES, trim=True, trim_step=1.0).found.offsets == len(rows)


def test_one_stuck_cell_is_one_net_cell(build, tmp_path):
    """The first of a pair stuck on: 1 less the other; stuck off: 0 less the other."""
    op = layers(build)[0]
    meant = cells_of(build, op)
    slot = op.placement.slots.start
    for word, level in (("on", 1), ("off", 0)):
        text = f"slot,wordline,bitline,stuck\n{slot},0,0,{word}\n"
        die = made(build, tmp_path, text, device="ideal")
        wanted = meant.copy()
        wanted[0, 0, 0] = level - max(-meant[0, 0, 0], 0)
        assert np.array_equal(cells_of(die, layers(die)[0]), wanted)


def test_a_cell_that_is_known_to_be_good_is_not_drawn_stuck(build, tmp_path):
    facts = device(cell__stuck_on=1.0)
    slot = layers(build)[0].placement.slots.start
    text = f"slot,wordline,bitline,stuck\n{slot},0,0,good\n{slot},0,1,good\n"
    drawn, known = build.die(1, device=facts), made(build, tmp_path, text, seed=1, device=facts)
    one, other = (cells_of(die, layers(die)[0]) for die in (drawn, known))
    assert known.mapped.die.named == "a measured chip, the rest die 1 of ideal"
    meant = cells_of(build, layers(build)[0])
    assert other[0, 0, 0] == meant[0, 0, 0]
    other[0, 0, 0] = one[0, 0, 0]
    assert np.array_equal(one, other)


def test_conductances_are_in_counts_or_in_microsiemens(build, tmp_path):
    """rram-wan: 39 uS on and 0 off would be a count of 39 uS; its own levels say how many."""
    op = layers(build)[0]
    slot, meant = op.placement.slots.start, cells_of(build, op)
    cell = spikeloom.load_device("rram-milo").cell
    step = cell.on_us.number - cell.off_us.number
    found = []
    for column, value in (("counts", 0.75), ("us", 0.75 * step)):
        text = f"slot,wordline,bitline,conductance_{column}\n{slot},0,0,{value}\n"
        die = made(build, tmp_path, text, device="rram-milo")
        found.append(cells_of(die, layers(die)[0])[0, 0, 0])
    assert found[0] == found[1] == 0.75 - max(-meant[0, 0, 0], 0)
    with pytest.raises(MappingError, match="uS"):
        made(build, tmp_path, text, device="ideal")


HEAD = "slot,wordline,bitline,stuck\n"
WRONG = {
    "other columns": ("slot,row,column,stuck\n", "bad-measured", "slot,row"),
    "no columns": ("", "bad-measured", "columns"),
    "a row too short": (f"{HEAD}0,0,on\n", "bad-measured", "3 columns, the header 4"),
    "another word": (f"{HEAD}0,0,0,maybe\n", "bad-measured", "maybe"),
    "half a place": (f"{HEAD}0.5,0,0,on\n", "bad-measured", "whole"),
    "a place below 0": (f"{HEAD}0,-1,0,on\n", "bad-measured", "whole"),
    "a place past 64 bits": (f"{HEAD}1e300,0,0,on\n", "measured-site", "1e+300"),
    "no number": (f"{HEAD}0,nan,0,on\n", "bad-measured", "finite"),
    "text": (f"{HEAD}0,x,0,on\n", "bad-measured", "x"),
    "a slot too far": (f"{HEAD}99,0,0,on\n", "measured-site", "slot 99, the network is on 0..1"),
    "a wordline too far": (f"{HEAD}0,64,0,on\n", "measured-site", "wordline 64"),
    "a bitline too far": (f"{HEAD}0,0,64,on\n", "measured-site", "bitline 64"),
    "twice": (f"{HEAD}0,0,0,on\n0,0,0,off\n", "measured-site", "1 and 0"),
    "a readout too far": ("slot,readout,offset_counts\n0,32,1\n", "measured-site", "readout 32"),
    "less than nothing": (
        "slot,wordline,bitline,conductance_counts\n0,0,0,-1\n",
        "bad-measured",
        "-1, at least 0",
    ),
}


@pytest.mark.parametrize("label", WRONG)
def test_a_file_that_is_none_is_refused(label, build, tmp_path):
    text, code, words = WRONG[label]
    with pytest.raises(MappingError) as refused:
        made(build, tmp_path, text, device="ideal")
    found = refused.value.diagnostics[0]
    assert found.code == code
    assert words in found.message


ARRAYS = {
    "an array more": {"more": np.zeros((1, 4))},
    "of another width": {"stuck": np.zeros((1, 3))},
    "of text": {"stuck": np.array([["a"] * 4])},
    "of a fourth kind": {"stuck": np.array([[0, 0, 0, 2]])},
    "in two units": {
        "conductances_us": np.zeros((1, 4)),
        "conductances_counts": np.zeros((1, 4)),
    },
}


@pytest.mark.parametrize("label", ARRAYS)
def test_arrays_that_are_none_are_refused(label, build, tmp_path):
    np.savez(tmp_path / "chip.npz", **ARRAYS[label])
    with pytest.raises(MappingError) as refused:
        build.die(measured=tmp_path / "chip.npz", device="rram-milo")
    assert refused.value.diagnostics[0].code == "bad-measured"


def test_one_kind_is_in_one_file(build, tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(HEAD)
    with pytest.raises(MappingError, match="two files"):
        build.die(measured=[tmp_path / "a.csv", tmp_path / "b.csv"], device="ideal")


@pytest.mark.parametrize(
    ("target", "text", "said"),
    [
        (
            "ideal-128",
            "slot,readout,offset_counts\n0,0,7\n",
            "offsets of slot 0, macro 'ideal-128' takes its sums as they are",
        ),
        (
            "digital-cim-64",
            "slot,wordline,bitline,conductance_counts\n0,0,0,0.5\n",
            "macro 'digital-64' adds the bits of its cells",
        ),
    ],
)
def test_what_a_macro_makes_nothing_of_is_refused(target, text, said, tmp_path):
    build = spikeloom.compile(two_layers(), target, calibrate=SAMPLES)
    with pytest.raises(MappingError, match="measured-site") as refused:
        made(build, tmp_path, text, device="ideal")
    assert said in str(refused.value)


def test_a_cell_of_several_rounds_has_no_one_conductance(tmp_path):
    target = load_target("adcless-64")
    chip = replace(target.chip, tiles=1, crossbars_per_tile=1, max_chips=1, max_rounds=4)
    build = spikeloom.compile(two_layers(), replace(target, chip=chip), calibrate=SAMPLES)
    text = "slot,wordline,bitline,conductance_counts\n0,1,1,0.3\n"
    with pytest.raises(MappingError, match="programmed anew in 2 rounds"):
        made(build, tmp_path, text, device="ideal")
    assert made(build, tmp_path, f"{HEAD}0,1,1,on\n", device="ideal").mapped.die is not None
