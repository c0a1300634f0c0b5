"""What a process uses, asked of this one."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from harness.process.usage import usage_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_process_that_works_uses_more(tmp_path: Path) -> None:
    """Processor time only grows, an open file is one file more, and there are memory and a thread."""
    before = usage_of(os.getpid())
    with (tmp_path / "file").open("w", encoding="utf-8"):
        during = usage_of(os.getpid())
    assert before is not None
    assert during is not None
    assert before.cpu_s > 0
    assert before.cpu_s <= during.cpu_s
    assert during.fds == before.fds + 1
    assert before.rss_kib > 1024
    assert before.threads >= 1
    assert before.waited_s is None or 0 <= before.waited_s <= (during.waited_s or 0)


def test_a_process_that_has_ended_uses_nothing() -> None:
    """Neither one that is gone nor one whose end nobody has collected yet."""
    child = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.DEVNULL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert usage_of(child.pid) is None
    child.wait()
    assert usage_of(child.pid) is None
