"""What a fault on watches excuses, and what it does not: lateness, never a loss, and no other lateness."""

from __future__ import annotations

import pytest

from harness.check.verdict import FAIL, PASS, Verdict
from tests.unit.check.story import Story, allocated, without

PROMISES = ("TRUTH-3", "AVAIL-1", "RECOVER-1", "AVAIL-3")


def followed(*affects: str, kind: str = "watch-frozen") -> Story:
    """Two nodes, a pod that comes at 12 s; the operator's watches are harmed from 11 s to 20 s."""
    story = Story(*PROMISES)
    story.node("a")
    story.node("b")
    story.started()
    story.observe(2.0, 11.0)
    story.fault(11.0, 20.0, *affects, kind=kind)
    story.pod("p", 12.0, node="a", milli=500)
    for second in range(2, 40):
        for path in ("/metrics/health", "/metrics/ready"):
            story.add("health", second + 0.5, path=path, t0=second + 0.49, outcome="ok", status="200")
    return story


@pytest.mark.parametrize(("affects", "expected"), [(("watch",), PASS), ((), FAIL)], ids=["frozen", "twice"])
def test_what_it_is_not_told_it_may_not_know(affects: tuple[str, ...], expected: Verdict) -> None:
    """Sums that stand still while watches are frozen are no finding; where every event comes, they are."""
    story = followed(*affects)
    story.observe(11.0, 21.0, alter=allocated("a", "0m"))
    story.observe(21.0, 40.0)
    story.end(40.0)

    assert story.verdict("TRUTH-3").verdict is expected
    assert story.verdict("RECOVER-1").verdict is PASS


def test_what_it_knew_must_stand() -> None:
    """A node that vanishes while watches are harmed was known, and is a finding."""
    story = followed("watch", kind="watch-error")
    story.observe(11.0, 14.0, alter=allocated("a", "0m"))
    story.observe(14.0, 16.0, alter=without("b"))
    story.observe(16.0, 40.0)
    story.end(40.0)

    verdict = story.verdict("AVAIL-1")
    assert verdict.verdict is FAIL
    assert "after inject of watch-error" in verdict.findings[0].text


def test_late_for_ever_is_not_late() -> None:
    """What is still not known when RECOVER-1's objective is over is a finding."""
    story = followed("watch")
    story.observe(11.0, 40.0, alter=allocated("a", "0m"))
    story.end(40.0)

    assert story.verdict("RECOVER-1").verdict is FAIL
    assert story.verdict("TRUTH-3").verdict is FAIL


@pytest.mark.parametrize(("affects", "expected"), [("watch", PASS), ("api", FAIL)])
def test_health_need_not_turn_bad(affects: str, expected: Verdict) -> None:
    """Requests are answered, so the cluster is in sight; when it is not, health that says 200 is a finding."""
    story = followed(affects)
    story.observe(11.0, 21.0, alter=allocated("a", "0m"))
    story.observe(21.0, 40.0)
    story.end(40.0)

    assert story.verdict("AVAIL-3").verdict is expected
