"""The tables of the conformance suite: one verdict for each promise and each clause, from the runs alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.check.clauses import CLAUSES
from harness.check.contract import PROMISES
from harness.check.verdict import FAIL, PASS, UNKNOWN, worst
from harness.run.conformance import (
    NO_SCENARIO,
    NOT_JUDGED,
    ClauseLine,
    Difference,
    PromiseLine,
    as_json,
    as_markdown,
    clause_lines,
    judged_again,
    kept,
    overall,
    promise_lines,
    runs_of,
)

if TYPE_CHECKING:
    from harness.check.verdict import Verdict

JUDGED = [promise.id for promise in PROMISES.values() if promise.judged]


def said(promise: str, verdict: Verdict, *texts: str, examined: int = 10, unit: str = "values") -> dict[str, Any]:
    """What a run says of a promise; `texts`: its findings, or of an UNKNOWN its reasons."""
    findings = [{"text": text} for text in texts] if verdict is FAIL else []
    reasons = list(texts) if verdict is UNKNOWN else []
    return {
        "id": promise, "verdict": str(verdict), "examined": examined, "unit": unit, "findings": findings,
        "reasons": reasons,
    }  # fmt: skip


def a_run(name: str, *promises: dict[str, Any], clauses: tuple[str, ...] = ()) -> dict[str, Any]:
    """A run."""
    return {"id": name, "promises": list(promises), "clauses": list(clauses), "verdict": "PASS"}


def line(promise: str, *runs: dict[str, Any]) -> PromiseLine:
    """The line of a promise."""
    return next(one for one in promise_lines(runs) if one.id == promise)


def clause(name: str, *runs: dict[str, Any]) -> ClauseLine:
    """The line of a clause."""
    return next(one for one in clause_lines(runs) if one.id == name)


def test_every_promise_has_a_line() -> None:
    """In the contract's order, also where nothing was run."""
    assert [one.id for one in promise_lines([])] == list(PROMISES)
    assert {one.verdict for one in promise_lines([]) if one.id in JUDGED} == {UNKNOWN}
    assert overall(promise_lines([])) is UNKNOWN


def test_the_worst_verdict_of_all_runs_stands() -> None:
    """Runs are counted, what they examined is added up, and the worst finding is of the run that has the most."""
    found = line(
        "TRUTH-3",
        a_run("b", said("TRUTH-3", FAIL, "only one", examined=5)),
        a_run("a", said("TRUTH-3", FAIL, "the first of two", "the second", examined=7)),
        a_run("c", said("TRUTH-3", PASS, examined=1, unit="answers")),
        a_run("d", said("TRUTH-3", UNKNOWN, "who knows", examined=0)),
        a_run("e", said("TRUTH-1", PASS)),
    )

    assert (found.verdict, found.scenarios, found.failed, found.unknown) == (FAIL, 4, 2, 1)
    assert (found.examined, found.unit) == (13, "values, answers")
    assert (found.where, found.worst) == ("a", "the first of two")


def test_a_doubt_is_told_where_there_is_no_finding() -> None:
    """The first reason of a run that is UNKNOWN stands in the place of a finding."""
    found = line("TRUTH-3", a_run("a", said("TRUTH-3", PASS)), a_run("b", said("TRUTH-3", UNKNOWN, "too little")))

    assert (found.verdict, found.where, found.worst) == (UNKNOWN, "b", "too little")


def test_what_nobody_judged_is_unknown_and_what_nobody_can_is_left_out() -> None:
    """A promise without a scenario is UNKNOWN; one that has no checker yet has no verdict and counts for nothing."""
    lines = promise_lines([a_run("a", *(said(promise, PASS) for promise in JUDGED[1:]))])
    by_id = {one.id: one for one in lines}

    assert (by_id[JUDGED[0]].verdict, by_id[JUDGED[0]].worst) == (UNKNOWN, NO_SCENARIO)
    assert {(one.verdict, one.worst) for one in lines if one.id not in JUDGED} <= {(None, NOT_JUDGED)}
    assert (overall(lines), kept(lines)) == (UNKNOWN, len(JUDGED) - 1)


def test_all_promises_kept_is_a_pass() -> None:
    """Nothing but PASS makes the whole one."""
    assert overall(promise_lines([a_run("a", *(said(promise, PASS) for promise in JUDGED))])) is PASS


def test_a_promise_that_this_contract_does_not_know_is_not_lost() -> None:
    """A bundle of another harness may judge what this one has no word for."""
    found = line("TRUTH-99", a_run("a", said("TRUTH-99", FAIL, "no")))

    assert (found.verdict, found.text) == (FAIL, "not a promise of the contract")


