"""The event camera by hand-made cases; what the two generators promise about their scenes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mapper.training.data import flow, gestures
from mapper.training.data.camera import EVENT, Camera
from mapper.training.data.frames import flow_frames, on_fewer_pixels, polarity_frames
from mapper.training.hardening.tasks import Flow

QUIET = Camera(on=0.25, off=0.5, mismatch=0.0, refractory_us=0, leak_hz=0.0, shot_hz=0.0)


def recorded(camera: Camera, intensity: list[float], times: list[int]) -> list[tuple[int, ...]]:
    """Return (time, polarity) of what one pixel sends."""
    video = np.array(intensity)[:, None, None]
    events = camera.record(video, np.array(times), np.random.default_rng(0))
    return [(int(e["t_us"]), int(e["polarity"])) for e in events]


def changed(**fields: object) -> Camera:
    return replace(QUIET, **fields)


def test_a_rise_of_four_thresholds_is_four_on_events_at_even_times():
    assert recorded(QUIET, [0, 1.0], [0, 1000]) == [(250, 1), (500, 1), (750, 1), (1000, 1)]


def test_a_fall_uses_the_other_threshold():
    assert recorded(QUIET, [0, -1.2], [0, 1200]) == [(500, 0), (1000, 0)]


def test_what_is_left_of_a_change_counts_for_the_next():
    # 0.2 is no event; the next 0.1 passes 0.25 at half its way; back to 0 is less than 0.5 away.
    assert recorded(QUIET, [0, 0.2, 0.3, 0], [0, 100, 200, 300]) == [(150, 1)]


def test_a_pixel_is_silent_in_its_refractory_period():
    assert recorded(changed(refractory_us=400), [0, 1.0], [0, 1000]) == [(250, 1), (750, 1)]
    assert recorded(changed(refractory_us=500), [0, 1.0], [0, 1000]) == [(250, 1), (750, 1)]
    assert recorded(changed(refractory_us=501), [0, 1.0], [0, 1000]) == [(250, 1), (1000, 1)]


def test_pixels_do_not_share_a_refractory_period():
    video = np.zeros((2, 1, 2))
    video[1] = 0.25
    events = changed(refractory_us=10_000).record(
        video, np.array([0, 100]), np.random.default_rng(0)
    )
    assert events["x"].tolist() == [0, 1]


@pytest.mark.parametrize(("leak", "shot", "on_share"), [(2.0, 0.0, 1.0), (0.0, 2.0, 0.5)])
def test_noise_comes_at_its_rate(leak, shot, on_share):
    camera = changed(leak_hz=leak, shot_hz=shot)
    events = camera.record(
        np.zeros((11, 50, 50)), np.arange(11) * 100_000, np.random.default_rng(3)
    )
    # 5000 events are expected of 2500 pixels in a second; five standard deviations of a Poisson
    # count are 354. Halves: five deviations of a fair coin are 0.035.
    assert abs(len(events) - 5000) < 354
    assert abs(events["polarity"].mean() - on_share) < 0.036
    assert (np.diff(events["t_us"]) >= 0).all()


def test_thresholds_differ_from_pixel_to_pixel():
    camera = changed(mismatch=0.05)
    video = np.zeros((2, 40, 40))
    video[1] = 0.25
    events = camera.record(video, np.array([0, 1000]), np.random.default_rng(0))
    # Half of the pixels have a threshold below 0.25; five deviations of 1600 coins are 100.
    assert abs(len(events) - 800) < 100


def some_events(*rows: tuple[int, int, int, int]) -> np.ndarray:
    return np.array(list(rows), EVENT)


def test_frames_of_polarities():
    events = some_events((0, 1, 2, 1), (49, 1, 2, 1), (50, 3, 0, 0), (100, 0, 0, 0))
    counted = polarity_frames(events, 4, 2, (0, 100), binary=False)
    assert [(*at, counted[tuple(at)]) for at in np.argwhere(counted)] == [
        (0, 1, 2, 1, 2),
        (1, 0, 0, 3, 1),
    ]
    assert polarity_frames(events, 4, 2, (0, 100)).max() == 1


def test_flow_frames_put_both_halves_side_by_side():
    # Bins of 10 us: 3 and 8 are bin 3 of the former and of the latter half.
    events = some_events((35, 0, 0, 1), (36, 1, 0, 0), (85, 0, 1, 1), (86, 1, 1, 0))
    frames = flow_frames(events, 2, (0, 100))
    assert np.argwhere(frames).tolist() == [[3, 0, 0, 0], [3, 1, 0, 1], [3, 2, 1, 0], [3, 3, 1, 1]]


def test_neighbours_send_as_one_pixel():
    events = on_fewer_pixels(some_events((5, 126, 127, 1)), 2)
    assert (events["x"][0], events["y"][0]) == (63, 63)


def test_gestures_are_fixed_by_their_seed():
    x, labels = gestures.make(12, size=32, seed=7)
    assert (x.shape, x.dtype, x.max()) == ((20, 12, 2, 32, 32), np.uint8, 1)
    assert sorted(labels.tolist()) == sorted([*range(11), 0])
    again, _ = gestures.make(12, size=32, seed=7)
    assert np.array_equal(x, again)
    assert not np.array_equal(x, gestures.make(12, size=32, seed=8)[0])


def test_some_gestures_alone_are_labelled_by_their_place():
    chosen = ("left-wave", "arm-roll")
    x, labels = gestures.make(4, size=32, steps=5, seed=7, classes=chosen)
    assert sorted(labels.tolist()) == [0, 0, 1, 1]
    events = gestures.record(chosen[labels[0]], 32, 5, np.random.default_rng([7, 1, 0]))
    frames = polarity_frames(events, 32, 5, (0, 5 * gestures.STEP_US))
    assert np.array_equal(x[:, 0], frames)


@pytest.mark.parametrize("gesture", ["right-wave", "left-wave"])
@pytest.mark.parametrize("seed", range(4))
def test_the_front_of_a_hand_sends_on_and_its_back_off(gesture, seed):
    """Step by step, ON events lie to the side that the waving hand moves to."""
    quiet = Camera(leak_hz=0, shot_hz=0)
    events = gestures.record(gesture, 32, 20, np.random.default_rng(seed), quiet)
    frames = polarity_frames(events, 32, 20, (0, 20 * gestures.STEP_US), binary=False)
    columns = frames.sum(axis=2)  # [T, OFF and ON, W]
    moving = columns.sum(axis=2).min(axis=1) > 0
    places = (columns * np.arange(32)).sum(axis=2)[moving] / columns.sum(axis=2)[moving]
    to_the_front = places[:, 1] - places[:, 0]
    speed = np.gradient(places.mean(axis=1))
    # Elbows and the turns of the hand blur it; were contrast a coin, half would be below zero.
    assert np.corrcoef(to_the_front, speed)[0, 1] > 0.25


def test_circles_that_differ_in_their_sense_are_mirrored_in_time_only():
    """The same draws, the other sense: the hand passes the same places in another order."""
    seconds = np.linspace(0, 1, 200)
    for side in ("right", "left"):
        there, back = (
            gestures._hands(f"{side}-{sense}", seconds, np.random.default_rng(5))
            for sense in ("clockwise", "counter-clockwise")
        )
        moved = 0 if side == "right" else 1
        one, other = there[moved], back[moved]
        assert np.allclose(one[:, 0], other[:, 0])
        assert np.allclose(one[:, 1] - 0.2, 0.2 - other[:, 1])
        turned = [
            np.unwrap(np.arctan2(p[:, 1] - 0.2, p[:, 0] - p[:, 0].mean())) for p in (one, other)
        ]
        assert turned[0][-1] > turned[0][0] + 6  # more than a turn, so that no place tells which
        assert turned[1][-1] < turned[1][0] - 6


def test_flow_scenes_are_fixed_by_their_seed():
    x, truth, mask = flow.make(3, size=32, seed=1)
    assert (x.shape, x.dtype) == ((5, 3, 4, 32, 32), np.uint8)
    assert (truth.shape, truth.dtype) == ((3, 2, 32, 32), np.float32)
    assert np.array_equal(mask, x.any(axis=(0, 2)))
    again = flow.make(3, size=32, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip((x, truth, mask), again, strict=True))


def test_the_flow_carries_the_first_image_to_the_last():
    """Follow the background by its true flow: the last image there is the first one here."""
    rng = np.random.default_rng(2)
    (layer,) = flow.scene(64, rng, 4.0, 0)
    first, last = flow.render([layer], 64, 0.0), flow.render([layer], 64, 1.0)
    u, v = flow.true_flow([layer], 64)
    y, x = np.mgrid[:64, :64]
    inside = (slice(8, -8), slice(8, -8))
    followed = flow._sampled(last, x + u, y + v)[inside]
    # Bilinear sampling blurs twice; a still guess errs many times as much.
    missed = np.abs(followed - first[inside]).mean()
    assert missed < 0.15 * np.abs(last - first)[inside].mean()


def test_an_object_moves_on_its_own():
    layers = [
        flow.Layer(
            texture=np.zeros((8, 8)), centre=(0, 0), shift=(1, 0), turn=0, growth=0, axes=axes
        )
        for axes in (None, (3.0, 3.0))
    ]
    layers[1] = replace(layers[1], centre=(10, 10), shift=(0.0, -2.0))
    moved = flow.true_flow(layers, 20)
    assert moved[:, 10, 10].tolist() == [0.0, -2.0]
    assert moved[:, 2, 2].tolist() == [1.0, 0.0]


def test_the_error_of_a_flow_is_a_distance_over_masked_pixels_and_summed_steps():
    truth = torch.zeros(1, 2, 1, 2)
    truth[0, :, 0, 0] = torch.tensor([3.0, 4.0])
    mask = torch.tensor([[[True, False]]])
    task = Flow("flow", *[(torch.zeros(5, 1, 4, 1, 2), truth, mask)] * 2)
    ((_, wanted),) = task.held_out()
    assert task.score(torch.zeros(5, 1, 2, 1, 2), wanted) == (5.0, 1)
    output = torch.zeros(5, 1, 2, 1, 2)
    output[:, 0, 0, 0, 0] = 0.6  # five steps are 3 pixels
    assert task.score(output, wanted)[0] == pytest.approx(4.0, abs=1e-6)  # single precision
    assert float(task.loss(output, wanted)) == pytest.approx(4.0, abs=1e-6)


def test_a_scene_without_events_has_no_loss():
    still = (torch.zeros(5, 1, 4, 1, 2), torch.ones(1, 2, 1, 2), torch.zeros(1, 1, 2).bool())
    task = Flow("flow", still, still)
    output = torch.zeros(5, 1, 2, 1, 2, requires_grad=True)
    loss = task.loss(output, still[1:])
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert not output.grad.any()
