"""A child whose parent is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[3]


def orphaned(directory: Path, options: str = "") -> psutil.Process:
    """Start a child in a process of its own, kill that process, and return the child.

    `options`: further arguments of `harness.process.child.start`, as Python source with `Path` imported.
    """
    script = (
        "import sys; from pathlib import Path; from harness.process import child\n"
        f"one = child.start('it', ['/bin/sleep', '60'], log_dir=Path({str(directory)!r}), {options})\n"
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
    return orphan
