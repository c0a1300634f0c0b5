"""The least part of a list that shows it, and how few questions that takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from harness.evidence.ddmin import ddmin, least

Items = Sequence[tuple[int, ...]]


def asking(wanted: set[int], asked: list[tuple[int, ...]] | None = None) -> Callable[[Items], int | None]:
    """Shows it whenever all of the wanted items are there."""

    def shows(tried: Items) -> int | None:
        if asked is not None:
            asked.extend(tried)
        return next((index for index, kept in enumerate(tried) if wanted <= set(kept)), None)

    return shows


@given(st.integers(0, 40), st.data())
def test_what_is_needed_is_what_is_left(size: int, data: st.DataObject) -> None:
    """Where certain items are needed and no others, exactly those are left, in order."""
    wanted = data.draw(st.sets(st.integers(0, size - 1))) if size else set()

    assert ddmin(range(size), asking(wanted)) == tuple(sorted(wanted))


@given(st.integers(1, 12), st.data())
def test_nothing_single_can_be_left_out_of_what_is_left(size: int, data: st.DataObject) -> None:
    """For any conduct that shows it with all items, the part shows it, and loses it with any one item."""
    shown = data.draw(st.sets(st.frozensets(st.integers(0, size - 1)), max_size=12)) | {frozenset(range(size))}

    def shows(tried: Items) -> int | None:
        return next((index for index, kept in enumerate(tried) if frozenset(kept) in shown), None)

    left = ddmin(range(size), shows)

    assert frozenset(left) in shown
    assert not any(frozenset(left) - {item} in shown for item in left)


def test_few_questions_are_asked_for_one_needle() -> None:
    """Of a hundred items the one is found in some twenty questions."""
    asked: list[tuple[int, ...]] = []

    assert ddmin(range(100), asking({71}, asked)) == (71,)
    assert len(asked) < 25


@given(st.floats(0.5, 100), st.floats(0.5, 100))
def test_a_number_gets_as_small_as_matters(value: float, needed: float) -> None:
    """What comes out shows it, is never larger, and is within an eighth of the way of the least that does."""
    asked: list[float] = []

    def shows(tried: float) -> bool:
        asked.append(tried)
        return tried >= needed

    found = least(value, 0.5, shows)

    assert found <= value
    assert len(asked) <= 4
    if needed <= value:
        assert found >= needed
        assert found - needed <= (value - 0.5) / 8 + 0.05


def test_a_number_at_its_floor_is_left_alone() -> None:
    """Nothing is asked."""
    assert least(0.5, 0.5, lambda _tried: True) == 0.5
