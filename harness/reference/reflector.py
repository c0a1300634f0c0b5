"""A mirror of one collection of the API server: list, watch, and list again after anything that is not plain.

What makes it safe: a list replaces everything at once (no sum over a half-read list is ever seen); a watch that was
closed by the server is taken up where it ended; after anything else (refused, reset, silent, 410 Gone, an ERROR event,
an object that is none) the collection is listed anew. resourceVersions are opaque and never compared, so a server whose
version went backwards is no special case.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from harness.errors import ApiError, ApiUnavailableError, ClusterError
from harness.reference.behaviour import at_once, nothing
from harness.reference.log import LOG
from harness.reference.pause import backoff, pause

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from harness.reference.kubeclient import KubeClient

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

# The server ends a watch after this long; a stream that went silent is therefore noticed within the maximum.
_WATCH_S = (30, 40)
# After a mirror has been current for so long, the next failure is a new one and retries start fast again.
_SETTLED_S = 5.0
_FORBIDDEN, _GONE = 403, 410
# Who knows nothing yet takes any list that was ever true, as informers do: the watch from there on brings the rest.
_ANY = "0"
_NO_OBJECT = (KeyError, TypeError, ValueError, AttributeError, IndexError)


class Mirror(Protocol[T_contra]):
    """Where a reflector puts what it sees."""

    def replace(self, items: Sequence[T_contra]) -> None:
        """These are all there are."""

    def upsert(self, item: T_contra) -> None:
        """This one is new, or has changed."""

    def remove(self, item: T_contra) -> None:
        """This one is gone."""


class Sight(Protocol):
    """Who wants to know whether the collection is being seen."""

    def seen(self, name: str) -> None:
        """The mirror is current."""

    def lost(self, name: str) -> None:
        """The mirror may be stale from now on."""


@dataclass(slots=True)
class Reflector(Generic[T]):
    """Keeps `mirror` equal to the collection at `path`.

    `resync` decides what happens after a broken watch; it returns when the collection may be listed again (at once,
    except in a saboteur). `resumes`: a broken watch is taken up where it ended (in a saboteur only). `on_gone`: awaited
    when a watch brought 410, before anything follows from it. `forbidden_is_empty`: a list that is refused for want of
    rights is taken for one of nothing (in a saboteur only). `from_list`: a watch begins where the list ended (but in a
    saboteur). `on_closed`: told of each watch that the server has ended in order; `on_resumed`: told that it is taken
    up again; `on_broken`: told why a watch broke off. `reopens`: a watch that the server ended is taken up (in a
    saboteur it is not).
    """

    name: str
    path: str
    client: KubeClient
    decode: Callable[[Any], T]
    mirror: Mirror[T]
    sight: Sight
    resync: Callable[[], Awaitable[None]]
    on_error_event: Callable[[Any], None]
    resumes: bool = False
    on_gone: Callable[[], Awaitable[None]] = at_once
    forbidden_is_empty: bool = False
    from_list: bool = True
    on_closed: Callable[[KubeClient, str], None] = nothing
    on_broken: Callable[[str], None] = nothing
    on_resumed: Callable[[], None] = nothing
    reopens: bool = True
    _scope: asyncio.Timeout | None = None
    _said: str = ""

    async def run(self) -> None:
        """Mirror until cancelled."""
        clock = asyncio.get_running_loop()
        waits = backoff()
        first, current_since = True, float("inf")
        while True:
            try:
                if not first:
                    await self.resync()
                version = await self._list(at_least=_ANY if first else "")
                first, current_since = False, clock.time()
                self.sight.seen(self.name)
                await self._watch(version if self.from_list else "")
            except ClusterError as exc:
                self.sight.lost(self.name)
                self._say(exc.what)
                if clock.time() - current_since > _SETTLED_S:
                    waits = backoff()
                current_since = float("inf")
                await pause(next(waits))

    def restart(self) -> None:
        """Take up the watch on a new request: the old connection may be dead without having said so."""
        if self._scope is not None:
            self._scope.reschedule(asyncio.get_running_loop().time())

    def _say(self, what: str) -> None:
        """One line for each kind of trouble, not for each attempt."""
        if what != self._said:
            self._said = what
            LOG.warning("%s: %s", self.name, what)

    async def _list(self, *, at_least: str = "") -> str:
        """Replace everything; returns the version to watch from. `at_least`: how old it may be ("": the latest).

        One object that is none spoils the whole list: leaving it out would report something unknown as gone.
        """
        items: list[T] = []
        token = ""
        while True:
            try:
                page, version, token = await self.client.list_page(self.path, token, version=at_least)
            except ApiError as exc:
                if self.forbidden_is_empty and exc.status == _FORBIDDEN:
                    self.mirror.replace(())
                raise
            items.extend(self._decoded(item) for item in page)
            if not token:
                break
        self.mirror.replace(items)
        self._said = ""
        LOG.info("%s: listed %d at version %s", self.name, len(items), version)
        return version

    def _decoded(self, item: Any) -> T:
        try:
            return self.decode(item)
        except _NO_OBJECT as exc:
            raise ApiUnavailableError(f"an object that is none ({exc!r}): {str(item)[:200]}") from exc

    async def _watch(self, version: str) -> None:
        """Follow the collection until something breaks, which is raised."""
        while True:
            events = 0
            try:
                async with asyncio.timeout(None) as self._scope:
                    timeout_s = random.randint(*_WATCH_S)  # noqa: S311 - spreads reconnects, not a secret
                    async with aclosing(self.client.watch(self.path, version, timeout_s=timeout_s)) as stream:
                        async for event in stream:
                            version = self._take(event) or version
                            events += 1
                            if self.resumes:
                                self.sight.seen(self.name)
                self.on_closed(self.client, self.path)
                self.on_resumed()
            except ClusterError as exc:
                self.on_broken(exc.what)
                if isinstance(exc, ApiError) and exc.status == _GONE:
                    await self.on_gone()
                if not self.resumes:
                    raise
                self.sight.lost(self.name)
            except TimeoutError:
                LOG.info("%s: taking up the watch anew at version %s", self.name, version)
            finally:
                self._scope = None
            if not self.reopens:
                await asyncio.Event().wait()
            if not events:
                # Closed at once and for ever must not turn into a busy loop.
                await pause(0.1)

    def _take(self, event: dict[str, Any]) -> str:
        kind, item = event.get("type"), event.get("object")
        if kind == "ERROR":
            self.on_error_event(item)
            code = item.get("code") if isinstance(item, dict) else None
            status = code if isinstance(code, int) else 0
            raise ApiError(f"the watch brought an error: {str(item)[:200]}", status=status)
        if kind not in {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"} or not isinstance(item, dict):
            raise ApiUnavailableError(f"the watch brought an unknown event: {str(event)[:200]}")
        try:
            version = str(item["metadata"]["resourceVersion"])
        except _NO_OBJECT as exc:
            raise ApiUnavailableError(f"the watch brought an object that is none ({exc!r}): {str(item)[:200]}") from exc
        if kind == "BOOKMARK":
            return version
        record = self._decoded(item)
        if kind == "DELETED":
            self.mirror.remove(record)
        else:
            self.mirror.upsert(record)
        return version
