"""The track record as data: read, held to the suite, and counted on by replays."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from ci.track_record_page import BEGIN, DOCUMENT, END, STORED, current
from harness.cli import track_record as cli
from harness.errors import HarnessError, UsageError
from harness.evidence import trackrecord
from harness.run.described import scenarios_of

ROOT = Path(__file__).resolve().parents[3]
FINDINGS = trackrecord.read(STORED)
COUNTS: dict[str, Any] = {
    "scenario": "chaos/deletion-missed", "seed": 7, "times": 20, "reproduced": 19, "promises": [{"id": "SURVIVE-1"}],
}  # fmt: skip


def test_the_document_is_up_to_date() -> None:
    """TRACK_RECORD.md says what the findings' file and the suite's scenarios say."""
    document = DOCUMENT.read_text(encoding="utf-8")

    assert document == current(document), "run: python -m ci.track_record_page"
    assert document.count(BEGIN) == document.count(END) == 1


def test_every_finding_can_be_seen_again() -> None:
    """Each has scenarios of the suite, which judge what it broke, and a command that the harness takes."""
    plans = {scenario.id: scenario for scenario in scenarios_of(ROOT)}

    assert [one.number for one in FINDINGS] == list(range(1, len(FINDINGS) + 1))
    assert len(FINDINGS) >= 35
    for one in FINDINGS:
        assert [name for name in one.scenarios if name not in plans] == []
        judged = {promise for name in one.scenarios for promise in plans[name].promises}
        assert judged & {*one.promises}, one.number
        assert one.command.words().startswith(f"harness run -k {one.command.scenario} --operator ./provider-services")
        stores = one.command.datastore.split(",") if one.command.datastore else []
        assert set(stores) <= set(plans[one.command.scenario].possible_on)


def test_nothing_is_claimed_that_nobody_wrote_down() -> None:
    """A count of replays has a seed and a day; nothing is fixed without a version."""
    for one in FINDINGS:
        assert one.affected
        for again in one.again:
            assert (again.shown is None) == (again.times is None)
            assert again.times is None or (0 <= (again.shown or 0) <= again.times and again.seed is not None)


def test_a_replay_is_added_with_its_count(tmp_path: Path) -> None:
    """The last time it was seen is the replay's, the others stay, and the file comes back as it was written."""
    found = trackrecord.replayed(FINDINGS, 3, COUNTS, dt.date(2026, 11, 26))
    trackrecord.write(tmp_path / "findings.json", found)

    assert str(found[2].again[-1]) == "2026-11-26, 19 of 20, seed 7"
    assert found[2].again[:-1] == FINDINGS[2].again
    assert [*found[:2], *found[3:]] == [*FINDINGS[:2], *FINDINGS[3:]]
    assert trackrecord.read(tmp_path / "findings.json") == found


@pytest.mark.parametrize(
    ("number", "change", "said"),
    [
        (99, {}, "there is no finding 99"),
        (3, {"scenario": "chaos/health-tells"}, "finding 3 is not shown by chaos/health-tells"),
        (3, {"promises": [{"id": "TRUTH-1"}]}, "the replay looked for TRUTH-1"),
        (3, {"times": None}, "the file has no counts"),
    ],
)
def test_counts_of_something_else_are_refused(number: int, change: dict[str, Any], said: str) -> None:
    """A replay of another scenario or promise says nothing of this finding."""
    with pytest.raises(UsageError, match=said):
        trackrecord.replayed(FINDINGS, number, {**COUNTS, **change}, dt.date(2026, 11, 26))


def broken(**change: Any) -> str:
    """The findings' file with something changed in its first finding."""
    body = json.loads(STORED.read_text(encoding="utf-8"))
    body["findings"][0] |= change
    return json.dumps(body)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot read the findings"),
        ('{"format": "x"}', "holds no findings of version 1"),
        (broken(number=2), "not in order, or are there twice"),
        (broken(promises=["TRUTH-9"]), "TRUTH-9 is no promise"),
        (broken(recorded="yesterday"), "'yesterday' is no day"),
        (broken(command={"scenario": "chaos/x", "seed": 1}), "its command runs chaos/x"),
        (broken(severity="high"), "has 'severity', which is not known"),
    ],
)
def test_a_file_that_cannot_be_right_is_refused(tmp_path: Path, content: str, said: str) -> None:
    """One error that says which finding and what."""
    path = tmp_path / "findings.json"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(HarnessError, match=said):
        trackrecord.read(path)


def test_marks_that_are_missing_are_said() -> None:
    """A document without the marks is not written over."""
    with pytest.raises(ValueError, match="has not each mark once"):
        current("# Track record\n")


@pytest.mark.parametrize("given", ["3", "x=y", "3=nowhere.json"])
def test_a_count_without_its_finding_is_refused(given: str) -> None:
    """NUMBER=FILE, and the file is there."""
    with pytest.raises(UsageError, match="no NUMBER=FILE"):
        cli.parsed(given)


def test_programs_get_the_command_too() -> None:
    """Each entry has the record's fields, and the command in words."""
    entry = cli.as_json(dataclasses.replace(FINDINGS[13], fixed="v1"))

    assert entry["fixed"] == "v1"
    assert str(entry["command"]).endswith("--seed 21 --datastore postgres,mysql")
