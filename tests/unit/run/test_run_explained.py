"""What a failing test shows beside its assertion: a person needs nothing else to go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.check.contract import Judgement
from harness.check.verdict import Finding, judge, worst
from harness.run.result import RunResult

LOST = Finding("node worker-1: present lost", "worker-1", "reported", "not reported", 7.5)


def result(*findings: Finding, operator: dict[str, str]) -> RunResult:
    """The result of a run with these findings."""
    promises = (judge("TRUTH-1", examined=9, unit="answers", findings=findings),)
    return RunResult(
        scenario="chaos/a", seed=7, operator=operator, versions={},
        judgement=Judgement(promises, (), worst(one.verdict for one in promises), None, {}, {}), wall_s=1.0,
        overhead_s=1.0, bundle=Path("out/a b/chaos/a"), reproduce="harness run -k chaos/a --seed 7",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("operator", "command"),
    [
        ({"name": "reference"}, "harness shrink 'out/a b/chaos/a'"),
        ({"name": "provider-services", "sha256": "ab" * 32}, "harness shrink 'out/a b/chaos/a' --operator …"),
    ],
)
def test_a_failure_names_the_command_that_makes_it_small(operator: dict[str, str], command: str) -> None:
    """The second of two commands; a binary has to be given again, for no bundle holds it."""
    lines = result(LOST, operator=operator).explain().splitlines()

    assert lines[-2:] == ["reproduce: harness run -k chaos/a --seed 7", f"one small file that shows it: {command}"]
    assert "  node worker-1: present lost" in lines


def test_what_passed_is_not_made_small() -> None:
    """There is nothing to keep."""
    assert "shrink" not in result(operator={"name": "reference"}).explain()
