"""How far long work is, and how long it may still take."""

from mapper.progress import Ticks, duration


def test_progress_says_the_share_and_the_time_left_every_other_second():
    now, lines = [0.0], list[str]()
    ticks = Ticks(lines.append, "4-executor", 10, clock=lambda: now[0])
    for _ in range(10):
        now[0] += 1.5
        ticks.tick()
    assert lines == [
        "4-executor",
        "4-executor: 20 %, about 12 s left",
        "4-executor: 40 %, about 9 s left",
        "4-executor: 60 %, about 6 s left",
        "4-executor: 80 %, about 3 s left",
    ]


def test_durations_are_told_as_people_do():
    assert [duration(s) for s in (0.2, 59, 89, 91, 3000, 7200)] == [
        "1 s", "59 s", "89 s", "2 min", "50 min", "2.0 h",
    ]  # fmt: skip


def test_what_is_made_ready_in_the_first_piece_does_not_count_as_pace():
    now, lines = [0.0], list[str]()
    ticks = Ticks(lines.append, "10 dies", 10, clock=lambda: now[0], prepared=False)
    for seconds in (60.0, *[2.0] * 9):
        now[0] += seconds
        ticks.tick()
    assert lines[:3] == [
        "10 dies",
        "10 dies: 20 %, about 16 s left",
        "10 dies: 30 %, about 14 s left",
    ]
