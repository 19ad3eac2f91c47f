"""What ``spikeloom run`` does not import: it starts often, and what it needs is there soon."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mapper.api.make import compile as compile_model
from mapper.build.folder import read_build
from mapper.kernels.core import unavailable
from tests.calls import counted_calls

MODEL = Path(__file__).parents[2] / "mapper" / "data" / "demo" / "model.onnx"
NEVER = {
    *("scipy", "torch", "pandas", "vl_convert"),  # optional
    "pydantic",  # later versions of typer bring it
    *("onnx", "onnxruntime", "networkx", "jinja2"),
    *(
        "mapper.frontend",
        "mapper.cost",
        "mapper.report.data",
        "mapper.exploration",
        "mapper.verify.rings",
    ),
}
STARTED = """
import sys
from mapper.cli import main
try:
    main()
finally:
    print(*sys.modules, sep="\\n")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("startup") / "build"
    compile_model(MODEL, "adcless-diff-64").save(made)
    return made


@pytest.mark.skipif(bool(unavailable()), reason=unavailable())
def test_run_imports_what_it_needs_alone(folder, tmp_path):
    build = read_build(folder)
    (x,) = build.hardware.inputs
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 1, *x.shape), np.int64))
    command = ["run", folder, "--input", tmp_path / "x.npz", "--output", tmp_path / "y.npz"]
    done = subprocess.run(
        [sys.executable, "-c", STARTED, *map(str, command)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "y.npz").exists()
    assert NEVER.isdisjoint(done.stdout.split())
    assert "mapper.executor.native.run" in done.stdout.split()


def test_programs_are_compared_by_whoever_does_more_than_run(folder):
    """A run uses none of them: their hashes are enough."""
    from mapper.build import folder as folders

    with counted_calls(folders.programs) as calls:
        read_build(folder, compared=False)
        assert not calls
        read_build(folder)
    assert sum(calls.values()) == 1
