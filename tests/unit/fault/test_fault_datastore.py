"""The undo of a full etcd, which may have been cut off before."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from harness import faults
from harness.errors import ApiError
from harness.fault import datastore

if TYPE_CHECKING:
    from harness.fault.base import World


class Etcd:
    """One member, its own leader; a compaction is answered with an error, if there is one."""

    def __init__(self, error: str) -> None:
        self.error = error
        self.done: list[str] = []
        self.api = self
        self.members = (self,)

    async def leader(self) -> Etcd:
        """Itself."""
        return self

    async def status(self) -> SimpleNamespace:
        """The present revision."""
        return SimpleNamespace(revision=7)

    async def delete_prefix(self, _prefix: str) -> None:
        """Refused while the alarm stands."""
        raise ApiError("etcdserver: mvcc: database space exceeded", status=429)

    async def compact(self, revision: int) -> None:
        """Answered as was said."""
        if self.error:
            raise ApiError(self.error, status=400)
        self.done.append(f"compact {revision}")

    async def defragment(self) -> None:
        """Noted."""
        self.done.append("defragment")

    async def disarm(self) -> None:
        """Noted."""
        self.done.append("disarm")


def healed(monkeypatch: pytest.MonkeyPatch, error: str) -> list[str]:
    """What the undo does."""
    etcd = Etcd(error)
    monkeypatch.setattr(datastore, "etcd", lambda _world: etcd)
    asyncio.run(faults.SpaceExhausted().heal(cast("World", None), {}))
    return etcd.done


def test_the_undo_goes_on_where_the_compaction_was_done_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The alarm is cleared by the second undo as by the first."""
    assert healed(monkeypatch, "") == ["compact 7", "defragment", "disarm"]
    assert healed(monkeypatch, "etcdserver: mvcc: required revision has been compacted") == ["defragment", "disarm"]


def test_another_error_of_the_compaction_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """An etcd that did not compact is not well."""
    with pytest.raises(ApiError, match="no leader"):
        healed(monkeypatch, "etcdserver: no leader")
