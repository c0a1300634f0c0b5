from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from harness.cluster import egress as egress_module
from harness.cluster.egress import UNSETTLED, Behaviour, Egress, mistyped
from harness.cluster.hardware import NodeProfile

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

HARDWARE = NodeProfile(gpu="a100", gpus=2).hardware()
URI = "/api/v1/namespaces/akash-services/pods/{pod}:8081/proxy{path}"


async def node_of_pod(namespace: str, pod: str) -> str | None:
    """The pods of this test: POD is NODE with a prefix, in one namespace."""
    return pod.removeprefix("discovery-") if namespace == "akash-services" and pod.startswith("discovery-") else None


class Tunnel:
    """The API server's end of one CONNECT tunnel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def get(self, path: str, *, pod: str = "discovery-n1", uri: str | None = None) -> tuple[int, str, bytes]:
        """One GET inside the tunnel: status, content type and body; (0, "", b"") when the tunnel was closed instead."""
        forwarded = URI.format(pod=pod, path=path) if uri is None else uri
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-Uri: {forwarded}\r\n\r\n".encode())
        await self.writer.drain()
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return 0, "", b""
        fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
        body = await self.reader.readexactly(int(fields["content-length"]))
        return int(head.split(" ")[1]), fields["content-type"], body


@pytest.fixture
def egress() -> Egress:
    """Two nodes with hardware."""
    return Egress(node_of_pod, hardware={"n1": HARDWARE, "n2": NodeProfile().hardware()})


def through(egress: Egress, directory: Path, story: Callable[[Tunnel], Awaitable[Any]]) -> Any:
    """Serve on a unix socket, as the API server is told to use, open a tunnel, and play the story in it."""

    async def play() -> Any:
        server = await asyncio.start_unix_server(egress.handle, directory / "egress.sock")
        reader, writer = await asyncio.open_unix_connection(directory / "egress.sock")
        writer.write(b"CONNECT 10.244.0.7:8081 HTTP/1.1\r\nHost: 10.244.0.7:8081\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        try:
            async with asyncio.timeout(10):
                return await story(Tunnel(reader, writer))
        finally:
            writer.close()
            server.close()

    return asyncio.run(play())


@pytest.mark.parametrize("part", ["cpu", "gpu", "memory"])
def test_a_part_of_the_hardware_is_answered(egress: Egress, tmp_path: Path, part: str) -> None:
    """Each path of the discovery API answers that part of the node's hardware as JSON."""
    status, content_type, body = through(egress, tmp_path, lambda tunnel: tunnel.get(f"/{part}"))

    assert (status, content_type) == (200, "application/json")
    assert json.loads(body) == HARDWARE[part]
    assert egress.served == {"n1": 1}


def test_the_root_is_all_of_it(egress: Egress, tmp_path: Path) -> None:
    """`/` answers every part."""
    assert json.loads(through(egress, tmp_path, lambda tunnel: tunnel.get("/"))[2]) == HARDWARE


def test_one_tunnel_serves_several_requests(egress: Egress, tmp_path: Path) -> None:
    """The API server keeps its connection; each request is answered for the pod it names."""

    async def story(tunnel: Tunnel) -> list[int]:
        answers = [await tunnel.get("/cpu"), await tunnel.get("/gpu", pod="discovery-n2"), await tunnel.get("/cpu")]
        return [status for status, _, _ in answers]

    assert through(egress, tmp_path, story) == [200, 200, 200]
    assert egress.served == {"n1": 2, "n2": 1}


def test_an_unknown_path_is_not_found(egress: Egress, tmp_path: Path) -> None:
    """404, and the tunnel stays open."""

    async def story(tunnel: Tunnel) -> tuple[int, int]:
        return (await tunnel.get("/psu"))[0], (await tunnel.get("/cpu"))[0]

    assert through(egress, tmp_path, story) == (404, 200)


@pytest.mark.parametrize(
    "uri", ["", "/api/v1/nodes", URI.format(pod="stranger", path="/cpu"), URI.format(pod="discovery-n9", path="/cpu")]
)
def test_what_is_not_there_refuses(egress: Egress, tmp_path: Path, uri: str) -> None:
    """A request for no pod, an unknown pod, or a node without hardware gets a closed connection, not an answer."""
    assert through(egress, tmp_path, lambda tunnel: tunnel.get("/cpu", uri=uri)) == (0, "", b"")
    assert egress.served == {}


