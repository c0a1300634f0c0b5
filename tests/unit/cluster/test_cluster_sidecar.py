from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from harness.cluster.control import ControlSocket, serve_commands
from harness.cluster.egress import Behaviour, Egress
from harness.cluster.hardware import registry as content
from harness.cluster.sidecar import SERVES_NOTHING, PodLocator, Registry, Sidecar
from harness.errors import ApiError, ApiUnavailableError, ClusterError
from harness.model.hardware import parse_registry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


async def nowhere(_namespace: str, _pod: str) -> str | None:
    """No pod is anywhere."""
    return None


@pytest.fixture
def sidecar() -> Sidecar:
    """A helper without nodes."""
    return Sidecar(Egress(nowhere), Registry())


def test_hardware_comes_and_goes(sidecar: Sidecar) -> None:
    """One node or many are set at once; null takes a node's hardware away."""
    assert sidecar.command({"do": "hardware-many", "body": {"a": {"cpu": 1}, "b": {"cpu": 2}}}) == {"ok": True}
    sidecar.command({"do": "hardware", "node": "a", "body": None})
    sidecar.command({"do": "hardware", "node": "c", "body": {"cpu": 3}})

    assert sidecar.egress.hardware == {"b": {"cpu": 2}, "c": {"cpu": 3}}


def test_behaviour_is_set_for_one_node_or_all(sidecar: Sidecar) -> None:
    """The delay is none unless it is given."""
    sidecar.command({"do": "behaviour", "node": "*", "mode": "hang"})
    sidecar.command({"do": "behaviour", "node": "a", "mode": "answer", "delay_s": 2})

    assert sidecar.egress.behaviour == {"*": Behaviour("hang", 0.0), "a": Behaviour("answer", 2.0)}


def test_an_unsettled_node_is_told_of_the_other_machine(sidecar: Sidecar) -> None:
    """The others come with the command, and answers are counted from it on."""
    sidecar.egress.turns["a"] = [1, 1]
    sidecar.command({"do": "behaviour", "node": "*", "mode": "unsettled", "others": {"a": {"cpu": 2}}})

    assert sidecar.egress.behaviour == {"*": Behaviour("unsettled", 0.0, {"a": {"cpu": 2}})}
    assert sidecar.command({"do": "stats"})["turns"] == {}


def test_the_registrys_content_outlives_its_fault(sidecar: Sidecar) -> None:
    """A command without a body changes the behaviour only."""
    sidecar.command({"do": "registry", "body": {"10de": {}}})
    sidecar.command({"do": "registry", "mode": "error"})
    assert (sidecar.registry.body, sidecar.registry.mode) == ({"10de": {}}, "error")

    sidecar.command({"do": "registry"})
    assert sidecar.registry.mode == "answer"


def test_stats_count_answers_and_faults_met(sidecar: Sidecar) -> None:
    """The evidence of faults is read from here."""
    sidecar.egress.served["a"] = 3
    sidecar.egress.misbehaved = 2
    sidecar.registry.served = 5
    sidecar.registry.since = 4
    sidecar.command({"do": "registry", "mode": "hang", "delay_s": 1})
    sidecar.registry.since += 1
    sidecar.command({"do": "behaviour", "node": "*", "mode": "hang"})
    sidecar.command({"do": "behaviour", "node": "a", "mode": "answer"})

    assert sidecar.command({"do": "stats"}) == {
        "ok": True,
        "served": {"a": 3},
        "misbehaved": 2,
        "turns": {},
        "behaviour": {"*": "hang"},
        "registry": 5,
        "registry_now": {"mode": "hang", "delay_s": 1.0, "changes": 1, "since": 1},
    }


def test_an_unknown_command_is_refused(sidecar: Sidecar) -> None:
    """The answer names it."""
    assert sidecar.command({"do": "dance"}) == {"error": "unknown command 'dance'"}


def over(sidecar: Sidecar, directory: Path, story: Callable[[ControlSocket], Awaitable[Any]]) -> Any:
    """Play the story over a real control socket."""

    async def play() -> Any:
        server = await serve_commands(directory / "control.sock", sidecar.command)
        control = ControlSocket(directory / "control.sock", "the helper")
        try:
            return await story(control)
        finally:
            control.close()
            server.close()

    return asyncio.run(play())


def test_commands_travel_over_the_socket(sidecar: Sidecar, tmp_path: Path) -> None:
    """Several commands at once on one connection are answered each with its own answer."""

    async def story(control: ControlSocket) -> Any:
        return await asyncio.gather(
            control.command(do="hardware", node="a", body={}), control.command(do="stats"), control.command(do="ping")
        )

    answers = over(sidecar, tmp_path, story)

    assert [set(answer) for answer in answers] == [
        {"ok"},
        {"ok", "served", "misbehaved", "turns", "behaviour", "registry", "registry_now"},
        {"ok"},
    ]
    assert sidecar.egress.hardware == {"a": {}}


