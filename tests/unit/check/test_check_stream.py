"""What SHAPE-2 asks of streams beyond agreement, on histories made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.check.verdict import FAIL, PASS
from harness.history.record import snapshot_id
from tests.unit.check.story import Story, allocated

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.check.verdict import PromiseVerdict

END_S = 40.0


class Streams(Story):
    """A story with other clients of StreamCluster."""

    def calls(self, client: int, begin: float, end: float | None = None, *, call: int = 0, by: str = "us") -> None:
        """A client calls, and the call ends."""
        self.add("stream", begin, client=client, call=call, event="called")
        if end is not None:
            self.add("stream", end, client=client, call=call, event="ended", by=by, status="")

    def told(self, client: int, t: float, body: Any, *, call: int = 0) -> None:
        """A client is told an inventory."""
        key = snapshot_id(body)
        if key not in self._stored:
            self._stored.add(key)
            self.add("snapshot", t, id=key, body=body)
        self.add("stream", t, client=client, call=call, event="told", snapshot=key)


def begun(*, sources: Iterable[str] = ("rest", "query", "stream")) -> Streams:
    """One node and a pod; the first client is there from the start, and is told the truth as everybody is."""
    story = Streams("SHAPE-2")
    story.node("a")
    story.pod("p", 0.2, node="a", milli=500)
    story.started()
    story.calls(0, 1.5)
    story.pod("q", 10.0, node="a", milli=250)
    story.pod("r", 20.0, node="a", milli=250)
    story.observe(2.0, END_S, sources=sources, every=0.1)
    return story


def judged(story: Streams) -> PromiseVerdict:
    """The verdict when the run ends."""
    story.end(END_S)
    return story.verdict("SHAPE-2")


def test_clients_that_are_told_the_truth_at_once_pass() -> None:
    """Clients that stay, and clients that come back again and again, each told at once and of each change."""
    story = begun()
    story.calls(1, 6.0)
    for t in (6.1, 10.1, 20.1):
        story.told(1, t, story.truth(t))
    for call in range(15):
        story.calls(2, 6.0 + 2 * call, 8.0 + 2 * call, call=call)
        story.told(2, 6.2 + 2 * call, story.truth(6.2 + 2 * call), call=call)
        if call in {2, 7}:
            story.told(2, 6.2 + 2 * call, story.truth(6.2 + 2 * call), call=call)
    verdict = judged(story)

    assert (verdict.verdict, verdict.findings) == (PASS, ())
    assert verdict.measured["stream_clients"] == 3
    assert verdict.measured["calls"] == 16
    assert verdict.measured["first_snapshot_s"] == pytest.approx(0.2)


def test_a_call_that_is_told_nothing_is_found() -> None:
    """While QueryCluster answers there is something to tell, also where nothing changes."""
    story = begun()
    story.calls(1, 12.0)
    (finding,) = judged(story).findings

    assert finding.text.startswith(
        "stream client 1 called at 12.00 s and was told nothing, while QueryCluster answered"
    )


def test_a_first_snapshot_that_waits_for_a_change_is_found() -> None:
    """Eight seconds are not at once; calls that are late in the same way are one finding."""
    story = begun()
    story.calls(1, 12.0)
    story.told(1, 20.1, story.truth(20.1))
    (finding,) = judged(story).findings

    assert "was told the first snapshot 8.10 s later" in finding.text


@pytest.mark.parametrize(
    "how", ["hung up", "nobody serves", "operator restarted", "before the gate", "at the end", "harness stood still"]
)
def test_a_call_of_which_nothing_can_be_asked_is_not_judged(how: str) -> None:
    """It ended too soon, there was nothing to tell, or the operator, or the harness, was not there."""
    story = begun(sources=("rest", "stream") if how == "nobody serves" else ("rest", "query", "stream"))
    begin = {"before the gate": 2.5, "at the end": END_S - 1.5}.get(how, 12.0)
    story.calls(1, begin, begin + 1.0 if how == "hung up" else None)
    if how == "operator restarted":
        story.fault(11.0, 11.5, "operator", kind="operator-killed")
    if how == "harness stood still":
        story.add("gap", 12.5, phase="begin", resource="harness", why="stood still")
        story.add("gap", 13.5, phase="end", resource="harness", why="stood still")
    if how == "before the gate":
        story.told(1, 6.0, story.truth(6.0))
        story.told(1, 10.1, story.truth(10.1))
        story.told(1, 20.1, story.truth(20.1))

    assert judged(story).findings == ()


def test_an_older_snapshot_after_a_newer_one_is_found() -> None:
    """Half a second is enough, however late SHAPE-2 and TRUTH-3 would allow it to be."""
    story = begun(sources=("rest", "query"))
    old = story.truth(9.0)
    for t, body in ((2.0, old), (10.1, story.truth(10.1)), (10.3, old), (10.9, story.truth(10.9))):
        story.answer("stream", t, body)
    story.answer("stream", 20.1, story.truth(20.1))
    verdict = judged(story)

    (finding,) = verdict.findings
    assert verdict.verdict is FAIL
    assert finding.text.startswith(
        "node a: cpu.allocated goes back in stream: told 0.75 at 10.10 s, true since 10.00 s, and then 0.5, true no "
        "more since 10.00 s, at 10.30 s"
    )
    assert finding.text.endswith("while query says 0.75")


def test_a_client_that_comes_back_goes_on_where_it_was() -> None:
    """What it is told by the next call is not older than what it was told by the one before."""
    story = begun()
    story.calls(1, 9.0, 12.0)
    for t in (9.1, 10.1):
        story.told(1, t, story.truth(t))
    story.calls(1, 12.0, call=1)
    story.told(1, 12.1, story.truth(9.0), call=1)
    story.told(1, 13.0, story.truth(13.0), call=1)
    story.told(1, 20.1, story.truth(20.1), call=1)
    (finding,) = judged(story).findings

    assert "goes back in stream client 1" in finding.text


def test_a_value_that_comes_back_is_no_going_back() -> None:
    """A sum that was true, was not, and is again."""
    story = Streams("SHAPE-2")
    story.node("a")
    story.pod("p", 0.2, node="a", milli=500)
    story.started()
    for number in range(10):
        story.pod("q", 8.0 + 2 * number, node="a", milli=250)
        story.remove_pod("q", 9.0 + 2 * number)
    story.observe(2.0, END_S, every=0.1)

    assert judged(story).verdict is PASS


def test_an_operator_that_is_only_late_does_not_go_back() -> None:
    """The stream may be a second behind: it tells what was true, in the order in which it was."""
    story = begun(sources=("rest", "query"))
    story.observe(2.0, END_S, sources=("stream",), lag=1.5, every=0.1)

    assert judged(story).verdict is PASS


def test_a_wrong_sum_that_was_right_before_is_not_going_back() -> None:
    """Where REST and QueryCluster say the same, the sum is wrong, and TRUTH-3 says so."""
    story = begun(sources=())
    story.observe(2.0, 12.0, every=0.1)
    story.observe(12.0, 14.0, alter=allocated("a", "500m"), every=0.1)
    story.observe(14.0, END_S, every=0.1)

    assert judged(story).verdict is PASS


def test_after_time_out_of_sight_anything_may_be_told() -> None:
    """A fault on the operator's watches may take it back in time, and what is told then is excused."""
    story = begun(sources=("rest", "query"))
    story.fault(10.05, 11.0, "watch", kind="lists-from-the-past")
    old = story.truth(9.0)
    for t, body in ((2.0, old), (10.1, story.truth(10.1)), (10.3, old), (10.9, story.truth(10.9))):
        story.answer("stream", t, body)
    story.answer("stream", 20.1, story.truth(20.1))

    assert judged(story).verdict is PASS