def test_an_unsettled_node_changes_its_answer_from_request_to_request(egress: Egress, tmp_path: Path) -> None:
    """Who asks for both parts again and again is told of both machines, and of each part of both."""
    other = NodeProfile(cpus=32, gpu="t4", gpus=2).hardware()
    egress.behave("*", Behaviour(UNSETTLED, 0.0, {"n1": other}))

    async def story(tunnel: Tunnel) -> list[Any]:
        return [json.loads((await tunnel.get(path))[2]) for path in ("/cpu", "/gpu") * 3]

    answers = through(egress, tmp_path, story)

    own = HARDWARE
    assert answers == [own["cpu"], other["gpu"], other["cpu"], own["gpu"], own["cpu"], other["gpu"]]
    assert egress.turns == {"n1": [3, 3]}
    assert (egress.served, egress.misbehaved) == ({"n1": 6}, 6)


def test_a_node_without_another_machine_stays_what_it_is(egress: Egress, tmp_path: Path) -> None:
    """One that joined since is answered for as ever."""
    egress.behave("*", Behaviour(UNSETTLED))

    async def story(tunnel: Tunnel) -> list[Any]:
        return [json.loads((await tunnel.get("/cpu"))[2]) for _ in range(2)]

    assert through(egress, tmp_path, story) == [HARDWARE["cpu"]] * 2


@pytest.mark.parametrize("target", ["n1", "*"])
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("refuse", (0, "")), ("error", (500, "text/plain")), ("garbage", (200, "application/json")),
        ("empty", (200, "application/json")), ("types", (200, "application/json")),
        ("no-such-mode", (500, "text/plain")),
    ],
)  # fmt: skip
def test_a_fault_answers_in_its_way(
    egress: Egress, tmp_path: Path, mode: str, expected: tuple[int, str], target: str
) -> None:
    """Each mode looks as it should to the API server, and counts as a request that met the fault."""
    egress.behaviour[target] = Behaviour(mode)

    status, content_type, body = through(egress, tmp_path, lambda tunnel: tunnel.get("/cpu"))

    assert (status, content_type) == expected
    assert egress.misbehaved == 1
    assert egress.served == {}
    if mode in {"garbage", "empty"}:
        with pytest.raises(json.JSONDecodeError):
            json.loads(body)
    if mode == "types":
        assert json.loads(body) == mistyped(HARDWARE["cpu"]) != HARDWARE["cpu"]


