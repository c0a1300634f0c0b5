"""Every clause of the interface and every promise is covered by the conformance suite, or has its reason."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ci.contract_page import DOCUMENT, current
from harness.check.clauses import CLAUSES, SECTIONS
from harness.check.contract import PROMISES
from harness.run.described import scenarios_of
from harness.run.suite import SuiteTest, clauses_of, suite_tests

ROOT = Path(__file__).resolve().parents[2]


@cache
def every() -> tuple[SuiteTest, ...]:
    """Every test of scenarios/."""
    return suite_tests(ROOT)


def suite() -> list[SuiteTest]:
    """Those of the conformance suite."""
    return [test for test in every() if test.conformance]


def test_there_is_something_to_examine() -> None:
    """The tests are found, with promises, clauses and scenarios."""
    assert len(every()) > 60
    assert len(suite()) > 30
    assert {scenario for test in every() for scenario in test.scenarios} == {s.id for s in scenarios_of(ROOT)}


def test_every_clause_has_promises_or_a_reason() -> None:
    """One of the two, never both and never neither; its promises are judged, and its section has a title."""
    assert [clause.id for clause in CLAUSES.values() if bool(clause.judged_by) is bool(clause.reason)] == []
    assert {name for clause in CLAUSES.values() for name in clause.judged_by} <= {
        promise.id for promise in PROMISES.values() if promise.judged
    }
    assert {clause.section for clause in CLAUSES.values()} == set(SECTIONS)


def test_every_clause_that_can_be_judged_is() -> None:
    """A test of the conformance suite carries its id, and judges its promises."""
    judged: dict[str, set[str]] = {}
    for test in suite():
        for clauses in test.scenarios.values():
            for clause in clauses:
                judged.setdefault(clause, set()).update(test.promises)

    assert set(judged) == {clause.id for clause in CLAUSES.values() if clause.judged_by}
    assert [name for name, promises in judged.items() if not set(CLAUSES[name].judged_by) <= promises] == []


def test_every_promise_is_judged_by_the_conformance_suite() -> None:
    """Each promise that has a checker is on a test of the suite; those that have none yet are on no test."""
    promises = {promise for test in suite() for promise in test.promises}

    assert promises == {promise.id for promise in PROMISES.values() if promise.judged}


def test_every_test_of_the_suite_carries_an_id() -> None:
    """Each is marked with the promises that it asserts, and runs a scenario."""
    assert [test.name for test in suite() if not test.promises or not test.scenarios] == []


def test_clauses_are_those_of_the_scenario_and_no_other() -> None:
    """A mark on one case of a test is not on the others."""
    clauses = clauses_of(every())

    assert clauses["conformance/told-by-environment"] == ("A-PROCESS-2",)
    assert clauses["conformance/told-by-text"] == ("A-CONFIGURATION-3",)
    assert clauses["conformance/same-names"] == ()


def test_the_document_is_up_to_date() -> None:
    """docs/contract.md says what the tables and the marks say."""
    assert DOCUMENT.read_text(encoding="utf-8") == current(), "run: python -m ci.contract_page"
