"""A die as a build folder: what it is of, that it is drawn again, and forged ones."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mapper as spikeloom
from mapper.build.files import listed
from mapper.build.folder import programs, read_build
from mapper.diagnostics import MappingError
from mapper.dies.differences import differences
from mapper.executor.numpy.generate import generate_executor
from mapper.executor.numpy.run import load_executor
from mapper.ir.core import Array
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.identity import digest
from mapper.ir.noise import key_inputs
from mapper.ir.weights import load_constants, narrow, write_arrays
from mapper.report import render_report
from mapper.report.charts.die import difference_table
from mapper.report.figures import report_caption, report_charts, report_works
from mapper.verify.build import rerun_passes
from passes.dies.sites import sites_of
from targets.devices.circuit import Amplifier
from targets.devices.fact import Fact
from tests.drawn_dies import device
from tests.fuzz.onnx_seeds import two_layers

RNG = np.random.default_rng(0)
INPUTS = (RNG.random((5, 6, 4)) < 0.4).astype(np.uint8)
NOISY = {"amplifier__noise": 0.5, "cell__sigma": 0.1}
WIRED = {"wire__share": 1e-3, "amplifier__offset": 0.5, "cell__stuck_on": 0.1}


@pytest.fixture(scope="module")
def build() -> spikeloom.Build:
    return spikeloom.compile(two_layers(), "adcless-64", calibrate=INPUTS)


@pytest.fixture(scope="module")
def folder(build: spikeloom.Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("die") / "die"
    build.die(3, device=device(**WIRED), age=3600, inputs=INPUTS).save(out)
    return out


@pytest.mark.parametrize("target", ["adcless-64", "hpadc-flash5-64", "digital-cim-64", "ideal-128"])
@pytest.mark.parametrize("facts", [NOISY, WIRED])
def test_a_die_is_read_back_and_every_ring_agrees(target, facts, tmp_path):
    build = spikeloom.compile(two_layers(), target, calibrate=INPUTS)
    made = build.die(3, device=device(**facts), inputs=INPUTS).save(tmp_path / "die")
    again = spikeloom.load(tmp_path / "die")
    assert digest(again.hardware) == digest(made.hardware)
    assert digest(again.mapped.ideal) == digest(made.mapped.ideal) == digest(build.hardware)
    found = again.verify(INPUTS)
    assert {ring.name[0] for ring in found.rings if ring.status == "equal"} >= {"1", "2", "4", "6"}
    assert found.bit_exact
    assert found.die == "die 3 of ideal"
    assert found.as_dict()["die"] == found.die


def test_a_die_costs_what_every_chip_of_the_design_does(build):
    made = build.die(3, device=device(**NOISY))
    assert key_inputs(made.hardware)
    trace = made.run(INPUTS, trace=True)
    assert made.cost(0.3).cost == build.cost(0.3).cost
    assert made.cost(trace).energy_pj.nominal > 0


def test_the_same_seeds_give_the_same_bits_and_others_do_not(build):
    one, two = (build.die(seed, device=device(**WIRED), inputs=INPUTS) for seed in (3, 4))
    again = build.die(3, device=device(**WIRED), inputs=INPUTS)
    assert digest(one.hardware) == digest(again.hardware) != digest(two.hardware)
    noisy = build.die(3, device=device(amplifier__noise=2.0))
    runs = [noisy.run(INPUTS, spikes=True, run_seed=seed).spikes for seed in (0, 0, 1)]
    same, other = (
        all(np.array_equal(runs[0][name], run[name]) for name in run) for run in runs[1:]
    )
    assert same
    assert not other


def test_pages_runs_and_summaries_say_which_die_it_is(build, folder):
    named = "die 3 of ideal, 3600 s after programming"
    die = spikeloom.load(folder)
    assert die.run(INPUTS).as_dict()["die"] == named
    page = (folder / "report.html").read_text()
    assert named in page
    summary = die.die_summary
    for row in difference_table(summary.layers).rows:
        cells = "".join(f"<td>{cell}</td>" for cell in row[1:])
        assert f'<tr><th scope="row">{row[0]}</th>{cells}</tr>' in page
    assert "What differs on this chip" not in render_report(build.mapped.page)
    assert (summary.as_dict()["die"], summary.as_dict()["seed"]) == (named, 3)
    assert summary.notes == ()  # an ideal device leaves nothing open
    assert "die" not in build.run(INPUTS).as_dict()


def test_figures_of_a_die_say_which_it_is_and_where_its_device_is_from(build):
    die = build.die(0, device="rram-milo").mapped
    page = die.report()
    chart = next(chart for chart in report_charts(page) if chart.name == "die")
    assert chart.title == "How far off layers are on die 0 of rram-milo"
    errors = [f"{row.cell_error:.4g}" for row in die.die_facts.layers]
    assert [row[2] for row in chart.table.rows if row[1] == "cells"] == errors
    assert "on target adcless-64, die 0 of rram-milo." in report_caption(page)
    assert "[milo2021rram]" in report_caption(page)
    ideal = build.mapped.page
    assert "die" not in {chart.name for chart in report_charts(ideal)}
    assert {work.key for work in report_works(page)} > {work.key for work in report_works(ideal)}


def test_what_differs_from_the_ideal_chip_is_counted(build):
    """Nothing on the die of an ideal device; offsets alone move references, and no cells."""
    perfect = build.die(0, device="ideal")
    for row in differences(perfect.mapped.die, perfect.hardware, build.target):
        assert (row.cells_differ, row.references_differ, row.read_noise) == (0.0, 0.0, 0.0)
    offset = build.die(0, device=device(amplifier__offset=1.0, amplifier__noise=0.5))
    for row in differences(offset.mapped.die, offset.hardware, build.target):
        assert (row.cells_differ, row.cell_error) == (0.0, 0.0)
        assert row.references_differ > 0.3
        assert row.read_noise == pytest.approx(0.5, abs=0.01)


def test_what_takes_sums_as_they_are_has_no_references_that_differ():
    """Leakage moves where its codes begin, and so does the width that a die's sums need."""
    build = spikeloom.compile(two_layers(), "ideal-128", calibrate=INPUTS)
    made = build.die(1, device=device(cell__sigma=0.1, cell__on_off=5.0))
    for row in differences(made.mapped.die, made.hardware, build.target):
        assert row.cell_error > 0
        assert (row.references_differ, row.reference_error) == (0.0, 0.0)


