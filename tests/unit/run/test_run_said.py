"""What the operator's log says, as the history holds it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from harness.history import reader
from harness.run.said import about, follow, naming
from harness.wait import Progress, until

if TYPE_CHECKING:
    from pathlib import Path

    from harness.history.writer import HistoryWriter


def records(history: HistoryWriter) -> list[tuple[int, list[str]]]:
    """What is recorded of the log."""
    return [(record["lines"], record["said"]) for record in reader.read(history.path).of("log")]


def test_new_lines_are_counted_and_some_are_shown(tmp_path: Path, history: HistoryWriter) -> None:
    """A first record says that the log is followed; then whole lines of both outputs count, each once."""
    (tmp_path / "operator.stdout.log").write_text("hello\n", encoding="utf-8")

    async def lines(count: int) -> None:
        async def there(progress: Progress) -> bool | None:
            progress.last = str(records(history))
            return sum(number for number, _said in records(history)) == count or None

        await until(f"{count} lines", there, deadline_s=10.0)

    async def go() -> None:
        task = asyncio.create_task(follow(tmp_path, history, [8080, 8081]))
        await lines(1)
        with (tmp_path / "operator.stderr.log").open("a", encoding="utf-8") as log:
            log.write("config.yaml: bad\nall is well\nhalf a li")
            log.flush()
            await lines(3)
            log.write("ne\nlisten tcp :8081: bind: address already in use\n")
            log.flush()
            await lines(5)
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(go())
    assert records(history)[0] == (0, [])
    assert [said for _lines, said in records(history) if said] == [["config.yaml: bad"]]
    assert [record.get("ports") for record in reader.read(history.path).of("log")][-1] == [8081]


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("E reading config.yaml", True), ("could not parse", True), ("couldn't parse", True), ("unable to load", True),
        ("invalid regexp", True), ("started hardware discovery pod", False), ("ERROR", True), ("a terrible day", False),
    ],
)  # fmt: skip
def test_lines_that_may_be_about_it_are_shown(line: str, kept: Any) -> None:
    """Words of trouble and of the file make a line one that may be about the configuration."""
    assert bool(about([line])) is bool(kept)


def test_no_more_is_shown_than_can_be_read() -> None:
    """Three lines at most, each cut."""
    assert about(["error " + "x" * 1000] * 5) == [("error " + "x" * 1000)[:300]] * 3


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("listen tcp 0.0.0.0:8080: bind: address already in use", [8080]), ("cannot listen on 127.0.0.1:8081", [8081]),
        ("rest listening on 0.0.0.0:8080", []), ("error: port 18080 is in use", []), ("address already in use", []),
        ("unable to bind 8080 and 8081", [8080, 8081]), ("error: 80801", []),
    ],
)  # fmt: skip
def test_a_port_is_named_by_a_line_of_failure_with_the_whole_number(line: str, named: list[int]) -> None:
    """A line that only says where the operator listens names no port, nor does a longer number that holds it."""
    assert naming([line], [8080, 8081]) == named
