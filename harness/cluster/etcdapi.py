"""What an etcd member says of itself and lets an administrator do, over its JSON gateway.

Every call is one POST to one member (`/v3/…`, etcd's documented gRPC gateway). 64-bit numbers are strings there. A
member that does not answer raises ApiUnavailableError, one that refuses raises ApiError.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import aiohttp

from harness.errors import ApiError, ApiUnavailableError

TIMEOUT_S = 3.0
_NO_LEADER = 0


@dataclass(frozen=True, slots=True)
class Status:
    """What a member says of itself. `leader` is 0 where it knows none; `errors` are its active alarms and the like."""

    member: int
    leader: int
    term: int
    revision: int
    size_bytes: int
    errors: tuple[str, ...] = ()

    @property
    def leads(self) -> bool:
        """Whether it is the leader."""
        return self.leader == self.member

    @property
    def led(self) -> bool:
        """Whether it knows a leader."""
        return self.leader != _NO_LEADER


@dataclass(frozen=True, slots=True)
class EtcdApi:
    """The administrator's calls to one member; `url` is its client URL."""

    url: str

    async def status(self, *, timeout_s: float = TIMEOUT_S) -> Status:
        """Its own view: answered by the member alone, also without a quorum."""
        body = await self._call("maintenance/status", timeout_s=timeout_s)
        return Status(
            member=int(body["header"]["member_id"]),
            leader=int(body.get("leader", 0)),
            term=int(body.get("raftTerm", 0)),
            revision=int(body["header"].get("revision", 0)),
            size_bytes=int(body.get("dbSize", 0)),
            errors=tuple(body.get("errors") or ()),
        )

    async def move_leader(self, to: int) -> None:
        """Hand leadership to the member with that id; only the leader can."""
        await self._call("maintenance/transfer-leadership", targetID=str(to))

    async def members(self) -> dict[int, str]:
        """Member id -> name; "" for one that was added and has not come yet."""
        body = await self._call("cluster/member/list", linearizable=False)
        return {int(member["ID"]): str(member.get("name", "")) for member in body["members"]}

    async def remove(self, member: int) -> None:
        """Take a member out of the cluster."""
        await self._call("cluster/member/remove", ID=str(member))

    async def add(self, peer_url: str) -> int:
        """Announce a new member that will be found there; its id."""
        body = await self._call("cluster/member/add", peerURLs=[peer_url])
        return int(body["member"]["ID"])

    async def put(self, key: str, value: bytes, *, timeout_s: float = TIMEOUT_S) -> None:
        """Write one key."""
        await self._call("kv/put", timeout_s=timeout_s, key=_b64(key.encode()), value=_b64(value))

    async def delete_prefix(self, prefix: str) -> None:
        """Delete every key that begins with `prefix`."""
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        await self._call("kv/deleterange", key=_b64(prefix.encode()), range_end=_b64(end.encode()))

    async def read_at(self, key: str, revision: int) -> None:
        """Read a key as it was at a revision; raises ApiError when that has been compacted."""
        await self._call("kv/range", key=_b64(key.encode()), revision=str(revision))

    async def compact(self, revision: int) -> None:
        """Forget everything before `revision`."""
        await self._call("kv/compaction", revision=str(revision), physical=True, timeout_s=30.0)

    async def defragment(self) -> None:
        """Rewrite this member's database file; the member answers nothing meanwhile."""
        await self._call("maintenance/defragment", timeout_s=30.0)

    async def alarms(self) -> set[str]:
        """The active alarms, such as NOSPACE."""
        body = await self._call("maintenance/alarm", action="GET")
        return {str(alarm.get("alarm", "NONE")) for alarm in body.get("alarms") or ()}

    async def disarm(self) -> None:
        """Clear every alarm; each belongs to the member that raised it."""
        body = await self._call("maintenance/alarm", action="GET")
        for alarm in body.get("alarms") or ():
            member, kind = str(alarm["memberID"]), str(alarm["alarm"])
            await self._call("maintenance/alarm", action="DEACTIVATE", memberID=member, alarm=kind)

    async def _call(self, path: str, *, timeout_s: float = TIMEOUT_S, **body: Any) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(f"{self.url}/v3/{path}", data=json.dumps(body)) as response,
            ):
                text = await response.text()
                if response.status >= 400:
                    raise ApiError(
                        f"etcd at {self.url}, {path}: {response.status}: {text[:200]}", status=response.status
                    )
                answer: dict[str, Any] = json.loads(text)
                return answer
        except (aiohttp.ClientError, TimeoutError, OSError, json.JSONDecodeError) as exc:
            raise ApiUnavailableError(f"etcd at {self.url}, {path}: no answer: {exc!r}") from exc


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
