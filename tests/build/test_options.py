"""Builds whose passes had options: they are kept, and the passes run again with them."""

import html
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import mapper as spikeloom
from mapper import api
from mapper.build.files import listed
from mapper.build.folder import read_build
from mapper.diagnostics import MappingError
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.identity import digest
from mapper.verify.build import rerun_passes
from tests.files import DEMO_MODEL, DEMO_RECORDING

OPTIONS = {"replicate": {"max_copies": 4}, "lower-readout": {"seed": 3}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("options") / "build"
    spikeloom.compile(DEMO_MODEL, "adcless-64", passes=OPTIONS).save(out)
    return out


def copies(build) -> list[int]:
    layers = [op for op in build.hardware.ops if isinstance(op, CrossbarMvm)]
    return [op.placement.copies for op in layers]


def test_options_reach_their_pass(folder):
    """conv1 has 256 positions and conv2 64: four copies keep pace, and no more are allowed."""
    assert copies(read_build(folder)) == [4, 1, 1]
    one = spikeloom.compile(DEMO_MODEL, "adcless-64", passes={"replicate": {"max_copies": 1}})
    assert copies(one.mapped) == [1, 1, 1]


def test_the_folder_and_the_page_say_which_options_were_used(folder):
    wanted = {"replicate": {"max-copies": 4}, "lower-readout": {"seed": 3}}
    data = json.loads((folder / "mapping.json").read_text())
    assert (data["schema"], data["options"]) == ("spikeloom/mapping/2", wanted)
    assert json.loads((folder / "manifest.json").read_text())["options"] == wanted
    page = html.unescape((folder / "report.html").read_text())
    assert '<th scope="row">replicate{max-copies=4}</th>' in page
    options = "--pass 'lower-readout{seed=3}' --pass 'replicate{max-copies=4}'"
    assert f"--target adcless-64 --weight-bits 4 {options} -o BUILD" in page


def test_a_build_with_options_is_verified_with_them(folder, tmp_path):
    """With the defaults ring 2 would end in other copies and thresholds than the folder has."""
    copy = shutil.copytree(folder, tmp_path / "copy")
    verified = spikeloom.load(copy).verify(DEMO_RECORDING, model=DEMO_MODEL)
    assert {ring.name: ring.status for ring in verified.rings}["2-exact-passes"] == "equal"
    assert verified.bit_exact
    build = read_build(folder)
    assert digest(rerun_passes(build)[-1][2]) == digest(build.hardware)


def test_a_build_of_defaults_is_written_as_before(tmp_path):
    api.compile_model(DEMO_MODEL, "adcless-64", tmp_path / "build")
    data = json.loads((tmp_path / "build" / "mapping.json").read_text())
    assert data["schema"] == "spikeloom/mapping/1"
    assert "options" not in data


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replicate": {"max-copies": "4"}}, "is an integer 1..1000000, got 4"),
        ({"replicate": {"samples": 1}}, "has no option 'samples'"),
        ({"delete": {"files": 1}}, "no pass is named 'delete'"),
        ([["replicate", 4]], "cannot be read"),
        ({"replicate": 4}, "cannot be read"),
    ],
)
def test_options_of_a_changed_folder_are_checked(folder, tmp_path, options, message):
    changed = tmp_path / "changed"
    changed.mkdir()
    for path in folder.iterdir():
        (changed / path.name).write_bytes(path.read_bytes())
    data = json.loads((changed / "mapping.json").read_text()) | {"options": options}
    (changed / "mapping.json").write_text(json.dumps(data))
    manifest = json.loads((changed / "manifest.json").read_text())
    (changed / "manifest.json").write_text(json.dumps(manifest | listed(changed)))
    with pytest.raises(MappingError, match=message) as caught:
        read_build(changed)
    assert caught.value.diagnostics[0].code == "bad-mapping"


def test_the_same_options_give_the_same_bytes(folder, tmp_path):
    again = tmp_path / "again"
    spikeloom.compile(DEMO_MODEL, "adcless-64", passes=OPTIONS).save(again)
    for path in folder.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes(), path.name


def test_an_assignment_goes_through_the_python_interface():
    wide = spikeloom.Choice(weight_bits=6)
    build = spikeloom.compile(
        DEMO_MODEL, "adcless-64", assignment=spikeloom.Assignment(layers={"/conv1/Conv": wide})
    )
    layers = [op for op in build.mapped.hardware.ops if isinstance(op, CrossbarMvm)]
    assert [op.encoding.weight_bits for op in layers] == [6, 4, 4]
    x = np.load(DEMO_RECORDING)["x"][:4, :2]
    assert next(iter(build.run({"x": x}).outputs.values())).shape[:2] == (4, 2)
