"""One harness at a time: a Lease in the cluster that whoever acts on it holds, renews, and gives back.

Its holder names itself, so that who finds it taken knows whom to ask. A holder that died is told by its renewals: they
are watched for as long as the lease says before it is taken over, because the clocks of two machines may differ. One
that died on this very machine is told at once, by the lock of its run's directory.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import getpass
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cluster import containers
from harness.cluster.allowed import LEASE, LEASE_NAMESPACE
from harness.errors import ApiError, ClusterError, PlatformError
from harness.process import rundir
from harness.wait import interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cluster.client import KubeClient

LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{LEASE_NAMESPACE}/leases"
DURATION_S = 60
RENEW_S = 10.0
"""Some renewals may fail, by a fault of our own or on a machine that is busy, before the lease may be another's."""

_CONFLICT, _NOT_FOUND = 409, 404


def holder(mark: str) -> str:
    """How this harness names itself: user, machine, process and run."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in containers
        user = str(os.geteuid())
    return f"{user}@{socket.gethostname()} pid {os.getpid()} run {mark}"


@dataclass(slots=True)
class HeldLease:
    """The lease while it is ours. `lost`: why it is not any more; empty while all is well.

    `directory`: of our run, whose lock tells other harnesses of this machine at once that we have died.
    """

    client: KubeClient
    identity: str
    directory: Path | None = None
    duration_s: int = DURATION_S
    renew_s: float = RENEW_S
    lost: str = ""
    _version: str = ""
    _renewed: float = 0.0
    _task: asyncio.Task[None] | None = field(default=None, repr=False)

    async def acquire(self) -> None:
        """Take it, or raise PlatformError that names its holder; from then on it is renewed until `release`."""
        found = await self._read()
        if found is None:
            await self._create()
        else:
            await self._take_over(found)
        self._renewed = time.monotonic()
        self._task = asyncio.create_task(self._renew_for_ever())

    async def require_free(self) -> None:
        """Raise PlatformError where another holds it and renews it; nothing is written."""
        found = await self._read()
        if found is not None and not (_abandoned(found) or expired(found.get("spec") or {}, dt.datetime.now(dt.UTC))):
            raise taken(found.get("spec") or {})

    async def release(self) -> None:
        """Give it back; one that is another's by now is left alone."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if not self.lost:
            body = {"preconditions": {"resourceVersion": self._version}}
            with suppress(ApiError):  # gone, or taken over in this very moment: it is not ours to remove then
                await self.client.request("DELETE", f"{LEASES}/{LEASE}", body=body)

    def require(self) -> None:
        """Raise ClusterError when it is not, or may not be, ours any more: nothing may be changed then.

        One that was not renewed in time is ours again when a renewal succeeds, since nobody has taken it meanwhile.
        """
        late = time.monotonic() - self._renewed > self.duration_s
        why = self.lost or (f"it could not be renewed for {self.duration_s} s" if late else "")
        if why:
            raise ClusterError(f"the lease of the cluster was lost: {why}", hint="nothing is changed without it")

    async def _read(self) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = await self.client.get(f"{LEASES}/{LEASE}")
        except ApiError as exc:
            if exc.status != _NOT_FOUND:
                raise
            return None
        return found

    async def _create(self) -> None:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": LEASE, "annotations": {k: v for k, v in self._annotations().items() if v is not None}},
            "spec": {**self.spec(), "acquireTime": _now(), "leaseTransitions": 0},
        }
        try:
            made = await self.client.create(LEASES, body)
        except ApiError as exc:
            if exc.status != _CONFLICT:
                raise
            found = await self._read()
            raise taken((found or {}).get("spec") or {}) from exc
        self._version = str(made["metadata"]["resourceVersion"])

    async def _take_over(self, found: Mapping[str, Any]) -> None:
        """Take it from a holder that renews it no more; raises PlatformError where it does, or another is faster."""
        spec = found.get("spec") or {}
        if _abandoned(found):
            await self._write(str(found["metadata"]["resourceVersion"]), acquireTime=_now())
            return
        if not expired(spec, dt.datetime.now(dt.UTC)):
            raise taken(spec)
        await interval(float(min(int(spec.get("leaseDurationSeconds") or DURATION_S), 60)))
        again = await self._read()
        if again is None:
            await self._create()
            return
        if again["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            raise taken(again.get("spec") or {})
        await self._write(str(again["metadata"]["resourceVersion"]), acquireTime=_now())

    async def _write(self, version: str, **more: Any) -> None:
        meta = {"resourceVersion": version, "annotations": self._annotations()}
        body = {"metadata": meta, "spec": {**self.spec(), **more}}
        try:
            made = await self.client.patch(f"{LEASES}/{LEASE}", body)
        except ApiError as exc:
            if exc.status not in {_CONFLICT, _NOT_FOUND}:
                raise
            found = await self._read()
            raise taken((found or {}).get("spec") or {}) from exc
        self._version = str(made["metadata"]["resourceVersion"])

    async def _renew_for_ever(self) -> None:
        while not self.lost:
            await interval(self.renew_s)
            try:
                await self._write(self._version)
            except PlatformError as exc:
                self.lost = exc.what
            except ClusterError:
                continue  # out of reach, by a fault or not: `require` counts the time
            else:
                self._renewed = time.monotonic()

    def _annotations(self) -> dict[str, str | None]:
        """Where our run's directory is; a value that is None takes the last holder's away."""
        here = self.directory is not None
        return {
            containers.DIRECTORY: str(self.directory) if here else None,
            containers.PLACE: containers.place() if here else None,
        }

    def spec(self) -> dict[str, Any]:
        """What the lease says while it is ours."""
        return {"holderIdentity": self.identity, "leaseDurationSeconds": self.duration_s, "renewTime": _now()}


def taken(spec: Mapping[str, Any]) -> PlatformError:
    """The one error that says who holds it, and since when."""
    return PlatformError(
        f"another harness is at work on this cluster: {spec.get('holderIdentity') or 'one without a name'}, "
        f"renewed {spec.get('renewTime') or 'at a time not told'}",
        hint=f"wait for its end; a dead one's lease ({LEASE_NAMESPACE}/{LEASE}) is taken over after "
        f"{spec.get('leaseDurationSeconds') or DURATION_S} s",
    )


def _abandoned(found: Mapping[str, Any]) -> bool:
    """Whether its holder was a run of this very machine, and is dead: its directory is gone, or nobody's any more."""
    told: Mapping[str, str] = (found.get("metadata") or {}).get("annotations") or {}
    if containers.orphaned(told, here=containers.place()):
        return True
    directory = told.get(containers.DIRECTORY, "")
    return bool(directory) and told.get(containers.PLACE) == containers.place() and rundir.dead(Path(directory))


def expired(spec: Mapping[str, Any], now: dt.datetime) -> bool:
    """Whether its holder has not renewed it for as long as it says, by our clock; pure."""
    if not spec.get("holderIdentity"):
        return True
    try:
        renewed = dt.datetime.fromisoformat(str(spec.get("renewTime")))
    except ValueError:
        return False
    return now - renewed > dt.timedelta(seconds=int(spec.get("leaseDurationSeconds") or DURATION_S))


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
