"""The gate's templates for CI systems: valid, and calling a command that there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli.gate import gate_command

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = ("ci/gate/action.yml", "ci/gate/gitlab.yml")


def load(name: str) -> dict[str, Any]:
    """A template as data."""
    body: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return body


def script(name: str) -> str:
    """What it runs, as one text."""
    body = load(name)
    if "runs" in body:
        return "\n".join(step["run"] for step in body["runs"]["steps"] if "run" in step)
    return "\n".join(body[".inventory-gate"]["script"])


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_command_has_these_options(name: str) -> None:
    """Each option that is given to `harness gate` is one of its options."""
    text = re.sub(r"\\\n", " ", script(name))
    line = next(line for line in text.splitlines() if re.search(r"/harness\" gate ", line))
    known = {option for parameter in gate_command.params for option in parameter.opts}

    given = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", line.partition(" gate ")[2]))

    assert {"--candidate", "--baseline", "--out", "-m", "--times", "--known"} <= given
    assert given <= known


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_is_given_from_outside_is_never_part_of_a_script(name: str) -> None:
    """Inputs reach scripts as variables in quotes: a file's name cannot be a command."""
    assert "${{ inputs" not in script(name)
    for variable in ("CANDIDATE", "BASELINE", "MARKS", "TIMES"):
        assert f'"${variable}"' in script(name)


def test_every_input_of_the_action_is_used() -> None:
    """An input that is not handed on would be ignored in silence."""
    body = load("ci/gate/action.yml")
    handed = {value for step in body["runs"]["steps"] for value in (step.get("env") or {}).values()}

    assert {f"${{{{ inputs.{name} }}}}" for name in body["inputs"]} <= handed


def test_the_exit_code_reaches_the_build() -> None:
    """The action ends with the gate's own code, after the summary was written."""
    assert script("ci/gate/action.yml").rstrip().endswith('exit "$code"')
