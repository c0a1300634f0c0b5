"""SURVIVE-2 on histories made by hand: what must be found, and what must not."""

from __future__ import annotations

import math
import random
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.check import quiet as quiet_moments
from harness.check.verdict import FAIL, PASS, UNKNOWN
from harness.check.windows import read_windows
from tests.unit.check.story import Story
from tests.unit.check.test_check_orphans import discovery

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.check.verdict import PromiseVerdict, Verdict

CYCLES, EVERY_S, FIRST_S = 10, 6.0, 10.0
LAST_S = FIRST_S + CYCLES * EVERY_S
END_S = LAST_S + 66.0


def harmed(*, cycles: int = CYCLES, kind: str = "watches-closed", until: float = END_S, proxied: bool = True) -> Story:
    """A quiet cluster in which the same harm is done every six seconds, for two of them."""
    story = Story("SURVIVE-2", proxied=proxied)
    story.node("a")
    story.node("b")
    story.started()
    for number in range(cycles):
        begin = FIRST_S + number * EVERY_S
        story.fault(begin, begin + 2.0, "watch", kind=kind)
    story.observe(2.0, until, every=2.0)
    return story


def cycle(t: float) -> int:
    """How many times harm was done by then."""
    return max(0, min(CYCLES, math.floor((t - FIRST_S) / EVERY_S) + 1))


def sampled(
    story: Story,
    *,
    cores: Callable[[float], float] = lambda _t: 0.05,
    mib: Callable[[float], float] = lambda _t: 60.0,
    files: Callable[[float], float] = lambda _t: 20.0,
    threads: Callable[[float], float] = lambda _t: 9.0,
    goroutines: Callable[[float], float] | None = None,
    until: float = END_S,
    pid: Callable[[float], int] = lambda _t: 7,
    waits: Callable[[float], float] | None = None,
) -> Story:
    """The process is sampled twice a second; what it uses at each moment is as told."""
    used, waited, t = 0.0, 0.0, 1.25
    while t <= until:
        used += 0.5 * cores(t)
        waited += 0.5 * (waits(t) if waits is not None else 0.0)
        told = {} if waits is None else {"waited_s": round(waited, 2)}
        story.add(
            "usage", t, **told, pid=pid(t), cpu_s=round(used, 2), rss_kib=round(1024 * mib(t)),
            threads=round(threads(t)), fds=round(files(t)),
        )  # fmt: skip
        if goroutines is not None:
            total = round(goroutines(t))
            story.add("goroutines", t + 0.1, pid=pid(t), total=total, began_in={"main.run": 3, "main.leak": total - 3})
        t += 0.5
    return story


def watched(story: Story, *, kept: int = 0) -> Story:
    """Two watches are open but while they are taken up anew, and of each harm some more are kept."""
    steps = [5.0, *(FIRST_S + number * EVERY_S + 1.0 for number in range(CYCLES)), END_S]
    for number, (begin, end) in enumerate(pairwise(steps)):
        for resource in ("nodes", "pods"):
            story.add("api-call", end, verb="watch", resource=resource, t0=begin, ended="rule" if end < END_S else "")
        for _ in range(kept if number else 0):
            story.add("api-call", END_S, verb="watch", resource="pods", t0=begin, ended="")
    return story


def judged(story: Story, *, until: float = END_S) -> PromiseVerdict:
    """The verdict when the run ends."""
    story.end(until)
    return story.verdict("SURVIVE-2")


def test_an_operator_that_uses_what_it_used_passes() -> None:
    """Ten times the same harm, the same footprint after each, and quiet in the end."""
    verdict = judged(watched(sampled(harmed(), goroutines=lambda _t: 40.0)))

    assert (verdict.verdict, verdict.reasons) == (PASS, ())
    assert verdict.examined > 300
    assert verdict.measured["quiet_cores"] == pytest.approx(0.05, abs=0.01)
    assert {"watches_rise", "goroutines_rise", "files_rise", "memory_rise_mib"} <= set(verdict.measured)


