"""From what is known to one snapshot that REST and gRPC both serve, so that they cannot disagree (SHAPE-2)."""

from __future__ import annotations

import asyncio
import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.reference.encode import to_json, to_proto
from harness.reference.inventory import Inventory, NodeEntry
from harness.reference.log import LOG
from harness.reference.pause import pause

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from harness.reference.state import State

# A burst of events (a hundred nodes joining) becomes a handful of snapshots; far below SHAPE-2's 2 s.
_COALESCE_S = 0.03


class Snapshot:
    """One published inventory; each encoding is made once, when first asked for."""

    def __init__(self, version: int, inventory: Inventory) -> None:
        self.version = version
        self.inventory = inventory

    @cached_property
    def document(self) -> dict[str, Any]:
        """The REST document."""
        return to_json(self.inventory)

    @cached_property
    def text(self) -> bytes:
        """The REST document as JSON."""
        return json.dumps(self.document).encode()

    @cached_property
    def message(self) -> bytes:
        """The gRPC message, serialized."""
        return to_proto(self.inventory).SerializeToString()


class Publisher:
    """Publishes a snapshot whenever the inventory has changed.

    `complete` says whether everything has been seen that a first inventory needs; `view` is what is shown of an
    inventory right now (all of it, except in a saboteur).
    """

    def __init__(self, state: State, *, complete: Callable[[], bool], view: Callable[[Inventory], Inventory]) -> None:
        self._state = state
        self._complete = complete
        self._view = view
        self._entries: dict[str, NodeEntry] = {}
        self._next = asyncio.Event()
        self.current: Snapshot | None = None

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._state.changed.wait()
            await pause(_COALESCE_S)
            self._state.changed.clear()
            self._refresh()
            if self.current is not None or self._complete():
                self._publish()

    async def newer(self, version: int) -> Snapshot:
        """The latest snapshot as soon as it is not `version`; a slow reader skips those in between."""
        while self.current is None or self.current.version == version:
            await self._next.wait()
        return self.current

    def _refresh(self) -> None:
        for name in self._state.take_dirty():
            entry = self._state.entry(name)
            if entry is None:
                self._entries.pop(name, None)
            else:
                self._entries[name] = entry

    def _publish(self) -> None:
        nodes = tuple(self._entries[name] for name in sorted(self._entries))
        inventory = self._view(Inventory(nodes, self._state.storage()))
        if self.current is None:
            LOG.info("the first inventory is complete: %d nodes", len(inventory.nodes))
        elif inventory == self.current.inventory:
            return
        self.current = Snapshot(self.current.version + 1 if self.current else 0, inventory)
        told, self._next = self._next, asyncio.Event()
        told.set()


async def each_change(publisher: Publisher, _call: int) -> AsyncGenerator[bytes, None]:
    """SHAPE-2: what a stream tells: the last snapshot at once, then the newest whenever there is a newer one."""
    version = -1
    while True:
        snapshot = await publisher.newer(version)
        version = snapshot.version
        yield snapshot.message
