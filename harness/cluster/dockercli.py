"""Docker by its command line, as kind itself calls it: whether an engine can be used, and calls with clear errors.

The Python client (`dockerbox`) is an extra of the installation and serves single containers; whoever has kind needs
the command anyway.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ClusterError, PlatformError
from harness.process.shim import command

if TYPE_CHECKING:
    from collections.abc import Sequence

API = (1, 41)
"""Docker 20.10: the first that gives a container a control group namespace of its own, which kind asks for."""
CALL_TIMEOUT_S = 120.0
"""An engine on a machine that is busy answers late: starting a container took more than a minute at a load of 30."""
_LONGEST = 400
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Engine:
    """A Docker engine that answers. `root`: where it keeps images; `cgroups`: "1" or "2"."""

    version: str
    api: str
    root: Path
    cgroups: str
    driver: str

    @property
    def free_bytes(self) -> int | None:
        """Room where it keeps its images; None where that is not a directory of this machine."""
        try:
            return shutil.disk_usage(self.root).free
        except OSError:
            return None

    def require_room(self, needed: int, doing: str) -> None:
        """Raise PlatformError when there are fewer bytes than `needed` for its images."""
        free = self.free_bytes
        if free is not None and free < needed:
            raise PlatformError(
                f"not enough room to {doing}: {free / _GIB:.1f} GiB free in {self.root}, "
                f"{needed / _GIB:.1f} are needed",
                hint="free some room (`docker system df` shows what Docker itself holds), or move Docker's data-root",
            )


def engine() -> Engine:
    """The engine behind the `docker` on PATH.

    Raises PlatformError, each with its own way out: no command, no engine, no permission, an engine that is too old.
    """
    if shutil.which("docker") is None:
        raise PlatformError(
            "no `docker` on PATH, which kind needs", hint="install Docker 20.10 or newer, and start its engine"
        )
    text = _asked("version", "--format", "{{json .Server}}")
    server = _object(text)
    api = str(server.get("ApiVersion", ""))
    if not api or tuple(int(part) for part in api.split(".") if part.isdigit()) < API:
        least = ".".join(map(str, API))
        raise PlatformError(
            f"Docker's engine {server.get('Version', '?')} speaks API {api or '?'}, kind needs {least} at least",
            hint="install Docker 20.10 or newer",
        )
    info = _object(_asked("info", "--format", "{{json .}}"))
    return Engine(
        str(server.get("Version", "?")), api, Path(str(info.get("DockerRootDir", "/var/lib/docker"))),
        str(info.get("CgroupVersion", "1")), str(info.get("Driver", "?")),
    )  # fmt: skip


def problem() -> str:
    """Why there is no engine to use; empty when there is one."""
    try:
        engine()
    except PlatformError as exc:
        return f"{exc.what} ({exc.hint})"
    return ""


def call(*args: str, timeout_s: float = CALL_TIMEOUT_S, stdin: bytes | None = None) -> str:
    """What `docker ARGS` prints. Raises ClusterError with its words when it fails, or gives no answer in time."""
    done = _run(args, timeout_s, stdin)
    if done.returncode != 0:
        raise ClusterError(f"`docker {shown(args)}` ended with {done.returncode}: {_words(done.stderr or done.stdout)}")
    return done.stdout.decode(errors="replace")


async def acall(*args: str, timeout_s: float = CALL_TIMEOUT_S, stdin: bytes | None = None) -> str:
    """The same without holding up the event loop."""
    return await asyncio.to_thread(call, *args, timeout_s=timeout_s, stdin=stdin)


def image_id(reference: str) -> str:
    """The id of an image that is here; empty when it is not."""
    done = _run(("image", "inspect", "--format", "{{.Id}}", reference), CALL_TIMEOUT_S, None)
    return done.stdout.decode().strip() if done.returncode == 0 else ""


def shown(args: Sequence[str]) -> str:
    """A command line short enough for a message."""
    text = " ".join(args)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _asked(*args: str) -> str:
    """One question to the engine, with the ways in which there may be none told apart."""
    done = _run(args, CALL_TIMEOUT_S, None)
    if done.returncode == 0:
        return done.stdout.decode(errors="replace")
    said = _words(done.stderr or done.stdout)
    if "permission denied" in said.lower():
        raise PlatformError(
            f"Docker's engine may not be used by this user: {said}",
            hint="add the user to the group of Docker's socket (and log in again), or run as root",
        )
    raise PlatformError(
        f"no Docker engine answers: {said}", hint="start it (`systemctl start docker`), or check DOCKER_HOST"
    )


def _run(args: Sequence[str], timeout_s: float, stdin: bytes | None) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            command(["docker", *args]), input=b"" if stdin is None else stdin, capture_output=True,
            timeout=timeout_s, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as exc:
        raise ClusterError(
            f"`docker {shown(args)}` gave no answer within {timeout_s:.0f} s", hint="check `docker info`"
        ) from exc


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise PlatformError(f"Docker answered what is no JSON object: {text.strip()[:_LONGEST]!r}")
    return found


def _words(output: bytes) -> str:
    """The end of what was said, in one line."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    return " | ".join(lines)[-_LONGEST:] or "no output"
