"""progress.jsonl: one line for each step, and a full disk is an error that says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.bundle.progress import note
from harness.errors import PlatformError


def test_each_step_is_a_line_of_its_own(tmp_path: Path) -> None:
    """Whatever is in a name, a reader gets back what was noted."""
    path = tmp_path / "progress.jsonl"

    note(path, "chaos/a", "harm: \n\x1b[31m")
    note(path, "chaos/b", "gate")

    told = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert told == [
        {"scenario": "chaos/a", "phase": "harm: \n\x1b[31m"},
        {"scenario": "chaos/b", "phase": "gate"},
    ]


def test_a_full_disk_is_named() -> None:
    """It is the harness's own failure, with what to do."""
    with pytest.raises(PlatformError, match="cannot write /dev/full: No space left") as caught:
        note(Path("/dev/full"), "chaos/a", "gate")

    assert "free some space" in caught.value.hint
