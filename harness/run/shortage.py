"""What the machine has run out of, and the operator may need: then nothing that it does is held against it.

The kernel gives each user a number of inotify instances (fs.inotify.max_user_instances, 128 by default), and every
container's init, containerd and kubelet takes some of them. An operator that watches its configuration file, as the
contract wants, needs one, and ends with "too many open files" where there is none. That is nobody's defect.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import PlatformError
from harness.wait import interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.history.writer import HistoryWriter

MARK = "shortage"
INSTANCES = 8
"""How many an operator may need at once: one for each file that it watches, and some for what its libraries do."""

_LOOK_S = 0.5
_LIMIT = Path("/proc/sys/fs/inotify/max_user_instances")
_OUT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC})
_FLAGS = os.O_CLOEXEC


def require(take: Callable[[int], int] | None = None) -> None:
    """Raise PlatformError where the machine is out of something already; `take`: as `instances`."""
    short = shortage(take)
    if short:
        raise PlatformError(
            f"this machine has {short}, and the operator may need {INSTANCES}",
            hint="end what holds them (kind clusters, for one), or raise fs.inotify.max_user_instances by sysctl",
        )


async def follow(history: HistoryWriter, take: Callable[[int], int] | None = None) -> None:
    """Look for a shortage until one is found, and write it down."""
    while not (short := shortage(take)):
        await interval(_LOOK_S)
    history.add("mark", mark=MARK, detail=f"the machine had {short}")


def shortage(take: Callable[[int], int] | None = None) -> str:
    """What the machine is out of, in words; "" when there is nothing."""
    had = (take or instances)(INSTANCES)
    return "" if had >= INSTANCES else f"{_few(had)} of {_limit()} inotify instances left for this user"


def instances(wanted: int) -> int:
    """How many inotify instances can be had at once, up to `wanted`; none of them is kept.

    Raises OSError where the kernel refuses for another reason than that there are no more.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    held: list[int] = []
    try:
        while len(held) < wanted:
            made = libc.inotify_init1(_FLAGS)
            if made < 0:
                code = ctypes.get_errno()
                if code not in _OUT:
                    raise OSError(code, os.strerror(code))
                break
            held.append(made)
        return len(held)
    finally:
        for made in held:
            os.close(made)


def _few(had: int) -> str:
    return f"only {had}" if had else "none"


def _limit() -> str:
    try:
        return _LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        return "its"
