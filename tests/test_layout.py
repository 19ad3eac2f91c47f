"""What the axes of an array mean follows from their number, never from their sizes."""

import re
from typing import Any

import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.inputs import take_inputs
from mapper.ir.core import FLOAT, Value
from mapper.layout import Presentation, Taken, fitting, with_time
from mapper.presented import presented_entry, read_presented

SHAPE = (2, 3)
STEPS = 5  # of the models here
RNG = np.random.default_rng(0)

# By how many axes an array has in front of (2, 3): what it is, and for a network of images, too.
MEANINGS = [
    ((), "refused", "one still"),
    ((4,), "4 steps", "4 still"),
    ((4, 6), "4 steps of 6", "4 steps of 6"),
    ((4, 6, 1), "refused", "refused"),
]


def meaning(front: tuple[int, ...], image: bool, layout: str | None) -> str:
    array = np.arange(np.prod((*front, *SHAPE))).reshape(*front, *SHAPE)
    found = with_time(array, SHAPE, image, layout)
    if found is None:
        return "refused"
    laid, still = found
    steps, samples = laid.shape[:2]
    assert np.array_equal(np.sort(laid, None), np.sort(array, None))
    if still:
        assert steps == 1
        return "one still" if samples == 1 else f"{samples} still"
    return f"{steps} steps" if samples == 1 else f"{steps} steps of {samples}"


@pytest.mark.parametrize(("front", "steps", "images"), MEANINGS)
def test_axes_in_front_of_an_input_say_what_an_array_is(front, steps, images):
    assert meaning(front, image=False, layout=None) == steps
    assert meaning(front, image=True, layout=None) == images


@pytest.mark.parametrize("image", [True, False])
def test_a_layout_says_what_the_first_axis_counts(image):
    found = {
        layout: [meaning(front, image, layout) for front in ((), (4,), (4, 6))]
        for layout in ("steps", "samples")
    }
    assert found["steps"] == ["refused", "4 steps", "4 steps of 6"]
    assert found["samples"] == ["one still", "4 still", "6 steps of 4"]


def test_sizes_decide_nothing():
    """Twelve images of a network that shows one for twelve steps are twelve images."""
    assert meaning((12,), image=True, layout=None) == "12 still"
    assert meaning((1,), image=True, layout=None) == "one still"
    assert meaning((1,), image=False, layout=None) == "1 steps"
    assert meaning((12, 12), image=True, layout=None) == "12 steps of 12"


@pytest.mark.parametrize("image", [True, False])
@pytest.mark.parametrize("layout", [None, "steps", "samples"])
def test_what_is_listed_as_fitting_fits(image, layout):
    """And nothing with another number of axes does."""
    listed = re.findall(r"\[(.*?)\]", fitting(SHAPE, image, layout))
    axes = {len(one.split(", ")) for one in listed}
    for front in ((), (4,), (4, 6), (4, 6, 2)):
        fits = with_time(np.zeros((*front, *SHAPE)), SHAPE, image, layout) is not None
        assert fits == (len(front) + len(SHAPE) in axes)


@pytest.mark.parametrize(
    ("taken", "told"),
    [
        (Taken(32, 50, ("x",)), "32 samples, each shown 50 steps"),
        (Taken(1, 50, ("x",)), "1 sample, shown 50 steps"),
        (Taken(1, 1, ("x",)), "1 sample, shown 1 step"),
        (Taken(1, 10, (), ("x",)), "1 sample of 10 time steps"),
        (Taken(1200, 1, (), ("x",)), "1,200 samples of 1 time step"),
        (Taken(3, 8, ("a",), ("b",)), "3 samples of 8 time steps, 'a' the same in all of them"),
    ],
)
def test_what_was_taken_is_said(taken, told):
    assert str(taken) == told
    assert taken.as_dict()["told"] == told


IMAGE, MOVING = Value("image", FLOAT, (4,)), Value("seq", FLOAT, (6,))


def taken(arrays: dict[str, Any], images=("image",), steps=STEPS, **more: Any) -> Taken:
    presented = Presentation(steps, images)
    values = tuple(value for value in (MOVING, IMAGE) if value.name in arrays)
    found, told = take_inputs(arrays, values, "x.npz", presented=presented, **more)
    assert {array.shape[:2] for array in found.values()} == {(told.steps, told.samples)}
    for name in told.shown:
        assert (found[name] == found[name][:1]).all()
    return told


def test_an_image_beside_a_sequence_is_shown_as_long_as_that_is():
    found = taken({"seq": np.zeros((9, 3, 6)), "image": np.zeros((3, 4))})
    assert found == Taken(3, 9, ("image",), ("seq",))
    assert taken({"seq": np.zeros((9, 6)), "image": np.zeros(4)}) == found._replace(samples=1)
    with pytest.raises(MappingError, match="'seq' has 9 and 3, 'image' has 9 and 2"):
        taken({"seq": np.zeros((9, 3, 6)), "image": np.zeros((2, 4))})


def test_several_images_are_shown_together():
    arrays = {"seq": np.zeros((7, 6)), "image": np.zeros((7, 4))}
    assert taken(arrays, images=("seq", "image")) == Taken(7, STEPS, ("seq", "image"))


def test_one_sample_for_an_unknown_number_of_steps_is_refused():
    with pytest.raises(MappingError, match="does not say for how many time steps"):
        taken({"seq": np.zeros((9, 6))}, images=(), steps=0, layout="samples")
    assert taken({"seq": np.zeros((9, 6))}, images=(), steps=4, layout="samples").steps == 4


def test_a_recording_that_does_not_fit_in_memory_once_repeated_is_refused():
    with pytest.raises(MappingError, match="numbers, at most 536870912"):
        taken({"image": np.zeros((10, 4), np.uint8)}, steps=1 << 28)


@pytest.mark.parametrize(
    "entry",
    [
        {"steps": 0},
        {"steps": True},
        {"steps": 1 << 40},
        {"steps": 5, "images": ["y"]},
        {"steps": 5, "images": "x"},
        {"steps": 5, "images": [1]},
        {"steps": 5, "samples_first": [["x"]]},
        {"steps": 5, "more": []},
        {"images": ["x"]},
        [5],
    ],
)
def test_an_entry_of_a_file_that_nobody_writes_is_refused(entry):
    with pytest.raises(ValueError, match=r"presented|time steps|input"):
        read_presented(entry, ["x"])


def test_an_entry_is_read_back():
    for presented in (Presentation(), Presentation(5, ("x",)), Presentation(5, (), ("x",))):
        entry = presented_entry(presented)
        assert read_presented(entry.get("presented"), ["x"]) == presented
