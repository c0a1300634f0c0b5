"""The tests of the suite as data: which promises and clauses each is marked with, and which scenarios it runs.

Read from the test modules without pytest and without running anything.
"""

from __future__ import annotations

import runpy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

CONFORMANCE = ("conformance", "regression")
"""The directories of scenarios/ that hold the conformance suite."""

OWN_DATASTORES = ("etcd", "etcd3", "sqlite")
"""The kinds on which the conformance suite runs scenarios unless told otherwise: those that need no server."""


@dataclass(frozen=True, slots=True)
class SuiteTest:
    """One test function.

    `file`: its path below scenarios/; `promises`: the arguments of its marks of that name; `marks`: the names of all of
    its marks; `scenarios`: the ids of what it runs, each with the clauses that the test, or the case, is marked with.
    """

    file: str
    name: str
    promises: tuple[str, ...]
    marks: frozenset[str]
    scenarios: Mapping[str, tuple[str, ...]]

    @property
    def conformance(self) -> bool:
        """Whether it belongs to the conformance suite."""
        return self.file.split("/", maxsplit=1)[0] in CONFORMANCE


def suite_tests(suite: Path) -> tuple[SuiteTest, ...]:
    """Every test of the suite at `suite`, by file; raises UsageError for a module that cannot be loaded."""
    root = suite / "scenarios"
    found: list[SuiteTest] = []
    for path in sorted(root.rglob("test_*.py")):
        try:
            module = runpy.run_path(str(path))
        except (ImportError, SyntaxError) as exc:
            raise UsageError(
                f"{path} cannot be loaded: {exc}", hint="pytest scenarios --collect-only says more"
            ) from exc
        file = path.relative_to(root).as_posix()
        found += [_test(file, name, function, module) for name, function in module.items() if name.startswith("test_")]
    return tuple(found)


def clauses_of(tests: Iterable[SuiteTest]) -> dict[str, tuple[str, ...]]:
    """The clauses of each scenario, by the scenario's id, sorted."""
    found: dict[str, dict[str, None]] = {}
    for test in tests:
        for scenario, clauses in test.scenarios.items():
            found.setdefault(scenario, {}).update(dict.fromkeys(clauses))
    return {scenario: tuple(clauses) for scenario, clauses in sorted(found.items())}


def _test(file: str, name: str, function: Any, module: Mapping[str, Any]) -> SuiteTest:
    marks = tuple(getattr(function, "pytestmark", ()))
    own = _arguments(marks, "clause")
    scenarios: dict[str, tuple[str, ...]] = {}
    for scenario, case_marks in (*_cases(marks), *((module.get(word), ()) for word in function.__code__.co_names)):
        if isinstance(scenario, Scenario):
            scenarios[scenario.id] = (*own, *_arguments(case_marks, "clause"))
    promises, names = _arguments(marks, "promise"), frozenset(mark.name for mark in marks)
    return SuiteTest(file, name, promises, names, scenarios)


def _arguments(marks: Iterable[Any], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(arg) for mark in marks if mark.name == name for arg in mark.args))


def _cases(marks: Iterable[Any]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The values of the test's parameters, each with the marks of its case."""
    for mark in marks:
        for case in mark.args[1] if mark.name == "parametrize" else ():
            for value in getattr(case, "values", (case,)):
                yield value, tuple(getattr(case, "marks", ()))
