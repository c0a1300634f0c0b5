"""What the operator's process uses, from the kernel and from the operator's own profile into the history."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from harness.operator import goroutines
from harness.process.usage import usage_of
from harness.wait import interval

if TYPE_CHECKING:
    from harness.history.writer import HistoryWriter
    from harness.operator.process import OperatorProcess

PERIOD_S = 0.5
"""How often the kernel is asked: a clock tick of 10 ms is then 2 % of a core, and a pause of two seconds has four."""

PROFILE_PERIOD_S = 0.5
PROFILE = "SURVIVE-2"
"""The promise for which the operator's profile is read: it stops its goroutines for a moment, so it is not for all."""


async def follow(operator: OperatorProcess, history: HistoryWriter) -> None:
    """Record for ever what the process uses, whichever process it is by then."""
    while True:
        record(operator, history)
        await interval(PERIOD_S)


def record(operator: OperatorProcess, history: HistoryWriter) -> None:
    """Record what the process uses now; nothing while there is none."""
    child = operator.child
    used = usage_of(child.pid) if child is not None and child.running else None
    if child is not None and used is not None:
        history.add(
            "usage", pid=child.pid, cpu_s=used.cpu_s, waited_s=used.waited_s, rss_kib=used.rss_kib,
            threads=used.threads, fds=used.fds,
        )  # fmt: skip


async def follow_profile(operator: OperatorProcess, history: HistoryWriter) -> None:
    """Record for ever how many goroutines there are, where the operator tells it."""
    async with goroutines.session() as session:
        while True:
            child = operator.child
            if child is not None and child.running:
                profile = await goroutines.read(session, operator.rest_url)
                if profile is not None and operator.child is child:
                    history.add("goroutines", pid=child.pid, total=profile.total, began_in=profile.began_in)
            await interval(PROFILE_PERIOD_S)


def followers(operator: OperatorProcess, history: HistoryWriter, promises: tuple[str, ...]) -> list[asyncio.Task[None]]:
    """The tasks that record it, as far as these promises need it."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(follow(operator, history))]
    if PROFILE in promises:
        tasks.append(loop.create_task(follow_profile(operator, history)))
    return tasks
