"""The image of the operator under test, whatever it was given as. Its discovery pods call the same program, as in life.

A name is left for the nodes to pull, unless the Docker engine of this machine has the image: then it is taken from
there, so that what was just built can be tested. Everything else becomes an archive that is loaded into the nodes.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import PlatformError, UsageError
from harness.image import archive, binary, reference, store
from harness.image.store import Image
from harness.operator.base import IMAGE, is_archive
from harness.toolchain.machine import architecture

if TYPE_CHECKING:
    from harness.image.store import Say
    from harness.operator.base import OperatorSpec

_ENGINE_S = 300.0


def image_of(spec: OperatorSpec, say: Say = store.silent) -> Image:
    """The operator's image, made, read or only named; raises UsageError and PlatformError.

    The defect of a saboteur is no part of it: that is an argument.
    """
    if not spec.image:
        return binary.build(Path(spec.command[0]), say) if spec.sha256 else reference.build(say)
    if is_archive(spec.image):
        return _of_archive(Path(spec.image), f"--operator {IMAGE}{spec.image}", say)
    found = _id_in_engine(spec.image)
    return Image(spec.image) if found is None else _from_engine(spec.image, found, say)


def _of_archive(path: Path, named: str, say: Say) -> Image:
    say(f"reading {path}")
    found = archive.read(path)
    if found.arch != architecture():
        raise UsageError(
            f"{named}: it is an image for {found.arch}, and the nodes of this machine are {architecture()}",
            hint=f"build it for linux/{architecture()}",
        )
    return store.renamed("given", path, found.digest, say)


def _id_in_engine(name: str) -> str | None:
    """The id of the image in this machine's Docker engine; None when there is no engine, or it has no such image."""
    if shutil.which("docker") is None:
        return None
    done = _docker("image", "inspect", "--format", "{{.Id}}", name)
    return done.stdout.strip().removeprefix("sha256:") if done.returncode == 0 else None


def _from_engine(name: str, identity: str, say: Say) -> Image:
    """The same image by a name of ours, which no node looks for in a registry."""

    def save(target: Path) -> None:
        draft = target.with_suffix(".saved")
        try:
            done = _docker("save", "--output", str(draft), name)
            if done.returncode != 0:
                raise PlatformError(f"docker save {name} failed: {done.stderr.strip()[-300:]}", hint="try it by hand")
            archive.read(draft)
            archive.rename(draft, store.named("given", identity), target)
        finally:
            draft.unlink(missing_ok=True)

    ours = store.named("given", identity)
    return Image(ours, store.cached(ours, save, say), (f"{name} is taken from this machine's Docker engine",))


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["docker", *arguments], capture_output=True, text=True, timeout=_ENGINE_S, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as exc:
        raise PlatformError(
            f"docker {' '.join(arguments)} gave no answer within {_ENGINE_S:g} s", hint="does `docker info` answer?"
        ) from exc
