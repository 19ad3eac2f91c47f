"""What docstrings of the Python interface show is what the bundled network gives."""

import doctest
import importlib

import numpy as np
import pytest

import mapper
from tests.files import DEMO_MODEL, DEMO_RECORDING

MODULES = (
    "mapper",
    "mapper.api.build",
    "mapper.api.estimate",
    "mapper.api.inspection",
    "mapper.api.run",
    "mapper.compare.result",
)


@pytest.mark.parametrize("module", MODULES)
def test_docstrings_show_what_is_printed(tmp_path, monkeypatch, module):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.onnx").symlink_to(DEMO_MODEL)
    (tmp_path / "recording.npz").symlink_to(DEMO_RECORDING)
    with np.load("recording.npz") as recording:
        events, labels = recording["x"][:, :8], recording["labels"][:8]
    build = mapper.compile("model.onnx", "adcless-diff-64", calibrate=events)
    names = {"mapper": mapper, "build": build, "events": events, "labels": labels}
    found = doctest.DocTestFinder().find(importlib.import_module(module), globs=names)
    tests = [test for test in found if test.examples]
    assert tests
    for test in tests:
        said: list[str] = []
        doctest.DocTestRunner().run(test, out=said.append)
        assert "".join(said) == ""
