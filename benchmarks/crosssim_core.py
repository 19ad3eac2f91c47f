"""CrossSim's analog cores, where they are there: https://github.com/sandialabs/cross-sim.

Its package ``simulator`` is not on PyPI, where one of that name is another thing: so its files are
looked at before anything of it is imported.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mapper.ir.core import Array

MISSING = """CrossSim is missing: Python finds no package 'simulator' with analog cores or no SciPy.
Nothing was compared with it. The package is that of https://github.com/sandialabs/cross-sim (3.2),
not the one of that name on PyPI: put it on PYTHONPATH, with SciPy, and run this again."""
_NEEDED = ("cores", "circuits", "devices")


def is_there() -> bool:
    """Say whether CrossSim and SciPy can be imported, without importing them."""
    found = find_spec("simulator")
    folders = () if found is None else found.submodule_search_locations or ()
    known = any(all((Path(folder) / part).is_dir() for part in _NEEDED) for folder in folders)
    return known and find_spec("scipy") is not None


def pairs(weight: Array, model: str, magnitude: float, on_us: float, on_off: float) -> Any:
    """Program weights of -1, 0 and 1 into pairs of cells of two levels.

    Args:
        weight: ``[K, N]``.
        model: CrossSim's name of a programming error.
        magnitude: Of it, where it has one.
        on_us: Conductance of cells that are on, in uS.
        on_off: Over that of cells that are off; 0: these conduct nothing.

    Returns:
        A core that takes ``[K, B]`` to ``[N, B]``.
    """
    from simulator import AnalogCore, CrossSimParameters

    params = CrossSimParameters()
    core, device = params.core, params.xbar.device
    core.weight_bits, core.style, core.balanced.style = 2, "BALANCED", "ONE_SIDED"
    core.rows_max, core.cols_max = weight.shape
    _span(core.mapping)
    _levels(device, on_us, on_off)
    device.programming_error.enable = True
    device.programming_error.model = model
    device.programming_error.magnitude = magnitude
    return AnalogCore(weight.T.astype(np.float64), params)


def behind_wires(digits: Array, on_us: float, on_off: float, share: float) -> Any:
    """Lay cells of two levels behind bitlines of a resistance, their inputs on gates.

    Args:
        digits: ``[R, B]`` of 0 and 1.
        on_us: Conductance of cells that are on, in uS.
        on_off: Over that of cells that are off.
        share: Resistance from one cell to the next over that of a cell that is on.

    Returns:
        A core whose ``x`` of 0 and 1 gives ``2 sum - sum of x``, ``sum`` in counts over that of
        cells that are off.
    """
    from simulator import AnalogCore, CrossSimParameters

    params = CrossSimParameters()
    core, parasitics = params.core, params.xbar.array.parasitics
    core.rows_max, core.cols_max = digits.shape
    core.weight_bits, core.style = 1, "OFFSET"
    _span(core.mapping)
    _levels(params.xbar.device, on_us, on_off)
    parasitics.enable, parasitics.current_from_input = True, False
    parasitics.Rp_row, parasitics.Rp_col = 0.0, share * 1e6 / on_us
    params.simulation.Verr_th_mvm = 1e-6
    return AnalogCore(2.0 * digits.T - 1.0, params)


def _span(mapping: Any) -> None:
    mapping.weights.min, mapping.weights.max, mapping.weights.percentile = -1.0, 1.0, None
    mapping.inputs.mvm.min, mapping.inputs.mvm.max = 0.0, 1.0


def _levels(device: Any, on_us: float, on_off: float) -> None:
    device.Rmin, device.Rmax = 1e6 / on_us, 1e6 / on_us * (on_off or 1e9)
    device.infinite_on_off_ratio = not on_off
