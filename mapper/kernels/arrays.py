"""What crosses to the kernels: types of numbers and arrays, and words that several structs have."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Reset = Literal["NO_RESET", "SUBTRACT", "TO_VALUE"]

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Halves = NDArray[np.int16]
Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

Numbers = dict[str, int]
Arrays = dict[str, Any]
