"""A difference counts when it stands; what moves accuses nobody."""

from __future__ import annotations

import itertools

from harness.capture.looks import AGREED_S, WINDOW_S, seen
from harness.check.agreement import Difference

EVERY_S = 3.0


def difference(reported: str = "2", node: str = "a") -> Difference:
    """One wrong figure."""
    return Difference(node, "cpu.allocated", "1", reported, "over", "rest")


def looked(*found: set[Difference]) -> list[tuple[float, frozenset[Difference]]]:
    """So many looks, EVERY_S apart."""
    return [(number * EVERY_S, frozenset(one)) for number, one in enumerate(found)]


def test_agreement_that_lasts_is_the_truth() -> None:
    """One look in agreement is not enough, two are; differences before them are forgotten."""
    assert not seen(looked(set())).settled
    assert not seen(looked({difference()}, set())).settled
    assert seen(looked({difference()}, set(), set())).settled
    assert not seen(looked({difference()}, set(), set())).standing
    assert EVERY_S > AGREED_S


def test_a_difference_stands_when_it_is_the_same_for_longer_than_any_objective() -> None:
    """Before that nothing is said, and after that it is settled."""
    verdicts = [seen(looked(*[{difference()}] * number)) for number in range(1, 7)]

    assert [one.settled for one in verdicts] == [number * EVERY_S >= WINDOW_S for number in range(6)]
    assert verdicts[-1].standing == {difference()}
    assert not verdicts[0].standing


def test_what_differs_by_something_else_each_time_is_moving() -> None:
    """An operator that lags behind a busy node is never wrong by the same figure twice."""
    figures = itertools.cycle("23")
    found = seen(looked(*({difference(next(figures)), difference(node="b")} for _look in range(9))))

    assert not found.settled
    assert found.standing == {difference(node="b")}
    assert {one.node for one in found.moving} == {"a"}


def test_nothing_was_seen_yet() -> None:
    """Without a look there is nothing to say."""
    assert not seen([]).settled
