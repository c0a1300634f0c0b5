"""What a killed container runtime has left frozen goes on, and can end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.cluster import frozen

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("place", "file", "held", "free"),
    [
        ("freezer/docker/c0ffee/kubelet.slice/pod", "freezer.state", "FROZEN\n", "THAWED"),
        ("freezer/system.slice/docker-c0ffee.scope/kubelet", "freezer.state", "FREEZING\n", "THAWED"),
        ("system.slice/docker-c0ffee.scope/kubelet.slice/pod", "cgroup.freeze", "1\n", "0"),
        ("docker/c0ffee/kubelet/pod", "cgroup.freeze", "1\n", "0"),
    ],
)
def test_frozen_groups_of_the_container_are_thawed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, file: str, held: str, free: str
) -> None:
    """Wherever Docker's driver has put them, and no other container's."""
    monkeypatch.setattr(frozen, "ROOT", tmp_path)
    inside, beside = tmp_path / place / file, tmp_path / place.replace("c0ffee", "decaf") / file
    for one in (inside, inside.parent.parent / file, beside):
        one.parent.mkdir(parents=True, exist_ok=True)
        one.write_text(held, encoding="ascii")
    (inside.parent.parent / file).write_text(free + "\n", encoding="ascii")

    assert frozen.thaw("c0ffee") == 1
    assert inside.read_text(encoding="ascii") == free
    assert beside.read_text(encoding="ascii") == held
    assert frozen.thaw("c0ffee") == 0


def test_a_container_without_groups_has_none_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where it is gone meanwhile."""
    monkeypatch.setattr(frozen, "ROOT", tmp_path)

    assert frozen.thaw("c0ffee") == 0
