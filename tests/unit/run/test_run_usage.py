"""What the operator's process uses, on its way into the history."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from harness.history import reader
from harness.run import usage
from harness.wait import Progress, until

if TYPE_CHECKING:
    from harness.history.writer import HistoryWriter


def operator(*, running: bool = True, rest_url: str = "http://127.0.0.1:1") -> Any:
    """As much of an operator as the observer sees; its process is this one."""
    return SimpleNamespace(child=SimpleNamespace(pid=os.getpid(), running=running), rest_url=rest_url)


def test_a_sample_is_one_record(history: HistoryWriter) -> None:
    """Which process, and what it uses; where there is none, nothing is written."""
    usage.record(operator(), history)
    usage.record(operator(running=False), history)
    usage.record(SimpleNamespace(child=None), history)  # type: ignore[arg-type]

    (record,) = reader.read(history.path).of("usage")
    assert record["pid"] == os.getpid()
    assert min(record[name] for name in ("cpu_s", "rss_kib", "threads", "fds")) > 0


def test_the_profile_is_read_where_leaks_are_looked_for(history: HistoryWriter) -> None:
    """For SURVIVE-2 goroutines are recorded as well; for anything else the operator is not asked."""
    asked: list[str] = []

    async def profile(request: web.Request) -> web.Response:
        asked.append(request.query_string)
        return web.Response(text="goroutine profile: total 9\n9 @ 0x1\n#\t0x1\tmain.run+0x1\tmain.go:1\n")

    async def follow(promises: tuple[str, ...], kind: str) -> None:
        app = web.Application()
        app.router.add_get("/debug/pprof/goroutine", profile)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        tasks = usage.followers(operator(rest_url=url), history, promises)

        async def recorded(progress: Progress) -> bool | None:
            progress.last = "nothing yet"
            return any(reader.read(history.path).of(kind)) or None

        await until(f"a record of {kind}", recorded, deadline_s=10.0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await runner.cleanup()

    asyncio.run(follow(("SURVIVE-1",), "usage"))
    assert asked == []
    asyncio.run(follow(("SURVIVE-1", "SURVIVE-2"), "goroutines"))
    assert set(asked) == {"debug=1"}
    record = next(reader.read(history.path).of("goroutines"))
    assert (record["pid"], record["total"], record["began_in"]) == (os.getpid(), 9, {"main.run": 9})
