"""What allure-pytest writes of a run, read back from its files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.check.contract import judge_history
from harness.run.result import RunResult
from tests.unit.bundle.written import SCENARIO, VERSIONS, whole

ROOT = Path(__file__).resolve().parents[3]
SUITE = ("fixtures.options", "fixtures.campaign", "fixtures.runs", "fixtures.outcome", "fixtures.select")

FILE = """
import pytest

from harness import PASS
from tests.unit.bundle.written import SCENARIO


@pytest.mark.promise(*SCENARIO.promises)
def test_told(run):
    result = run(SCENARIO)

    assert result["SURVIVE-1"] is PASS
"""

TOLD = """
import fixtures.campaign
import fixtures.runs
from tests.unit.reports import test_allure as told

fixtures.campaign.resolve = lambda **_parts: None
fixtures.runs.run_scenario = told.result
"""
"""A plug-in in the place of real runs."""


def result(scenario: Any, setup: Any) -> RunResult:
    """A run in which the operator died, or not, by the campaign's seed."""
    from harness.history import reader  # noqa: PLC0415 - this module is loaded by the pytest under test as well

    bundle = whole(setup.out, dies=setup.seed == 1)
    judgement = judge_history(reader.read(bundle / "history.jsonl"))
    return RunResult(scenario.id, setup.seed, {"name": "told"}, VERSIONS, judgement, 1.0, 0.5, bundle)


def written(place: Path, *, seed: int) -> tuple[dict[str, Any], Path]:
    """The one test's result file of a session, and the directory of its attachments."""
    (place / "test_told.py").write_text(FILE, encoding="utf-8")
    (place / "told.py").write_text(TOLD, encoding="utf-8")
    plugins = [word for name in (*SUITE, "told") for word in ("-p", name)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins, "test_told.py", f"--seed={seed}",
         "--out=out", "--alluredir=allure", "-c", str(ROOT / "tox.ini"), f"--rootdir={place}",
         "--allure-link-pattern=promise:https://contract.invalid/#{}"],
        cwd=place, env={**os.environ, "PYTHONPATH": os.pathsep.join([str(place), str(ROOT)])}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == (1 if seed == 1 else 0), done.stdout + done.stderr
    (path,) = (place / "allure").glob("*-result.json")
    body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return body, place / "allure"


@pytest.mark.parametrize(
    ("seed", "verdict", "severity", "steps"),
    [
        (1, "FAIL", "critical", {"SURVIVE-1 FAIL": "failed", "SHAPE-1 PASS": "passed"}),
        (2, "PASS", "minor", {"SURVIVE-1 PASS": "passed", "SHAPE-1 PASS": "passed"}),
    ],
)
def test_a_run_is_told_to_allure(tmp_path: Path, seed: int, verdict: str, severity: str, steps: dict[str, str]) -> None:
    """Title, severity, labels and links of the promises, a step for each verdict, and the evidence attached."""
    body, place = written(tmp_path, seed=seed)
    labels = [(one["name"], one["value"]) for one in body["labels"]]

    assert body["name"] == SCENARIO.id
    assert body["status"] == ("failed" if verdict == "FAIL" else "passed")
    assert ("severity", severity) in labels
    assert ("verdict", verdict) in labels
    assert [value for name, value in labels if name == "promise"] == list(SCENARIO.promises)
    assert {(one["type"], one["url"]) for one in body["links"]} == {
        ("promise", f"https://contract.invalid/#{name}") for name in SCENARIO.promises
    }
    assert {one["name"]: one["status"] for one in body["steps"]} == steps
    assert {one["name"]: one["value"] for one in body["parameters"]}["seed"] == f"'{seed}'".strip("'")
    attached = {one["name"]: (one["type"], place / one["source"]) for one in body["attachments"]}
    assert {name: kind for name, (kind, _path) in attached.items()} == {
        "report.html": "text/html", "verdicts.json": "application/json", "history.jsonl": "text/plain",
    }  # fmt: skip
    assert all(path.stat().st_size for _kind, path in attached.values())
    assert "<script" not in attached["report.html"][1].read_text(encoding="utf-8")
    assert json.loads(attached["verdicts.json"][1].read_text(encoding="utf-8"))["verdict"] == verdict


def test_what_was_found_stands_in_the_step(tmp_path: Path) -> None:
    """The failed step says what broke the promise, not only that it is broken."""
    body, _place = written(tmp_path, seed=1)
    (step,) = [one for one in body["steps"] if one["name"] == "SURVIVE-1 FAIL"]

    assert "the operator exited by itself" in step["statusDetails"]["message"]
