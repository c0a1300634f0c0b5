"""Requests are refused, cut off, kept waiting or answered with nonsense (AVAIL-1, AVAIL-2, RECOVER-1, SURVIVE-1).

Only the operator's requests are harmed, by a proxy before the API server, and its watches end in order first; where
lists are harmed, taking one up is answered 410, so that it has to list. All of it is throttled (429 with Retry-
After), lists of pods are forbidden or break off in the middle, lists of nodes hang, are no JSON, or their connections
are reset. Meanwhile the last known inventory or an error is served, and within RECOVER-1's 15 s after the heal all is
true. Answers that are 2 s late, under the API timeout of 3 s, excuse nothing: watches go on, and TRUTH-1 and TRUTH-3
keep their 5 s.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("AVAIL-1", "AVAIL-2", "RECOVER-1", "SURVIVE-1", "SHAPE-1")


def answered(name: str, fault: faults.Fault) -> Scenario:
    """The usual cluster, under churn of plain pods, with the operator's requests harmed once."""
    return Scenario(id=f"chaos/{name}", promises=PROMISES, faults=(fault,), traffic=Churn(plain=True))


CASES = tuple(
    pytest.param(answered(name, fault), id=name)
    for name, fault in (
        ("throttled", faults.ApiRefuses(status=429, retry_after_s=1)),
        ("pods-forbidden", faults.ApiRefuses("list", "pods", status=403)),
        ("pods-cut-off", faults.ApiTruncates("list", "pods", after_bytes=2000)),
        ("nodes-reset", faults.ApiResets("list", "nodes")),
        ("nodes-hang", faults.ApiHangs("list", "nodes", for_s=6.0)),
        ("nodes-nonsense", faults.ApiGarbage("list", "nodes")),
    )
)

SLOW = Scenario(
    id="chaos/answers-late",
    promises=("TRUTH-1", "TRUTH-3", "AVAIL-2", "RECOVER-1", "SURVIVE-1"),
    faults=(faults.ApiSlow(delay_s=2.0, for_s=8.0),),
    traffic=Churn(plain=True),
)


@pytest.mark.library
@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_an_answer_that_is_none_is_not_believed(run: Run, scenario: Scenario) -> None:
    """The operator serves what it knew or an error, lives, and is true again soon after."""
    result = run(scenario)

    assert result["AVAIL-1"] is PASS
    assert result["AVAIL-2"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS


@pytest.mark.library
@pytest.mark.promise(*SLOW.promises)
def test_late_answers_change_nothing(run: Run) -> None:
    """The inventory stays true while every request takes two seconds more."""
    result = run(SLOW)

    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["AVAIL-2"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
