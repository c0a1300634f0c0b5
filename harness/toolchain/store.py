"""The cache of binaries: keyed by name, version and platform; nothing half-finished or damaged ever leaves it.

::

    ROOT/bin/NAME/VERSION/linux-ARCH/NAME           the binary
    ROOT/bin/NAME/VERSION/linux-ARCH/manifest.json  SHA-256, size, mtime, where it came from
    ROOT/staging/UNIT/                              work in progress, under the unit's lock; swept by the next holder
    ROOT/locks/UNIT.lock                            held while a unit is fetched or built (flock: ends with the process)

A binary is staged, checked (digest, the version it prints), flushed to disk, renamed, and only then given its manifest.
Without a manifest that matches, it does not exist.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from harness.errors import PlatformError, ToolchainError
from harness.process.shim import command
from harness.toolchain.progress import TICK_S, Progress, Report
from harness.toolchain.release import PROBES, Component, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = 1
PROBE_TIMEOUT_S = 60.0
"""A first start from a cold, slow disk reads more than 100 MB; this is for hanging programs, not for slow ones."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is recorded of a cached binary. `origin`: "download" or "build"; `detail`: the address or the Go version."""

    name: str
    version: str
    platform: str
    sha256: str
    size: int
    mtime_ns: int
    origin: str
    detail: str
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Store:
    """The cache under `root` for linux/`arch`."""

    root: Path
    arch: str

    @property
    def platform(self) -> str:
        """The platform part of a cache key, for example "linux-amd64"."""
        return f"linux-{self.arch}"

    def path(self, component: Component) -> Path:
        """Where the binary is, or would be."""
        return self._folder(component) / component.name

    def _folder(self, component: Component) -> Path:
        return self.root / "bin" / component.name / component.version / self.platform

    def lookup(self, component: Component) -> Manifest | None:
        """The manifest of a cached binary that is whole; None when there is none or it does not match.

        Size and modification time equal to the recorded ones are taken as proof; otherwise the file is read and its
        digest compared (a copied cache has other times and the same bytes).
        """
        manifest = _read_manifest(self._folder(component) / "manifest.json")
        wanted = (component.name, component.version, self.platform)
        if manifest is None or (manifest.name, manifest.version, manifest.platform) != wanted:
            return None
        path = self.path(component)
        try:
            status = path.stat()
            if not os.access(path, os.X_OK) or status.st_size != manifest.size:
                return None
            if status.st_mtime_ns == manifest.mtime_ns or digest(path) == manifest.sha256:
                return manifest
        except OSError:
            return None  # not there or not readable: the same as never cached, and reported as soon as it is brought
        return None

    def discard(self, component: Component) -> None:
        """Remove a binary and its manifest, the manifest first. Only under the unit's lock."""
        with self.writing():
            (self._folder(component) / "manifest.json").unlink(missing_ok=True)
            self.path(component).unlink(missing_ok=True)

    def install(self, component: Component, staged: Path, *, origin: str, detail: str) -> Manifest:
        """Check a staged binary and make it visible. Only under the unit's lock.

        Raises ToolchainError when it does not run or prints another version, PlatformError when the disk refuses.
        """
        with self.writing():
            staged.chmod(0o755)
        printed = probe(component.name, staged)
        if printed != component.version.removeprefix("v"):
            raise ToolchainError(f"{component.name}: wanted {component.version}, the binary says it is {printed}")
        folder, final = self._folder(component), self.path(component)
        with self.writing():
            sha256 = digest(staged)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "manifest.json").unlink(missing_ok=True)
            _flush(staged)
            staged.replace(final)
            status = final.stat()
            manifest = Manifest(
                name=component.name,
                version=component.version,
                platform=self.platform,
                sha256=sha256,
                size=status.st_size,
                mtime_ns=status.st_mtime_ns,
                origin=origin,
                detail=detail,
            )
            draft = staged.parent / f"{component.name}.manifest.json"
            draft.write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")
            _flush(draft)
            draft.replace(folder / "manifest.json")
            _flush(folder)
        return manifest

    @contextmanager
    def locked(self, unit: Unit, report: Report) -> Iterator[None]:
        """Be the only process that brings this unit; tells `report` while another one is at it."""
        with self.writing():
            (self.root / "locks").mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.root / "locks" / f"{unit.key}-{self.platform}.lock")
        started = time.monotonic()
        while True:
            try:
                with self.writing():
                    lock.acquire(timeout=TICK_S)
                break
            except filelock.Timeout:
                waited = time.monotonic() - started
                for component in unit.components:
                    report(Progress(component.name, "waiting", waited, "another process is bringing it"))
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def staging(self, unit: Unit) -> Iterator[Path]:
        """An empty directory on the cache's own file system, gone afterwards. Only under the unit's lock.

        What a killed process left there is removed first: holding the lock means that nobody works in it.
        """
        parent = self.root / "staging" / f"{unit.key}-{self.platform}"
        with self.writing():
            if parent.exists():
                shutil.rmtree(parent)
            parent.mkdir(parents=True)
            folder = Path(tempfile.mkdtemp(dir=parent))
        try:
            yield folder
        finally:
            with self.writing():
                shutil.rmtree(parent)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Map what the file system says to PlatformError: no room, or not writable."""
        try:
            yield
        except filelock.Timeout:
            raise
        except OSError as exc:
            raise storage_error(self.root, exc) from exc


def storage_error(root: Path, exc: OSError) -> PlatformError:
    """One clear error for a cache that cannot be written."""
    way_out = "free some room or set INVENTORY_HARNESS_CACHE to another directory"
    if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
        return PlatformError(f"no room left for the toolchain cache {root}: {exc}", hint=way_out)
    return PlatformError(f"the toolchain cache {root} cannot be written: {exc}", hint=way_out)


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def probe(name: str, path: Path) -> str:
    """The version a binary prints, without "v". Raises ToolchainError when it does not start or prints none."""
    how = PROBES[name]
    asked = f"{path} {' '.join(how.args)}"
    try:
        done = subprocess.run(
            command([str(path), *how.args]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise ToolchainError(f"`{asked}` printed no version within {PROBE_TIMEOUT_S:.0f} s") from exc
    text = done.stdout.decode("utf-8", "replace")
    found = re.search(how.pattern, text)
    if done.returncode != 0 or found is None:
        said = text.strip()[-300:] or "nothing"
        raise ToolchainError(f"`{asked}` ended with status {done.returncode} and no version of {name}; it said: {said}")
    return found[1]


def _read_manifest(path: Path) -> Manifest | None:
    """None when it is missing or damaged: both mean that the binary beside it has no proof."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        manifest = Manifest(**fields)
    except (OSError, ValueError, TypeError):
        return None
    return manifest if manifest.format == FORMAT else None


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
