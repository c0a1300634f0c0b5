"""An API server that answers lists and nothing else, from memory, over plain HTTP."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from tests.unit.capture import cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVICES = "/api/v1/namespaces/akash-services/services"
CONFIG_MAP = "/api/v1/namespaces/akash-services/configmaps/operator-inventory"


@dataclass
class Api:
    """What it answers: `lists` by path, `objects` by path; `refused`: paths that are 403, and all with `code`.

    `asked`: (method, path) of every request.
    """

    lists: dict[str, list[Any]] = field(default_factory=lambda: {**cluster.LISTS, SERVICES: [service()]})
    objects: dict[str, Any] = field(
        default_factory=lambda: {
            CONFIG_MAP: {"data": {"config.yaml": cluster.CONFIG}},
            "/version": {"gitVersion": "v1.33.1"},
            f"{SERVICES}/operator-inventory:api/proxy/v1/inventory": cluster.inventory(),
        }
    )
    refused: set[str] = field(default_factory=set)
    code: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, Any]:
        """Status and body."""
        if self.code:
            return self.code, {"message": "no"}
        if path in self.refused:
            return 403, {"reason": "Forbidden", "message": "cannot"}
        if path in self.lists:
            return 200, {"metadata": {"resourceVersion": "9"}, "items": self.lists[path]}
        return (200, self.objects[path]) if path in self.objects else (404, {"reason": "NotFound"})


def service(name: str = "operator-inventory") -> dict[str, Any]:
    """A Service as the chart makes it."""
    return {
        "metadata": {"name": name},
        "spec": {"ports": [{"name": "api", "port": 8080}, {"name": "grpc", "port": 8081}]},
    }


@contextmanager
def serving(api: Api) -> Iterator[str]:
    """Serve it; the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            api.asked.append(("GET", path))
            status, body = api.answer(path)
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def written(path: Path, server: str) -> Path:
    """A kubeconfig of two contexts, "here" and "nobody"."""
    body = {
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "a-token"}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("here", "there")],
    }  # fmt: skip
    path.write_text(yaml.safe_dump(body), encoding="utf-8")
    return path
