"""A child can run as another user, and still dies with the harness."""

from __future__ import annotations

import asyncio
import os
import pwd
import subprocess
import sys
from pathlib import Path

import psutil

from harness.process import child
from harness.process.shim import ORPHANED

ROOT = Path(__file__).resolve().parents[3]
NOBODY = (pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)


def test_a_switched_child_has_the_rights_of_that_user_alone(tmp_path: Path) -> None:
    """Every id is the user's, and no further group is kept; who is not root is refused before the program starts."""
    tell = ["/bin/sh", "-c", "grep -E '^(Uid|Gid|Groups):' /proc/self/status"]
    one = child.start("it", tell, log_dir=tmp_path, cwd=Path("/"), user=NOBODY)
    code = asyncio.run(one.wait(10.0))
    told = [line.split() for line in (tmp_path / "it.stdout.log").read_text(encoding="utf-8").splitlines()]

    if os.geteuid() == 0:
        uid, gid = map(str, NOBODY)
        assert told == [["Uid:", *[uid] * 4], ["Gid:", *[gid] * 4], ["Groups:"]]
        assert code == 0
    else:
        assert told == []
        assert code == ORPHANED
        assert "cannot become user" in one.tail()


def test_a_switched_child_dies_with_its_parent(tmp_path: Path) -> None:
    """The change of user does not take the death signal away."""
    user = NOBODY if os.geteuid() == 0 else None
    script = (
        "import sys; from pathlib import Path; from harness.process import child\n"
        f"one = child.start('it', ['/bin/sleep', '60'], log_dir=Path({str(tmp_path)!r}), cwd=Path('/'), user={user})\n"
        "print(one.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    assert parent.stdout is not None
    orphan = psutil.Process(int(parent.stdout.readline()))
    assert orphan.is_running()

    parent.kill()
    parent.communicate()

    gone, _ = psutil.wait_procs([orphan], timeout=5)
    assert gone or orphan.status() == psutil.STATUS_ZOMBIE
