"""Round the weights of a window so that errors of neighbouring taps cancel.

Neighbouring inputs of a window are alike: edges and moving objects cover several pixels. Rounding
each weight by itself leaves errors that add up over such a patch. Here the taps of a kernel are
rounded one after the other, and each error is made good by the taps still to come, weighed by how
alike their inputs are: the greedy least-squares step of optimal brain quantisation (Frantar and
Alistarh, arXiv 2208.11580), with an assumed correlation in place of a measured one.
"""

from functools import cache

import numpy as np

from mapper.ir.core import Array
from mapper.ir.encoding import greatest_weight
from mapper.ir.windows import Pair, Window

_REACH = 4.0
"""Pixels over which the correlation of inputs falls to 1/e. On a network trained on N-MNIST,
anything from 2 to 16 halves the spikes that 8-bit rounding changes."""


def nearest(values: Array, bits: int) -> Array:
    """Return the nearest integers of so many bits, symmetric about 0; of one bit -1 and 1."""
    if bits == 1:
        return np.where(values < 0, -1.0, 1.0)
    greatest = greatest_weight(bits)
    return np.asarray(np.clip(np.rint(values), -greatest, greatest))


def round_window(matrix: Array, scale: Array, window: Window | None, bits: int) -> Array:
    """Return integers of so many bits for ``matrix[K, N]`` over ``scale[N]``.

    Wordlines are ordered (kernel row, kernel column, channel). Without a window, or with one of a
    single tap, every weight goes to its nearest integer.
    """
    if window is None or window.kernel == (1, 1):
        return nearest(matrix / scale, bits)
    height, width = window.kernel
    wanted = (matrix / scale).reshape(height * width, -1, matrix.shape[1])
    shares = _shares(window.kernel, window.dilation, window.stuffing)
    codes = np.empty_like(wanted)
    for tap in range(len(wanted)):
        codes[tap] = nearest(wanted[tap], bits)
        error = wanted[tap] - codes[tap]
        wanted[tap + 1 :] += shares[tap, tap + 1 :, None, None] * error
    return codes.reshape(matrix.shape)


@cache
def _shares(kernel: Pair, dilation: Pair, stuffing: Pair) -> Array:
    """Return, for each tap, which share of its error each later tap takes over.

    With ``H`` the correlation of the taps' inputs, these are rows of the Cholesky factor of
    ``H^-1`` over their diagonal, negated.
    """
    correlation = _correlation(kernel, dilation, stuffing)
    factor = np.linalg.cholesky(np.linalg.inv(correlation)).T
    return np.asarray(-factor / np.diag(factor)[:, None])


def _correlation(kernel: Pair, dilation: Pair, stuffing: Pair) -> Array:
    """Taps correlate by the distance of their inputs; in a stuffed window only some meet."""
    rows, columns = np.mgrid[: kernel[0], : kernel[1]]
    taps = np.stack([rows.ravel() * dilation[0], columns.ravel() * dilation[1]], axis=1)
    apart = taps[:, None] - taps[None]
    meet = (apart % np.asarray(stuffing) == 0).all(axis=2)
    distance = np.sqrt(((apart / np.asarray(stuffing)) ** 2).sum(axis=2))
    return np.asarray(np.exp(-distance / _REACH) * meet)
