"""The file that fails alone, and the text of an issue: complete, and safe whatever an operator said."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from harness import faults
from harness.evidence.reproducer import Reproduced, command, file_text, issue, steps
from harness.run.described import scenarios_of
from harness.scenario import Scenario
from harness.traffic.pods import Churn
from tests.unit.reports.bundles import HOSTILE

ROOT = Path(__file__).resolve().parents[3]

SCENARIO = Scenario(
    id="chaos/deletion-missed",
    promises=("SURVIVE-1", "RECOVER-1"),
    faults=(faults.DeletionMissed(node="worker-2"),),
    traffic=Churn(plain=True),
    objectives={"RECOVER-1": 20.0},
    seed=7,
)
VERSIONS = {"harness": "0.1.0", "kube-apiserver": "v1.34.4"}


def reproduced(
    *, said: str = "panic: nil map", operator: dict[str, str] | None = None, store: str = "etcd"
) -> Reproduced:
    """A minimal run."""
    return Reproduced(
        SCENARIO, f"SURVIVE-1: operator process {said}", {"SURVIVE-1": [f"it exited; its last words: {said}"]}, 3, 4,
        operator or {"name": "provider-services", "sha256": "ab" * 32}, VERSIONS, store,
    )  # fmt: skip


def test_the_file_is_a_test_as_those_of_the_suite(tmp_path: Path) -> None:
    """It declares the scenario with its seed, and asserts what is broken; the suite's own reader finds the scenario."""
    what = reproduced()
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / what.file_name).write_text(file_text(what), encoding="utf-8")

    assert what.file_name == "test_deletion_missed.py"
    assert scenarios_of(tmp_path) == (SCENARIO,)
    tree = ast.parse(file_text(what))
    assert (ast.get_docstring(tree) or "").count("\n") >= 2
    (function,) = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert [ast.unparse(node.test) for node in function.body if isinstance(node, ast.Assert)] == [
        "result['SURVIVE-1'] is PASS"
    ]
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules == {"__future__", "harness"}
    assert max(map(len, file_text(what).splitlines())) <= 120


@pytest.mark.parametrize("said", [HOSTILE, '"""\nimport os\n"""', "\\", "\\N{bad}", "x" * 5000, '\', """ + \''])
def test_hostile_words_stay_words(said: str) -> None:
    """They end no docstring, break no line, hide nothing and turn nothing round; Markdown shows them."""
    what = reproduced(said=said, operator={"name": HOSTILE, "sha256": "ab"})
    text = file_text(what)

    compile(text, "test", "exec")
    assert [ast.unparse(node) for node in ast.parse(text).body if isinstance(node, ast.Import)] == []
    for shown in (text, issue(what)):
        assert not re.search(r"[\x1b\x07\u202e]", shown)
    assert "<script>" not in issue(what).partition("```")[0]


@pytest.mark.parametrize(
    ("operator", "store", "expected"),
    [
        (None, "etcd", "harness run test_deletion_missed.py --operator ./provider-services"),
        ({"name": "reference"}, "etcd", "harness run test_deletion_missed.py"),
        ({"name": "x", "defect": "d"}, "sqlite", "harness run test_deletion_missed.py --defect d --datastore sqlite"),
    ],
)  # fmt: skip
def test_one_command_shows_it(operator: dict[str, str] | None, store: str, expected: str) -> None:
    """With the operator, and the datastore where it is not the usual one; the seed is in the file."""
    assert command(reproduced(operator=operator, store=store)) == expected


@pytest.mark.parametrize(
    ("operator", "line"),
    [
        (None, 'OPERATOR = "./provider-services"'),
        ({"name": "reference+rounds-cpu", "defect": "rounds-cpu"}, 'DEFECT = "rounds-cpu"'),
    ],
)
def test_the_file_stands_alone(operator: dict[str, str] | None, line: str) -> None:
    """It names the plug-in that runs it and the operator that it fails on, so that pytest needs nothing beside it."""
    text = file_text(reproduced(operator=operator))

    assert 'pytest_plugins = ("harness_pytest",)' in text.splitlines()
    assert line in text.splitlines()


def test_an_issue_says_all_that_is_asked_for() -> None:
    """What happened, what was expected, versions, steps, command and file."""
    text = issue(reproduced())

    assert text.startswith("# SURVIVE-1: operator process panic: nil map\n")
    for said in (
        "## What happened", "3 of 4 runs", "## What was expected", "SURVIVE-1: no panic, no exit, no deadlock.",
        "## Versions", "provider-services, sha256 abab", "v1.34.4", "## Steps", "3 simulated nodes", "deletion-missed",
        "A pod and a node are deleted", "## To reproduce", "```console\n$ harness run test_deletion_missed.py",
        "```python\n", "SCENARIO = Scenario(",
    ):  # fmt: skip
        assert said.replace("-", "-") in text.replace("\\", ""), said


def test_a_run_without_harm_says_so() -> None:
    """The steps tell of traffic, or of watching alone."""
    quiet = Scenario(id="conformance/x", promises=("TRUTH-3",), traffic=None)
    what = Reproduced(quiet, "x", {"TRUTH-3": ["x"]}, 1, 1, {"name": "reference"}, {}, "etcd")

    assert list(steps(what))[-1] == "Nothing is harmed; the inventory is watched for 4 s."
