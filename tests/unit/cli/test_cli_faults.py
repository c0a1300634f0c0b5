"""`harness faults`: what it says is what the code says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from ci.faults_page import DOCUMENT, current
from harness import Scenario, faults
from harness.cli.faults import plain
from harness.cli.main import cli
from harness.errors import UsageError
from harness.fault import catalog
from harness.run.described import Described, describe, first_sentence, needs, scenarios_of

if TYPE_CHECKING:
    from pathlib import Path

CUT = Scenario(
    id="chaos/cut", promises=("RECOVER-1", "TRUTH-1"), faults=(faults.ApiServerKilled(),)
)  # fmt: skip
BOTH = Scenario(
    id="chaos/both", promises=("SURVIVE-1", "TRUTH-1"),
    faults=(faults.Together(faults.ApiServerKilled(), faults.NodeSilent()),),
)  # fmt: skip


def described(*scenarios: Scenario) -> dict[str, Described]:
    """The catalogue by name, for a suite of these scenarios."""
    return {fault.name: fault for fault in describe(scenarios)}


def listed(*words: str) -> str:
    """What the command prints."""
    result = CliRunner().invoke(cli, ["faults", *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_json_is_a_list_of_objects_with_the_documented_keys() -> None:
    """Every kind is there once, by name."""
    body: list[dict[str, Any]] = json.loads(listed("--json"))

    assert [fault["name"] for fault in body] == sorted(catalog.KINDS)
    for fault in body:
        assert list(fault) == ["name", "harms", "radius", "needs", "proves", "threatens", "scenarios"]
        assert all(isinstance(fault[key], list) for key in ("radius", "needs", "threatens", "scenarios"))


def test_every_fault_says_what_it_harms_and_how_it_proves_it() -> None:
    """Both are a sentence."""
    found = describe(())

    assert [fault.name for fault in found if not fault.harms.endswith(".") or len(fault.harms) < 15] == []
    assert [fault.name for fault in found if not fault.proves.endswith(".") or len(fault.proves) < 15] == []


def test_what_a_fault_threatens_is_what_its_scenarios_judge() -> None:
    """Promises stand in the contract's order, scenarios by id, and a part of a fault counts as used."""
    found = described(CUT, BOTH)

    assert found["api-server-killed"].scenarios == ("chaos/both", "chaos/cut")
    assert found["api-server-killed"].threatens == ("TRUTH-1", "RECOVER-1", "SURVIVE-1")
    assert found["node-silent"].scenarios == found["together"].scenarios == ("chaos/both",)
    assert found["node-silent"].threatens == ("TRUTH-1", "SURVIVE-1")
    assert found["compacted"].scenarios == found["compacted"].threatens == ()


def test_needs_are_those_of_the_catalogue() -> None:
    """First what its scenario must have, then what the backend must be capable of; nothing where it needs nothing."""
    assert needs("compacted") == ("datastore etcd or etcd3", "datastore-faults")
    assert needs("member-slowed") == ("datastore etcd3", "datastore-faults", "relay")
    assert needs("server-killed") == (
        "datastore etcd3", "three servers", "api-server-faults", "datastore-faults", "servers"
    )  # fmt: skip
    assert needs("port-taken") == ("supervised operator", "operator-process")
    assert needs("node-silent") == ("simulated-nodes",)
    assert needs("operator-killed") == ()


@pytest.mark.parametrize(
    ("docstring", "sentence"),
    [
        ("One. Two.", "One."),
        ("Over\n    two lines; on and on.\n\n    More.", "Over two lines; on and on."),
        ("Half of 0.5 s is 0.25 s. So.", "Half of 0.5 s is 0.25 s."),
        ("No stop", "No stop"),
        (None, ""),
    ],
)
def test_a_first_sentence_ends_at_its_full_stop(docstring: str | None, sentence: str) -> None:
    """Lines are joined, and a dot within a number ends nothing."""
    assert first_sentence(docstring) == sentence


def test_outside_of_a_terminal_it_is_plain_text() -> None:
    """A paragraph for each fault, with a dash where there is nothing to say."""
    text = listed()

    assert "\nallocatable-changed\n  harms:     A node's allocatable changes" in text
    assert text.count("\n\n") == len(catalog.KINDS) - 1
    assert "  needs:     -\n" in text
    assert "\x1b" not in text
    assert plain(describe(scenarios_of(DOCUMENT.parents[1]))) + "\n" == text


def test_on_a_terminal_it_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a heading, and with square brackets as they are."""
    console = Console(force_terminal=True, width=200, color_system=None)
    monkeypatch.setattr("harness.cli.faults.Console", lambda: console)
    with console.capture() as captured:
        listed()

    heading = next(line for line in captured.get().splitlines() if "harms" in line)
    assert [word for word in heading.split() if word.isalpha()] == [
        "fault", "harms", "radius", "needs", "proves", "threatens", "scenarios",
    ]  # fmt: skip


@pytest.mark.parametrize("source", ["import nothing_of_that_name", "def broken("])
def test_a_scenario_file_that_cannot_be_loaded_is_named(source: str, tmp_path: Path) -> None:
    """The error says which file and why."""
    (tmp_path / "scenarios" / "chaos").mkdir(parents=True)
    (tmp_path / "scenarios" / "chaos" / "test_broken.py").write_text(source, encoding="utf-8")

    with pytest.raises(UsageError, match=r"test_broken\.py cannot be loaded"):
        scenarios_of(tmp_path)


def test_the_page_is_up_to_date() -> None:
    """docs/faults.md says what the code says."""
    assert DOCUMENT.read_text(encoding="utf-8") == current(), "run: python -m ci.faults_page"
