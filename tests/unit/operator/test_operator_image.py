from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.errors import UsageError
from harness.image import archive
from harness.image.archive import Recipe
from harness.image.files import Files
from harness.image.store import HOST
from harness.operator.base import parse
from harness.operator.image import image_of
from harness.toolchain.machine import architecture
from tests.unit.image.test_image_elf import program

if TYPE_CHECKING:
    from pathlib import Path

MACHINES = {"amd64": 62, "arm64": 183}
OTHER = {"amd64": "arm64", "arm64": "amd64"}[architecture()]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images of a test are its own."""
    monkeypatch.setenv("INVENTORY_HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def binary(path: Path, arch: str) -> Path:
    """A static binary that is nothing but headers."""
    path.write_bytes(program(MACHINES[arch]))
    path.chmod(0o755)
    return path


def given(path: Path, arch: str) -> Path:
    """An archive of somebody else's."""
    files = Files()
    files.text("/etc/motd", "hello")
    layer = path.with_suffix(".layer")
    archive.write(path, "theirs:latest", Recipe().config(arch, files.write(layer)), layer)
    return path


def test_a_binary_becomes_an_image(tmp_path: Path) -> None:
    """It is loaded by a name of ours, and a second time it is not made again."""
    spec = parse(str(binary(tmp_path / "operator", architecture())))
    said: list[str] = []

    first, second = image_of(spec, said.append), image_of(spec, said.append)

    assert first == second
    assert first.name.startswith(f"{HOST}/operator:")
    assert first.archive is not None
    assert archive.read(first.archive).names == (first.name,)
    assert len([line for line in said if line.startswith("making")]) == 1


def test_a_binary_for_another_processor_is_refused(tmp_path: Path) -> None:
    """Both processors are named."""
    spec = parse(str(binary(tmp_path / "operator", OTHER)))

    with pytest.raises(UsageError, match=f"is a program for {OTHER}, and the nodes of this machine are"):
        image_of(spec)


def test_a_given_image_gets_a_name_of_ours(tmp_path: Path) -> None:
    """A tag `latest` would be pulled by every discovery pod."""
    made = image_of(parse(f"image:{given(tmp_path / 'image.tar', architecture())}"))

    assert made.name.startswith(f"{HOST}/given:")
    assert made.archive is not None
    assert archive.read(made.archive).names == (made.name,)


def test_a_given_image_for_another_processor_is_refused(tmp_path: Path) -> None:
    """It is, before any node tries to start it."""
    with pytest.raises(UsageError, match=f"it is an image for {OTHER}"):
        image_of(parse(f"image:{given(tmp_path / 'image.tar', OTHER)}"))


def test_an_image_that_only_has_a_name_is_pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no Docker engine to take it from, the nodes get it."""
    monkeypatch.setenv("PATH", "/nonexistent")

    made = image_of(parse("image:host.example/op:1"))

    assert (made.name, made.archive) == ("host.example/op:1", None)


def test_nothing_half_made_is_kept(tmp_path: Path, cache: Path) -> None:
    """An archive that is refused leaves no file in the cache."""
    path = tmp_path / "image.tar"
    path.write_bytes(given(tmp_path / "whole.tar", architecture()).read_bytes()[:2000])

    with pytest.raises(UsageError, match="image archive"):
        image_of(parse(f"image:{path}"))

    assert not [one for one in cache.rglob("*") if one.suffix in {".tar", ".layer"}]