def test_what_only_moves_passes() -> None:
    """Connections that come and go, a heap that breathes, and work right after each harm are no leaks."""

    def waves(t: float) -> float:
        return 4 * math.sin(3 * t)

    story = sampled(
        harmed(),
        cores=lambda t: 0.9 if (t - FIRST_S) % EVERY_S < 3.0 and t < LAST_S else 0.08,
        mib=lambda t: 80 + 8 * waves(t),
        files=lambda t: 20 + waves(t),
        goroutines=lambda t: 60 + 3 * waves(t + 1),
    )

    assert judged(watched(story)).verdict is PASS


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        (
            "files",
            "files grew with every watches-closed: 21 to 23 after the first 3 of 10, 28 to 30 after the last 3, 1 ",
        ),
        ("mib", "memory grew with every watches-closed: 66 to 78 MiB after the first 3 of 10, 108 to 120 MiB after"),
        ("goroutines", "goroutines grew with every watches-closed: .*; main.leak from "),
        ("threads", "threads grew with every watches-closed: "),
    ],
)
def test_what_grows_with_each_harm_is_found(figure: str, words: str) -> None:
    """Each figure is found to grow on its own account, and with how much each time."""
    step = {"files": 1, "mib": 6, "goroutines": 1, "threads": 4}[figure]
    start = {"files": 20, "mib": 60, "goroutines": 40, "threads": 9}[figure]
    figures: dict[str, Any] = {figure: lambda t: float(start + step * cycle(t))}
    story = sampled(harmed(), **figures)

    (finding,) = judged(watched(story)).findings
    assert re.match(words, finding.text), finding.text


def test_watches_that_are_kept_are_found() -> None:
    """They are told from the proxy's records, with what they are about."""
    verdict = judged(watched(sampled(harmed()), kept=1))

    (finding,) = verdict.findings
    assert finding.text.startswith("watches grew with every watches-closed: 3 to 5 after the first 3 of 10, 10 to 12 ")
    assert finding.text.endswith("; pods from 2 to 11")


def test_what_is_given_back_in_time_is_no_leak() -> None:
    """Something of each harm is kept for half a minute, or all of it until a minute after the last."""
    for files in (
        lambda t: 20.0 + sum(1 for n in range(CYCLES) if 0 <= t - FIRST_S - n * EVERY_S < 30),
        lambda t: 20.0 + (cycle(t) if t < LAST_S + 55 else 0),
    ):
        assert judged(sampled(harmed(), files=files)).verdict is PASS


def test_a_run_that_ends_before_it_had_to_be_given_back_is_unknown() -> None:
    """Growth alone is no finding within the objective."""
    until = LAST_S + 30.0
    verdict = judged(sampled(harmed(until=until), files=lambda t: 20.0 + cycle(t), until=until), until=until)

    assert verdict.verdict is UNKNOWN
    assert verdict.reasons == ("files grew, and the run ended before it had to be given back",)


def test_without_a_proxy_watches_are_not_judged() -> None:
    """What was not seen is neither a finding nor a doubt."""
    verdict = judged(sampled(harmed(proxied=False)))

    assert verdict.verdict is PASS
    assert "watches_rise" not in verdict.measured


@pytest.mark.parametrize("after_s", [FIRST_S, LAST_S - 3.0])
def test_a_core_that_is_busy_for_ever_is_found(after_s: float) -> None:
    """From the first harm or from the last one on, also where it gets only half of a core."""
    verdict = judged(sampled(harmed(), cores=lambda t: 0.5 if t >= after_s else 0.05))

    (finding,) = (one for one in verdict.findings if one.object == "processor time")
    assert verdict.verdict is FAIL
    assert finding.text.startswith("the operator used 0.50 to 0.50 cores for 66.5 s on end while nothing was harmed")
    assert "before the harm it was 0.05" in finding.text


