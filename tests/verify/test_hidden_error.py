"""An error of the import that the tolerance of outputs would hide is found layer by layer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mapper.diagnostics import refuse
from mapper.frontend import Imported, import_model
from mapper.recordings import Recording
from mapper.verify import reference
from mapper.verify.reference import Given, reference_ring
from mapper.verify.result import Ring
from tests.files import DEMO_MODEL, DEMO_RECORDING

IMPORTED = import_model(Path(DEMO_MODEL))
INPUTS = Recording.read(Path(DEMO_RECORDING), IMPORTED.graph.inputs).inputs
WEIGHTS = [name for name, array in IMPORTED.graph.constants.items() if array.dtype.kind == "f"]


def ring(imported: Imported) -> Ring:
    given = Given(path=Path(DEMO_MODEL), imported=imported, inputs=INPUTS, initial={})
    return reference_ring(given)[0]


def changed(name: str, share: float) -> Imported:
    """Return the bundled network with the greatest number of an array off by that share."""
    array = np.array(IMPORTED.graph.constants[name])
    greatest = np.unravel_index(np.abs(array).argmax(), array.shape)
    array[greatest] *= np.float32(1 + share)
    constants = {**IMPORTED.graph.constants, name: array}
    return replace(IMPORTED, graph=replace(IMPORTED.graph, constants=constants))


def test_the_network_as_it_is_is_equal_though_sums_are_rounded_otherwise():
    found = ring(IMPORTED)
    assert (found.status, found.ties) == ("equal", 0)
    assert found.max_abs_diff is not None
    assert 0 < found.max_abs_diff < 1e-5


@pytest.mark.parametrize("share", [1e-4, 1e-5])
@pytest.mark.parametrize("name", WEIGHTS)
def test_one_number_that_is_a_little_off_is_a_mismatch(name, share):
    found = ring(changed(name, share))
    assert found.status == "mismatch"
    assert found.first_mismatch is not None
    assert found.first_mismatch.layer.strip("/").startswith(name.partition(".")[0])


def test_a_large_network_is_looked_at_for_a_step_of_a_sample_at_least(monkeypatch):
    monkeypatch.setattr(reference, "LOOKED_AT", 1)
    assert ring(changed("conv1.weight", 1e-3)).status == "mismatch"


def test_where_single_steps_run_on_no_engine_free_runs_decide(monkeypatch):
    def none(given: Given) -> None:
        raise refuse("no-reference", "no engine here runs a step")

    monkeypatch.setattr(reference, "_inside", none)
    assert ring(changed("fc.bias", 1e-5)).status == "equal"