def test_a_refused_command_is_an_error_here(sidecar: Sidecar, tmp_path: Path) -> None:
    """The error names the command."""
    with pytest.raises(ClusterError, match="refused dance: unknown command"):
        over(sidecar, tmp_path, lambda control: control.command(do="dance"))


def test_a_helper_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """The error names what could not be asked."""
    with pytest.raises(ClusterError, match=r"does not answer \(ping\)"):
        asyncio.run(ControlSocket(tmp_path / "control.sock", "the helper").command(do="ping"))


class Lookup:
    """Stands for the API server's client: gives what it is told to."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)

    async def get(self, _path: str, **_options: Any) -> Any:
        """The next answer, raised when it is an error."""
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("second", "node"),
    [
        (ApiUnavailableError("away"), "n1"),
        (ApiError("broken", status=500), "n1"),
        (ApiError("gone", status=404), None),
        ({"spec": {"nodeName": "n2"}}, "n2"),
        ({"spec": {}}, None),
        ({"spec": {"nodeName": "n1"}, "status": {"phase": "Running"}, "metadata": {"annotations": None}}, "n1"),
        ({"spec": {"nodeName": "n1"}, "status": {"phase": "Failed", "podIP": "10.244.0.7"}}, None),
        ({"spec": {"nodeName": "n1"}, "status": {"phase": "Succeeded"}}, None),
        ({"spec": {"nodeName": "n1"}, "metadata": {"annotations": {SERVES_NOTHING: "a stranger"}}}, None),
    ],
)
def test_a_pods_node_is_remembered_while_nobody_can_be_asked(second: Any, node: str | None) -> None:
    """The API server's word counts; while it is away the last word does. Nothing answers in a pod that has ended."""
    locator = PodLocator(Lookup({"spec": {"nodeName": "n1"}}, second))  # type: ignore[arg-type]

    async def story() -> tuple[str | None, str | None]:
        return await locator.node_of("ns", "pod"), await locator.node_of("ns", "pod")

    assert asyncio.run(story()) == ("n1", node)


def test_a_pod_that_ended_is_not_remembered() -> None:
    """While the API server is away afterwards, nothing answers for it."""
    ended = {"spec": {"nodeName": "n1"}, "status": {"phase": "Failed"}}
    locator = PodLocator(Lookup({"spec": {"nodeName": "n1"}}, ended, ApiUnavailableError("away")))  # type: ignore[arg-type]

    async def story() -> list[str | None]:
        return [await locator.node_of("ns", "pod") for _ in range(3)]

    assert asyncio.run(story()) == ["n1", None, None]


def asked(registry: Registry, *, hops: int = 3) -> tuple[int, str | bytes]:
    """Status and body of the registry over HTTP; a redirect that is still one after `hops` is (302, its location)."""

    async def play() -> tuple[int, str | bytes]:
        app = web.Application()
        app.router.add_get("/devices/gpus", registry.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        path = "/devices/gpus"
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
                for _ in range(hops):
                    async with session.get(path, allow_redirects=False) as response:
                        if response.status != 302:
                            return response.status, await response.read()
                        path = response.headers["Location"]
                return 302, path
        finally:
            await runner.cleanup()

    return asyncio.run(play())


def test_the_registry_answers_its_content() -> None:
    """Without a fault it is the document."""
    status, body = asked(Registry({"10de": {}}))

    assert (status, json.loads(body)) == (200, {"10de": {}})


@pytest.mark.parametrize(
    ("mode", "status", "body"),
    [
        ("error", 500, b"registry failed\n"),
        ("redirect", 302, "/devices/gpus"),
        ("wrong", 200, b'{"error": {"code": 429, "message": "too many requests"}}'),
        ("empty", 200, b""),
    ],
)
def test_a_registry_that_misbehaves_tells_nothing(mode: str, status: int, body: str | bytes) -> None:
    """Each mode answers in its way, every request counts, and none tells the content."""
    registry = Registry(content(), mode=mode, delay_s=5.0)

    assert asked(registry) == (status, body)
    assert registry.served == (3 if mode == "redirect" else 1)


def test_a_registry_that_cuts_connections_off_answers_nothing() -> None:
    """Whoever asks finds the connection ended, and is counted."""
    registry = Registry(content(), mode="cut")

    with pytest.raises(aiohttp.ClientConnectionError):
        asked(registry)
    assert registry.served >= 1  # clients try once more on a connection that was kept


def test_what_a_wrong_registry_says_is_no_registry() -> None:
    """The model, too, takes it for an error and not for a registry without vendors."""
    _, body = asked(Registry(content(), mode="wrong"))

    assert parse_registry(json.loads(body)) is None
