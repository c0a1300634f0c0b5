"""How one etcd member or three are planned, and what the administrator's calls say; no etcd is started."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from harness.cluster.etcd import EtcdMember, EtcdStore, peer_links, plan_etcd
from harness.cluster.etcdapi import EtcdApi, Status
from harness.errors import ApiError, ApiUnavailableError, ClusterError
from harness.process.ports import Ports
from harness.toolchain import Toolchain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from pathlib import Path

    from harness.process.child import Child

MI = 1 << 20


@pytest.fixture
def ports() -> Iterator[Ports]:
    """Ports that are given back."""
    taken = Ports()
    yield taken
    taken.release()


def planned(kind: str, directory: Path, ports: Ports, *, relayed: bool = False, quota_bytes: int = 0) -> EtcdStore:
    """A store of that kind in the directory."""
    tools = Toolchain({"etcd": directory / "etcd"}, {"etcd": "v3.6.8"}, {"etcd": "path"}, {"etcd": ""})
    return plan_etcd(kind, tools, directory, ports, {}, relayed=relayed, quota_bytes=quota_bytes)


def flags(member: EtcdMember) -> dict[str, str]:
    """The command line's flags and values."""
    return dict(word.partition("=")[::2] for word in member.arguments()[1:])


@pytest.mark.parametrize(("kind", "members"), [("etcd", 1), ("etcd3", 3)])
def test_without_a_relay_everything_is_reached_directly(tmp_path: Path, ports: Ports, kind: str, members: int) -> None:
    """There are no links, and every port is a member's own."""
    store = planned(kind, tmp_path, ports)

    assert len(store.members) == members
    assert store.links == ()
    for member in store.members:
        assert member.reached_at == member.client_port
        assert member.peers[member.member] == f"http://127.0.0.1:{member.peer_port}"


def test_one_member_is_reached_through_its_link(tmp_path: Path, ports: Ports) -> None:
    """With a relay the API server is given the link's port, and the link leads to the member's client port."""
    store = planned("etcd", tmp_path, ports, relayed=True)
    (member,), (link,) = store.members, store.links

    assert (link.name, link.targets, link.by_source) == ("client-m0", [member.client_port], False)
    assert store.endpoints(None) == f"http://127.0.0.1:{link.port}"
    assert member.url == f"http://127.0.0.1:{member.client_port}"


def test_three_members_reach_each_other_through_links(tmp_path: Path, ports: Ports) -> None:
    """What a member advertises to its peers is its link, which tells sources apart and leads to its own peer port."""
    store = planned("etcd3", tmp_path, ports, relayed=True)
    links = {link.name: link for link in store.links}

    assert set(links) == {f"{what}-m{index}" for what in ("peer", "client") for index in range(3)}
    for member in store.members:
        peer, client = links[f"peer-{member.member}"], links[f"client-{member.member}"]
        assert (peer.targets, peer.by_source) == ([member.peer_port], True)
        assert (client.targets, member.reached_at) == ([member.client_port], client.port)
        assert member.peers[member.member] == f"http://127.0.0.1:{peer.port}"


@pytest.mark.parametrize("relayed", [True, False])
def test_no_port_is_used_twice(tmp_path: Path, ports: Ports, *, relayed: bool) -> None:
    """Every member and every link has ports of its own."""
    store = planned("etcd3", tmp_path, ports, relayed=relayed)
    used = [port for member in store.members for port in (member.client_port, member.peer_port)]
    used += [link.port for link in store.links]

    assert len(used) == (12 if relayed else 6)
    assert len(set(used)) == len(used)


def test_an_api_server_is_given_all_members_or_the_one_beside_it(tmp_path: Path, ports: Ports) -> None:
    """Servers are counted from zero, like members."""
    store = planned("etcd3", tmp_path, ports, relayed=True)
    each = [f"http://127.0.0.1:{member.reached_at}" for member in store.members]

    assert store.endpoints(None) == ",".join(each)
    assert [store.endpoints(number) for number in range(3)] == each


def test_members_are_started_with_one_picture_of_the_cluster(tmp_path: Path, ports: Ports) -> None:
    """Each is told its own name, directory and addresses, and the same list of peers."""
    store = planned("etcd3", tmp_path, ports, relayed=True)
    told = [flags(member) for member in store.members]

    assert [one["--name"] for one in told] == ["m0", "m1", "m2"]
    assert len({one["--data-dir"] for one in told}) == 3
    (cluster,) = {one["--initial-cluster"] for one in told}
    assert cluster == ",".join(f"m{index}={one['--initial-advertise-peer-urls']}" for index, one in enumerate(told))
    assert {one["--initial-cluster-state"] for one in told} == {"new"}
    for member, one in zip(store.members, told, strict=True):
        assert one["--listen-client-urls"] == one["--advertise-client-urls"] == member.url
        assert one["--listen-peer-urls"] == f"http://127.0.0.1:{member.peer_port}"
        assert "--quota-backend-bytes" not in one


