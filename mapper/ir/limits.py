"""How large the numbers and arrays of a graph may be: within it every engine is exact.

A file may hold any number. Those of a graph are held against these before anything is made of
them, in integers of Python, which do not wrap around. ``mapper.ir.ranges`` says which field has
which; what the native kernels take besides is in ``csrc/check.c``, and no graph within these limits
breaks it: a layer that kernels cannot compute exactly goes to NumPy before.
"""

MOST_BITS = 63
"""Of a value: more is no signed number of 64 bits."""
MOST_AXES = 16
MOST_SIDE = 1 << 24
"""Elements along one axis; lengths, strides and paddings of windows; steps of a replica."""
MOST_ELEMENTS = 1 << 27
"""Of a value that is held whole, and of a map with its padding: a gibibyte of integers."""
MOST_SUMS = 1 << 40
"""Of partial sums, which layers work through piece by piece."""
MOST_PLACES = 1 << 25
"""Elements of a channel that all windows see, counted as often as one does."""
MOST_WHOLE = (1 << 53) - 1
"""The greatest integer parameter, in magnitude: exact in double precision, as are its products
with bits."""
MOST_SUM = (1 << 62) - 1
"""The greatest number on the way to a result, in magnitude: two of them add up in 64 bits."""
MOST_FACTOR = (1 << 31) - 1
"""The greatest multiplier that adds up slices, in magnitude."""
MOST_TERMS = 1 << 16
"""Operands of one op; digits and thresholds of a readout are fewer."""
MOST_LEVELS = 1 << 12
"""Thresholds of a bank of sense amplifiers."""
MOST_CELL_BITS = 8
"""Of one memory cell: 256 levels."""
MOST_FRACTION = 24
"""Bits below a level step in which a die counts; a proof may ask for fewer."""
MOST_PLANE_BITS = 8
"""Of an input code that a wordline carries in one read: 256 levels."""
MOST_PLANE = 1 << (MOST_BITS - 1)
"""What the highest plane of a code stands for, in magnitude."""
MOST_REAL = 3.4028234663852886e38
"""The greatest number of single precision."""
