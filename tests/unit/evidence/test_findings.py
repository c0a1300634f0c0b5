"""Two findings are the same when they differ in nothing but times, counts and amounts."""

from __future__ import annotations

import pytest

from harness.check.contract import Judgement
from harness.check.verdict import Finding, judge, worst
from harness.evidence.findings import Shown, Signature, shown, signature, signatures


def finding(about: str, text: str, reported: str = "0") -> Finding:
    """A finding, of which only object, text and what was reported count."""
    return Finding(text=text, object=about, expected="1", reported=reported, t_s=1.0)


GHOST = finding(
    "node worker-2: present",
    "not recovered 16.20 s after the heal of x: rest: node worker-2: present ghost: expected not reported, reported it",
)
UNDER = finding(
    "node worker-1: cpu.allocated", "node worker-1: cpu.allocated under: expected 2500m, reported 0 by rest"
)
PANIC = finding(
    "operator process",
    "the operator exited by itself with code 2 at 18.40 s; its last words: panic: assignment to nil map at 0xc0ffee\n"
    "goroutine 12 [running]:",
)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (GHOST, ("present", "ghost", "worker-2")),
        (UNDER, ("cpu.allocated", "under", "worker-1")),
        (PANIC, ("operator process", "panic: assignment to nil map at #", "")),
        (finding("operator process", "it exited by itself with code 1 at 3 s"), ("operator process", "exit", "")),
        (
            finding("3 nodes (a, b, c)", "rest answered ok with 0 nodes and without 3 that must be there"),
            ("nodes", "lost", "a, b, c"),
        ),
        (finding("node a", "rest answered ok with 2 nodes and without 1"), ("nodes", "lost", "a")),
        (finding("recovery from node-silent", "true 19.01 s after"), ("recovery", "late", "node-silent")),
        (finding("rest", "rest: 3 requests", "answered after 4.12 s"), ("answers", "answered after #.# s", "rest")),
        (finding("rest: nodes[3].name", "rest answer out of shape"), ("nodes[#].name", "shape", "rest")),
        (finding("/metrics/health", "/metrics/health answered 200"), ("/metrics/health", "", "")),
        (finding("node a: labels", "node a: managed labels not as wanted for 12 s"), ("labels", "", "a")),
        (finding("node a: cpu.allocated", "cpu.allocated is negative, -1 in rest"), ("cpu.allocated", "negative", "a")),
        (finding("node a: cpu.allocated", "node a: cpu.allocated rose from 1 to 2"), ("cpu.allocated", "rose", "a")),
    ],
)  # fmt: skip
def test_a_finding_has_a_signature(told: Finding, expected: tuple[str, str, str]) -> None:
    """What it is about, of which kind it is, and its object."""
    assert signature("TRUTH-1", told) == Signature("TRUTH-1", *expected)


def test_numbers_make_no_difference() -> None:
    """The same panic at another address, the same lateness by other figures."""
    again = finding("operator process", PANIC.text.replace("0xc0ffee", "0xdecaf").replace("18.40", "3.10"))

    assert signature("SURVIVE-1", again) == signature("SURVIVE-1", PANIC)
    assert signature("SURVIVE-1", again) != signature(
        "SURVIVE-1", finding("operator process", "…; its last words: panic: send on closed channel")
    )


def judgement(**promises: list[Finding]) -> Judgement:
    """A judgement with these findings; a promise's id has _ for -."""
    verdicts = tuple(
        judge(name.replace("_", "-"), examined=1, unit="answers", findings=found) for name, found in promises.items()
    )
    return Judgement(verdicts, (), worst(one.verdict for one in verdicts), None, {})


def test_what_is_counted_only_is_no_finding() -> None:
    """The line that says how many more there are has no signature."""
    found = signatures(judgement(TRUTH_3=[UNDER, finding("7 more", "and 7 more findings of TRUTH-3")], SHAPE_1=[]))

    assert found == {Signature("TRUTH-3", "cpu.allocated", "under", "worker-1")}
    assert signatures(judgement(TRUTH_3=[UNDER], TRUTH_1=[GHOST]), ["TRUTH-1"]) == {
        Signature("TRUTH-1", "present", "ghost", "worker-2")
    }


def test_shown_is_told_by_promise() -> None:
    """One finding of a promise seen again is enough; another object, another kind or another promise is not."""
    one = Signature("TRUTH-3", "cpu.allocated", "under", "worker-1")
    two = Signature("TRUTH-3", "memory.allocated", "under", "worker-1")
    panic = Signature("SURVIVE-1", "operator process", "panic: x", "")
    other_node = Signature("TRUTH-3", "cpu.allocated", "under", "worker-9")
    over = Signature("TRUTH-3", "cpu.allocated", "over", "worker-1")

    assert shown([one, two, panic], [two, panic]) == (
        Shown("SURVIVE-1", same=True, alike=True), Shown("TRUTH-3", same=True, alike=True),
    )  # fmt: skip
    assert shown([one], [other_node]) == (Shown("TRUTH-3", same=False, alike=True),)
    assert shown([one], [over]) == (Shown("TRUTH-3", same=False, alike=False),)
    assert shown([one], []) == (Shown("TRUTH-3", same=False, alike=False),)
    assert shown([], [one]) == ()
