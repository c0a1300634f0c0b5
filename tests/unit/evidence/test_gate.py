"""A candidate is worse, no worse, or it cannot be said; and never no worse unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.check.verdict import FAIL, PASS, UNKNOWN, Verdict
from harness.errors import UsageError
from harness.evidence import known as knowns
from harness.evidence.findings import Signature
from harness.evidence.gate import Judged, Outcome, compare, gate, outcome, tally
from harness.evidence.known import Known

if TYPE_CHECKING:
    from pathlib import Path

VERDICTS = st.lists(st.sampled_from([PASS, FAIL, UNKNOWN]), min_size=1, max_size=4)


@pytest.mark.parametrize(
    ("candidate", "baseline", "expected"),
    [
        ([PASS], [PASS], Outcome.SAME),
        ([PASS, PASS], [FAIL, FAIL], Outcome.BETTER),
        ([PASS], [UNKNOWN], Outcome.SAME),
        ([PASS, PASS], [FAIL, PASS], Outcome.SAME),
        ([FAIL], [PASS], Outcome.REGRESSION),
        ([FAIL, FAIL, FAIL], [PASS, PASS, PASS], Outcome.REGRESSION),
        ([FAIL], [FAIL], Outcome.SAME),
        ([FAIL], [UNKNOWN], Outcome.UNSURE),
        ([FAIL, FAIL], [PASS, FAIL], Outcome.UNSURE),
        ([FAIL, FAIL], [PASS, UNKNOWN], Outcome.UNSURE),
        ([UNKNOWN], [PASS], Outcome.UNSURE),
        ([UNKNOWN], [FAIL], Outcome.UNSURE),
        ([UNKNOWN], [UNKNOWN], Outcome.UNSURE),
        ([FAIL, PASS], [PASS, PASS], Outcome.FLAKY),
        ([UNKNOWN, PASS], [PASS, PASS], Outcome.FLAKY),
        ([FAIL, PASS], [FAIL, PASS], Outcome.FLAKY),
        ([FAIL, PASS], [FAIL, FAIL], Outcome.SAME),
        ([FAIL, UNKNOWN], [FAIL, FAIL], Outcome.FLAKY),
        ([], [PASS], Outcome.UNSURE),
        ([PASS], [], Outcome.SAME),
        ([FAIL], [], Outcome.UNSURE),
    ],
)
def test_the_table_of_outcomes(candidate: list[Verdict], baseline: list[Verdict], expected: Outcome) -> None:
    """Each row of the module's table, and nothing averaged."""
    assert outcome(candidate, baseline) is expected


@given(VERDICTS, VERDICTS)
def test_nothing_is_decided_by_majority(candidate: list[Verdict], baseline: list[Verdict]) -> None:
    """How often a verdict came makes no difference, only whether it came."""
    assert outcome(candidate * 3, baseline) is outcome(list(dict.fromkeys(candidate)), list(dict.fromkeys(baseline)))


@given(VERDICTS, VERDICTS)
def test_no_worse_is_never_said_of_what_was_not_shown(candidate: list[Verdict], baseline: list[Verdict]) -> None:
    """An UNKNOWN of the candidate never passes, a FAIL only where the baseline always fails."""
    found = outcome(candidate, baseline)
    if UNKNOWN in candidate:
        assert found in {Outcome.UNSURE, Outcome.FLAKY}
    if FAIL in candidate and found in {Outcome.SAME, Outcome.BETTER}:
        assert set(baseline) == {FAIL}
    if found is Outcome.REGRESSION:
        assert (set(candidate), set(baseline)) == ({FAIL}, {PASS})


@given(VERDICTS)
def test_a_steady_operator_is_no_worse_than_itself(verdicts: list[Verdict]) -> None:
    """Where all repetitions agree and show something, the same on both sides is no worse."""
    if len(set(verdicts)) == 1 and UNKNOWN not in verdicts:
        assert outcome(verdicts, verdicts) is Outcome.SAME


def said(verdict: Verdict = PASS, *, promise: str = "TRUTH-1", kind: str = "lost", error: str = "") -> Judged:
    """What one repetition said."""
    if error:
        return Judged({}, {}, {}, error=error)
    found = verdict is FAIL
    return Judged(
        {promise: verdict, "SHAPE-1": PASS},
        {promise: [f"node worker-1: {kind}"] if found else []},
        {promise: ["FAULT-BIT: it did not bite"] if verdict is UNKNOWN else []},
        frozenset({Signature(promise, "nodes", kind, "worker-1")} if found else ()),
        "candidate/01/x",
    )


def test_each_promise_is_compared_by_itself() -> None:
    """A regression has its findings, its neighbour is the same."""
    found = compare("chaos/x", [said(FAIL)], [said()])

    assert [(one.promise, one.outcome) for one in found] == [
        ("TRUTH-1", Outcome.REGRESSION), ("SHAPE-1", Outcome.SAME),
    ]  # fmt: skip
    assert found[0].findings == ("node worker-1: lost",)
    assert found[0].bundles == ("candidate/01/x",)
    assert gate(found).exit_code == 1
    assert gate(found).word == "a regression"


