"""Images that were made here: by content, in the cache, each made once.

An image's name holds the digest of what went into it, so two that differ never have one name, and a node that has an
image of that name has the right one. The host in it does not exist (`.invalid`, RFC 2606): no node ever asks a registry
of the internet for what only we can make.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from harness.errors import PlatformError
from harness.image import archive
from harness.toolchain.resolve import cache_root

if TYPE_CHECKING:
    from harness.image.archive import Recipe
    from harness.image.files import Files

HOST = "inventory-harness.invalid"
_SHOWN = 16
_FORMAT = "2"
"""Counts up when the same files and recipe shall make another image than before."""

Say = Callable[[str], None]
"""Told in a line what is being done."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image as a cluster is given it: `archive` to be loaded into its nodes, None where they pull it by name.

    `notes`: what whoever uses it should know, one line each.
    """

    name: str
    archive: Path | None = None
    notes: tuple[str, ...] = ()


def silent(_text: str) -> None:
    """Say nothing."""


def named(kind: str, digest: str) -> str:
    """The name of an image of ours."""
    return f"{HOST}/{kind}:{digest[:_SHOWN]}"


def made(
    kind: str,
    files: Files,
    recipe: Recipe,
    arch: str,
    say: Say,
    notes: tuple[str, ...] = (),
    *,
    finish: Callable[[Files, Path], None] = lambda _files, _scratch: None,
) -> Image:
    """The image of these files, from the cache or made now; raises PlatformError.

    `finish` adds what follows from the files, before they are written; it is given an empty directory to work in.
    """
    name = named(kind, _identity(files, recipe, arch))

    def make(target: Path) -> None:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="draft-") as scratch:
            finish(files, Path(scratch))
            layer = Path(scratch) / "layer.tar"
            digest = files.write(layer)
            archive.write(target, name, recipe.config(arch, digest), layer)

    return Image(name, cached(name, make, say), notes)


def renamed(kind: str, path: Path, digest: str, say: Say) -> Image:
    """The same image as in an archive of the user's, by a name of ours."""
    name = named(kind, digest)
    return Image(name, cached(name, lambda target: archive.rename(path, name, target), say))


def cached(name: str, make: Callable[[Path], None], say: Say) -> Path:
    """The archive of that name, after `make` has written it where it was not there; nothing half-written is ever it."""
    folder = cache_root() / "images"
    path = folder / f"{name.rpartition('/')[2].replace(':', '-')}.tar"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_suffix(".lock")):
            if path.is_file():
                return path
            began = time.monotonic()
            say(f"making the image {name}")
            handle, draft = tempfile.mkstemp(dir=folder, prefix="draft-", suffix=".tar")
            os.close(handle)
            try:
                make(Path(draft))
                Path(draft).replace(path)
            finally:
                Path(draft).unlink(missing_ok=True)
            say(f"made {name}: {path.stat().st_size >> 20} MiB in {time.monotonic() - began:.1f} s")
    except OSError as exc:
        raise PlatformError(
            f"cannot write the image cache {folder}: {exc.strerror or exc}",
            hint="free some room or set INVENTORY_HARNESS_CACHE to another directory",
        ) from exc
    return path


def _identity(files: Files, recipe: Recipe, arch: str) -> str:
    return hashlib.sha256(f"{_FORMAT} {arch} {recipe} {files.identity()}".encode()).hexdigest()
