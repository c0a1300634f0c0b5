"""Small programs put in front of a child so that the child dies with the harness.

Linux sends a chosen signal to a process when the thread that forked it ends (`PR_SET_PDEATHSIG`, prctl(2)). The setting
must be made in the child, between fork and exec, and running Python code there (`preexec_fn`) is not safe in a
program with threads. So the child starts as a bare interpreter that makes the setting and replaces itself.

The signal follows the *thread*: start children from one that lives as long as they shall live.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from harness.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Sequence

ORPHANED = 125
"""Exit status of a child whose parent was gone before the setting could be made."""

SHIM = f"""\
import ctypes, os, sys, _signal
_signal.signal(2, _signal.SIG_DFL)
if sys.argv[2] != "-":
    uid, gid = map(int, sys.argv[2].split(":"))
    try:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    except OSError as exc:
        sys.stderr.write(f"cannot become user {{uid}} of group {{gid}}: {{exc.strerror}}" + chr(10))
        sys.exit({ORPHANED})
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(1, 9, 0, 0, 0) != 0:
    sys.stderr.write("prctl(PR_SET_PDEATHSIG): " + os.strerror(ctypes.get_errno()) + chr(10))
    sys.exit({ORPHANED})
if os.getppid() != int(sys.argv[1]):
    sys.exit({ORPHANED})
os.execv(sys.argv[3], sys.argv[3:])
"""
"""PR_SET_PDEATHSIG is 1 and SIGKILL is 9 on every Linux architecture.

The user is switched first: a change of credentials takes the setting away (prctl(2)).

SIGINT (2) gets its default action back: a harness that a script put into the background was started with SIGINT
ignored, and whatever it starts would ignore it as well.
"""

GROUP_SHIM = f"""\
import ctypes, os, signal, subprocess, sys
signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(1, 15, 0, 0, 0) != 0:
    sys.stderr.write("prctl(PR_SET_PDEATHSIG): " + os.strerror(ctypes.get_errno()) + chr(10))
    sys.exit({ORPHANED})
if os.getppid() != int(sys.argv[1]) or os.getpgrp() != os.getpid():
    sys.exit({ORPHANED})
status = subprocess.call(sys.argv[2:])
sys.exit(status if status >= 0 else 128 - status)
"""
"""Stays as the leader of the group: PR_SET_PDEATHSIG reaches one process only, and `go build` starts many."""


def command(argv: Sequence[str], *, user: tuple[int, int] | None = None) -> list[str]:
    """Wrap `argv` so that the process is killed with SIGKILL when the calling thread ends.

    The program is looked up on PATH here, in the parent; the process keeps the pid it was started with, because the
    shim replaces itself. `user` (uid, gid): who it runs as, without any other group; only root can ask for that.
    Raises PlatformError when the program does not exist or is not executable.
    """
    return _wrapped(SHIM, argv, "-" if user is None else f"{user[0]}:{user[1]}")


def group_command(argv: Sequence[str]) -> list[str]:
    """Wrap `argv` so that its whole process group is killed with SIGKILL when the calling thread ends.

    For programs that start others, such as a compiler driver. The caller must start it with `start_new_session=True`
    (the wrapper refuses, with status ORPHANED, to run in a group that is not its own). The exit status is the
    program's; 128 + n when signal n ended it. Raises PlatformError as `command` does.
    """
    return _wrapped(GROUP_SHIM, argv)


def _wrapped(shim: str, argv: Sequence[str], *settings: str) -> list[str]:
    program = shutil.which(argv[0]) if argv else None
    if program is None:
        named = repr(argv[0]) if argv else "an empty command"
        raise PlatformError(f"cannot start {named}: no such executable", hint="give an absolute path or fix PATH")
    full = os.path.abspath(program)  # noqa: PTH100 - a symlink must stay one: some programs read their own name
    return [sys.executable, "-I", "-S", "-c", shim, str(os.getpid()), *settings, full, *argv[1:]]