@pytest.mark.parametrize(
    ("got", "waited", "verdict"),
    [
        pytest.param(0.24, 0.74, FAIL, id="starved"),
        pytest.param(0.24, 0.30, PASS, id="slow"),
        pytest.param(0.09, 0.90, UNKNOWN, id="given-nearly-nothing"),
        pytest.param(0.24, None, PASS, id="nobody-knows"),
    ],
)
def test_a_loop_that_is_starved_is_told_by_what_it_asks_for(got: float, waited: float | None, verdict: Verdict) -> None:
    """It waits for a processor whenever it has none; who has something to do now and then does not.

    One that is given next to nothing may be a loop or not.
    """

    def cores(t: float) -> float:
        return got if t >= FIRST_S else 0.02

    waits = None if waited is None else lambda t: waited if t >= FIRST_S else 0.0
    found = judged(sampled(harmed(), cores=cores, waits=waits))

    assert found.verdict is verdict
    if verdict is FAIL:
        (finding,) = (one for one in found.findings if one.object == "processor time")
        assert "quiet is less than 0.20" in finding.text
        assert "it wanted 0.98 cores" in finding.text


@pytest.mark.parametrize(("waited_before", "verdict"), [(0.1, UNKNOWN), (0.9, PASS)])
def test_a_loop_that_gets_next_to_nothing_is_in_doubt(waited_before: float, verdict: Verdict) -> None:
    """Who wants a core all the time and gets a tenth proves no rest, unless it wanted as much before the harm."""
    found = judged(
        sampled(
            harmed(),
            cores=lambda t: 0.12 if t >= FIRST_S else 0.02,
            waits=lambda t: 1.2 if t >= FIRST_S else waited_before,
        )
    )

    assert found.verdict is verdict
    assert [reason for reason in found.reasons if "this machine was too busy to tell" in reason] == list(found.reasons)


def test_a_burst_in_the_quiet_is_no_loop() -> None:
    """A collection of garbage, or a list read anew, is over within seconds."""
    assert judged(sampled(harmed(), cores=lambda t: 1.0 if END_S - 7 <= t <= END_S - 4 else 0.05)).verdict is PASS


def test_what_an_operator_always_uses_is_no_loop() -> None:
    """One that is asked twenty times a second may need a good part of a core for it, before the harm and after."""
    assert judged(sampled(harmed(), cores=lambda _t: 0.5)).verdict is PASS


def test_without_a_before_only_a_whole_core_is_busy() -> None:
    """Where harm begins with the gate, there is nothing to compare with."""
    story = harmed()
    story.fault(5.2, 6.0, "watch", kind="watches-closed")

    assert judged(sampled(story, cores=lambda _t: 0.6)).verdict is PASS
    story = harmed()
    story.fault(5.2, 6.0, "watch", kind="watches-closed")
    assert judged(sampled(story, cores=lambda _t: 0.97)).verdict is FAIL


def test_nothing_sampled_is_unknown() -> None:
    """A run without samples says nothing, whatever else is in it."""
    verdict = judged(harmed())

    assert (verdict.verdict, verdict.reasons) == (UNKNOWN, ("the operator's process was not sampled",))


def test_harm_that_was_not_repeated_is_unknown() -> None:
    """Once is no cycle: what can be judged is, and the rest is said."""
    verdict = judged(sampled(harmed(cycles=1)))

    assert verdict.verdict is UNKNOWN
    assert verdict.reasons == ("no harm was done 6 times with quiet after it, so growth could not be judged",)


def test_no_quiet_in_the_end_is_unknown() -> None:
    """Processor time is judged in quiet only."""
    until = LAST_S + 1.0
    verdict = judged(sampled(harmed(until=until), until=until), until=until)

    assert verdict.verdict is UNKNOWN
    assert any("too short for the processor time" in reason for reason in verdict.reasons)


def test_another_process_begins_anew() -> None:
    """After a restart nothing is compared with what was before."""
    story = sampled(harmed(), files=lambda t: 20.0 + 2 * cycle(t), pid=lambda t: 7 if t < 40 else 8)
    story.add("process", 40.0, event="started", pid=8, code=None, cause="supervisor")
    verdict = judged(story)

    assert (verdict.verdict, verdict.findings) == (UNKNOWN, ())