def test_a_size_limit_is_set_where_one_was_asked_for(tmp_path: Path, ports: Ports) -> None:
    """It is given in bytes."""
    store = planned("etcd", tmp_path, ports, quota_bytes=16 * MI)

    assert flags(store.members[0])["--quota-backend-bytes"] == str(16 * MI)


def test_a_wiped_member_joins_the_cluster_that_exists(tmp_path: Path, ports: Ports) -> None:
    """Its data is gone, and it does not found a cluster of its own."""
    member = planned("etcd3", tmp_path, ports).members[1]
    (member.data / "member").mkdir(parents=True)

    member.wipe()
    member.wipe()

    assert not member.data.exists()
    assert flags(member)["--initial-cluster-state"] == "existing"


def test_between_a_member_and_its_peers_lie_both_directions(tmp_path: Path, ports: Ports) -> None:
    """Whoever dials it, and it dialling each other one: all of them are links that tell sources apart."""
    store = planned("etcd3", tmp_path, ports, relayed=True)
    by_source = {link.name for link in store.links if link.by_source}

    found = peer_links(store, "m1")

    assert sorted(found) == [("peer-m0", "m1"), ("peer-m1", "*"), ("peer-m2", "m1")]
    assert {link for link, _source in found} == by_source


def test_a_store_says_what_it_is(tmp_path: Path, ports: Ports) -> None:
    """Version and number of members stand in its description; processes are known once they were started."""
    assert planned("etcd", tmp_path, ports).source == "etcd v3.6.8, 1 member"
    store = planned("etcd3", tmp_path, ports)
    assert store.source == "etcd v3.6.8, 3 members"
    assert store.processes() == {}
    with pytest.raises(ClusterError, match="etcd-m0 was not started"):
        _ = store.members[0].child


class Gone:
    """Stands for a process that has ended."""

    name = "etcd-m0"
    running = False
    exit_code = 1
    stderr_path = "etcd-m0.stderr.log"

    def tail(self) -> str:
        """Its last words."""
        return "member has been removed"


def test_a_member_that_ends_is_an_error_with_its_last_words(tmp_path: Path, ports: Ports) -> None:
    """Waiting for the store raises the member's own error, one that the rest of the harness knows."""
    store = planned("etcd3", tmp_path, ports)
    for member in store.members:
        member._child = cast("Child", Gone())

    with pytest.raises(ClusterError, match="exited with 1 while starting; its last lines:\nmember has been removed"):
        asyncio.run(store.ready())


# What a member says of itself


