"""The `run` fixture for one file that stands alone: `pytest test_….py`, with nothing of the suite beside it.

A reproducer names this module in `pytest_plugins`. Under `harness run FILE` the suite's own fixture is there, with the
campaign's options, and this one keeps out of its way. Alone, the operator is the one that the file names as OPERATOR
(and DEFECT), or that the environment names as HARNESS_OPERATOR: the file passes once that one is mended.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from harness.check.verdict import PASS
from harness.cli.place import make_out
from harness.cluster.datastore import DatastoreSpec
from harness.operator.base import REFERENCE
from harness.run import RunResult, Setup
from harness.run import run as run_scenario
from harness.run.choose import choose, optional_parts
from harness.seed import fresh
from harness.toolchain import resolve

if TYPE_CHECKING:
    from collections.abc import Generator

    from harness import Run, Scenario

VARIABLE = "HARNESS_OPERATOR"
SUITE = "fixtures.runs"
RESULT = pytest.StashKey[RunResult]()


class Alone:
    """What is registered where the suite is not."""

    @pytest.fixture
    def run(self, request: pytest.FixtureRequest) -> Run:
        """Carry out a scenario on a fresh cluster and judge it; the bundle lies below reports/out/ of where we are."""

        def runner(scenario: Scenario) -> RunResult:
            operator, defect = chosen(request)
            store = DatastoreSpec(scenario.possible_on[0])
            setup = Setup(
                toolchain=resolve(also=optional_parts([store])),
                operator=choose(operator, defect),
                out=make_out(None),
                seed=fresh(),
                reproduce=f"pytest {request.path.name}",
            )
            result = run_scenario(scenario, setup)
            request.node.stash[RESULT] = result
            return result

        return runner

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show the findings beside the assertion that failed."""
        report = yield
        result = item.stash.get(RESULT, None)
        if call.when == "call" and result is not None and (report.failed or result.verdict is not PASS):
            report.sections.append(("verdict", result.explain()))
        return report


def chosen(request: pytest.FixtureRequest) -> tuple[str, str | None]:
    """The operator and its defect: the environment's, or the file's."""
    if given := os.environ.get(VARIABLE):
        return given, None
    return getattr(request.module, "OPERATOR", REFERENCE), getattr(request.module, "DEFECT", None)


def pytest_configure(config: pytest.Config) -> None:
    """Register the fixture where there is no other."""
    if config.pluginmanager.has_plugin(SUITE):
        return
    config.pluginmanager.register(Alone(), "inventory-harness-alone")
