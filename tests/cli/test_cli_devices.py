"""``spikeloom devices``: what there is, every fact with its source, counts on a target."""

import json

import pytest
from typer.testing import CliRunner

import mapper
from mapper import api, cli
from targets.devices import device_from_data, device_names, load_device, parse_age
from tests.files import DEMO_MODEL


def run(*args, code=0):
    done = CliRunner().invoke(cli.app, ["devices", *map(str, args)])
    assert done.exit_code == code, done.output
    return done.stdout


def data(*args, code=0):
    return json.loads(run(*args, "--json", code=code))


def test_devices_are_listed_with_what_they_do_not_cover():
    rows = {row["name"]: row for row in data()["devices"]}
    assert tuple(rows) == device_names()
    assert rows["ideal"]["not_covered"] == []
    assert not rows["fefet"]["verified"]
    assert "wires" in rows["pcm"]["not_covered"]
    assert "spread of programmed cells" in rows["pcm"]["covered"]
    shown = run()
    assert all(name in shown for name in device_names())
    assert repr(api.devices_there_are()) == f"DeviceList({', '.join(device_names())})"
    assert "rram-milo" in api.devices_there_are()._repr_html_()


def test_a_device_shows_its_facts_and_what_they_are_in_counts(tmp_path):
    answer = data("rram-wan", "--target", "adcless-64", "--set", "cell.sigma=0.1", "--age", "1d")
    (counts,) = answer["counts"]
    assert counts["cell"]["sigma"] == [0.1, 0.1]
    assert counts["cell"]["age_s"] == 86400
    assert counts["readout"]["offset"] == pytest.approx(0.22016)
    assert answer["unverified"] == ["amplifier.swing_v", "amplifier.parasitic"]
    device = device_from_data(answer["device"], loc="a.json")
    assert device.digest == answer["digest"]
    shown = run("rram-wan", "--target", "adcless-128")
    assert "3.44 mV" in shown
    assert "readout.offset        0.4403" in shown
    assert "says nothing of: leakage of cells that are off" in shown


def test_what_is_not_known_in_counts_is_said_where_counts_are(tmp_path):
    """An offset in mV, of amplifiers of which nobody says what a count is in mV."""
    file = tmp_path / "half.toml"
    text = run("ideal", "--toml").replace('name = "ideal"', 'name = "half"')
    file.write_text(text.replace("offset_counts = { value = 0", "offset_mv = { value = 3"))
    lacking = "not known in counts: offset of amplifiers: what a count is in mV is not known"
    assert lacking in " ".join(run(file, "--target", "adcless-64").split())
    assert "not known in counts" not in run(file)
    assert "not known in counts" not in run("rram-wan", "--target", "adcless-64")


def test_a_device_is_printed_as_a_file_to_start_from(tmp_path):
    file = tmp_path / "pcm.toml"
    file.write_text(run("pcm", "--toml"), encoding="utf-8")
    assert load_device(file) == load_device("pcm")
    file.write_text(run("pcm", "--toml", "--set", "cell.stuck_on=0.01"), encoding="utf-8")
    assert load_device(file).cell.stuck_on.number == 0.01
    assert data("pcm", "--toml")["toml"] == run("pcm", "--toml")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("rram-wam",), "unknown-device"),
        (("pcm", "--set", "cell.sigma"), "device-setting"),
        (("pcm", "--set", "cell.sgma=1"), "device-setting"),
        (("pcm", "--age", "old"), "device-age"),
        (("pcm", "--target", "adcles-64"), "unknown-target"),
    ],
)
def test_what_is_refused(args, code):
    assert [error["code"] for error in data(*args, code=1)["errors"]] == [code]


def test_options_without_a_device_are_wrong_usage():
    run("--set", "cell.sigma=0.1", code=2)


def test_a_network_is_compiled_for_a_device_whose_levels_price_the_cells():
    chosen = mapper.compile(DEMO_MODEL, "adcless-64", device="pcm")
    own = mapper.compile(DEMO_MODEL, "adcless-64")
    assert chosen.target.macros[0].device == load_device("pcm")
    assert own.target.macros[0].device == load_device("rram-wan")
    cells = [build.cost(0.2, steps=4).cost.energy_pj["cells"].nominal for build in (chosen, own)]
    assert cells[0] < cells[1]


def test_compile_takes_a_device(tmp_path):
    build = tmp_path / "b"
    args = ["compile", str(DEMO_MODEL), "--target", "adcless-64", "-o", str(build)]
    done = CliRunner().invoke(cli.app, [*args, "--device", "pcm"])
    assert done.exit_code == 0, done.output
    assert mapper.load(build).target.macros[0].device == load_device("pcm")
    done = CliRunner().invoke(cli.app, [*args, "--device", "pmc"])
    assert (done.exit_code, "unknown-device" in done.output + done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3600", 3600), ("12h", 43_200), ("30d", 2_592_000), ("1.5s", 1.5), ("10y", 315_576_000)],
)
def test_ages(text, seconds):
    assert parse_age(text) == seconds
