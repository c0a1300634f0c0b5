"""A node in which something is frozen cannot end; it is removed all the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.cluster import dockercli, frozen, kindmade
from harness.cluster.nodeimage import assembled
from harness.errors import ClusterError
from harness.toolchain import DEFAULT_KUBERNETES
from tests.kind.leftovers import outside

if TYPE_CHECKING:
    from collections.abc import Iterator

CLUSTER = "inv-frozen"


@pytest.fixture
def box() -> Iterator[str]:
    """A container of a cluster, with two processes, by its full id."""
    label = f"--label={kindmade.CLUSTER_LABEL}={CLUSTER}"
    made = dockercli.call("run", "--detach", label, "--entrypoint=sleep", assembled(DEFAULT_KUBERNETES), "600").strip()
    try:
        dockercli.call("exec", made, "sh", "-c", "sleep 599 > /dev/null 2>&1 &")
        yield made
    finally:
        kindmade.remove(CLUSTER)


def group_of(box: str) -> Path:
    """The control group of a container that can be frozen."""
    return next(
        place for one in frozen.PLACES if (place := frozen.ROOT / one.format(box)).is_dir() and (
            list(place.glob("freezer.state")) or list(place.glob("cgroup.freeze"))
        )
    )  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="control groups are root's to make")
def test_a_node_with_something_frozen_in_it_is_removed(box: str) -> None:
    """As a runtime leaves it that was killed with its node: Docker alone gives up, and cannot be blamed."""
    group = group_of(box)
    (group / "sub").mkdir()
    second = next(pid for pid in (group / "cgroup.procs").read_text().split() if b"599" in cmdline(pid))
    (group / "sub" / "cgroup.procs").write_text(second)
    old = group / "sub" / "freezer.state"
    (old if old.exists() else group / "sub" / "cgroup.freeze").write_text("FROZEN" if old.exists() else "1")
    with pytest.raises(ClusterError, match="did not receive an exit event"):
        dockercli.call("rm", "--force", box, timeout_s=60.0)

    assert kindmade.remove(CLUSTER)

    assert outside(CLUSTER) == []


def cmdline(pid: str) -> bytes:
    """What a process was started with."""
    return Path(f"/proc/{pid}/cmdline").read_bytes()