def test_a_clause_has_the_verdict_of_its_promises_where_it_is_carried() -> None:
    """Other promises, and other runs, do not count; without a run it is UNKNOWN, and None where there is a reason."""
    name = "A-REGISTRY-2"
    (promise,) = CLAUSES[name].judged_by
    carrying = a_run("a", said(promise, PASS), said("TRUTH-1", FAIL, "no"), clauses=(name,))
    other = a_run("b", said(promise, FAIL, "no"))

    assert (clause(name, carrying, other).verdict, clause(name, carrying, other).scenarios) == (PASS, ("a",))
    assert clause(name, other).verdict is UNKNOWN
    assert (clause("A-GRPC-4", carrying).verdict, bool(clause("A-GRPC-4").reason)) == (None, True)


def test_a_clause_that_is_not_known_is_no_error() -> None:
    """A bundle of a newer harness may carry clauses that this one does not have."""
    assert [one.id for one in clause_lines([a_run("a", clauses=("A-NEW-1",))])] == list(CLAUSES)


def test_paths_of_the_machine_are_not_kept() -> None:
    """Of a run's entry in the summary everything is left out that is about the place where it ran."""
    summary = {
        "scenarios": [
            {"id": "z", "bundle": "/somewhere", "reproduce": "harness run", "wall_s": 3.0, "promises": []},
            {"id": "a@sqlite", "seed": 7, "promises": []},
        ]
    }
    runs = runs_of(summary, {"a": ("A-REST-1",)})

    assert [(run["id"], run["clauses"]) for run in runs] == [("a@sqlite", ["A-REST-1"]), ("z", [])]
    assert not {"bundle", "reproduce", "wall_s"} & {key for run in runs for key in run}


def test_what_is_judged_otherwise_today_is_told() -> None:
    """Also a promise that one of the two does not judge; the run has today's verdicts from then on."""
    stored = a_run("a", said("TRUTH-1", PASS), said("TRUTH-2", FAIL, "no"), said("TRUTH-3", PASS))
    today, differences = judged_again(stored, [said("TRUTH-1", PASS), said("TRUTH-2", PASS), said("TRUTH-4", FAIL)])

    assert differences == [
        Difference("a", "TRUTH-2", "FAIL", "PASS"),
        Difference("a", "TRUTH-3", "PASS", "not judged"),
        Difference("a", "TRUTH-4", "not judged", "FAIL"),
    ]
    assert today["verdict"] == "FAIL"
    assert [one["id"] for one in today["promises"]] == ["TRUTH-1", "TRUTH-2", "TRUTH-4"]


VERDICTS = st.dictionaries(st.sampled_from(JUDGED), st.sampled_from([PASS, FAIL, UNKNOWN]), max_size=5)


@given(st.lists(VERDICTS, max_size=6))
def test_no_run_can_make_the_whole_better(listed: list[dict[str, Verdict]]) -> None:
    """The table's verdict is never better than that of any run in it, and a FAIL is never lost."""
    runs = [
        a_run(str(number), *(said(name, verdict) for name, verdict in verdicts.items()))
        for number, verdicts in enumerate(listed)
    ]
    lines = promise_lines(runs)
    every = [verdict for verdicts in listed for verdict in verdicts.values()]

    assert overall(lines) is worst([overall(lines), *every])
    assert (overall(lines) is FAIL) is (FAIL in every)
    assert sum(one.scenarios for one in lines) == len(every)


def test_the_tables_are_json() -> None:
    """Verdicts by their words; a promise or clause without one is null."""
    body = as_json(promise_lines([]), clause_lines([]))

    assert body["verdict"] == "UNKNOWN"
    assert {one["verdict"] for one in body["promises"]} <= {"UNKNOWN", None}
    assert {one["verdict"] for one in body["clauses"]} == {"UNKNOWN", None}


def test_the_table_for_documents_has_one_line_for_each_promise() -> None:
    """What an operator said cannot end a cell, begin a tag, or break a line."""
    text = as_markdown(promise_lines([a_run("chaos/x", said("TRUTH-3", FAIL, "a | b\n<script>"))]))
    rows = {row.split(" | ")[0].strip("| "): row for row in text.splitlines()[2:]}

    assert list(rows) == list(PROMISES)
    assert rows["TRUTH-3"].endswith("| FAIL | 1 (1 FAIL) | 10 | `chaos/x`: a \\| b &lt;script> |")


@pytest.mark.parametrize("names", [(), ("A-REST-1",)])
def test_a_run_without_promises_makes_no_clause_pass(names: tuple[str, ...]) -> None:
    """Carrying an id is not enough."""
    assert clause("A-REST-1", a_run("a", clauses=names)).verdict is UNKNOWN