def test_a_run_that_could_not_be_made_is_never_passed_over() -> None:
    """It counts as UNKNOWN on every promise, with the reason; where nothing ran at all there is one line for it."""
    (truth, shape) = compare("chaos/x", [said(), said(error="no room on the disk")], [said(), said()])

    assert truth.outcome is shape.outcome is Outcome.FLAKY
    assert truth.reasons == ("candidate: no room on the disk",)

    (only,) = compare("chaos/x", [said(error="a")], [said(error="b")])

    assert only.outcome is Outcome.UNSURE
    assert only.reasons == ("candidate: a", "baseline: b")
    assert gate([only]).exit_code == 2


def test_flaky_sides_are_named() -> None:
    """Whoever does not agree with itself is named, also where the candidate is no worse."""
    (one, *_rest) = compare("chaos/x", [said(), said()], [said(), said(FAIL)])

    assert one.outcome is Outcome.SAME
    assert one.flaky == ("baseline",)
    assert one.as_json()["baseline"] == ["PASS", "FAIL"]


def test_other_findings_of_a_promise_that_is_broken_anyway_are_named() -> None:
    """Broken in both is no worse, but a kind of finding that the baseline has not shown is told."""
    (one, *_rest) = compare("chaos/x", [said(FAIL, kind="ghost")], [said(FAIL)])
    (same, *_rest) = compare("chaos/x", [said(FAIL)], [said(FAIL)])

    assert one.outcome is same.outcome is Outcome.SAME
    assert one.new == ("TRUTH-1: nodes ghost (worker-1)",)
    assert same.new == ()


def test_what_is_known_stops_no_gate() -> None:
    """A regression, a doubt and flakiness may be known; what passes needs no excuse, and unused entries are named."""
    known = (Known("chaos/*", "TRUTH-*", "to be mended"), Known("chaos/y", "*", "gone since"))
    cells = [
        *compare("chaos/x", [said(FAIL)], [said()], known),
        *compare("chaos/z", [said(UNKNOWN)], [said()], known),
        *compare("chaos/f", [said(), said(FAIL)], [said(), said()], known),
    ]

    result = gate(cells, known)

    assert [one.outcome for one in cells if one.promise == "TRUTH-1"] == [Outcome.KNOWN] * 3
    assert {one.why for one in cells} == {"to be mended", ""}
    assert result.exit_code == 0
    assert result.unused == ("chaos/y *",)


def test_a_gate_of_nothing_says_nothing() -> None:
    """Nothing compared is not no worse."""
    assert gate([]).exit_code == 2


def test_a_tally_is_short() -> None:
    """One word where all agree, counts where they do not."""
    assert tally([FAIL, FAIL]) == "FAIL"
    assert tally([FAIL, PASS, PASS]) == "1 FAIL and 2 PASS"
    assert tally([]) == "nothing"


def test_a_file_of_what_is_known_is_read(tmp_path: Path) -> None:
    """Entries with wildcards and reasons, in order."""
    path = tmp_path / "known.toml"
    path.write_text('[[known]]\nscenario = "chaos/api-*"\npromise = "AVAIL-1"\nwhy = "in 0.17"\n', encoding="utf-8")

    (one,) = knowns.read(path)

    assert one.covers("chaos/api-server-killed", "AVAIL-1")
    assert not one.covers("chaos/api-server-killed", "AVAIL-2")
    assert not one.covers("conformance/steady", "AVAIL-1")


ENTRY = {"scenario": '"chaos/x"', "promise": '"AVAIL-1"', "why": '"so"'}


def toml(**changes: Any) -> str:
    """An entry with changes; None takes a key out."""
    return "[[known]]\n" + "\n".join(f"{k} = {v}" for k, v in {**ENTRY, **changes}.items() if v is not None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[known", "is no TOML"),
        ("\x00", "is no TOML"),
        ('known = "all"', "holds known"),
        ("[[unknown]]\n", "holds unknown"),
        (toml(why='" "'), "entry 1 says no why"),
        (toml(why=None), "entry 1: .*why"),
        (toml(promise='"AVAIL-9"'), "'AVAIL-9' is no promise"),
        (toml(until='"2027"'), "'until', which is not known"),
        (toml(scenario="7"), "scenario is '7'"),
        (toml() + "\n[[known]]\nwhy = 'x'", "entry 2"),
    ],
)
def test_a_bad_file_of_what_is_known_is_refused(text: str, message: str, tmp_path: Path) -> None:
    """An exception that says nothing, or speaks of nothing, is an error that names file and entry."""
    path = tmp_path / "known.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(UsageError, match=message) as caught:
        knowns.read(path)

    assert str(path) in caught.value.what
    assert caught.value.hint


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The error names it."""
    with pytest.raises(UsageError, match="No such file"):
        knowns.read(tmp_path / "known.toml")
