from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import PlatformError
from harness.fault.journal import FILE_NAME, Entry, Journal, pending

if TYPE_CHECKING:
    from pathlib import Path


def entry(number: int) -> Entry:
    """An injection with some state."""
    return Entry(f"{number}-node-cordoned", "node-cordoned", {"kind": "node-cordoned", "for_s": 2.0}, {"target": "n"})


def test_what_was_not_undone_is_pending(tmp_path: Path) -> None:
    """Open entries come back whole, oldest first; undone ones do not."""
    journal = Journal(tmp_path)
    for number in range(3):
        journal.open(entry(number))
    journal.close(entry(1).id)

    assert pending(tmp_path / FILE_NAME) == [entry(0), entry(2)]


def test_a_healed_run_has_nothing_pending(tmp_path: Path) -> None:
    """When all was undone there is nothing to do."""
    journal = Journal(tmp_path)
    journal.open(entry(0))
    journal.close(entry(0).id)

    assert pending(tmp_path / FILE_NAME) == []


def test_a_run_without_faults_has_no_journal(tmp_path: Path) -> None:
    """No file means that nothing was harmed."""
    assert pending(tmp_path / FILE_NAME) == []


@given(opened=st.lists(st.integers(0, 5), max_size=8), data=st.data())
def test_pending_is_what_was_opened_and_not_closed(
    tmp_path_factory: pytest.TempPathFactory, opened: list[int], data: st.DataObject
) -> None:
    """For any order of injections and heals the journal tells which are open, also when its last line is torn."""
    directory = tmp_path_factory.mktemp("j")
    journal, expected = Journal(directory), []
    for number in opened:
        if entry(number) not in expected:
            expected.append(entry(number))
            journal.open(entry(number))
        elif data.draw(st.booleans()):
            expected.remove(entry(number))
            journal.close(entry(number).id)
    with journal.path.open("a", encoding="utf-8") as file:
        file.write('{"id":"9-torn","fau')

    assert pending(journal.path) == expected


def test_an_entry_is_on_disk_before_the_deed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line is forced to the disk."""
    forced: list[int] = []
    monkeypatch.setattr("harness.fault.journal.os.fsync", forced.append)

    Journal(tmp_path).open(entry(0))

    assert len(forced) == 1


def test_a_journal_that_cannot_be_written_stops_the_fault(tmp_path: Path) -> None:
    """The error names the file: without an undo there is no harm."""
    with pytest.raises(PlatformError, match=r"none/journal\.jsonl"):
        Journal(tmp_path / "none").open(entry(0))
