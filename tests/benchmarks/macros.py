"""Macros that more than one test looks at."""

from benchmarks.chips import read_chips
from benchmarks.macro_model import Macro

CHIPS = {chip.id: chip for chip in read_chips()}
JIA = CHIPS["JIA"].blind
DIGITAL = Macro(
    node_nm=28, voltage_v=0.9, cell="digital", rows=32, columns=48, inputs=32, outputs=6,
    weight_bits=8, input_bits=8, bits_per_cycle=2, adders="words",
)  # fmt: skip
