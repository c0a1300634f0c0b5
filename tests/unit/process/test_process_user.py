"""A child can run as another user, and still dies with the harness."""

from __future__ import annotations

import asyncio
import os
import pwd
from pathlib import Path

import psutil

from harness.process import child
from harness.process.shim import ORPHANED
from tests.unit.process.orphan import orphaned

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
    orphan = orphaned(tmp_path, f"cwd=Path('/'), user={user}")

    gone, _ = psutil.wait_procs([orphan], timeout=5)
    assert gone or orphan.status() == psutil.STATUS_ZOMBIE
