"""Profiles of goroutines, as net/http/pprof writes them and as anything else might."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from harness.operator import goroutines
from harness.operator.goroutines import KEPT, Goroutines, parse

PROFILE = """\
goroutine profile: total 17
12 @ 0x47c86e 0x40c1a5 0x40bd92 0x9b1d25 0x483941
#\t0x9b1d24\texample.org/operator/inventory.(*worker).run+0x1a4\t/src/operator/inventory/worker.go:61
#\t0x9b2000\texample.org/operator/inventory.(*worker).start.func1+0x20\t/src/operator/inventory/worker.go:40

4 @ 0x47c86e 0x440f5c
#\t0x6a4bd4\tinternal/poll.runtime_pollWait+0x84\t\t/go/src/runtime/netpoll.go:345
#\t0x6b1000\tnet/http.(*conn).serve+0x5c7\t\t\t/go/src/net/http/server.go:2009

1 @ 0x475f11 0x9a
#\t0x475f10\truntime/pprof.writeGoroutine+0x50\t/go/src/runtime/pprof/pprof.go:690
#\t0x9a0000\texample.org/operator/inventory.(*worker).start.func1+0x30\t/src/operator/inventory/worker.go:44
"""


def test_a_profile_tells_how_many_and_where_they_began() -> None:
    """Stacks of one outermost function are counted together."""
    assert parse(PROFILE) == Goroutines(
        17, {"example.org/operator/inventory.(*worker).start.func1": 13, "net/http.(*conn).serve": 4}
    )


def test_only_the_most_frequent_are_kept() -> None:
    """A profile of an operator with thousands of stacks stays small in the history."""
    blocks = [f"{n} @ 0x1\n#\t0x1\tf{n}+0x1\ta.go:1\n" for n in range(1, 50)]
    found = parse("\n".join(["goroutine profile: total 1225", *blocks]))

    assert found is not None
    assert (found.total, len(found.began_in), min(found.began_in.values())) == (1225, KEPT, 50 - KEPT)


@pytest.mark.parametrize("text", ["", "404 page not found\n", "goroutine profile: total many\n", "<html>"])
def test_anything_else_is_no_profile(text: str) -> None:
    """What is not in that form says nothing."""
    assert parse(text) is None


@given(st.text())
def test_no_text_raises(text: str) -> None:
    """An operator may answer whatever it likes."""
    parse(text)
    parse(f"goroutine profile: total 3\n{text}")


async def _read(status: int, text: str) -> Goroutines | None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=text)

    app = web.Application()
    app.router.add_get("/debug/pprof/goroutine", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with goroutines.session() as session:
            return await goroutines.read(session, f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


def test_it_is_read_over_rest() -> None:
    """An answer of 200 is read; another, or none at all, is no profile."""
    assert asyncio.run(_read(200, "goroutine profile: total 5\n")) == Goroutines(5)
    assert asyncio.run(_read(404, "goroutine profile: total 5\n")) is None


def test_nobody_there_is_no_profile() -> None:
    """A port on which nobody listens."""

    async def nobody() -> Goroutines | None:
        async with goroutines.session() as session:
            return await goroutines.read(session, "http://127.0.0.1:1")

    assert asyncio.run(nobody()) is None
