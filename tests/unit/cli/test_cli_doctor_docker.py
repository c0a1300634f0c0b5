"""What `harness doctor` says of Docker's engine, and of what real nodes need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.cli import doctor
from harness.cluster import dockershim
from harness.cluster.nodeimage import assembled
from harness.toolchain import DEFAULT_KUBERNETES
from tests.unit.cluster.faked import docker

if TYPE_CHECKING:
    from pathlib import Path

NOT_HERE = "echo 'No such image' >&2; exit 1"


def told(monkeypatch: pytest.MonkeyPatch, *, bounded: bool) -> dict[str, tuple[str, str]]:
    """The lines of a report, by name: (level, text)."""
    monkeypatch.setattr(dockershim, "needed", lambda: bounded)
    return {check.name: (check.level, check.text) for check in doctor.containers()}


def test_an_engine_and_an_image_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version, control groups, and where nodes come from."""
    docker(tmp_path, monkeypatch, image_inspect="echo sha256:1")

    found = told(monkeypatch, bounded=False)

    assert found["containers"] == ("ok", "Docker 20.10.24, control groups of version 1")
    assert found["node image"] == ("ok", f"{assembled(DEFAULT_KUBERNETES)} is here")
    assert "capabilities" not in found


def test_without_an_assembled_image_kinds_own_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is missing that is no trouble."""
    docker(tmp_path, monkeypatch, image_inspect=NOT_HERE)

    assert told(monkeypatch, bounded=False)["node image"] == ("ok", "kind's own, pulled from its registry")


@pytest.mark.parametrize(("answer", "level"), [("echo sha256:1", "ok"), (NOT_HERE, "warn")], ids=["here", "missing"])
def test_a_missing_capability_is_said_plainly(
    answer: str, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done instead, and what it needs where that is not here."""
    docker(tmp_path, monkeypatch, image_inspect=answer)

    found, text = told(monkeypatch, bounded=True)["capabilities"]

    assert found == level
    assert text.startswith(dockershim.REMARK)
    assert ("python -m ci.node_image" in text) is (level == "warn")


def test_an_engine_that_cannot_be_used_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of the harness does without; the way out is told."""
    docker(tmp_path, monkeypatch, version="echo 'permission denied while trying to connect' >&2; exit 1")

    found = told(monkeypatch, bounded=True)

    assert list(found) == ["containers"]
    assert found["containers"][0] == "warn"
    assert "group of Docker's socket" in found["containers"][1]


def test_little_room_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How much there is and how much a node needs."""
    docker(tmp_path, monkeypatch)
    monkeypatch.setattr(doctor, "ROOM_PER_NODE", 1 << 60)

    level, text = told(monkeypatch, bounded=False)["room for containers"]

    assert level == "warn"
    assert "1073741824.0 for each node of kind" in text
