"""The image of an operator that is given as a binary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.image import base, store
from harness.image.files import Files
from harness.toolchain.machine import architecture

if TYPE_CHECKING:
    from pathlib import Path

    from harness.image.store import Image, Say


def build(path: Path, say: Say = store.silent) -> Image:
    """An image with the binary as `provider-services` and by its own name, and little else.

    A dynamic binary is given the libraries of this machine, which is noted. Raises UsageError for what is no program of
    this machine's processor, PlatformError where a library is missing here.
    """
    files = Files()
    notes = list(base.furnish(files))
    program = files.program(f"/usr/bin/{base.COMMAND}", path)
    if program.arch != architecture():
        raise UsageError(
            f"{path} is a program for {program.arch}, and the nodes of this machine are {architecture()}",
            hint=f"build it with GOARCH={architecture()}",
        )
    if path.name != base.COMMAND:
        files.link(f"/usr/bin/{path.name}", base.COMMAND)
    if not program.static:
        notes.append(f"{path.name} is a dynamic binary: its libraries are those of this machine")
    return store.made("operator", files, base.recipe(files), program.arch, say, tuple(notes))