def test_a_client_that_misses_changes_is_found() -> None:
    """What QueryCluster says for longer than the objective every client must have been told."""
    story = begun()
    story.calls(1, 9.0)
    story.told(1, 9.1, story.truth(9.1))
    (finding,) = judged(story).findings

    assert finding.text.startswith("node a: cpu.allocated: query says 0.75, stream client 1 says 0.5, at ")


@settings(max_examples=30)
@given(st.data())
def test_any_late_and_coalescing_stream_passes(data: st.DataObject) -> None:
    """Whatever it skips, and however late it is within a second, a stream that tells truths in order is right."""
    story = Streams("SHAPE-2")
    story.node("a")
    story.started()
    sums = data.draw(st.lists(st.sampled_from((100, 250, 500)), min_size=5, max_size=20))
    t, there = 6.0, list[str]()
    for number, milli in enumerate(sums):
        t += data.draw(st.floats(0.05, 1.0))
        leaves = data.draw(st.booleans())
        if there and leaves:
            story.remove_pod(there.pop(), t)
        else:
            there.append(f"p{number}")
            story.pod(there[-1], t, node="a", milli=milli)
    story.calls(0, 1.5)
    story.observe(2.0, END_S, sources=("rest", "query"), every=0.1)
    lag, every = data.draw(st.floats(0.0, 1.0)), data.draw(st.sampled_from((0.1, 0.3, 0.7)))
    story.observe(2.0, END_S, sources=("stream",), lag=lag, every=every)

    assert [finding.text for finding in judged(story).findings if "goes back" in finding.text] == []
