"""Commands that take long, with a line of progress now and then."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import PlatformError, ToolchainError
from harness.process.shim import group_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LINE_EVERY_S = 15.0
"""In a log, a long step says that it lives this often."""
SAID = 12
"""How many of the last lines of a failed command are shown."""


def say(text: str) -> None:
    """One line of progress, on stderr: stdout is for the result."""
    sys.stderr.write(f"node image: {text}\n")
    sys.stderr.flush()


@contextmanager
def step(name: str) -> Iterator[None]:
    """Say that a step begins, and how long it took."""
    say(f"{name}: begins")
    started = time.monotonic()
    yield
    say(f"{name}: done in {time.monotonic() - started:.0f} s")


def run(
    argv: Sequence[str],
    *,
    log: Path,
    doing: str,
    env: Mapping[str, str] | None = None,
    stdin: Path | None = None,
    errors: Path | None = None,
) -> None:
    """Run a command to its end with its output in `log`; `errors`: where its stderr goes when not there as well.

    Raises PlatformError when the disk is full, ToolchainError with its last words when it fails otherwise. It dies
    with us.
    """
    started = time.monotonic()
    with (
        log.open("wb") as sink,
        (errors or Path(os.devnull)).open("wb") as apart,
        (stdin or Path(os.devnull)).open("rb") as source,
    ):
        process = subprocess.Popen(
            group_command(argv), stdin=source, stdout=sink, stderr=apart if errors else subprocess.STDOUT,
            start_new_session=True, env=None if env is None else dict(env),
        )  # fmt: skip
        try:
            while process.poll() is None:
                try:
                    process.wait(timeout=LINE_EVERY_S)
                except subprocess.TimeoutExpired:
                    say(f"{doing}: {time.monotonic() - started:.0f} s so far")
        finally:
            process.terminate()  # the shim ends its whole group; one that has ended is left alone
            process.wait()
    if process.returncode != 0:
        raise failure(doing, process.returncode, (errors or log).read_text(encoding="utf-8", errors="replace"))


def failure(doing: str, status: int, output: str) -> PlatformError | ToolchainError:
    """What a failed command is called: no room on the disk, or its last words."""
    lines = [line for line in output.splitlines() if line.strip()]
    if any("no space left on device" in line.lower() for line in lines):
        return PlatformError(
            f"no room left on the disk while {doing}",
            hint="an assembly needs 4 GB where Docker keeps its images and 2 GB in the cache directory",
        )
    told = " | ".join(lines[-SAID:]) or "no output"
    return ToolchainError(f"{doing} failed with status {status}: {told}")