def gone(story: Story, node: str, t: float) -> None:
    """A node with a discovery pod joins and leaves."""
    story.node(node, t - 3)
    discovery(story, t - 2, node)
    story.remove_node(node, t)


def long_run() -> Story:
    """A run of three minutes in which harm was repeated at its start, and all is quiet since."""
    return sampled(harmed(until=180.0), until=180.0)


def test_a_discovery_pod_that_is_left_is_found() -> None:
    """It is there when the objective is over and the cluster itself would have removed it."""
    story = long_run()
    gone(story, "guest", 80.0)
    verdict = judged(story, until=180.0)

    (finding,) = verdict.findings
    assert finding.text.startswith(
        "discovery pod ns/discovery-guest is left on node guest, which is gone since 80.00 s: "
    )
    # A second of it fell into the time that RECOVER-1 gives after the last harm.
    assert finding.t_s == 161.0


def test_a_discovery_pod_that_is_made_again_is_found() -> None:
    """Whoever makes it again after the node is gone leaves it as well."""
    story = long_run()
    gone(story, "guest", 80.0)
    discovery(story, 81.0, "guest", "DELETED")
    discovery(story, 172.0, "guest", uid="again")
    verdict = judged(story, until=180.0)

    assert "made 92 s after, and to the end" in verdict.findings[0].text


@pytest.mark.parametrize("removed_s", [80.5, 120.0, 160.0])  # 80 s: the slowest that the cluster's collector can be
def test_a_discovery_pod_that_goes_in_time_passes(removed_s: float) -> None:
    """By the operator at once, or by the cluster's own collector, which may take 80 s."""
    story = long_run()
    gone(story, "guest", 80.0)
    discovery(story, removed_s, "guest", "DELETED")
    verdict = judged(story, until=180.0)

    assert (verdict.verdict, verdict.reasons) == (PASS, ())


def test_a_run_that_ends_before_it_is_due_is_unknown() -> None:
    """A pod that is still there may have gone yet."""
    story = long_run()
    gone(story, "guest", 120.0)
    verdict = judged(story, until=180.0)

    assert verdict.verdict is UNKNOWN
    assert verdict.reasons == ("the run ended before the discovery pods of 1 nodes that left had to be gone",)


@settings(max_examples=30)
@given(st.floats(0.0, 0.25), st.floats(20.0, 400.0), st.integers(0, 2), st.integers(0, 10_000))
def test_a_steady_operator_is_never_found(cores: float, mib: float, width: int, seed: int) -> None:
    """Whatever it uses, when it is the same all along but for noise, nothing is found."""
    rng = random.Random(seed)  # noqa: S311 - repeatable
    story = sampled(
        harmed(),
        cores=lambda _t: max(0.0, rng.gauss(cores, 0.05)),
        mib=lambda _t: rng.gauss(mib, 0.05 * mib),
        files=lambda _t: 20 + rng.randint(-width, width),
        goroutines=lambda _t: 60 + rng.randint(-5 * width, 5 * width),
    )

    assert judged(watched(story)).verdict is PASS


def test_moments_are_the_last_of_each_quiet() -> None:
    """Two seconds before the next harm, no moment where there is no second, and the last one at the end."""
    story = Story("SURVIVE-2")
    story.fault(10.0, 12.0, kind="a")
    story.fault(11.0, 14.0, kind="b")
    story.fault(14.5, 15.0, kind="a")
    story.fault(20.0, 21.0, kind="a")
    story.add("mark", 30.0, mark="end", detail="")
    windows = read_windows(story.history(), end_s=30.0)

    found = [(one.begin_s, one.end_s, one.after) for one in quiet_moments.moments(windows, 30.0)]
    assert found == [(18.0, 20.0, ("a",)), (28.0, 30.0, ("a",))]


def test_harm_that_is_never_healed_leaves_no_quiet() -> None:
    """What is open to the end is no quiet."""
    story = Story("SURVIVE-2")
    story.fault(10.0, None, kind="a")
    windows = read_windows(story.history(), end_s=30.0)

    assert quiet_moments.moments(windows, 30.0) == []
