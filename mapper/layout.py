"""What the axes of a recording mean: time steps, samples, images that are shown. NumPy alone.

The one place that decides it: every command asks here, and a generated ``executor.py`` carries this
text, so that one file of arrays means the same to all of them. What an array means follows from how
many axes it has in front of those of the network's input, never from their sizes:

=============  =======================  =============================================
in front       a network over time      a network that was exported on images
=============  =======================  =============================================
``[T, B, .]``  T time steps, B samples  T time steps, B samples
one axis       T steps of one sample    B images, each shown as long as the file shows one
none           (refused)                one image, likewise
=============  =======================  =============================================

``steps`` or ``samples`` as a layout says what the first axis counts, whatever the network is.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

LAYOUTS = ("steps", "samples")

MOST_NUMBERS = 1 << 29
"""Of a recording whose images are repeated over time: 4 GiB of 64-bit codes."""


class Presentation(NamedTuple):
    """How a model with many time steps in its file takes its inputs."""

    steps: int = 0
    """Time steps of the file; 0 where it has one, or leaves their number open."""
    images: tuple[str, ...] = ()
    """Inputs without a time axis: one image, which every time step of the file reads."""
    samples_first: tuple[str, ...] = ()
    """Inputs that the model itself takes as ``[B, T, ...]``."""
    batches_of_one: tuple[str, ...] = ()
    """Images in whose shape the first axis, of one element, is the batch: the network did not keep
    it apart, but recordings have samples there."""

    def of_one_sample(self, name: str, shape: tuple[int, ...], axes: int) -> tuple[int, ...]:
        """Return what follows time steps and samples in an array of so many axes.

        That is the shape of the network's input, but for a batch of one; ``[T, B, *shape]``, which
        the network takes, is an axis longer than any recording of that.
        """
        whole = name not in self.batches_of_one or axes == len(shape) + 2
        return shape if whole else shape[1:]

    @property
    def images_entry(self) -> dict[str, object]:
        """Return what JSON says of images: which inputs, and for how many steps; else nothing."""
        shown = {"inputs": list(self.images), "steps": self.steps}
        return {"images": shown} if self.images else {}


IN_STEPS = Presentation()
"""Of every other model."""


class Taken(NamedTuple):
    """What a recording was taken for."""

    samples: int
    steps: int
    shown: tuple[str, ...] = ()
    """Inputs that are one image a sample, the same in all its time steps."""
    moving: tuple[str, ...] = ()
    """Inputs that have time steps of their own."""
    doubt: str = ""
    """Why another layout may have been meant; empty where nothing speaks for it."""

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "samples": self.samples,
            "steps": self.steps,
            "shown": list(self.shown),
            "moving": list(self.moving),
            "told": str(self),
            **({"doubt": self.doubt} if self.doubt else {}),
        }

    def __str__(self) -> str:
        """Say it: ``32 samples, each shown 50 steps``."""
        return f"{self._told()}; {self.doubt}" if self.doubt else self._told()

    def _told(self) -> str:
        samples = counted(self.samples, "sample")
        if not self.shown:
            return f"{samples} of {counted(self.steps, 'time step')}"
        each = "" if self.samples == 1 else "each "
        if not self.moving:
            return f"{samples}, {each}shown {counted(self.steps, 'step')}"
        names = ", ".join(map(ascii, self.shown))
        return f"{samples} of {counted(self.steps, 'time step')}, {names} the same in all of them"


class LayoutError(ValueError):
    """Why arrays cannot be taken as a recording."""


def counted(count: int, what: str) -> str:
    """Write a count with its word: ``1 step``, ``2 steps``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def with_time(
    array: np.ndarray, shape: tuple[int, ...], image: bool, layout: str | None
) -> tuple[np.ndarray, bool] | None:
    """Return an input as ``[T, B, *shape]``; None where its shape has no meaning.

    Args:
        array: What was recorded.
        shape: Of the network's input, in one time step of one sample.
        image: The model takes it as one image, which is shown for many time steps.
        layout: What the first axis counts: ``steps``, ``samples``, or None to go by ``image``.

    Returns:
        The array, and whether it is one image a sample, with T = 1, that is still to be repeated.
    """
    axes = array.ndim - len(shape)
    if not 0 <= axes <= 2 or array.shape[axes:] != shape or 0 in array.shape[:axes]:
        return None
    if axes == 2:
        first = array.swapaxes(0, 1) if layout == "samples" else array
        return np.ascontiguousarray(first), False
    if layout == "samples" or (layout is None and image):
        return array.reshape(1, -1, *shape), True
    return None if axes == 0 else (array[:, None], False)


def fitting(shape: tuple[int, ...], image: bool, layout: str | None) -> str:
    """List the shapes that ``with_time`` takes: ``[B, 28, 28], [28, 28] or [T, B, 28, 28]``."""
    shown = layout == "samples" or (layout is None and image)
    fronts = ("B", "", "B, T" if layout == "samples" else "T, B") if shown else ("T, B", "T")
    inner = ", ".join(map(str, shape))
    *others, last = [f"[{', '.join(filter(None, (front, inner)))}]" for front in fronts]
    return f"{', '.join(others)} or {last}"


def misfit(found: tuple[int, ...], fits: str) -> str:
    """Go on from the shape of an array that ``with_time`` does not take."""
    return ": no time steps or samples" if 0 in found else f", expected {fits}"


def together(
    found: Mapping[str, tuple[np.ndarray, bool]], presented: Presentation, layout: str | None
) -> tuple[dict[str, np.ndarray], Taken]:
    """Return inputs that ``with_time`` gave, images repeated, and what they were taken for.

    Images are shown for as many time steps as the other inputs have, or else the file.

    Raises:
        LayoutError: Inputs disagree, the file does not say how long an image is shown, or there
            would be more than ``MOST_NUMBERS`` numbers.
    """
    moving = {name: array for name, (array, still) in found.items() if not still}
    lengths = {name: array.shape[:2] for name, array in moving.items()}
    steps = next((t for t, _ in lengths.values()), presented.steps)
    lengths |= {name: (steps, a.shape[1]) for name, (a, still) in found.items() if still}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name!a} has {t} and {b}" for name, (t, b) in lengths.items())
        raise LayoutError(f"time steps and samples differ: {told}")
    samples = next(iter(lengths.values()))[1]
    shown = tuple(name for name in found if name not in moving)
    if steps == 0:
        raise LayoutError(
            f"{', '.join(map(ascii, shown))}: the model does not say for how many time steps one "
            "sample is shown; repeat it along a first axis, [T, B, ...]"
        )
    numbers = sum(steps * found[name][0].size for name in shown)
    if numbers > MOST_NUMBERS:
        raise LayoutError(
            f"{counted(samples, 'sample')}, shown {counted(steps, 'step')}, are {numbers} numbers, "
            f"at most {MOST_NUMBERS} are taken; give fewer samples"
        )
    arrays = {n: a.repeat(steps, axis=0) if still else a for n, (a, still) in found.items()}
    doubt = ""
    swapped = layout is None and not moving.keys().isdisjoint(presented.samples_first)
    if swapped and samples == presented.steps != steps:
        doubt = f"with the layout samples, {counted(steps, 'sample')} of {samples} time steps"
    return arrays, Taken(samples, steps, shown, tuple(moving), doubt)
