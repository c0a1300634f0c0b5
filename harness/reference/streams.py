"""Saboteurs of StreamCluster: each tells its clients something else than `harness.reference.publisher.each_change`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from harness.reference.defect import Defect, but
from harness.reference.publisher import each_change

if TYPE_CHECKING:
    from harness.reference.publisher import Publisher, Snapshot

Messages = AsyncGenerator[bytes, None]

_TOLD_MOST = 2
_GREETED_MOST = 4
_CLIENTS_MOST = 4
_STANDS_S = 1.0
"""How long an older snapshot is left standing: shorter than SHAPE-2's 2 s, so that it is not merely late."""

_open: list[int] = []
"""The calls that are told of changes, by their number, in the order in which they came."""


async def falls_silent(publisher: Publisher, _call: int) -> Messages:
    """Two snapshots, and then nothing more."""
    told = 0
    async with contextlib.aclosing(each_change(publisher, _call)) as messages:
        async for message in messages:
            if told < _TOLD_MOST:
                told += 1
                yield message


async def goes_back(publisher: Publisher, _call: int) -> Messages:
    """Each change, and after it the snapshot before; where nothing newer comes for a second, the newest again."""
    before: Snapshot | None = None
    version = -1
    while True:
        snapshot = await publisher.newer(version)
        version = snapshot.version
        yield snapshot.message
        if before is not None:
            yield before.message
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STANDS_S):
                    await publisher.newer(version)
            if publisher.current is snapshot:
                yield snapshot.message
        before = snapshot


async def greets_few(publisher: Publisher, call: int) -> Messages:
    """The first few calls since the start are told the last snapshot at once; all others wait for the next change."""
    waits = call > _GREETED_MOST
    at_once = publisher.current.message if waits and publisher.current is not None else None
    async with contextlib.aclosing(each_change(publisher, call)) as messages:
        async for message in messages:
            if message is at_once:
                at_once = None
                continue
            yield message


async def tells_few(publisher: Publisher, call: int) -> Messages:
    """All are told the last snapshot at once; of changes, only those few learn that have been there longest."""
    _open.append(call)
    first = True
    try:
        async with contextlib.aclosing(each_change(publisher, call)) as messages:
            async for message in messages:
                if first or call in _open[:_CLIENTS_MOST]:
                    yield message
                first = False
    finally:
        _open.remove(call)


STREAM_DEFECTS = (
    Defect(
        "stream-lags",
        "StreamCluster sends two snapshots and then nothing more, while REST and QueryCluster stay fresh.",
        ("SHAPE-2",),
        but(stream_messages=falls_silent),
    ),
    Defect(
        "stream-goes-back",
        "StreamCluster sends the snapshot before each change once more after it, and the new one again a second later.",
        ("SHAPE-2",),
        but(stream_messages=goes_back),
    ),
    Defect(
        "stream-greets-few",
        "Only the first four calls of StreamCluster are told the last snapshot at once, others wait for a change.",
        ("SHAPE-2",),
        but(stream_messages=greets_few),
    ),
    Defect(
        "stream-tells-few",
        "Only the four oldest calls of StreamCluster are told of changes, others get the first snapshot and no more.",
        ("SHAPE-2",),
        but(stream_messages=tells_few),
    ),
)
