"""The gate's templates for CI systems: valid, and calling a command that there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli.gate import gate_command

ACTION, GITLAB = "ci/gate/action.yml", "ci/gate/gitlab.yml"
PLACEHOLDER = re.compile(r"\b(OWNER|ORG|USER|EXAMPLE|YOUR[_-]\w+)\b|<[a-z -]+>")
ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = (ACTION, GITLAB)


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
    given = [part for step in body["runs"]["steps"] for part in (step.get("env"), step.get("with")) if part]
    handed = {value for part in given for value in part.values()}

    assert {f"${{{{ inputs.{name} }}}}" for name in body["inputs"]} <= handed


def test_the_exit_code_reaches_the_build() -> None:
    """The action ends with the gate's own code, after the summary was written."""
    assert script("ci/gate/action.yml").rstrip().endswith('exit "$code"')


def test_nothing_is_left_to_be_filled_in() -> None:
    """No template holds a placeholder: what differs from place to place is an input or a variable with a default."""
    for path in sorted((ROOT / "ci" / "gate").iterdir()):
        assert PLACEHOLDER.findall(path.read_text(encoding="utf-8")) == [], path.name


def test_the_action_is_a_composite_action_that_can_be_used() -> None:
    """A directory with action.yml, and in it what GitHub wants of a composite action, key by key."""
    body = load(ACTION)

    assert set(body) == {"name", "description", "inputs", "outputs", "runs"}
    for name, given in body["inputs"].items():
        assert set(given) in ({"description", "required"}, {"description", "default"}), name
        assert isinstance(given.get("default", ""), str), name
    assert {name for name, given in body["inputs"].items() if given.get("required")} == {"candidate", "baseline"}
    assert body["outputs"]["verdict"]["value"] == "${{ steps.gate.outputs.verdict }}"
    assert body["runs"]["using"] == "composite"
    for step in body["runs"]["steps"]:
        assert ("run" in step) is ("shell" in step) is ("uses" not in step), step["name"]
        assert "uses" not in step or re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
    assert [step["id"] for step in body["runs"]["steps"] if "id" in step] == ["gate"]


def test_the_template_is_a_job_that_can_be_extended() -> None:
    """A hidden job with variables as text, a cache, a script and artifacts; nothing of it is required."""
    body = load(GITLAB)
    (job,) = body.values()

    assert set(body) == {".inventory-gate"}
    assert set(job) == {"variables", "cache", "script", "artifacts"}
    assert all(isinstance(value, str) for value in job["variables"].values())
    assert all(isinstance(line, str) for line in job["script"])
    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"] == {"junit": "gate.xml"}
    used = set(re.findall(r"\$\{?([A-Z_]+)", "\n".join(job["script"]) + str(job["variables"])))
    assert {name for name in used if not name.startswith("CI_")} <= set(job["variables"])


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_usage_at_its_head_is_right(name: str) -> None:
    """The example in the comment is YAML, and uses what the template offers."""
    head = (ROOT / name).read_text(encoding="utf-8").partition("\n\n")[0]
    lines = [line.removeprefix("#") for line in head.splitlines() if line.startswith("#   ")]
    example = yaml.safe_load("\n".join(lines))

    if name == ACTION:
        given = set(example[-1]["with"])
        assert given <= set(load(ACTION)["inputs"])
        assert example[-1]["uses"] == f"./{example[0]['with']['path']}/ci/gate"
    else:
        assert example["include"][0]["file"] == GITLAB
        assert example["gate"]["extends"] in load(GITLAB)
        assert set(example["gate"]["variables"]) <= set(load(GITLAB)[".inventory-gate"]["variables"])


STUB = """\
#!/bin/sh
echo "$@" > "$RUNNER_TEMP/words"
for word in "$@"; do case "$last" in --out) mkdir -p "$word"; echo table > "$word/gate.md";; esac; last="$word"; done
exit "$CODE"
"""


@pytest.mark.parametrize(
    ("code", "verdict"), [(0, "no worse"), (1, "a regression"), (2, "cannot say"), (3, "not carried out")]
)
def test_the_action_says_what_came_out(tmp_path: Path, code: int, verdict: str) -> None:
    """Its script, with a gate that ends with each code: output, summary, exit code, and arguments in one piece each."""
    harness = tmp_path / "harness"
    (harness / "ci").mkdir(parents=True)
    (harness / "ci" / "bootstrap.py").write_text("", encoding="utf-8")
    (harness / ".venv" / "bin").mkdir(parents=True)
    (harness / ".venv" / "bin" / "harness").write_text(STUB, encoding="utf-8")
    (harness / ".venv" / "bin" / "harness").chmod(0o755)
    environment = {
        "PATH": os.environ["PATH"], "ROOT": str(harness), "RUNNER_TEMP": str(tmp_path), "PYTHON": sys.executable,
        "GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "CODE": str(code),
        "CANDIDATE": "./a b; rm -rf x", "BASELINE": "reference", "MARKS": "quick", "TIMES": "2", "KNOWN": "",
        "SEED": "7",
    }  # fmt: skip
    done = subprocess.run(["bash", "-eo", "pipefail", "-c", script(ACTION)], env=environment, check=False, cwd=tmp_path)

    assert done.returncode == code
    assert (tmp_path / "output").read_text(encoding="utf-8") == f"verdict={verdict}\n"
    assert (tmp_path / "summary").read_text(encoding="utf-8") == "table\n"
    words = (tmp_path / "words").read_text(encoding="utf-8")
    assert "--candidate ./a b; rm -rf x --baseline reference" in words
    assert "--seed 7" in words
    assert "--known" not in words
