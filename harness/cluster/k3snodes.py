"""When a K3s cluster is there: its kubeconfig is written, its API server is ready, its nodes have joined and are Ready.

Nothing is read from a log: what K3s writes there differs between versions, and is written before it is true.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import yaml

from harness.cluster.kubeconfig import load
from harness.cluster.nodes import is_ready
from harness.errors import ApiError, ApiUnavailableError, ClusterError, UsageError
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

    from harness.cluster.client import KubeClient
    from harness.cluster.kubeconfig import Access

CONTEXT = "default"
"""What K3s calls the context, the cluster and the user of the kubeconfig that it writes."""


async def reached_by(
    written: Callable[[], Path | None], check: Callable[[], Awaitable[None]], deadline_s: float
) -> Access:
    """What the kubeconfig says, once it is written. `check` raises when K3s has ended.

    A file that is not whole yet is waited for. Raises WaitTimeoutError.
    """

    async def there(progress: Progress) -> Access | None:
        await check()
        file = await asyncio.to_thread(written)
        if file is None:
            progress.last = "there is none"
            return None
        try:
            return await asyncio.to_thread(load, file, CONTEXT)
        except UsageError as exc:
            progress.last = exc.what
            return None

    return await until("K3s's kubeconfig", there, deadline_s=deadline_s, interval_s=0.1)


async def answers(client: KubeClient, check: Callable[[], Awaitable[None]], deadline_s: float) -> None:
    """Return when /readyz is ok. `check` raises when K3s has ended. Raises WaitTimeoutError."""

    async def ready(progress: Progress) -> bool | None:
        await check()
        try:
            progress.last = str(await client.get("/readyz"))
        except (ApiError, ApiUnavailableError) as exc:
            progress.last = exc.what
            return None
        return progress.last == "ok" or None

    await until("K3s's API server to be ready", ready, deadline_s=deadline_s, interval_s=0.1)


async def joined(
    client: KubeClient,
    names: Iterable[str],
    check: Callable[[], Awaitable[None]],
    deadline_s: float,
    *,
    ready: bool = True,
) -> None:
    """Return when nodes of these names are there and, unless `ready` is False, Ready. Raises WaitTimeoutError."""
    wanted = set(names)

    async def there(progress: Progress) -> bool | None:
        await check()
        try:
            items = (await client.get("/api/v1/nodes"))["items"]
        except ClusterError as exc:
            progress.last = exc.what
            return None
        well = {item["metadata"]["name"] for item in items if is_ready(item) or not ready}
        missing = sorted(wanted - well)
        progress.last = f"missing, or not Ready: {', '.join(missing)}"
        return None if missing else True

    await until(f"{len(wanted)} nodes of K3s", there, deadline_s=deadline_s, interval_s=0.2)


def at(kubeconfig: bytes, server: str) -> bytes:
    """A kubeconfig that K3s wrote, with another URL of the API server; raises ClusterError when it is none."""
    try:
        body = yaml.safe_load(kubeconfig)
        for cluster in body["clusters"]:
            cluster["cluster"]["server"] = server
    except (yaml.YAMLError, TypeError, KeyError) as exc:
        raise ClusterError(f"what K3s wrote is no kubeconfig: {exc!r}") from exc
    return yaml.safe_dump(body, sort_keys=False).encode()
