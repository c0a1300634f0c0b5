"""What a machine may run out of beside an operator."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from harness.errors import PlatformError
from harness.history import reader
from harness.run import shortage

if TYPE_CHECKING:
    from harness.history.writer import HistoryWriter


def test_instances_are_counted_and_given_back() -> None:
    """The kernel is asked, and asking for more than there can be leaves as many as there were."""
    before = shortage.instances(shortage.INSTANCES)
    most = shortage.instances(1_000_000)
    assert 0 < before <= most < 1_000_000
    assert shortage.instances(shortage.INSTANCES) == before


@pytest.mark.parametrize(("left", "word"), [(0, "none"), (3, "only 3")])
def test_a_machine_without_enough_is_refused_with_a_way_out(left: int, word: str) -> None:
    """The message has how many are left, of how many, and what to do."""
    with pytest.raises(PlatformError, match=rf"{word} of \d+ inotify instances left") as raised:
        shortage.require(lambda _wanted: left)
    assert "fs.inotify.max_user_instances" in raised.value.hint


def test_a_machine_with_enough_is_accepted() -> None:
    """Eight at once are enough."""
    shortage.require(lambda wanted: wanted)


def test_a_shortage_that_comes_is_written_down_once(history: HistoryWriter) -> None:
    """The looks go on until one finds a shortage."""
    answers = [8, 8, 2]

    async def go() -> None:
        async with asyncio.timeout(20.0):
            await shortage.follow(history, lambda _wanted: answers.pop(0))

    asyncio.run(go())
    (mark,) = reader.read(history.path).of("mark")
    assert (mark["mark"], answers) == (shortage.MARK, [])
    assert "only 2 of" in mark["detail"]
