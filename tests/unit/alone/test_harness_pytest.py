"""A reproducer in an empty directory: pytest finds all that it needs, and fails with the finding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

FILE = '''
from __future__ import annotations

from harness import PASS, Run, Scenario

pytest_plugins = ("harness_pytest",)
DEFECT = "rounds-cpu"
SCENARIO = Scenario(id="chaos/x", promises=("SURVIVE-1",), seed=7)


def test_x(run: Run) -> None:
    """SURVIVE-1 is kept."""
    result = run(SCENARIO)

    assert result["SURVIVE-1"] is PASS
'''

TOLD = """
import harness_pytest
from tests.unit.alone import test_harness_pytest as told

harness_pytest.resolve = lambda **_parts: None
harness_pytest.run_scenario = told.failed
"""
"""A plug-in in the place of a real run: what came out is told."""


WARNINGS = ("-W", "error", "-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")
"""Only TOLD imports the plug-in before the file does."""


class Result:
    """A run that broke its promise."""

    def __init__(self, operator: str) -> None:
        from harness.check.verdict import FAIL  # noqa: PLC0415 - this module is loaded by the pytest under test

        self.verdict = FAIL
        self.operator = operator

    def __getitem__(self, _promise: str) -> object:
        return self.verdict

    def explain(self) -> str:
        """What a failing test shows."""
        return f"SURVIVE-1 FAIL: it exited; operator {self.operator}"


def failed(_scenario: object, setup: object) -> Result:
    """In the place of a run."""
    return Result(setup.operator.name)  # type: ignore[attr-defined]


def pytest_alone(place: Path, *words: str, **environment: str) -> tuple[int, str]:
    """Pytest in that directory, which has nothing of the suite: its exit code and what it said."""
    (place / "told.py").write_text(TOLD, encoding="utf-8")
    paths = os.pathsep.join([str(place), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "told", "-q", "-rA", *WARNINGS, *words],
        cwd=place, env={**os.environ, "PYTHONPATH": paths, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("environment", "operator"), [({}, "reference+rounds-cpu"), ({"HARNESS_OPERATOR": "reference"}, "reference")]
)
def test_pytest_alone_fails_with_the_finding(tmp_path: Path, environment: dict[str, str], operator: str) -> None:
    """The file's own operator, or the environment's; the finding stands beside the assertion, and no warning."""
    (tmp_path / "test_x.py").write_text(FILE, encoding="utf-8")
    code, said = pytest_alone(tmp_path, "test_x.py", **environment)

    assert code == 1, said
    assert f"SURVIVE-1 FAIL: it exited; operator {operator}" in said
    assert "1 failed" in said


def test_the_suite_has_its_own(tmp_path: Path) -> None:
    """Where the suite's fixture is loaded, as under `harness run FILE`, this one is not registered."""
    (tmp_path / "test_x.py").write_text(FILE, encoding="utf-8")
    names = ("options", "campaign", "runs", "outcome", "select")
    suite = [word for name in names for word in ("-p", f"fixtures.{name}")]
    code, said = pytest_alone(tmp_path, "test_x.py", *suite, f"--out={tmp_path / 'out'}", "--fixtures-per-test")

    assert code == 0, said
    assert "fixtures/runs.py" in said
    assert "harness_pytest/__init__.py" not in said
