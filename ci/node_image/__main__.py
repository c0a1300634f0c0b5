"""`python -m ci.node_image`: one command, with progress, cached; prints the tag of the image."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import filelock

from ci.node_image import debian, overlay, pods
from ci.node_image.engine import assemble, label_of, workshop
from ci.node_image.steps import LINE_EVERY_S, say, step
from harness.cli.toolchain import bring
from harness.cluster import dockercli
from harness.cluster.nodeimage import assembled
from harness.errors import HarnessError, PlatformError
from harness.toolchain import DEFAULT_KUBERNETES, cache_root
from harness.toolchain.build import find_go
from harness.toolchain.machine import architecture
from harness.toolchain.resolve import kubernetes_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.toolchain import Toolchain

NEEDED = ("kind", "node", "coredns", "kubectl")
"""Optional components of the toolchain that a node image is made of."""
CANNOT_RUN = 3
ROOM_DOCKER = 4 << 30
"""Base, layers and the image itself while they are all there."""
ROOM_CACHE = 3 << 30
"""The archives of the root file system, of the pods' images, and of the result."""


@click.command()
@click.option("--kubernetes", default=DEFAULT_KUBERNETES, show_default=True, help="Version of Kubernetes.")
@click.option("--mirror", default="", help="A Debian mirror (default: what mmdebstrap chooses).")
@click.option("--force", is_flag=True, help="Assemble it anew even if nothing changed.")
def main(*, kubernetes: str, mirror: str, force: bool) -> None:
    """Assemble a node image for kind, and print its tag.

    The image goes into the local Docker engine, an archive of it into the toolchain's cache. What was assembled from
    the same parts before is taken again.
    """
    click.echo(make(kubernetes_version(kubernetes), mirror=mirror, force=force))


def make(kubernetes: str, *, mirror: str = "", force: bool = False) -> str:
    """The tag of the image, assembled where it is not there yet. Raises HarnessError."""
    started = time.monotonic()
    dockercli.engine().require_room(ROOM_DOCKER, "assemble a node image")
    go = find_go()
    if go is None:
        raise PlatformError("no `go` on PATH, which brings kind's files and builds what pods run", hint="install Go")
    tools = bring(kubernetes, also=NEEDED)
    tag, key = assembled(kubernetes), key_of(tools)
    folder = cache_root() / "node-image"
    folder.mkdir(parents=True, exist_ok=True)
    _require_room(folder)
    with _locked(folder):
        kept = folder / f"{key}.tar"
        if not force and _is_here(tag, key):
            say(f"{tag} is here already")
            return tag
        if not force and kept.exists():
            with step(f"loading {kept.name} from the cache"):
                dockercli.call("load", "--input", str(kept), timeout_s=600)
            if _is_here(tag, key):
                return tag
        scratch = Path(tempfile.mkdtemp(prefix="work-", dir=folder))
        try:
            _assemble(tools, go.path, folder, scratch, tag=tag, key=key, mirror=mirror)
        finally:
            shutil.rmtree(scratch)
    say(f"{tag} is ready after {time.monotonic() - started:.0f} s")
    return tag


def key_of(tools: Toolchain) -> str:
    """What names an image in the cache: the wishes for Debian, our own files, and the digest of every program."""
    programs = sorted(tools.sha256.items())
    return hashlib.sha256(repr((debian.key(), overlay.key(), programs)).encode()).hexdigest()[:16]


def _assemble(tools: Toolchain, go: str, folder: Path, scratch: Path, *, tag: str, key: str, mirror: str) -> None:
    arch = architecture()
    base = folder / f"base-{debian.key()}-{arch}.tar"
    if not base.exists():
        with step(f"making a root file system of Debian {debian.SUITE}"):
            draft = scratch / "base.tar"
            debian.make(draft, arch=arch, mirror=mirror, scratch=scratch)
            draft.replace(base)
    module = overlay.kind_module(go)
    pause = pods.build_pause(go, Path(__file__).parent / "pause", scratch, arch=arch)
    with workshop(base, folder, scratch) as shop:
        balancer = assemble(shop, tools, module, pause, arch=arch, tag=tag, key=key)
    with step("keeping an archive of it"):
        for old in folder.glob("*.tar"):
            if not old.name.startswith("base-"):
                old.unlink()
        draft = scratch / "image.tar"
        dockercli.call("save", "--output", str(draft), tag, balancer, timeout_s=600)
        draft.replace(folder / f"{key}.tar")


def _is_here(tag: str, key: str) -> bool:
    return bool(dockercli.image_id(tag)) and label_of(tag) == key


def _require_room(folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < ROOM_CACHE:
        raise PlatformError(
            f"not enough room for a node image: {free >> 20} MiB free in {folder}, {ROOM_CACHE >> 20} are needed",
            hint="free some room or set INVENTORY_HARNESS_CACHE to another directory",
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Be the only one that assembles. What a killed assembly has left in the folder is removed first."""
    lock = filelock.FileLock(folder / "lock")
    while True:
        try:
            lock.acquire(timeout=LINE_EVERY_S)
            break
        except filelock.Timeout:
            say("waiting for another process that assembles one")
    try:
        for left in folder.glob("work-*"):
            shutil.rmtree(left)
        yield
    finally:
        lock.release()


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        sys.exit(CANNOT_RUN)
    except HarnessError as exc:
        click.echo(f"node image: {exc}", err=True)
        sys.exit(CANNOT_RUN)
