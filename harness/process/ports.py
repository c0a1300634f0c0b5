"""Ports that no other harness on this machine will take.

A port is reserved by a lock file for as long as its owner lives, and chosen below the range from which the kernel gives
outgoing connections their ports, so that a listener can be stopped and started again on it. Two xdist workers, or two
users' harnesses, never meet: the lock directory is one for the machine.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import socket
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import PlatformError

LOCK_DIR = Path("/tmp/inventory-harness-ports")  # noqa: S108 - one well-known place is the point; files hold nothing
FIRST, LAST = 18000, 31999  # below 32768, where Linux starts to give ports to outgoing connections


@dataclass(slots=True)
class Ports:
    """Reserves ports until `release`, which the death of the process does as well (locks are the kernel's)."""

    _locks: dict[int, int] = field(default_factory=dict)

    def take(self) -> int:
        """A TCP port on 127.0.0.1 that is free now and stays reserved for us."""
        make_lock_dir()
        candidates = list(range(FIRST, LAST + 1))
        random.SystemRandom().shuffle(candidates)
        for port in candidates:
            if port not in self._locks and self._lock(port):
                if free(port):
                    return port
                os.close(self._locks.pop(port))
        raise PlatformError(
            f"no free port between {FIRST} and {LAST}",
            hint=f"see who holds the locks in {LOCK_DIR}, or run `harness sweep`",
        )

    def release(self) -> None:
        """Give all ports back."""
        for fd in self._locks.values():
            os.close(fd)
        self._locks.clear()

    def _lock(self, port: int) -> bool:
        try:
            fd = os.open(LOCK_DIR / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError as exc:
            if exc.errno in {errno.EACCES, errno.ELOOP}:
                return False
            raise PlatformError(f"cannot make a port lock in {LOCK_DIR}: {exc.strerror}") from exc
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return False
        self._locks[port] = fd
        return True


def make_lock_dir() -> None:
    """Make the one directory of the machine in which harnesses lock what there is once; raises PlatformError."""
    try:
        LOCK_DIR.mkdir(exist_ok=True)
        if LOCK_DIR.stat().st_uid == os.geteuid():
            LOCK_DIR.chmod(0o1777)
    except OSError as exc:
        raise PlatformError(f"cannot make the port lock directory {LOCK_DIR}: {exc.strerror}") from exc


def free(port: int, *, host: str = "127.0.0.1") -> bool:
    """Whether nobody listens on the port, on the given address or on all, of IPv4 or of IPv6."""
    for address in (host, "0.0.0.0"):  # noqa: S104 - a bind test, never a listener
        if not _can_bind(socket.AF_INET, address, port):
            return False
    # A machine without IPv6 has nobody who listens there.
    return not _has_ipv6() or _can_bind(socket.AF_INET6, "::", port)


def _can_bind(family: socket.AddressFamily, address: str, port: int) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def _has_ipv6() -> bool:
    try:
        return _can_bind(socket.AF_INET6, "::", 0)
    except OSError:  # no such family
        return False
