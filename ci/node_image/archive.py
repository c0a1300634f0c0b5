"""Writes tar archives and container images without a container engine.

Everything in them has the same owner and time, so that equal content is an equal archive.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in an archive: a file of the disk, bytes, or a symbolic link. `path` is relative to the root."""

    path: str
    source: Path | None = None
    content: bytes | None = None
    link: str = ""
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Image:
    """A container image of one layer. `layer` is an uncompressed tar; `names` are full references with a tag."""

    names: tuple[str, ...]
    layer: Path
    command: tuple[str, ...]


def write(into: Path, entries: Iterable[Entry]) -> None:
    """Write a tar archive; folders that entries lie in are made by whoever unpacks it."""
    with tarfile.open(into, "w", format=tarfile.GNU_FORMAT) as tar:
        for entry in entries:
            add(tar, entry)


def add(tar: tarfile.TarFile, entry: Entry) -> None:
    """Add one entry, owned by root."""
    info = tarfile.TarInfo(entry.path.lstrip("/"))
    info.mode = entry.mode
    if entry.link:
        info.type, info.linkname = tarfile.SYMTYPE, entry.link
        tar.addfile(info)
    elif entry.source is not None:
        info.size = entry.source.stat().st_size
        with entry.source.open("rb") as stream:
            tar.addfile(info, stream)
    else:
        content = entry.content or b""
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))


def write_images(into: Path, images: Iterable[Image], *, arch: str) -> None:
    """Write images as one archive, in the form of `docker save`, which containerd imports too."""
    manifest = []
    written: set[str] = set()
    with tarfile.open(into, "w", format=tarfile.GNU_FORMAT) as tar:
        for image in images:
            digest = _digest(image.layer)
            config = json.dumps(
                {
                    "architecture": arch,
                    "os": "linux",
                    "config": {"Entrypoint": list(image.command), "Env": [f"PATH={SEARCH_PATH}"]},
                    "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
                },
                sort_keys=True,
            ).encode()
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            layer = f"{digest}/layer.tar"
            for entry in (Entry(name, content=config), Entry(layer, source=image.layer)):
                if entry.path not in written:
                    written.add(entry.path)
                    add(tar, entry)
            manifest.append({"Config": name, "RepoTags": list(image.names), "Layers": [layer]})
        add(tar, Entry("manifest.json", content=json.dumps(manifest).encode()))


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
