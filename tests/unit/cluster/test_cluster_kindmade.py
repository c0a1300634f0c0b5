"""What a kind cluster has in Docker's engine is removed, also by an engine that is too busy at first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.cluster import kindmade
from harness.errors import ClusterError
from tests.unit.cluster.faked import docker

if TYPE_CHECKING:
    from pathlib import Path

BUSY = "echo 'Could not kill running container: did not receive an exit event' >&2; exit 1"


@pytest.mark.parametrize("busy", [0, 1, 2])
def test_a_container_that_is_not_gone_at_once_is_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busy: int
) -> None:
    """What is left is asked for again each time, and the network is removed after the containers."""
    tries = tmp_path / "tries"
    tries.write_text("", encoding="utf-8")
    engine = docker(
        tmp_path, monkeypatch,
        ps_="echo c0ffee",
        rm_=f"echo x >> '{tries}'; [ $(wc -l < '{tries}') -gt {busy} ] || {{ {BUSY}; }}",
        network_ls="echo inv-1",
    )  # fmt: skip

    assert kindmade.remove("inv-1")

    asked = [line.split(" --")[0] for line in engine.asked]
    assert asked.count("rm") == busy + 1
    assert asked[-1] == "network rm inv-1"


def test_an_engine_that_never_removes_it_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what Docker said; the network, which is still used, is not touched."""
    engine = docker(tmp_path, monkeypatch, ps_="echo c0ffee", rm_=BUSY)

    with pytest.raises(ClusterError, match="did not receive an exit event"):
        kindmade.remove("inv-1")

    assert not any(line.startswith("network") for line in engine.asked)


def test_nothing_there_is_nothing_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no engine is asked to remove it."""
    engine = docker(tmp_path, monkeypatch)

    assert not kindmade.remove("inv-1")
    assert not any(line.startswith(("rm", "network rm")) for line in engine.asked)