def test_a_die_says_what_its_device_says_too_little_of_in_the_macros_in_use():
    """3 mV are no counts where nobody says what a count is in mV; the first macro is not used."""
    build = spikeloom.compile(two_layers(), "mixed-64", calibrate=INPUTS)
    ideal = device()
    held = replace(
        ideal, name="half-known", amplifier=Amplifier(offset_mv=Fact(value=3.0, source="a test"))
    )
    summary = build.die(0, device=held).die_summary
    devices = summary.as_dict()["devices"]
    lacking = "offset of amplifiers: what a count is in mV is not known"
    assert {macro.name for macro in build.target.macros} > devices.keys() == {"sense-amp-64"}
    assert lacking in devices["sense-amp-64"]["not_covered"]
    assert lacking not in held.not_covered
    (note,) = summary.notes
    assert note.startswith("device half-known does not cover ")
    assert lacking in note


def test_a_die_is_drawn_of_the_ideal_chip_alone(build, folder):
    die = spikeloom.load(folder)
    with pytest.raises(MappingError) as refused:
        die.die(4)
    assert refused.value.diagnostics[0].code == "of-a-die"
    with pytest.raises(MappingError) as refused:
        die.dies(INPUTS, dies=2)
    assert refused.value.diagnostics[0].code == "of-a-die"
    with pytest.raises(MappingError) as refused:
        build.die_summary  # noqa: B018
    assert refused.value.diagnostics[0].code == "not-a-die"


def test_the_passes_of_a_die_end_with_the_draw(folder):
    build = read_build(folder)
    stages = rerun_passes(build)
    assert stages[-1][:2] == ("draw-die", False)
    assert digest(stages[-2][2]) == digest(build.ideal)
    assert digest(stages[-1][2]) == digest(build.hardware)


def test_a_die_that_the_passes_do_not_give_fails_its_ring(build):
    """Its network is another's: the die is that of its ideal chip, the passes give another."""
    made = build.die(3, device=device(**NOISY))
    weight = next(n for n, a in made.network.constants.items() if a.ndim == 2)
    constants = {**made.network.constants, weight: -made.network.constants[weight]}
    other = replace(made.mapped, network=replace(made.network, constants=constants))
    found = replace(made, mapped=other).verify(INPUTS, rings=[2])
    assert found.ring("2-exact-passes").status == "mismatch"


