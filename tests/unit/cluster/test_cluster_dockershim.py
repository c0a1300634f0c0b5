"""The command that stands before Docker's where a capability is missing."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from harness.cluster import dockershim
from harness.errors import PlatformError

if TYPE_CHECKING:
    from pathlib import Path

REST = (
    "--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE", "--security-opt", "systempaths=unconfined",
    "--device-cgroup-rule", "a *:* rwm",
)  # fmt: skip


@pytest.mark.parametrize(
    ("bounding", "missing"),
    [("000001ffffffffff", False), ("000001fffeffffff", True), ("0000000000000000", True), ("00000000a80425fb", True)],
)
def test_it_is_needed_where_the_bounding_set_lacks_the_capability(bounding: str, *, missing: bool) -> None:
    """Bit 24 of CapBnd decides, whatever else is missing."""
    assert dockershim.needed(f"Name:\tpython\nCapEff:\t0000000000000000\nCapBnd:\t{bounding}\n") is missing


def test_a_machine_that_does_not_say_has_no_bounds() -> None:
    """Without the line nothing is replaced."""
    assert not dockershim.needed("Name:\tpython\n")


@pytest.mark.parametrize(
    ("asked", "called"),
    [
        (("run", "--privileged", "image"), ("run", *REST, "image")),
        (("run", "-e", "A=b c", "--privileged", "image", "--privileged"),
         ("run", "-e", "A=b c", *REST, "image", "--privileged")),
        (("exec", "--privileged", "node", "ls", "--privileged"), ("exec", "node", "ls", "--privileged")),
        (("exec", "-i", "node", "cat"), ("exec", "-i", "node", "cat")),
        (("ps", "--all", "--filter", "name=--privileged"), ("ps", "--all", "--filter", "name=--privileged")),
        ((), ()),
    ],
    ids=["run", "run-once", "exec-once", "exec-without", "others", "nothing"],
)  # fmt: skip
def test_only_the_privileges_are_spelled_out(
    asked: tuple[str, ...], called: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first --privileged of a run becomes the rest of it, of an exec nothing; all else passes as it is."""
    real = tmp_path / "docker"
    real.write_text('#!/bin/sh\nfor word in "$@"; do printf "%s\\n" "$word"; done\nexit 7\n', encoding="utf-8")
    real.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    folder = dockershim.install(tmp_path)
    done = subprocess.run([folder / "docker", *asked], capture_output=True, text=True, check=False)

    assert tuple(done.stdout.splitlines()) == called
    assert done.returncode == 7


def test_without_docker_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nothing that it could stand before."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(PlatformError, match="no `docker` on PATH"):
        dockershim.install(tmp_path)

    assert list(tmp_path.iterdir()) == []
