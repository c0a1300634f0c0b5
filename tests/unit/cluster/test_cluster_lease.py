"""Two harnesses never act on one cluster at once: who holds the lease, who is refused, and who may take it over."""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness.cluster.lease import LEASES, HeldLease, expired, holder
from harness.errors import ApiError, ClusterError, PlatformError
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cluster.client import KubeClient

LONG_AGO, AHEAD = "2020-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"


@dataclass
class Leases:
    """One Lease in memory, as the API server keeps it; stands for the harness's client."""

    lease: dict[str, Any] | None = None
    version: int = 1
    renewals: int = 0
    reads: list[dict[str, Any]] = field(default_factory=list)
    """What somebody else writes just before the next reads."""

    async def get(self, path: str) -> Any:
        """The lease."""
        assert path == f"{LEASES}/inventory-harness"
        if self.reads:
            self.put(**self.reads.pop(0))
        if self.lease is None:
            raise ApiError("not found", status=404)
        return copy.deepcopy(self.lease)

    async def create(self, path: str, body: Mapping[str, Any]) -> Any:
        """A new one; there can be one only."""
        assert path == LEASES
        if self.lease is not None:
            raise ApiError("it exists", status=409)
        self.put(**body["spec"])
        return copy.deepcopy(self.lease)

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """A renewal, by the version that was seen last."""
        assert path == f"{LEASES}/inventory-harness"
        if self.lease is None or body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ApiError("modified", status=409)
        self.renewals += 1
        self.put(**{**self.lease["spec"], **body["spec"]})
        return copy.deepcopy(self.lease)

    async def request(self, method: str, path: str, *, body: Mapping[str, Any]) -> None:
        """Its removal, likewise."""
        assert (method, path) == ("DELETE", f"{LEASES}/inventory-harness")
        if self.lease is None or body["preconditions"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ApiError("modified", status=409)
        self.lease = None

    def put(self, **spec: Any) -> None:
        """Write it, whoever does."""
        self.version += 1
        self.lease = {"metadata": {"resourceVersion": str(self.version)}, "spec": spec}


def lease_of(leases: Leases, name: str = "me@here", *, renew_s: float = 0.01, duration_s: int = 15) -> HeldLease:
    """A lease to be had from there."""
    return HeldLease(cast("KubeClient", leases), name, duration_s=duration_s, renew_s=renew_s)


def test_a_free_cluster_is_taken_renewed_and_given_back() -> None:
    """While it is held, its holder is named in it; afterwards there is nothing left of it."""

    async def held() -> None:
        leases = Leases()
        mine = lease_of(leases)
        await mine.acquire()
        assert leases.lease is not None
        assert leases.lease["spec"]["holderIdentity"] == "me@here"

        async def renewed(_progress: Progress) -> bool | None:
            return leases.renewals > 2 or None

        await until("renewals", renewed, deadline_s=5.0, interval_s=0.01)
        mine.require()
        await mine.release()
        assert leases.lease is None

    asyncio.run(held())


def test_a_live_holder_is_named_at_once() -> None:
    """Nothing is written, and the error says who it is and what to do."""

    async def refused() -> PlatformError:
        leases = Leases()
        leases.put(holderIdentity="you@there pid 7", leaseDurationSeconds=15, renewTime=AHEAD)
        with pytest.raises(PlatformError) as caught:
            await lease_of(leases).acquire()
        assert leases.renewals == 0
        return caught.value

    error = asyncio.run(refused())

    assert "you@there pid 7" in error.what
    assert AHEAD in error.what
    assert "15 s" in error.hint


def test_a_dead_holder_s_lease_is_taken_over_after_it_was_watched() -> None:
    """It was not renewed for as long as it says, by its clock and while we looked."""

    async def taken_over() -> None:
        leases = Leases()
        leases.put(holderIdentity="dead", leaseDurationSeconds=0, renewTime=LONG_AGO)
        mine = lease_of(leases)
        await mine.acquire()
        assert leases.lease is not None
        assert leases.lease["spec"]["holderIdentity"] == "me@here"
        await mine.release()

    asyncio.run(taken_over())


def test_a_holder_whose_clock_is_slow_is_not_taken_for_dead() -> None:
    """It renews while we look, with a time that is long ago to us."""

    async def refused() -> None:
        leases = Leases()
        slow = {"holderIdentity": "slow clock", "leaseDurationSeconds": 1, "renewTime": LONG_AGO}
        leases.reads = [dict(slow), dict(slow)]
        with pytest.raises(PlatformError, match="slow clock"):
            await lease_of(leases).acquire()

    asyncio.run(refused())


def test_of_two_that_come_at_once_one_is_refused() -> None:
    """Whoever is late with its creation learns who was not."""

    async def race() -> None:
        leases = Leases()
        first, second = lease_of(leases, "first"), lease_of(leases, "second")
        await first.acquire()
        with pytest.raises(PlatformError, match="first"):
            await second._create()
        await first.release()

    asyncio.run(race())


def test_a_lease_that_another_took_is_lost_and_left_alone() -> None:
    """From then on nothing may be changed, and it is not removed at the end."""

    async def lost() -> None:
        leases = Leases()
        mine = lease_of(leases)
        await mine.acquire()
        leases.put(holderIdentity="another", leaseDurationSeconds=15, renewTime=AHEAD)

        async def noticed(_progress: Progress) -> bool | None:
            return bool(mine.lost) or None

        await until("the loss to be noticed", noticed, deadline_s=5.0, interval_s=0.01)
        with pytest.raises(ClusterError, match=r"the lease of the cluster was lost: .*another"):
            mine.require()
        await mine.release()
        assert leases.lease is not None
        assert leases.lease["spec"]["holderIdentity"] == "another"

    asyncio.run(lost())


def test_a_lease_that_cannot_be_renewed_for_long_may_be_another_s() -> None:
    """Nothing may be changed then; a renewal that succeeds later shows that nobody has taken it."""

    async def late() -> None:
        leases = Leases()
        mine = lease_of(leases, duration_s=0, renew_s=0.2)
        await mine.acquire()
        with pytest.raises(ClusterError, match="could not be renewed"):
            mine.require()
        mine.duration_s = 15

        async def renewed(_progress: Progress) -> bool | None:
            return leases.renewals > 0 or None

        await until("a renewal", renewed, deadline_s=5.0, interval_s=0.01)
        mine.require()
        await mine.release()

    asyncio.run(late())


@pytest.mark.parametrize(
    ("spec", "dead"),
    [
        ({"holderIdentity": "a", "renewTime": LONG_AGO, "leaseDurationSeconds": 15}, True),
        ({"holderIdentity": "a", "renewTime": AHEAD, "leaseDurationSeconds": 15}, False),
        ({"holderIdentity": "a", "renewTime": "soon"}, False),
        ({"holderIdentity": "a"}, False),
        ({"holderIdentity": ""}, True),
        ({}, True),
    ],
)
def test_a_lease_whose_time_cannot_be_read_is_alive(spec: dict[str, Any], dead: bool) -> None:
    """Only who surely has not renewed it, or nobody, is taken for dead."""
    assert expired(spec, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) is dead


def test_a_holder_says_who_and_where_it_is() -> None:
    """User, machine, process and run: enough to find it."""
    assert "@" in holder("ab12")
    assert holder("ab12").endswith("run ab12")
