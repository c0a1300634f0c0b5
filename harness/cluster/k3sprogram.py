"""The K3s program: where it is found, and whether it is one that can be used here."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import PlatformError, ToolchainError, UsageError
from harness.toolchain import machine, reach
from harness.toolchain.store import probe

if TYPE_CHECKING:
    from harness.toolchain import Toolchain

NAME = "k3s"
OLDEST = (1, 32)
"""Older ones do not read settings of the kubelet from a directory, without which a lost node is seen too late."""

GIVEN, ON_PATH = "given", "PATH"
_ELF = b"\x7fELF"
_MACHINE_AT, _MACHINE_BYTES = 18, 2
_MACHINES = {62: "amd64", 183: "arm64", 3: "386", 40: "arm", 243: "riscv64", 22: "s390x"}
"""e_machine of elf(5), in Go's words."""


@dataclass(frozen=True, slots=True)
class Program:
    """A K3s that can be used. `source`: "given", "PATH", or how the toolchain came by it; `version` begins with "v"."""

    path: Path
    version: str
    source: str


def find(given: str, path: str | None = None) -> tuple[Path, str] | None:
    """Where it is and by which way: what --k3s named, or what is on `path` (None: PATH); None when there is none.

    Raises UsageError for a path that was given and is no program.
    """
    if given:
        named = Path(given).expanduser()
        if not named.is_file():
            raise UsageError(f"--k3s {given}: there is no such file", hint="give the path of the K3s binary")
        if not os.access(named, os.X_OK):
            raise UsageError(f"--k3s {given}: the file is not executable", hint=f"chmod +x {given}")
        return named.absolute(), GIVEN
    found = shutil.which(NAME, path=path)
    return (Path(found).absolute(), ON_PATH) if found is not None else None


def examined(path: Path, source: str) -> Program:
    """The program, asked for its version.

    Raises PlatformError for one that is built for another processor, is no K3s, or is too old.
    """
    arch, here = built_for(path), machine.architecture()
    if arch not in {"", here}:
        raise PlatformError(
            f"{path} is built for {arch}, this machine is {here}", hint=f"take the release's {asset_name(here)}"
        )
    try:
        version = probe(NAME, path)
    except (ToolchainError, PlatformError, OSError) as exc:
        why = exc.what if isinstance(exc, ToolchainError | PlatformError) else exc.strerror or str(exc)
        raise PlatformError(
            f"{path} is no K3s that runs here: {why}", hint="`k3s --version` must print its version"
        ) from exc
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise PlatformError(
            f"{path} is K3s v{version}, which is too old: v{oldest} or newer is needed",
            hint="name a newer one by --k3s PATH, or let it be downloaded",
        )
    return Program(path, f"v{version}", source)


def built_for(path: Path) -> str:
    """The processor that a program was built for, in Go's words; "" for a script, or what cannot be read."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_MACHINE_AT + _MACHINE_BYTES)
    except OSError:
        return ""
    if not head.startswith(_ELF) or len(head) < _MACHINE_AT + _MACHINE_BYTES:
        return ""
    little = head[5] == 1
    number = int.from_bytes(head[_MACHINE_AT:], "little" if little else "big")
    return _MACHINES.get(number, f"machine {number}")


def asset_name(arch: str) -> str:
    """The file of a release for a processor."""
    return NAME if arch == "amd64" else f"{NAME}-{arch}"


def choose(given: str, toolchain: Toolchain) -> Program:
    """The program to start: given, on PATH, or of the toolchain. Raises as `find` and `examined` do."""
    found = find(given)
    if found is not None:
        return examined(*found)
    return examined(toolchain.path(NAME), toolchain.sources[NAME])


def obstacle(given: str) -> PlatformError | None:
    """Why there is no program to start; None when there is one, or it could be downloaded."""
    found = find(given)
    if found is not None:
        try:
            examined(*found)
        except PlatformError as exc:
            return exc
        return None
    try:
        why = reach.obstacle(NAME)
    except ToolchainError as exc:
        why = exc.what
    if not why:
        return None
    return PlatformError(
        f"K3s cannot be had here: there is no `k3s` on PATH, and the release cannot be downloaded: {why}",
        hint="give the binary by --k3s PATH, or name a mirror of the releases in INVENTORY_HARNESS_MIRROR",
    )
