"""Operators that get well by being restarted: by a kubelet after an exit, or by the chart's liveness script."""

from __future__ import annotations

from typing import Any

import pytest

from harness.check.base import build_context
from harness.check.contract import PROMISES
from harness.check.restarts import unscaled
from harness.check.verdict import FAIL, PASS, UNKNOWN
from tests.unit.check.story import Story, figure, nothing

DEPLOYED: dict[str, Any] = {"supervised": True, "liveness": True, "backoff_scale": 0.1}


def stuck(*promises: str, probe: float, ill_s: float = 2.0, affects: str = "api", **scenario: Any) -> Story:
    """Two nodes, right up to 11 s; a fault up to 20 s, from which on there are none; the script fails at `probe`.

    The inventory is true again `ill_s` after that.
    """
    story = Story(*promises, **{**DEPLOYED, **scenario})
    story.node("a")
    story.node("b")
    story.started()
    story.observe(2.0, 11.0)
    story.fault(11.0, 20.0, affects)
    story.observe(11.0, probe, alter=nothing)
    story.probed(probe, probe + 1.0)
    story.observe(probe + 2.0, probe + ill_s, alter=nothing)
    story.observe(probe + ill_s, 80.0)
    story.end(80.0)
    return story


def test_a_recovery_by_the_liveness_script_is_a_finding() -> None:
    """RECOVER-1 names the restart, when it came, and how long a kubelet would have taken."""
    verdict = stuck("RECOVER-1", probe=40.0).verdict("RECOVER-1")

    (finding,) = verdict.findings
    assert verdict.verdict is FAIL
    assert finding.text == (
        "the inventory was true 22.00 s after the heal of api-server-killed, and only by the restart that the liveness "
        "script brought about 20.00 s after it (no nodes reported); with a kubelet's own waits 3.4 min"
    )
    # 20 s until the probe and 0.5 s of back-off, ten times as long in life; 1.5 s of work.
    assert verdict.measured == pytest.approx({"recovery_s": 22.0, "recovery_unscaled_s": 206.5})


def test_a_restart_is_no_recovery_of_discovery_either() -> None:
    """RECOVER-4 fails in the same way, once its own time is over."""
    story = stuck("RECOVER-4", probe=40.0, affects="discovery", objectives={"RECOVER-4": 15.0})

    assert "only by the restart" in story.verdict("RECOVER-4").findings[0].text


def test_a_script_that_comes_too_early_leaves_it_open() -> None:
    """A restart before the operator's time was over shows neither that it recovers by itself nor that it does not."""
    verdict = stuck("RECOVER-1", probe=30.0).verdict("RECOVER-1")

    assert verdict.verdict is UNKNOWN
    (reason,) = verdict.reasons
    assert reason == (
        "the liveness script restarted the operator 10.00 s after the heal of api-server-killed (no nodes reported), "
        "before its 15 s were over: without --liveness it is seen whether it recovers"
    )


def test_an_operator_that_is_not_well_after_the_restart_either_is_late() -> None:
    """An early restart is an excuse for one objective more, and no longer."""
    story = stuck("RECOVER-1", probe=22.0, ill_s=23.0)

    assert story.verdict("RECOVER-1").findings[0].text.startswith("the inventory was true 25.00 s after the heal")


def test_who_had_recovered_is_not_judged_on_the_restart() -> None:
    """A script that restarts a working operator breaks nothing, also where the next process begins with no nodes."""
    story = Story("RECOVER-1", "TRUTH-1", "SURVIVE-1", **DEPLOYED)
    story.node("a")
    story.started()
    story.observe(2.0, 11.0)
    story.fault(11.0, 20.0, "api")
    story.observe(11.0, 22.0, alter=nothing)
    story.observe(22.0, 40.0)
    story.probed(40.0, 41.0)
    story.observe(41.5, 43.0, alter=nothing)
    story.observe(43.0, 60.0)
    story.end(60.0)

    assert [verdict.verdict for verdict in story.judge().promises] == [PASS, PASS, PASS]
    assert story.verdict("RECOVER-1").measured == pytest.approx({"recovery_s": 2.0})


def test_a_restart_during_the_fault_is_nobodys_recovery() -> None:
    """The process after it had to recover by itself, and has."""
    story = Story("RECOVER-1", "AVAIL-2", "SURVIVE-1", **DEPLOYED)
    story.node("a")
    story.started()
    story.observe(2.0, 11.0)
    story.fault(11.0, 20.0, "discovery", kind="discovery-broken")
    story.observe(11.0, 14.0, alter=figure("a", ("cpu", "info"), None))
    story.probed(14.0, 15.0)
    for step in range(10):
        story.failure("rest", 14.0 + step / 10)
    story.observe(16.0, 60.0)
    story.end(60.0)

    assert [verdict.verdict for verdict in story.judge().promises] == [PASS, PASS, PASS]


def test_a_restart_by_the_script_is_no_exit_of_its_own() -> None:
    """SURVIVE-1 counts it and finds nothing; an exit that the supervisor makes up for is found all the same."""
    story = stuck("SURVIVE-1", probe=40.0)
    verdict = story.verdict("SURVIVE-1")
    assert (verdict.verdict, verdict.measured) == (PASS, {"self_exits": 0.0, "liveness_restarts": 1.0})

    story.exits(60.0, again=60.1)
    verdict = story.verdict("SURVIVE-1")
    assert (verdict.verdict, len(verdict.findings)) == (FAIL, 1)


def test_a_crash_under_a_supervisor_is_told_as_its_user_saw_it() -> None:
    """How soon the next process was there, and the inventory true, here and with a kubelet's own waits."""
    story = Story("RECOVER-1", **DEPLOYED)
    story.node("a")
    story.started()
    story.observe(2.0, 11.0)
    story.fault(11.0, 20.0, "operator", "api")
    story.exits(21.0, again=23.0)
    story.observe(25.0, 60.0)
    story.end(60.0)

    (finding,) = story.verdict("RECOVER-1").findings
    assert finding.text == (
        "the operator exited by itself after api-server-killed, at 21.00 s, 1.00 s after heal of api-server-killed; "
        "its supervisor started it again 2.00 s later, the inventory was true 4.00 s after the exit; with a kubelet's "
        "own waits 22 s"
    )


@pytest.mark.parametrize(("scale", "took_s"), [(0.1, 58.0), (0.5, 18.0), (1.0, 13.0)])
def test_only_waits_are_scaled(scale: float, took_s: float) -> None:
    """Of 13 s, five are a supervisor's: its back-off after an exit."""
    story = Story("SURVIVE-1", supervised=True, backoff_scale=scale)
    story.node("a")
    story.started()
    story.exits(12.0, again=17.0)
    story.end(30.0)
    context = build_context(story.history(), {name: promise.objective_s for name, promise in PROMISES.items()})

    assert unscaled(context, 10.0, 23.0) == pytest.approx(took_s)


def test_what_the_script_restarts_is_away_until_it_has_had_its_time() -> None:
    """No node is missed, and nothing is late, while the process is ended and started again."""
    story = stuck("TRUTH-1", "AVAIL-1", probe=40.0)
    late = [finding.t_s for finding in story.verdict("TRUTH-1").findings]

    assert all(t < 40.0 for t in late)
