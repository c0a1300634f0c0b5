"""The fixtures of the toolchain's tests."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.unit.toolchain.mirror import GATE_S, Mirror, complete_mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """A complete mirror, served on loopback while the test runs."""
    content = complete_mirror()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content.asked[self.path] += 1
            body = content.files.get(self.path)
            if body is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            half = len(body) // 2
            self.wfile.write(body[:half])
            self.wfile.flush()
            if self.path in content.cut:
                self.close_connection = True
                return
            if self.path in content.held:
                content.half_sent.set()
                content.gate.wait(GATE_S)
            try:
                self.wfile.write(body[half:])
            except ConnectionError:
                self.close_connection = True  # the client was killed; that is the subject of a test

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    content.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield content
    content.gate.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "KUBEBUILDER_ASSETS",
        "INVENTORY_HARNESS_MIRROR",
        "INVENTORY_HARNESS_CACHE",
        "http_proxy",
        "HTTP_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def without_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A PATH on which there is no `go`."""
    empty = tmp_path / "empty-path"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
