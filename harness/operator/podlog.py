"""What the containers of the operator write, followed into the file where a process would have written it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import ApiError, ClusterError
from harness.operator.manifests import PODS
from harness.wait import interval

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster.client import KubeClient
    from harness.operator.podlife import Lives

_RETRY_S = 0.2
_SILENT_S = 86400.0
"""An operator may say nothing for as long as it likes."""


@dataclass(slots=True)
class PodLog:
    """Appends what one container writes to `path`. `read`: how many bytes of it are there.

    A kubelet serves the log of the container that runs in the pod, or ran last; once another one does, only what has
    ended before that is left (`previous`).
    """

    client: KubeClient
    lives: Lives
    identity: str
    container: str
    path: Path
    read: int = 0

    async def follow(self) -> None:
        """Follow it to its end. What cannot be read while the API server is away is read afterwards."""
        while True:
            ended = self.lives.seen[self.identity].ended
            try:
                await self._read(follow=not ended)
            except ApiError as exc:
                if exc.status == 404 or (ended and exc.status == 400):
                    return  # the pod is gone, or keeps this log no more
            except ClusterError:
                pass  # away for now
            else:
                if ended:
                    return
            await interval(_RETRY_S)

    async def _read(self, *, follow: bool) -> None:
        life = self.lives.seen[self.identity]
        newest = next((one for one in reversed(self.lives.seen.values()) if one.pod == life.pod), life)
        params = {"container": self.container, "follow": str(follow).lower()}
        if newest.id != self.identity:
            params |= {"previous": "true", "follow": "false"}
        where = f"{PODS}/{life.pod}/log"
        skip = self.read
        async for chunk in self.client.text(where, params=params, idle_s=_SILENT_S):
            new, skip = chunk[skip:], max(0, skip - len(chunk))
            if new:
                self.read += len(new)
                with self.path.open("ab") as file:
                    file.write(new)
