"""Whoever follows docs/tutorial.md finds the bug. Not a unit test: `tox run -e tutorial`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from harness.toolchain import resolve
from tests.docs.told import ROOT, TUTORIAL, Told, commands

COMMAND_S = 1800.0
SAID = {
    "harness replay": "2 of 2 showed it",
    "harness shrink": "shown in 3 of 3 runs",
    "(cd alone": "SURVIVE-1 FAIL",
}
"""What the page, or the command that it has just shown, promises to be told."""


def followed(told: Told, place: Path) -> str:
    """Carry a command out in a shell, as a reader would; what it said."""
    paths = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT), "COLUMNS": "160",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-c", told.words], cwd=place, env={**os.environ, **paths}, timeout=COMMAND_S, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    assert told.code is None or done.returncode == told.code, (
        f"{told.words}\nended with {done.returncode}:\n{done.stdout}"
    )
    return done.stdout


def test_the_tutorial_ends_in_a_found_bug(tmp_path: Path) -> None:
    """Each command ends as the page says, and at the end one file fails alone and passes with the bug mended."""
    resolve()
    every = commands(TUTORIAL)
    said = {told.words: followed(told, tmp_path) for told in every}

    for begin, words in SAID.items():
        (output,) = [text for command, text in said.items() if command.startswith(begin)]
        assert words in output, output
    for path in ("first/index.html", "first/chaos/deletion-missed/report.html", "small/reproducer/issue.md"):
        assert (tmp_path / path).is_file(), path
    assert sum(told.code is not None for told in every) >= 8
