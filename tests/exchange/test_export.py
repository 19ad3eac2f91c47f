"""``spikeloom export``: formats by suffix, and files that are whole or not there."""

import hashlib

import pytest

from mapper import api
from mapper.diagnostics import MappingError
from mapper.exchange.export import WRITERS
from tests.cli.test_cli import data, refused, run
from tests.files import DEMO_MODEL


def test_export_says_what_it_wrote(tmp_path):
    path = tmp_path / "new" / "x.onnx"
    answer = data("export", DEMO_MODEL, "-o", path)
    assert answer["schema"] == "spikeloom/export/1"
    assert answer["format"] == "onnx"
    assert answer["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert answer["ops"]["net.neuron"] == 3
    again = tmp_path / "y.onnx"
    text = run("export", path, "-o", again).stdout
    assert answer["sha256"] in text
    assert "3 neuron" in text
    assert again.read_bytes() == path.read_bytes()


def test_a_suffix_that_names_no_format_is_refused(tmp_path):
    assert refused("export", DEMO_MODEL, "-o", tmp_path / "x.pt") == "export-format"
    with pytest.raises(MappingError) as caught:
        api.export_model(tmp_path / "missing.onnx", tmp_path / "x")
    assert "end" in caught.value.diagnostics[0].help
    assert list(tmp_path.iterdir()) == []


def test_nir_is_a_format():
    assert WRITERS[".nir"] == ("mapper.exchange.nir", "write_nir")


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    def broken(imported, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("mapper.exchange.onnx.write_onnx", broken)
    (tmp_path / "x.onnx").write_bytes(b"before")
    assert refused("export", DEMO_MODEL, "-o", tmp_path / "x.onnx") == "file-error"
    assert [p.name for p in tmp_path.iterdir()] == ["x.onnx"]
    assert (tmp_path / "x.onnx").read_bytes() == b"before"