def asking(
    answers: Mapping[str, Any], story: Callable[[EtcdApi], Awaitable[Any]]
) -> tuple[Any, list[tuple[str, dict[str, Any]]]]:
    """Play the story with a member that answers so, by path; returns its result, and what was asked.

    An answer is a JSON body, or (status, text); a path without an answer is never answered.
    """
    asked: list[tuple[str, dict[str, Any]]] = []

    async def play() -> Any:
        over = asyncio.Event()

        async def handle(request: web.Request) -> web.Response:
            path = request.match_info["path"]
            asked.append((path, json.loads(await request.text())))
            if path not in answers:
                await over.wait()
                return web.Response(status=503)
            match answers[path]:
                case (status, text):
                    return web.Response(status=status, text=text)
                case body:
                    return web.json_response(body)

        app = web.Application()
        app.router.add_post("/v3/{path:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            return await story(EtcdApi(f"http://127.0.0.1:{runner.addresses[0][1]}"))
        finally:
            over.set()
            await runner.cleanup()

    return asyncio.run(play()), asked


def test_numbers_come_as_text() -> None:
    """64-bit numbers of the gateway are strings, and none loses a digit on the way."""
    answer = {
        "header": {"member_id": "17237436991929493444", "revision": "42", "raft_term": "3"},
        "dbSize": "20480", "leader": "17237436991929493444", "raftTerm": "3", "errors": ["memberID:1 alarm:NOSPACE "],
    }  # fmt: skip
    status, asked = asking({"maintenance/status": answer}, EtcdApi.status)

    assert status == Status(17237436991929493444, 17237436991929493444, 3, 42, 20480, ("memberID:1 alarm:NOSPACE ",))
    assert (status.leads, status.led) == (True, True)
    assert asked == [("maintenance/status", {})]


def test_a_member_without_a_leader_says_nothing_of_one() -> None:
    """The gateway leaves out what is zero: no leader, no term, an empty database."""
    status, _asked = asking({"maintenance/status": {"header": {"member_id": "7"}}}, EtcdApi.status)

    assert status == Status(7, 0, 0, 0, 0)
    assert (status.leads, status.led) == (False, False)


@pytest.mark.parametrize("code", [400, 404, 500, 503])
def test_a_refusal_is_told_from_silence(code: int) -> None:
    """An error status raises ApiError with the status and what the member said."""

    async def story(api: EtcdApi) -> None:
        with pytest.raises(ApiError, match=r"kv/put: .*etcdserver: mvcc: database space exceeded") as caught:
            await api.put("k", b"v")
        assert caught.value.status == code

    asking({"kv/put": (code, '{"error":"etcdserver: mvcc: database space exceeded"}')}, story)


@pytest.mark.parametrize(
    "answers", [{}, {"maintenance/status": (200, "<html>")}, {"maintenance/status": (200, "")}],
    ids=["silence", "no-json", "empty"],
)  # fmt: skip
def test_no_answer_or_one_that_is_none_is_unavailability(answers: dict[str, Any]) -> None:
    """Silence ends with the call's own time limit, and raises the same as an answer that cannot be read."""

    async def story(api: EtcdApi) -> None:
        with pytest.raises(ApiUnavailableError, match="maintenance/status: no answer"):
            await api.status(timeout_s=0.2)

    asking(answers, story)


def test_a_member_that_is_not_there_is_unavailable(ports: Ports) -> None:
    """A refused connection names the address."""
    url = f"http://127.0.0.1:{ports.take()}"

    with pytest.raises(ApiUnavailableError, match=f"etcd at {url}"):
        asyncio.run(EtcdApi(url).status())


def test_what_is_asked_is_what_the_gateway_documents() -> None:
    """Ids and revisions are sent as text, keys and values in base64."""

    async def story(api: EtcdApi) -> Any:
        await api.move_leader(5)
        await api.remove(6)
        await api.put("key", b"\0\xff")
        await api.read_at("key", 7)
        await api.compact(8)
        await api.defragment()
        await api.disarm()
        return await api.members(), await api.add("http://127.0.0.1:1"), await api.alarms()

    paths = (
        "maintenance/transfer-leadership", "cluster/member/remove", "kv/put", "kv/range", "kv/compaction",
        "maintenance/defragment",
    )  # fmt: skip
    answers: dict[str, Any] = {path: {} for path in paths} | {
        "cluster/member/list": {"members": [{"ID": "1", "name": "m0"}, {"ID": "2"}]},
        "cluster/member/add": {"member": {"ID": "9"}},
        "maintenance/alarm": {"alarms": [{"memberID": "1", "alarm": "NOSPACE"}]},
    }
    result, asked = asking(answers, story)

    assert result == ({1: "m0", 2: ""}, 9, {"NOSPACE"})
    assert asked[:6] == [
        ("maintenance/transfer-leadership", {"targetID": "5"}),
        ("cluster/member/remove", {"ID": "6"}),
        ("kv/put", {"key": "a2V5", "value": "AP8="}),
        ("kv/range", {"key": "a2V5", "revision": "7"}),
        ("kv/compaction", {"revision": "8", "physical": True}),
        ("maintenance/defragment", {}),
    ]
    assert asked[-1] == ("maintenance/alarm", {"action": "GET"})


def test_every_alarm_is_cleared_by_the_member_that_raised_it() -> None:
    """A call for each of them, with the member's id as text; without any there is nothing to clear."""
    alarms = [{"memberID": "17237436991929493444", "alarm": "NOSPACE"}, {"memberID": "2", "alarm": "CORRUPT"}]

    _none, asked = asking({"maintenance/alarm": {"alarms": alarms}}, EtcdApi.disarm)
    assert [body for _path, body in asked] == [
        {"action": "GET"},
        {"action": "DEACTIVATE", "memberID": "17237436991929493444", "alarm": "NOSPACE"},
        {"action": "DEACTIVATE", "memberID": "2", "alarm": "CORRUPT"},
    ]
    _none, asked = asking({"maintenance/alarm": {"header": {}}}, EtcdApi.disarm)
    assert [body for _path, body in asked] == [{"action": "GET"}]


def test_no_alarm_is_no_word() -> None:
    """A member without alarms leaves them out."""
    assert asking({"maintenance/alarm": {"header": {}}}, EtcdApi.alarms)[0] == set()


@given(st.text(st.characters(min_codepoint=33, max_codepoint=125), min_size=1, max_size=12), st.binary(max_size=4))
def test_a_prefix_ends_right_behind_all_that_begin_with_it(prefix: str, rest: bytes) -> None:
    """The end key is above each key with the prefix, and not above the next key that lacks it."""
    sent: dict[str, bytes] = {}

    async def note(_api: EtcdApi, _path: str, **body: Any) -> dict[str, Any]:
        sent.update({name: base64.b64decode(value) for name, value in body.items()})
        return {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EtcdApi, "_call", note)
        asyncio.run(EtcdApi("http://127.0.0.1:1").delete_prefix(prefix))

    begin, end = sent["key"], sent["range_end"]
    assert begin == prefix.encode()
    assert begin <= begin + rest < end
    assert not end.startswith(begin)
    assert end[:-1] == begin[:-1]
    assert end[-1] == begin[-1] + 1
