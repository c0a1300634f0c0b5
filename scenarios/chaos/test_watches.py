"""Watches freeze, end early, bring errors, lose, repeat, swap or delay events (RECOVER-1, AVAIL-1, SURVIVE-1, TRUTH-…).

Only the operator's watches are harmed, by a proxy before the API server; its requests are answered. What it is not
told it cannot know, so nothing is held against it until RECOVER-1's 15 s after the heal; but no node that it knew may
vanish meanwhile, and it must live. Frozen for 8 s: nothing is lost, only late. 410: what is known is too old, and only
a new list helps; where events were lost, also all but bookmarks, it is a 410 that says so when a watch is taken up.
Events of different objects change places: the last word on each is the same. Events that come twice, or 2 s late,
excuse nothing: the inventory is true throughout, within the usual 5 s.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("RECOVER-1", "AVAIL-1", "SURVIVE-1", "SHAPE-1", "TRUTH-4")


def watched(name: str, fault: faults.Fault) -> Scenario:
    """The usual cluster, under churn of plain pods, with the operator's watches harmed once."""
    return Scenario(id=f"chaos/{name}", promises=PROMISES, faults=(fault,), traffic=Churn(plain=True))


CASES = tuple(
    pytest.param(watched(name, fault), id=name)
    for name, fault in (
        ("watches-frozen", faults.WatchFrozen(for_s=8.0)),
        ("watches-closed", faults.WatchesClosed(after_s=1.0, for_s=6.0)),
        ("watches-gone", faults.WatchError(code=410, for_s=3.0)),
        ("watches-failing", faults.WatchError(code=500, for_s=3.0)),
        ("deletions-lost", faults.WatchDropsEvents(resource="pods", types=("DELETED",), for_s=6.0)),
        ("bookmarks-only", faults.WatchBookmarksOnly(for_s=8.0)),
        ("events-swapped", faults.WatchReorders(for_s=8.0)),
    )
)

TWICE = Scenario(
    id="chaos/events-twice",
    promises=("TRUTH-1", "TRUTH-3", "TRUTH-4", "RECOVER-1", "SURVIVE-1"),
    faults=(faults.WatchDuplicates(for_s=6.0),),
    traffic=Churn(plain=True),
)

LATE = Scenario(
    id="chaos/events-late",
    promises=("TRUTH-1", "TRUTH-3", "TRUTH-4", "RECOVER-1", "SURVIVE-1"),
    faults=(faults.WatchDelayed(delay_s=2.0, for_s=8.0),),
    traffic=Churn(plain=True),
)


@pytest.mark.library
@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_a_watch_that_fails_is_made_up_for(run: Run, scenario: Scenario) -> None:
    """The operator keeps what it knew, lives, and is true again soon after its watches are well."""
    result = run(scenario)

    assert result["RECOVER-1"] is PASS
    assert result["AVAIL-1"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["TRUTH-4"] is PASS


@pytest.mark.library
@pytest.mark.promise(*TWICE.promises)
def test_an_event_that_comes_twice_counts_once(run: Run) -> None:
    """The inventory is true while every event is repeated."""
    result = run(TWICE)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["TRUTH-4"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.library
@pytest.mark.promise(*LATE.promises)
def test_an_event_that_comes_late_is_in_time(run: Run) -> None:
    """The inventory keeps its objectives while every event is two seconds late."""
    result = run(LATE)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["TRUTH-4"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
