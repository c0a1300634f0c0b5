"""The operator is told the past, or has to learn that what it knew is too old (RECOVER-1, SURVIVE-1, AVAIL-1).

With several API servers one may lag. Lists that take any version are answered as things were 4 s before, at the
operator's start, while its watches are up to date: it has to begin them where the list ended. Watches that are taken
up begin 4 s too early: what was seen is told again, and the last word counts. And the API server itself answers 410 to
watches that are taken up after it has lost its history. Pods come and go; within RECOVER-1's 15 s all is true.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

LISTS = Scenario(
    id="chaos/lists-from-the-past",
    promises=("RECOVER-1", "SURVIVE-1", "SHAPE-1"),
    faults=(faults.ListsFromThePast(age_s=4.0),),
    traffic=Churn(plain=True),
)

WATCHES = Scenario(
    id="chaos/watches-from-the-past",
    promises=("RECOVER-1", "AVAIL-1", "SURVIVE-1", "SHAPE-1"),
    faults=(faults.WatchesFromThePast(age_s=4.0),),
    traffic=Churn(plain=True),
)

EXPIRED = Scenario(
    id="chaos/version-expired",
    promises=("RECOVER-1", "AVAIL-1", "AVAIL-2", "SURVIVE-1", "SHAPE-1"),
    faults=(faults.VersionExpired(),),
    traffic=Churn(plain=True),
)


@pytest.mark.library
@pytest.mark.promise(*LISTS.promises)
def test_a_list_from_the_past_is_caught_up_with(run: Run) -> None:
    """An operator whose first lists are old learns from its watches what has happened since."""
    result = run(LISTS)

    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS


@pytest.mark.library
@pytest.mark.promise(*WATCHES.promises)
def test_what_is_told_again_changes_nothing_for_long(run: Run) -> None:
    """An operator whose watches repeat the past is true again when they have come to the present."""
    result = run(WATCHES)

    assert result["RECOVER-1"] is PASS
    assert result["AVAIL-1"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS


@pytest.mark.library
@pytest.mark.promise(*EXPIRED.promises)
def test_what_is_too_old_is_listed_anew(run: Run) -> None:
    """An operator to which the API server itself answers 410 lists again, keeps what it knew meanwhile, and lives."""
    result = run(EXPIRED)

    assert result["RECOVER-1"] is PASS
    assert result["AVAIL-1"] is PASS
    assert result["AVAIL-2"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS
