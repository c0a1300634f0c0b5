"""The helper process of one cluster: egress, GPU registry and reaper of pods, commanded over a unix socket.

It is a process of its own so that judging, rendering or a paused test never delays an answer for which the operator
waits five seconds. `python -m harness.cluster.sidecar DIRECTORY` listens on `egress.sock` and `control.sock` in the
directory and on the given loopback port for the registry; it ends when its parent does (death shim).

Commands are one JSON object a line, answered by one: {"do": "hardware", "node": N, "body": {…} | null}, {"do":
"hardware-many", "body": {node: {…}}}, {"do": "behaviour", "node": N | "*", "mode": …, "delay_s": …, "others": {node:
{…}}}, {"do": "registry", "body": {…}, "mode": answer | one of REGISTRY_FAULTY, "delay_s": …}, {"do": "kubelet", "port":
N}, {"do": "stats"}, {"do": "ping"}.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from harness.cluster.client import KubeClient
from harness.cluster.control import serve_commands
from harness.cluster.egress import Behaviour, Egress
from harness.cluster.pki import KeyPair
from harness.cluster.reaper import Reaper
from harness.errors import ApiError, ClusterError
from harness.wait import interval

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVES_NOTHING = "harness.invalid/serves-nothing"
"""An annotation: this pod is no discovery pod, whatever its name is, and nothing listens in it."""

REGISTRY_FAULTY = ("error", "hang", "redirect", "wrong", "empty", "cut")
"""The modes of a registry that misbehaves; none of them says anything about GPUs.

`error` is a 500; `redirect` a 302 to itself, for ever; `wrong` a JSON object that is no registry, with status 200, as
gateways write it; `empty` 200 without a body; `cut` a connection that is reset without an answer.
"""

_NO_REGISTRY = {"error": {"code": 429, "message": "too many requests"}}
_ENDED = frozenset({"Succeeded", "Failed"})


@dataclass(slots=True)
class PodLocator:
    """Tells on which node a pod runs, by asking the API server; remembers by pod until it is asked to forget."""

    client: KubeClient
    known: dict[tuple[str, str], str] = field(default_factory=dict)

    async def node_of(self, namespace: str, pod: str) -> str | None:
        """The pod's node; None when there is no such pod, nothing runs in it, or nobody knows."""
        try:
            body = await self.client.get(f"/api/v1/namespaces/{namespace}/pods/{pod}", timeout_s=4.0)
        except ApiError as exc:
            if exc.status == 404:
                self.known.pop((namespace, pod), None)
                return None
            return self.known.get((namespace, pod))
        except ClusterError:
            return self.known.get((namespace, pod))
        node = body["spec"].get("nodeName")
        if not node or not _serves(body):
            self.known.pop((namespace, pod), None)
            return None
        self.known[namespace, pod] = str(node)
        return str(node)


def _serves(pod: Mapping[str, Any]) -> bool:
    """Whether a discovery server can be at work in the pod: one that has ended keeps its address in its status."""
    silent = SERVES_NOTHING in (pod.get("metadata", {}).get("annotations") or ())
    return not silent and pod.get("status", {}).get("phase") not in _ENDED


@dataclass(slots=True)
class Registry:
    """The GPU registry: one JSON document, or a fault in its place.

    `served`: requests, ever; `changes`: how often it was told how to be; `since`: requests since the last of those.
    """

    body: Any = None
    mode: str = "answer"
    delay_s: float = 0.0
    served: int = 0
    changes: int = 0
    since: int = 0

    def change(self, told: Mapping[str, Any]) -> None:
        """Be as a command says; a mode that is not named is "answer", everything else stays."""
        self.body = told.get("body", self.body)
        self.mode = told.get("mode", "answer")
        self.delay_s = float(told.get("delay_s", self.delay_s))
        self.changes += 1
        self.since = 0

    def counts(self) -> dict[str, Any]:
        """What it is and was asked, but for the content."""
        return {"mode": self.mode, "delay_s": self.delay_s, "changes": self.changes, "since": self.since}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """GET /devices/gpus."""
        self.served += 1
        self.since += 1
        match self.mode:
            case "error":
                return web.Response(status=500, text="registry failed\n")
            case "hang":
                await asyncio.Event().wait()
            case "redirect":
                return web.Response(status=302, headers={"Location": str(request.rel_url)})
            case "wrong":
                return web.json_response(_NO_REGISTRY)
            case "empty":
                return web.Response(body=b"", content_type="application/json")
            case "cut" if request.transport is not None:
                request.transport.abort()  # what is returned below reaches nobody
                return web.Response(status=500)
        await interval(self.delay_s)
        return web.json_response(self.body)


@dataclass(slots=True)
class Sidecar:
    """Egress and registry with one command handler."""

    egress: Egress
    registry: Registry

    def command(self, body: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command; {"ok": true, …} or {"error": text}."""
        match body.get("do"):
            case "hardware":
                self._hardware({body["node"]: body["body"]})
            case "hardware-many":
                self._hardware(body["body"])
            case "behaviour":
                behaviour = Behaviour(body["mode"], float(body.get("delay_s", 0.0)), body.get("others") or {})
                self.egress.behave(body["node"], behaviour)
            case "registry":
                self.registry.change(body)
            case "kubelet":
                self.egress.kubelet = int(body["port"])
            case "stats":
                return {
                    "ok": True,
                    "served": self.egress.served,
                    "misbehaved": self.egress.misbehaved,
                    "turns": self.egress.turns,
                    "behaviour": {node: b.mode for node, b in self.egress.behaviour.items() if b.mode != "answer"},
                    "registry": self.registry.served,
                    "registry_now": self.registry.counts(),
                }
            case "ping":
                pass
            case other:
                return {"error": f"unknown command {other!r}"}
        return {"ok": True}

    def _hardware(self, bodies: dict[str, Any]) -> None:
        for node, hardware in bodies.items():
            if hardware is None:
                self.egress.hardware.pop(node, None)
            else:
                self.egress.hardware[node] = hardware


async def serve(directory: Path, *, server: str, registry_port: int) -> None:
    """Run until the process is killed."""
    pki = directory / "pki"
    pair = KeyPair(pki / "admin.crt", pki / "admin.key")
    async with KubeClient(server, ca=pki / "ca.crt", pair=pair) as client:
        sidecar = Sidecar(Egress(PodLocator(client).node_of), Registry())
        app = web.Application()
        app.router.add_get("/devices/gpus", sidecar.registry.handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", registry_port).start()
        await asyncio.start_unix_server(sidecar.egress.handle, directory / "egress.sock", backlog=1024)
        control = await serve_commands(directory / "control.sock", sidecar.command)
        async with asyncio.TaskGroup() as group:
            group.create_task(control.serve_forever())
            group.create_task(Reaper(client).run())


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), server=sys.argv[2], registry_port=int(sys.argv[3])))
