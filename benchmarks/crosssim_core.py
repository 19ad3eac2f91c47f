"""CrossSim's analog cores, where they are there: https://github.com/sandialabs/cross-sim.

Its package ``simulator`` is not on PyPI, where one of that name is another thing: so its files are
looked at before anything of it is imported.
"""

import tomllib
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mapper.ir.core import Array
from mapper.ir.encoding import Encoding

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


def release() -> str:
    """Return CrossSim's version as its installation or its source tree has it."""
    try:
        return version("cross-sim")
    except PackageNotFoundError:
        found = find_spec("simulator")
        folders = () if found is None else found.submodule_search_locations or ()
        files = [Path(folder).parent / "pyproject.toml" for folder in folders]
        texts = [tomllib.loads(file.read_text("utf-8")) for file in files if file.is_file()]
        found_in = [text.get("project", {}).get("version") for text in texts]
        return next(filter(None, found_in), "of unknown version")


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


def sliced(weight: Array, encoding: Encoding, rows: int, adc_bits: int, input_bits: int) -> Any:
    """Program weights of several bits into slices of cells, whose sums come out whole.

    One level of an ADC is one count of a cell: CrossSim's cells go from 0 to 1, so a count is
    ``1 / digit_max`` and the ADC's range ``2**adc_bits - 1`` of them. A weight keeps its integer
    where the range of weights ends at the greatest. Wide inputs are read bit by bit.

    Args:
        weight: ``[K, N]``, from ``-weight_max`` to ``weight_max``.
        encoding: Of kind ``offset-binary``.
        rows: Most wordlines of an array.
        adc_bits: Of ADCs, whose code 1 is one count.
        input_bits: Of inputs, which are not negative.

    Returns:
        A core that takes ``[K, B]`` to ``[N, B]``.
    """
    from simulator import AnalogCore, CrossSimParameters

    params = CrossSimParameters()
    core, xbar, slices = params.core, params.xbar, len(encoding.significances)
    core.style, core.bit_sliced.style, core.bit_sliced.num_slices = "BITSLICED", "OFFSET", slices
    core.weight_bits, core.rows_max, core.cols_max = encoding.weight_bits, rows, weight.shape[1]
    _span(core.mapping, encoding.weight_max, (1 << input_bits) - 1)
    xbar.device.cell_bits, xbar.device.infinite_on_off_ratio = encoding.cell_bits, True
    xbar.adc.mvm.model = "QuantizerADC"  # which puts another object in its place
    dac, adc = xbar.dac.mvm, xbar.adc.mvm
    dac.model, dac.bits, dac.signed = "QuantizerDAC", input_bits, False
    if input_bits > 1:
        dac.slice_size, dac.input_bitslicing, adc.adc_per_ibit = 1, True, True
    adc.bits, adc.signed = adc_bits, False
    adc.adc_range_option = "CALIBRATED"
    adc.calibrated_range = [[0, ((1 << adc_bits) - 1) / encoding.digit_max]] * slices
    return AnalogCore(weight.T.astype(np.float64), params)


def _span(mapping: Any, weight_max: float = 1.0, input_max: float = 1.0) -> None:
    mapping.weights.percentile = None
    mapping.weights.min, mapping.weights.max = -float(weight_max), float(weight_max)
    mapping.inputs.mvm.min, mapping.inputs.mvm.max = 0.0, float(input_max)


def _levels(device: Any, on_us: float, on_off: float) -> None:
    device.Rmin, device.Rmax = 1e6 / on_us, 1e6 / on_us * (on_off or 1e9)
    device.infinite_on_off_ratio = not on_off
