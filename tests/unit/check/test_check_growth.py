"""What grows, and what only moves."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.check.growth import LEAST_POINTS, Limit, Point, growth, point, rise

THREE = Limit(rise=3)


def points(values: list[float], spread: float = 0.0) -> list[Point]:
    """A quiet moment for each value, in which it was seen that much lower and higher too."""
    return [Point(10.0 * n, value - spread, value, value + spread) for n, value in enumerate(values, start=1)]


def test_one_more_each_time_is_growth() -> None:
    """Ten moments with one thing more in each: told from the first third to the last, and by how much each time."""
    found = growth(points([float(n) for n in range(10)]), THREE)

    assert found is not None
    assert (found.first, found.last) == ((0.0, 2.0), (7.0, 9.0))
    assert found.per_cycle == pytest.approx(1.0)
    assert found.t_s == 80.0


def test_too_few_moments_tell_nothing() -> None:
    """However steep it is, fewer than six moments are no row."""
    steep = [100.0 * n for n in range(LEAST_POINTS - 1)]

    assert growth(points(steep), THREE) is None
    assert rise(points(steep)) == 0.0
    assert growth(points([*steep, 600.0]), THREE) is not None


@pytest.mark.parametrize(
    "values",
    [
        [5, 50, 50, 50, 50, 50, 50, 50, 50, 50],
        [5, 5, 5, 5, 50, 50, 50, 50, 50, 50],
        [5, 5, 5, 5, 5, 5, 5, 50, 50, 50],
        [32, 48, 56, 60, 62, 63, 63.5, 63.8, 63.9, 64],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
        [5, 9, 5, 9, 5, 9, 5, 9, 5, 9],
        [0, 0, 0, 1, 1, 1, 2, 2, 2, 2],
    ],
    ids=["first-fill", "one-step", "late-step", "cache", "falling", "up-and-down", "two-in-ten"],
)
def test_what_fills_up_steps_or_moves_does_not_grow(values: list[float]) -> None:
    """A cache, a pool that is enlarged once, and what comes and goes are no leaks."""
    assert growth(points(values), THREE) is None


def test_growth_must_stand_out_of_what_is_seen_in_one_moment() -> None:
    """Where a figure moves by more within a moment than it rises over all of them, nothing is said."""
    values = [float(n) for n in range(10)]

    assert growth(points(values, spread=1.0), THREE) is not None
    assert growth(points(values, spread=3.0), THREE) is None


def test_a_share_is_wanted_of_what_is_large() -> None:
    """A heap of hundreds of MiB may breathe by tens."""
    values = [200.0 + 4 * n for n in range(10)]

    assert growth(points(values), Limit(rise=16)) is not None
    assert growth(points(values), Limit(rise=16, share=0.25)) is None


@given(st.integers(0, 10_000), st.integers(LEAST_POINTS, 12), st.floats(0.1, 20.0))
def test_noise_is_no_growth(seed: int, count: int, width: float) -> None:
    """Samples around one value, of whatever width, never look like growth."""
    rng = random.Random(seed)  # noqa: S311 - repeatable
    seen = [point(float(n), [rng.gauss(50.0, width) for _ in range(4)]) for n in range(count)]

    assert growth([one for one in seen if one is not None], THREE) is None


@given(st.lists(st.floats(0, 1000), min_size=0, max_size=12), st.floats(0.0, 100.0))
def test_growth_is_the_same_from_wherever_it_starts(values: list[float], offset: float) -> None:
    """What is there from the beginning does not matter."""
    found, moved = growth(points(values), THREE), growth(points([v + offset for v in values]), Limit(rise=3 - 1e-6))

    assert found is None or moved is not None


def test_a_moment_in_which_nothing_was_seen_is_none() -> None:
    """Least, middle and most of what was seen, or nothing."""
    assert point(1.0, []) is None
    assert point(1.0, [3.0, 1.0, 2.0]) == Point(1.0, 1.0, 2.0, 3.0)