# --- forged folders ---------------------------------------------------------------------------


def _drop(array: Array) -> Array:
    return array[..., :-1]


ENTRIES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another seed": lambda die: die.update(seed=4),
    "no seed": lambda die: die.update(seed=-1),
    "a seed past 63 bits": lambda die: die.update(seed=1 << 63),
    "a seed that is true": lambda die: die.update(seed=True),
    "another age": lambda die: die.update(age_s=1e30),
    "an age before it was made": lambda die: die.update(age_s=-1.0),
    "no device": lambda die: die.update(devices={}),
    "a macro that there is not": lambda die: die["devices"].update(other={}),
    "no facts": lambda die: die["devices"].update({next(iter(die["devices"])): {}}),
    "other facts": lambda die: next(iter(die["devices"].values())).pop("wire"),
    "without what there is not": lambda die: die.update(without=["nothing"]),
    "without an imperfection": lambda die: die.update(without=["offset"]),
    "a key more": lambda die: die.update(more=1),
    "no ideal chip": lambda die: die.pop("ideal"),
    "another ideal chip": lambda die: die["ideal"].update(name="other"),
    "an ideal chip without ops": lambda die: die["ideal"].update(ops=[]),
    "copies past all sense": lambda die: _copies(die, 1 << 40),
    "constants that there are not": lambda die: die.update(shared=["nothing"]),
    "no list of constants": lambda die: die.update(shared={}),
}
ARRAYS: dict[str, Callable[[dict[str, Array]], Any]] = {
    "other activity": lambda held: _edit(held, "die/activity/", lambda a: a / 2),
    "activity below zero": lambda held: _edit(held, "die/activity/", lambda a: a - 1),
    "activity past a digit": lambda held: _edit(held, "die/activity/", lambda a: a + 256),
    "activity that is no number": lambda held: _edit(held, "die/activity/", lambda a: a * np.nan),
    "activity of another shape": lambda held: _edit(held, "die/activity/", _drop),
    "activity in integers": lambda held: _edit(held, "die/activity/", lambda a: a.astype(int)),
    "other references": lambda held: _edit(held, "die/ideal/", lambda a: a + 3),
    "an array more": lambda held: held.update({"die/more/x": np.zeros(3)}),
    "something measured of no kind": lambda held: held.update({"die/measured/x": np.zeros(3)}),
    "offsets of no place": lambda held: held.update({"die/measured/offsets": np.ones(3)}),
    "places in no order": lambda held: held.update(
        {"die/measured/offsets": np.ones(2), "die/measured/offset_sites": np.array([5, 5])}
    ),
    "places of no layer": lambda held: held.update({"die/places/x": np.zeros((1, 1, 3), int)}),
    "biases of no layer": lambda held: held.update({"die/biases/x": np.zeros((1, 3), int)}),
    "activity of no layer": lambda held: held.update({"die/activity/x": np.zeros((1, 3))}),
}


def _copies(die: dict[str, Any], copies: int) -> None:
    for op in die["ideal"]["ops"]:
        if "placement" in op:
            op["placement"]["copies"] = copies


def _edit(held: dict[str, Array], start: str, change: Callable[[Array], Array]) -> None:
    names = [name for name in held if name.startswith(start)]
    assert names
    held[names[0]] = change(held[names[0]])


@pytest.mark.parametrize("label", [*ENTRIES, *ARRAYS])
def test_a_forged_die_is_refused(label, folder, tmp_path):
    """Signed anew by its forger: the die is drawn again, and is not what the folder holds."""
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    if label in ENTRIES:
        data = json.loads((tmp_path / "mapping.json").read_text())
        ENTRIES[label](data["die"])
        (tmp_path / "mapping.json").write_text(json.dumps(data))
    else:
        held = load_constants(tmp_path / "source.npz")
        ARRAYS[label](held)
        keyed = {f"c{i}": narrow(held[name]) for i, name in enumerate(sorted(held))}
        names = np.frombuffer(json.dumps(sorted(held)).encode(), np.uint8)
        write_arrays(tmp_path / "source.npz", {"names": names, **keyed})
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | listed(tmp_path)))
    with pytest.raises(MappingError) as refused:
        read_build(tmp_path)
    codes = {problem.code for problem in refused.value.diagnostics}
    assert codes <= {"bad-mapping", "build-changed", "device-age", "no-device"} | TARGET_CODES


