"""The documents say what is so: commands parse, links lead somewhere, and every id that is named exists."""

from __future__ import annotations

import ast
import re
import shlex
from functools import cache
from pathlib import Path

import click
import pytest

from ci.bootstrap import SETUP, known
from harness.check.contract import PROMISES
from harness.cli.main import cli
from harness.reference.defects import DEFECTS
from harness.run.described import scenarios_of

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "scenarios").rglob("*.md"))
)
COMMAND = re.compile(r"^\$ ((?:\.venv/bin/)?harness .*)$")
BOOTSTRAP = re.compile(r"python3 ci/bootstrap\.py ([a-z-]+)\b")
PLACEHOLDER = re.compile(r"…|^[A-Z_]+$|\[")
"""Usage lines such as `harness run -k EXPR` are descriptions, not commands."""

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PROMISE = re.compile(r"\b(?:SHAPE|TRUTH|LABEL|AVAIL|RECOVER|SURVIVE|NAMES|CONFIG)-\d+\b")
SCENARIO = re.compile(r"(?<![\w/.])((?:chaos|conformance|regression|shared)/[a-z0-9]+(?:-[a-z0-9]+)*)(?![\w/.*-]|\.py)")
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def text(name: str) -> str:
    """The content of a document."""
    return (ROOT / name).read_text(encoding="utf-8")


def code(name: str) -> list[str]:
    """Every line of code of a document: fenced lines as they are, inline spans with the "$ " that marks a command."""
    fenced = re.findall(r"^```\w*\n(.*?)^```", text(name), re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```", "", text(name), flags=re.MULTILINE | re.DOTALL)
    spans = ["$ " + " ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    return [line for block in fenced for line in block.splitlines()] + spans


def commands(name: str) -> list[list[str]]:
    """Every `harness …` of a document that is a command and not a description, as words after `harness`."""
    found = []
    for line in code(name):
        match = COMMAND.match(line.strip())
        words = shlex.split(match[1], comments=True)[1:] if match else []
        if words and not any(PLACEHOLDER.search(word) for word in words):
            found.append(words)
    return found


def parse(words: list[str]) -> click.Context:
    """Parse a command line as the `harness` command would, without carrying anything out; raises click's UsageError."""
    command: click.Command = cli
    context = click.Context(command, info_name="harness")
    while True:
        context = command.make_context(context.info_name, list(words), parent=context.parent)
        if not isinstance(command, click.Group):
            return context
        name, found, words = command.resolve_command(context, context._protected_args + context.args)
        assert name is not None
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)


@cache
def scenario_ids() -> frozenset[str]:
    """The id of every scenario in scenarios/."""
    return frozenset(scenario.id for scenario in scenarios_of(ROOT))


def test_there_is_something_to_examine() -> None:
    """The documents, their commands and the scenarios are found, so that the rules below are about something."""
    assert {"README.md", "CONTRIBUTING.md", "docs/decisions.md"} <= set(DOCUMENTS)
    assert sum(len(commands(name)) for name in DOCUMENTS) >= 12
    assert len(scenario_ids()) >= 30


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_line_parses(name: str) -> None:
    """Each `harness …` in a document names a command and options that exist, with values that they take."""
    for words in commands(name):
        parse(words)


@pytest.mark.parametrize("words", [["run", "--nothing"], ["nothing"], ["run", "-n", "0"], ["cluster", "down"]])
def test_a_wrong_command_line_would_be_noticed(words: list[str]) -> None:
    """The parser behind the test above refuses options, commands and values that do not exist."""
    with pytest.raises(click.UsageError):
        parse(words)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_way_to_run_exists(name: str) -> None:
    """Each `python3 ci/bootstrap.py NAME` names an environment or a label of tox.ini."""
    environments, labels = known((ROOT / "tox.ini").read_text(encoding="utf-8"))

    assert set(BOOTSTRAP.findall(text(name))) <= {SETUP, *environments, *labels}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_relative_link_leads_to_a_file(name: str) -> None:
    """A link within the repository leads to a file that is there."""
    targets = [target.split("#")[0] for target in LINK.findall(text(name)) if "://" not in target]

    assert [target for target in targets if target and not ((ROOT / name).parent / target).exists()] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_promise_that_is_named_exists(name: str) -> None:
    """A promise id in a document is one of the contract."""
    assert set(PROMISE.findall(text(name))) - set(PROMISES) == set()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_scenario_that_is_named_exists(name: str) -> None:
    """A scenario id in a document is that of a scenario."""
    assert set(SCENARIO.findall(text(name))) - scenario_ids() == set()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_defect_that_is_named_exists(name: str) -> None:
    """What stands after --defect in a command is a saboteur of the reference operator."""
    given = {words[words.index("--defect") + 1] for words in commands(name) if "--defect" in words}

    assert given - set(DEFECTS) == set()


def test_code_in_documents_is_from_the_repository() -> None:
    """Each Python example is found, line for line, in a module of the repository."""
    sources = [
        path.read_text(encoding="utf-8")
        for top in ("harness", "scenarios")
        for path in ROOT.joinpath(top).rglob("*.py")
    ]
    for name in DOCUMENTS:
        for block in PYTHON.findall(text(name)):
            ast.parse(block)
            parts = [part.strip("\n") for part in re.split(r"\n\n\n", block.strip("\n"))]
            for part in parts:
                assert any(part in source for source in sources), f"{name}:\n{part}"
