"""Official releases over HTTPS, each checked against its published SHA-256.

A host that could not be reached once is not asked again in the same resolution, and when names cannot be resolved at
all no host is: a machine without a network must fall to the build at once.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import json
import re
import socket
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from harness.errors import ToolchainError
from harness.toolchain.progress import TICK_S, Progress, Report
from harness.toolchain.release import Asset, Checksum, Component, Sums, asset

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.toolchain.store import Store

CONNECT_S = 3.0
"""Time for TCP and TLS. Release hosts answer in well under a second wherever they can be reached at all."""
STALL_S = 30.0
"""Longest silence in the middle of a body."""
CHUNK = 1 << 18
CHECKSUM_LIMIT = 4 << 20
"""Bytes read of a checksum document; the GitHub record of a release is some 100 kB."""

SHA256 = re.compile(r"[0-9a-f]{64}")
NOT_FOUND = 404


class _Impatient(http.client.HTTPConnection):
    """Quick to give up on a connection, patient with a body."""

    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(STALL_S)


class _ImpatientTls(http.client.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(STALL_S)


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Impatient, req)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_ImpatientTls, req)


class _Sink(Protocol):
    """Where the bytes of a body go."""

    def __call__(self, chunk: bytes, /) -> object: ...


@dataclass(slots=True)
class Downloader:
    """Fetches components of one resolution; remembers which hosts were out of reach."""

    store: Store
    mirror: str | None
    report: Report
    unreachable: dict[str, str] = field(default_factory=dict)

    def fetch(self, wanted: Sequence[Component], folder: Path) -> dict[str, str]:
        """Bring `wanted` (of one unit) into the cache through the staging `folder`; return why for each one not had.

        Raises PlatformError when the disk refuses.
        """
        reasons: dict[str, str] = {}
        refused: dict[str, str] = {}
        archives: dict[str, Path] = {}
        for component in wanted:
            release = asset(component, arch=self.store.arch, mirror=self.mirror)
            if release.url in refused:
                reasons[component.name] = refused[release.url]
                continue
            try:
                body = archives.get(release.url)
                if body is None:
                    body = folder / f"download-{release.filename}"
                    self._verified(component, release, body)
                    archives[release.url] = body
                binary = self._unpacked(release, component, body, folder)
                self.store.install(component, binary, origin="download", detail=release.url)
            except ToolchainError as exc:
                reasons[component.name] = refused[release.url] = exc.what
                self.report(Progress(component.name, "refused", 0.0, exc.what))
        return reasons

    def published(self, component: Component) -> str:
        """The published SHA-256 of a component's release file; raises ToolchainError when it cannot be read."""
        return self._published(asset(component, arch=self.store.arch, mirror=self.mirror))

    def _verified(self, component: Component, release: Asset, into: Path) -> None:
        """Download a release file whose digest equals the published one."""
        published = self._published(release)
        actual = hashlib.sha256()
        started = last = time.monotonic()
        done = 0
        with self.store.writing():
            stream = into.open("wb", buffering=0)
        with stream:

            def keep(chunk: bytes) -> None:
                nonlocal done, last
                actual.update(chunk)
                with self.store.writing():
                    stream.write(chunk)
                done += len(chunk)
                if (now := time.monotonic()) - last >= TICK_S:
                    last = now
                    self.report(Progress(component.name, "downloading", now - started, f"{done / 1e6:.0f} MB"))

            self.report(Progress(component.name, "downloading", 0.0, release.url))
            self._read(release.url, keep)
        self.report(Progress(component.name, "verifying", 0.0, release.filename))
        if actual.hexdigest() != published:
            raise ToolchainError(f"{release.url}: SHA-256 is {actual.hexdigest()}, published is {published}")

    def _unpacked(self, release: Asset, component: Component, body: Path, folder: Path) -> Path:
        binary = folder / component.name
        with self.store.writing():
            if not release.member:
                return body.replace(binary)
            try:
                with tarfile.open(body) as archive, binary.open("wb") as out:
                    inside = archive.extractfile(release.member)
                    if inside is None:
                        raise ToolchainError(f"{release.url}: {release.member} is not a regular file")
                    while chunk := inside.read(CHUNK):
                        out.write(chunk)
            except (tarfile.TarError, gzip.BadGzipFile, zlib.error, KeyError, EOFError) as exc:
                raise ToolchainError(f"{release.url}: cannot read {release.member} from it: {exc}") from exc
        return binary

    def _published(self, release: Asset) -> str:
        """The published SHA-256, from the first place that has one. Nothing is ever used without."""
        tried = []
        for checksum in release.checksums:
            text = bytearray()
            try:
                self._read(checksum.url, text.extend, limit=CHECKSUM_LIMIT)
            except FileNotFoundError:
                tried.append(checksum.url)
                continue
            return _parse(checksum, release.filename, text.decode("utf-8", "replace"))
        raise ToolchainError(f"{release.url}: no published SHA-256 to check it against (not found: {', '.join(tried)})")

    def _read(self, url: str, sink: _Sink, *, limit: int | None = None) -> None:
        """Pass the body on chunk by chunk. Raises FileNotFoundError for a 404 and ToolchainError for all else."""
        host = urlsplit(url).netloc
        known = self.unreachable.get(host) or self.unreachable.get("*")
        if known:
            raise ToolchainError(f"{url}: {known}")
        opener = urllib.request.build_opener(_Http, _Https)
        request = urllib.request.Request(url, headers={"User-Agent": "inventory-harness"})
        try:
            response = opener.open(request, timeout=CONNECT_S)
        except urllib.error.HTTPError as exc:
            with exc:
                if exc.code == NOT_FOUND and limit is not None:
                    raise FileNotFoundError(url) from exc
                raise ToolchainError(f"{url}: HTTP {exc.code} {exc.reason}") from exc
        except (OSError, http.client.HTTPException, ValueError) as exc:
            raise ToolchainError(f"{url}: {self._remember(host, exc)}") from exc
        received = 0
        with response:
            expected = response.headers.get("Content-Length")
            while True:
                try:
                    chunk = response.read(CHUNK)
                except (OSError, http.client.HTTPException) as exc:
                    raise ToolchainError(f"{url}: broke off after {received} bytes: {exc}") from exc
                if not chunk:
                    break
                received += len(chunk)
                if limit is not None and received > limit:
                    raise ToolchainError(f"{url}: longer than {limit} bytes, which no checksum document is")
                sink(chunk)
        if expected is not None and received != int(expected):
            raise ToolchainError(f"{url}: broke off after {received} of {expected} bytes")

    def _remember(self, host: str, exc: Exception) -> str:
        """Say why a host cannot be reached, and keep it for the next component."""
        cause = exc.reason if isinstance(exc, urllib.error.URLError) else exc
        reason = f"{host} cannot be reached: {cause}"
        nameless = isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_AGAIN
        self.unreachable["*" if nameless else host] = reason
        return reason


def _parse(checksum: Checksum, filename: str, text: str) -> str:
    """The digest of `filename` in a checksum document. Raises ToolchainError when the document does not give it."""
    found = ""
    if checksum.form is Sums.PLAIN:
        found = next(iter(text.split()), "")
    elif checksum.form is Sums.LIST:
        rows = (line.split() for line in text.splitlines())
        found = next((row[0] for row in rows if len(row) == 2 and row[1].lstrip("*") == filename), "")
    else:
        found = _github_digest(checksum, filename, text)
    if not SHA256.fullmatch(found.lower()):
        raise ToolchainError(f"{checksum.url}: gives no SHA-256 for {filename}")
    return found.lower()


def _github_digest(checksum: Checksum, filename: str, text: str) -> str:
    try:
        assets = json.loads(text)["assets"]
        digests = {str(entry["name"]): str(entry.get("digest") or "") for entry in assets}
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ToolchainError(f"{checksum.url}: not the record of a GitHub release ({exc!r})") from exc
    return digests.get(filename, "").removeprefix("sha256:")