TARGET_CODES = {"target-key", "target-value", "target-type"}


@pytest.mark.parametrize("schema", ["spikeloom/mapping/1", "spikeloom/mapping/2"])
def test_an_entry_of_a_die_is_in_no_other_mapping(schema, folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    data = json.loads((tmp_path / "mapping.json").read_text())
    assert data["schema"] == "spikeloom/mapping/3"
    (tmp_path / "mapping.json").write_text(json.dumps({**data, "schema": schema}))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | listed(tmp_path)))
    with pytest.raises(MappingError, match="entry 'die'"):
        read_build(tmp_path)


def test_programs_of_a_die_are_those_of_its_graph(folder):
    build = read_build(folder)
    for name, content in programs(build).items():
        assert (folder / name).read_bytes() == content


HOSTILE = {
    "places past the crossbar": ("places", lambda table: table + 64, "different ones of 0..15"),
    "places that are one": ("places", lambda table: table * 0, "different ones of 0..15"),
    "rows past the crossbar": ("lines", lambda table: table + 64, "different ones of 0..63"),
    "rows that are one": ("lines", lambda table: table * 0, "different ones of 0..63"),
}


@pytest.mark.parametrize("label", HOSTILE)
def test_rows_and_columns_of_a_die_lie_in_their_crossbar(label, build):
    """A place is what arrays are as large as."""
    kind, change, said = HOSTILE[label]
    die = build.die(1, device=device(cell__stuck_on=0.1)).mapped.die
    op = next(op for op in die.ideal.ops if isinstance(op, CrossbarMvm))
    sites = sites_of(op)
    order = {
        "places": sites.bitline[:, :, 0] // op.encoding.bitlines_per_weight,
        "lines": np.broadcast_to(
            sites.wordline, (len(sites.slot), len(op.columns), op.rows[-1].stop)
        ),
    }
    good = replace(die, step=replace(die.step, **{kind: {op.partial_sum.name: order[kind]}}))
    assert not list(good.problems(build.target))
    table = {op.partial_sum.name: change(order[kind])}
    bad = replace(die, step=replace(die.step, **{kind: table}))
    assert any(said in problem for problem in bad.problems(build.target))


def test_rows_of_a_die_have_wordlines_of_each_other_behind_wires(build):
    """Where a crossbar has wordlines to spare, none of them is taken: bitlines would be longer."""
    die = build.die(1, device=device(cell__stuck_on=0.1)).mapped.die
    op = next(op for op in die.ideal.ops if isinstance(op, CrossbarMvm))
    sites = sites_of(op)
    lines = np.broadcast_to(sites.wordline, (len(sites.slot), len(op.columns), op.rows[-1].stop))
    wired = {name: held.with_set({"wire.share": 1e-4}) for name, held in die.devices.items()}
    rows = op.rows[-1].stop
    assert rows < build.target.macros[0].wordlines
    for moved, fits in ((lines[..., ::-1], True), (lines + 1, False)):
        step = replace(die.step, lines={op.partial_sum.name: moved})
        assert not list(replace(die, step=step).problems(build.target))
        found = list(replace(die, devices=wired, step=step).problems(build.target))
        said = [
            one for one in found if f"behind wires are not different ones of 0..{rows - 1}" in one
        ]
        assert bool(said) != fits
        assert bool(found) != fits


def test_keys_of_noise_are_of_no_recording(build):
    die = build.die(1, device=device(amplifier__noise=0.5))
    given = {die.hardware.inputs[0].name: INPUTS, "read_key": np.zeros((5, 6), np.int64)}
    for use in (die.run, die.verify):
        with pytest.raises(MappingError, match=r"input-name.*read_key") as refused:
            use(given)
        assert "--run-seed" in str(refused.value)


@pytest.mark.parametrize("seed", [-1, 1 << 63, 1.5])
def test_a_program_takes_whole_seeds_alone(seed, build):
    die = build.die(1, device=device(amplifier__noise=0.5)).hardware
    program = load_executor(generate_executor(die), die.constants)
    with pytest.raises(program.module["Refusal"], match="a seed is a whole number"):
        program.module["run"]({die.inputs[0].name: INPUTS}, net=program.network, seed=seed)
