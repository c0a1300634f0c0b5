"""Whether the operator can see the cluster: AVAIL-3 rests on it.

Two witnesses: the reflectors (each says when its mirror is current and when it may be stale), and a probe every second,
because an API server that hangs is silent, and silence is also what a quiet cluster sounds like.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import ApiError, ClusterError
from harness.reference.log import LOG
from harness.reference.pause import pause

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.reference.kubeclient import KubeClient

# AVAIL-3 gives 5 s; three missed probes are no hiccup any more.
BLIND_S = 3.0
_PROBE_S = 1.0


@dataclass(slots=True)
class Visibility:
    """What is seen; times are seconds on the monotonic clock.

    `refused`: the last probe was answered, by a server error.
    `on_change` is called whenever `away` may have changed; `on_return` when a lost API server answers probes again.
    """

    names: tuple[str, ...]
    on_change: Callable[[], None]
    on_return: Callable[[], None]
    monotonic: Callable[[], float] = time.monotonic
    probe_seen: float | None = None
    probe_failed: float = 0.0
    refused: bool = False
    stale_since: dict[str, float] = field(default_factory=dict)
    complete: set[str] = field(default_factory=set)
    returned: asyncio.Event = field(default_factory=asyncio.Event)

    def seen(self, name: str) -> None:
        """The mirror `name` is current."""
        self.stale_since.pop(name, None)
        self.complete.add(name)
        self._changed()

    def lost(self, name: str) -> None:
        """The mirror `name` may be stale from now on."""
        self.stale_since.setdefault(name, self.monotonic())
        self._changed()

    @property
    def synced(self) -> bool:
        """Every mirror has been complete at least once."""
        return self.complete.issuperset(self.names)

    @property
    def away(self) -> bool:
        """Something cannot be seen right now."""
        return bool(self.stale_since) or self._silent()

    @property
    def reconnecting(self) -> bool:
        """A mirror is stale while the API server has answered every probe since: only a connection was lost."""
        seen = self.probe_seen or 0.0
        return any(self.probe_failed < since < seen for since in self.stale_since.values())

    def trouble(self) -> str:
        """Why the cluster cannot be seen, or "" when it can."""
        now = self.monotonic()
        if not self.synced:
            return "the cluster has not been seen yet"
        for name, since in self.stale_since.items():
            if now - since > BLIND_S:
                return f"{name} have not been seen for {now - since:.1f} s"
        if self._silent():
            return f"the API server has not answered for {now - (self.probe_seen or 0.0):.1f} s"
        return ""

    async def probe(self, client: KubeClient) -> None:
        """Ask the API server every second until cancelled."""
        failed = False
        while True:
            try:
                await client.probe()
            except ClusterError as exc:
                self.probe_failed = self.monotonic()
                self.refused = isinstance(exc, ApiError) and exc.status >= 500
                if not failed:
                    LOG.warning("probe: %s", exc.what)
                failed = True
            else:
                was_silent = self._silent()
                self.probe_seen = self.monotonic()
                self.refused = False
                if failed and was_silent:
                    LOG.info("probe: the API server answers again")
                    self.on_return()
                failed = False
            self._changed()
            await pause(_PROBE_S)

    def _silent(self) -> bool:
        return self.probe_seen is None or self.monotonic() - self.probe_seen > BLIND_S

    def _changed(self) -> None:
        if self.away:
            self.returned.clear()
        else:
            self.returned.set()
        self.on_change()
