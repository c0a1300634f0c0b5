"""The configuration file that a run gives the operator, and what the history holds of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from harness.cluster.configfile import Configuration, text
from harness.history import reader
from harness.run.configured import argument, document, provide
from harness.run.observe import LiveTruth

if TYPE_CHECKING:
    from pathlib import Path

    from harness.history.writer import HistoryWriter


@pytest.mark.parametrize("volume", [False, True])
def test_the_file_is_there_and_recorded_before_the_operator_starts(
    tmp_path: Path, history: HistoryWriter, *, volume: bool
) -> None:
    """Its name ends in yaml, it says what the scenario excludes, and the truth knows it."""
    live = LiveTruth(history)
    file = provide(Configuration(exclude=("^a$",), volume=volume), tmp_path, live)

    assert file is not None
    assert file.path.name.endswith("yaml")
    assert file.path.is_symlink() is volume
    assert file.read() == text(("^a$",))
    (record,) = reader.read(history.path).of("config")
    assert record["body"]["exclude"]["nodes"] == ["^a$"]


def test_a_configuration_may_be_a_text_and_no_file(tmp_path: Path, history: HistoryWriter) -> None:
    """The operator is given the text itself, the truth knows it, and nothing is written."""
    wanted = Configuration(exclude=("^a$",), inline=True)
    file = provide(wanted, tmp_path, LiveTruth(history))

    assert file is None
    assert argument(wanted, file) == text(("^a$",))
    assert not argument(wanted, file).endswith("yaml")
    assert list(tmp_path.glob("config*")) == []
    (record,) = reader.read(history.path).of("config")
    assert record["body"]["exclude"]["nodes"] == ["^a$"]


def test_the_operator_is_given_the_files_path(tmp_path: Path, history: HistoryWriter) -> None:
    """Or nothing, where there is no configuration."""
    file = provide(Configuration(), tmp_path, LiveTruth(history))

    assert file is not None
    assert argument(Configuration(), file) == str(file.path)
    assert argument(None, None) == ""


def test_without_a_configuration_there_is_no_file(tmp_path: Path, history: HistoryWriter) -> None:
    """Nothing is made and nothing is recorded."""
    assert provide(None, tmp_path, LiveTruth(history)) is None
    assert list(tmp_path.glob("config*")) == []
    assert list(reader.read(history.path).of("config")) == []


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (None, {"raw": None}),
        ("", None),
        ("# nothing\n", None),
        ("a: [", {"raw": "a: ["}),
        ("words", {"raw": "words"}),
        ("[1]", [1]),
        ("version: v1", {"version": "v1"}),
    ],
)
def test_a_history_holds_the_document(content: str | None, body: Any) -> None:
    """What is no document is kept as text, and no file is told apart from an empty one."""
    assert document(content) == body