def test_half_an_answer_is_cut_in_the_middle(egress: Egress, tmp_path: Path) -> None:
    """The head promises the whole body, half of it comes, and the connection is closed."""
    egress.behaviour["n1"] = Behaviour("half")
    whole = json.dumps(HARDWARE["gpu"]).encode()

    async def story(tunnel: Tunnel) -> tuple[int, bytes]:
        with pytest.raises(asyncio.IncompleteReadError) as caught:
            await tunnel.get("/gpu")
        return caught.value.expected or 0, caught.value.partial

    assert through(egress, tmp_path, story) == (len(whole), whole[: len(whole) // 2])
    assert egress.misbehaved == 1


@pytest.mark.parametrize(("path", "truth"), [("/cpu", HARDWARE["cpu"]), ("/", HARDWARE)])
def test_a_huge_answer_is_the_truth_behind_padding(
    egress: Egress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, truth: dict[str, Any]
) -> None:
    """It is one valid document of more bytes than asked for, and without the unknown field it is true."""
    monkeypatch.setattr(egress_module, "HUGE_BYTES", 3 << 20)
    egress.behaviour["*"] = Behaviour("huge")

    status, _, body = through(egress, tmp_path, lambda tunnel: tunnel.get(path))
    document = json.loads(body)

    assert status == 200
    assert len(document.pop("padding")) == 3 << 20
    assert document == truth
    assert egress.served == {}


def test_a_huge_answer_has_tens_of_mebibytes() -> None:
    """It is far more than any hardware is, and no more than a control plane can carry."""
    assert 16 << 20 <= egress_module.HUGE_BYTES <= 64 << 20


def test_a_late_answer_is_true_and_counts_from_its_request_on(egress: Egress, tmp_path: Path) -> None:
    """Who gives up waiting has met the fault as well; who waits learns the truth."""
    egress.behaviour["n1"] = Behaviour("late", delay_s=0.5)

    async def story(tunnel: Tunnel) -> tuple[bool, bytes]:
        asked = asyncio.create_task(tunnel.get("/cpu"))
        while not egress.misbehaved:
            await asyncio.wait({asked}, timeout=0.01)
        early = asked.done()
        return early, (await asked)[2]

    early, body = through(egress, tmp_path, story)

    assert not early
    assert json.loads(body) == HARDWARE["cpu"]
    assert egress.served == {"n1": 1}


def test_a_node_may_go_while_its_answer_is_late(egress: Egress, tmp_path: Path) -> None:
    """There is nothing to tell of it any more, and the tunnel lives."""
    egress.behaviour["n1"] = Behaviour("late", delay_s=0.5)

    async def story(tunnel: Tunnel) -> int:
        asked = asyncio.create_task(tunnel.get("/cpu"))
        while not egress.misbehaved:
            await asyncio.wait({asked}, timeout=0.01)
        del egress.hardware["n1"]
        return (await asked)[0]

    assert through(egress, tmp_path, story) == 404


def test_wrong_types_keep_names_and_content() -> None:
    """Numbers become text and lists objects, at any depth; text and truth values stay."""
    given = {"n": 8, "part": 1.5, "list": [{"id": 0}, "x"], "none": None, "text": "7", "yes": True}

    assert mistyped(given) == {
        "n": "8", "part": "1.5", "list": {"0": {"id": "0"}, "1": "x"}, "none": {}, "text": "7", "yes": True
    }  # fmt: skip


def test_a_hanging_node_never_answers_and_the_others_do(egress: Egress, tmp_path: Path) -> None:
    """No byte comes from the node that hangs, while a request for its neighbour is answered."""
    egress.behaviour["n1"] = Behaviour("hang")

    async def story(tunnel: Tunnel) -> tuple[bool, int]:
        other = Tunnel(*await asyncio.open_unix_connection(tmp_path / "egress.sock"))
        other.writer.write(b"CONNECT 10.244.0.8:8081 HTTP/1.1\r\n\r\n")
        await other.reader.readuntil(b"\r\n\r\n")
        waiting = asyncio.create_task(tunnel.get("/cpu"))
        status = (await other.get("/cpu", pod="discovery-n2"))[0]
        other.writer.close()
        done, _ = await asyncio.wait({waiting}, timeout=0.1)
        egress.drop()
        assert await waiting == (0, "", b"")
        return bool(done), status

    assert through(egress, tmp_path, story) == (False, 200)


def test_a_delay_comes_first(egress: Egress, tmp_path: Path) -> None:
    """A late node answers truly, after its delay."""
    egress.behaviour["n1"] = Behaviour("answer", delay_s=0.15)

    async def story(tunnel: Tunnel) -> tuple[float, int]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        status = (await tunnel.get("/cpu"))[0]
        return loop.time() - began, status

    passed_s, status = through(egress, tmp_path, story)

    assert status == 200
    assert passed_s >= 0.15
    assert egress.misbehaved == 0


@pytest.mark.parametrize("given", ["web:8081", "http:web:8081", "https:web:8081", "web"])
def test_a_pod_is_told_from_scheme_and_port(given: str) -> None:
    """A pod's name of letters only is not taken for the scheme that may stand before it."""
    found = egress_module._URI.match(f"/api/v1/namespaces/ns/pods/{given}/proxy/cpu?x=1")

    assert found is not None
    assert (found["ns"], found["pod"], found["path"]) == ("ns", "web", "/cpu")


def test_only_connect_is_served(egress: Egress, tmp_path: Path) -> None:
    """Whoever speaks plain HTTP to the socket is told so."""

    async def play() -> bytes:
        server = await asyncio.start_unix_server(egress.handle, tmp_path / "egress.sock")
        reader, writer = await asyncio.open_unix_connection(tmp_path / "egress.sock")
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            async with asyncio.timeout(10):
                return await reader.read()
        finally:
            writer.close()
            server.close()

    assert asyncio.run(play()).startswith(b"HTTP/1.1 405 ")


def connect(
    egress: Egress, directory: Path, target: str, story: Callable[[Any, Any], Awaitable[Any]], kubelet: Any = None
) -> Any:
    """A tunnel to that target, before its first answer, and the story in it; `kubelet`: what one does there."""

    async def play() -> Any:
        played = await asyncio.start_server(kubelet, "127.0.0.1", 0) if kubelet is not None else None
        egress.kubelet = 0 if played is None else played.sockets[0].getsockname()[1]
        server = await asyncio.start_unix_server(egress.handle, directory / "egress.sock")
        reader, writer = await asyncio.open_unix_connection(directory / "egress.sock")
        writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        try:
            async with asyncio.timeout(10):
                return await story(reader, writer)
        finally:
            writer.close()
            server.close()
            if played is not None:
                played.close()

    return asyncio.run(play())


@pytest.mark.parametrize("node", ["10.245.0.1", "worker-1", "worker-1.rack-1.example.internal"])
def test_what_is_for_a_kubelet_is_handed_on(egress: Egress, tmp_path: Path, node: str) -> None:
    """Bytes pass as they are in both directions, and the end of one end is that of the other."""

    async def kubelet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readexactly(5))[::-1])
        await writer.drain()
        writer.close()

    async def story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        writer.write(b"\x16\x00abc")
        return await reader.read()

    assert connect(egress, tmp_path, f"{node}:10250", story, kubelet) == b"cba\x00\x16"


def test_without_a_kubelet_its_port_is_refused(egress: Egress, tmp_path: Path) -> None:
    """As a machine on which none runs does."""

    async def story(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> bytes:
        return bytes(await reader.read())

    assert connect(egress, tmp_path, "worker-1:10250", story).startswith(b"HTTP/1.1 502 ")
