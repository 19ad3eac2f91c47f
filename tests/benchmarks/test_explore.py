"""The benchmark of exploring says points a second of every kind."""

from benchmarks.explore import constants, points_of, rates, work_of


def test_points_are_all_different_and_all_of_them_are_evaluated():
    work = work_of("N-MNIST")
    points = points_of(work, 40)
    assert len({str(point) for point in points}) == 40
    found = constants(work, points[0])
    assert found["points"] == 2500
    assert min(found.values()) > 0


def test_every_kind_has_a_rate():
    found = rates("N-MNIST", 3, 1)
    kinds = ("mapped", "placed", "priced", "whole", "run")
    assert all(found[kind] > 0 for kind in kinds)
    assert found["priced"] > found["whole"]
    assert found["worked_out"]["weights"] <= 3
