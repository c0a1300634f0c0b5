"""Equal harm again and again leaves nothing behind (SURVIVE-2, with SURVIVE-1 and RECOVER-1).

Watches are closed in order ten times while the cluster is quiet, a node flaps ten times over, ten nodes join and
leave, each with a pause of some seconds after it. In the pauses the operator must use as much as in those before
(memory, files, threads, goroutines, watches), or give it back within the contract's 60 s; for that the run is quiet for
so long in the end, in which it must use no more processor time than at the start: closing a watch is what API servers
do every few minutes. Discovery pods go with their nodes, at the latest when the cluster itself removes them (80 s).
Field report: 661 (one core busy for ever).
"""

from __future__ import annotations

import pytest

from harness import PASS, Run, Scenario, faults, nodes, schedules

PROMISES = ("SURVIVE-2", "SURVIVE-1", "RECOVER-1")
GUESTS = tuple(nodes.simulated(10, prefix="guest").items())


def repeated(name: str, steps: tuple[faults.Fault, ...], pause_s: float) -> Scenario:
    """The usual cluster, left alone but for harm that is done again and again, with a pause before each."""
    return Scenario(
        id=f"chaos/{name}",
        promises=PROMISES,
        faults=(schedules.Sequence(steps, pause_s=pause_s),),
        traffic=None,
        pause_s=3.0,
        quiet_s=65.0,
        proxied=True,
    )


CLOSED = (faults.WatchesClosed(after_s=1.0, for_s=1.5),) * 10
FLAPS = (faults.NodeFlaps("cordon", times=5, every_s=0.2, for_s=1.0, node="worker-1"),) * 10
JOINED_AND_LEFT = tuple(
    step
    for guest in GUESTS
    for step in (faults.NodesJoin((guest,), for_s=1.0), faults.NodeDeleted(node=guest[0], for_s=0.5))
)

CASES = (
    pytest.param(repeated("watches-closed-ten-times", CLOSED, pause_s=3.0), id="watches-closed"),
    pytest.param(repeated("node-flaps-ten-times", FLAPS, pause_s=3.0), id="node-flaps"),
    pytest.param(repeated("nodes-join-and-leave", JOINED_AND_LEFT, pause_s=2.0), id="nodes-join-and-leave"),
)


@pytest.mark.library
@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_nothing_is_left_of_harm_that_is_over(run: Run, scenario: Scenario) -> None:
    """In each quiet moment the operator uses what it used in those before, and in the end it is as quiet as ever."""
    result = run(scenario)

    assert result["SURVIVE-2"] is PASS
    assert result["SURVIVE-1"] is PASS
    assert result["RECOVER-1"] is PASS
