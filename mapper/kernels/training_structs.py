"""What the kernels of training are given: one class for each struct of ``csrc/training.h``."""

from dataclasses import dataclass

from mapper.kernels.arrays import Bytes, Doubles, Floats, Halves, Int32s, Int64s, Reset


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spikes:
    """Spikes in single precision, which become the bytes of an image ``[B, tall, wide, C]``."""

    B: int
    C: int
    H: int
    W: int
    last: bool
    """Whether channels come last in memory: ``[B, H, W, C]``, else ``[B, C, H, W]``."""
    top: int
    """Row of the image that the first row of pixels goes to; the next is ``fy`` below."""
    left: int
    fy: int
    fx: int
    tall: int
    wide: int

    x: Floats
    image: Bytes
    """Zeros, but for what is written."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Read:
    """A reading of columns in training, in single precision; see ``csrc/training.h`` for axes."""

    A: int
    """Groups; ``V`` vectors, ``G`` row blocks of ``R`` wordlines, ``S`` slices of ``n`` columns."""
    V: int
    G: int
    R: int
    K: int
    """Wordlines of a vector, in ``runs`` of some ``length``."""
    S: int
    n: int
    np: int
    """Columns of a slice, padded."""
    L: int = 1
    """Thresholds."""
    runs: int
    length: int
    group_step: int
    pixels: int
    span: int = 0
    """Partial sums an ADC's table is for, from ``lowest`` on; 0 for sense amplifiers."""
    lowest: int = 0
    first: int = 0
    """The level below all thresholds."""
    twice_half: int = 0
    correction: int
    wants_x: bool = False
    wants_scale: bool = False
    copies: int = 0
    """Of the layer, whose sums are disturbed; 0 where none are."""
    positions: int = 1
    """Output positions of a sample, which the copies share."""
    places: int = 0
    """Where the noise of a read may begin in ``pool``, a power of two; 0 where there is none."""
    key: int = 0
    """What these places depend on, beside the number of a read."""
    affine: bool = False
    """Whether integers are multiplied by ``gains``, and ``biases`` added."""

    x: Bytes
    starts: Int64s
    offsets: Int64s
    cells: Halves
    significances: Floats
    scales: Floats
    gaps: Floats | None = None
    reached: Floats | None = None
    codes: Floats | None = None
    out: Floats | None = None
    halves: Floats | None = None
    thresholds: Floats | None = None
    within: Floats | None = None
    drift: Floats | None = None
    gradient: Floats | None = None
    turned: Floats | None = None
    image: Floats | None = None
    copy_of: Int32s | None = None
    shifts: Floats | None = None
    pool: Floats | None = None
    gains: Floats | None = None
    biases: Floats | None = None
    outputs: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadTotals:
    """Gradients that a backward reading adds up over vectors."""

    weights: Floats
    learned: Floats
    scale_gradient: Floats | None = None
    columns: Floats | None = None
    """Of ``gains`` and of ``biases``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Walk:
    """Neurons in training over all time steps, arrays ``[T, N]`` in single precision."""

    T: int
    N: int
    reset: Reset
    spiking: bool
    has_current: bool

    numbers: Floats
    """Leak, threshold, leak of the current, pi times the surrogate's sharpness."""
    x: Floats | None = None
    spikes: Floats | None = None
    membranes: Floats
    currents: Floats | None = None
    gradient: Floats | None = None
    found: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WalkTotals:
    """Gradients of the first three ``numbers``, added up over neurons."""

    learned: Doubles
