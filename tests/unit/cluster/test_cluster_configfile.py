"""The configuration file on disk, and each way in which it changes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.cluster.configfile import (
    FILE_NAME,
    IN_PLACE,
    OVERWRITE,
    RENAME,
    SWAP,
    ConfigFile,
    Configuration,
    Without,
    changed,
    cut_off,
    text,
)
from harness.errors import FaultError

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = text(("^a$",)), text(("^a$", "^b$"))


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1), max_size=4))
def test_a_file_says_what_it_excludes(exclude: list[str]) -> None:
    """Any expression of printable ASCII survives the way through YAML, and the document has the documented keys."""
    document = yaml.safe_load(text(exclude))
    assert document["exclude"] == {"nodes": exclude, "node_storage": []}
    assert set(document) == {"version", "cluster_storage", "exclude"}


@pytest.mark.parametrize("whole", [FIRST, SECOND, text(())])
def test_what_is_cut_off_is_no_other_file(whole: str) -> None:
    """A file whose writing ended within its last expression is no YAML, or says nothing of nodes yet."""
    half = cut_off(whole)
    assert whole.startswith(half)
    if '"' in whole:
        with pytest.raises(yaml.YAMLError):
            yaml.safe_load(half)


@pytest.mark.parametrize(
    ("how", "steps", "same_inode"),
    [(IN_PLACE, 3, True), (OVERWRITE, 1, True), (RENAME, 1, False), (SWAP, 1, False)],
)
def test_each_way_ends_with_the_new_content(tmp_path: Path, how: str, steps: int, *, same_inode: bool) -> None:
    """What each step says is read is read, and only the ways that write into the file leave it the same file."""
    file = ConfigFile.create(tmp_path / "config", FIRST, volume=how == SWAP)
    before = file.path.stat().st_ino
    with file.path.open() as held:
        said = [(step, file.read()) for step in file.change(SECOND, how)]
        assert [step for step, _read in said] == [read for _step, read in said]
        assert len(said) == steps
        assert said[-1][0] == file.read() == SECOND
        assert (file.path.stat().st_ino == before) is same_inode
        assert (held.read() == SECOND) is same_inode


def test_a_file_that_is_written_over_is_never_a_mixture(tmp_path: Path) -> None:
    """Shorter content is filled up with empty lines, so that nothing of the old is left behind it."""
    file = ConfigFile.create(tmp_path / "config", SECOND)
    assert list(file.change(FIRST, OVERWRITE)) == [FIRST]
    assert (file.read() or "").rstrip("\n") == FIRST.rstrip("\n")
    assert len(file.read() or "") == len(SECOND)
    assert list(file.change("", OVERWRITE)) == [""]
    assert file.read() == ""


def test_a_volume_is_as_a_kubelet_makes_it(tmp_path: Path) -> None:
    """The name leads through `..data` to a directory named after the time; after a swap the old one is gone."""
    file = ConfigFile.create(tmp_path / "config", FIRST, volume=True)
    first = (file.directory / "..data").resolve()
    assert str(file.path.readlink()) == "..data/config.yaml"
    assert file.path.resolve().parent == first
    assert first.stat().st_mode & 0o777 == 0o755
    list(file.change(SECOND, SWAP))
    second = (file.directory / "..data").resolve()
    assert second != first
    assert sorted(path.name for path in file.directory.iterdir()) == sorted(["..data", FILE_NAME, second.name])


@pytest.mark.parametrize("how", [IN_PLACE, OVERWRITE, RENAME, SWAP])
def test_a_file_that_is_gone_comes_back(tmp_path: Path, how: str) -> None:
    """There is no file, twice if need be, and then there is one again."""
    file = ConfigFile.create(tmp_path / "config", FIRST, volume=how == SWAP)
    for _ in range(2):
        assert list(file.change(None, how)) == [None]
        assert file.read() is None
        assert not os.path.lexists(file.path)
    assert list(file.change(FIRST, how))[-1] == FIRST
    assert file.read() == FIRST


@pytest.mark.parametrize(("how", "volume"), [(SWAP, False), (RENAME, True), (IN_PLACE, True)])
def test_a_way_that_does_not_fit_is_refused(tmp_path: Path, how: str, *, volume: bool) -> None:
    """A ConfigMap volume is changed by its kubelet alone, and nothing else is changed like that."""
    file = ConfigFile.create(tmp_path / "config", FIRST, volume=volume)
    with pytest.raises(FaultError, match="does not change"):
        list(file.change(SECOND, how))
    assert file.read() == FIRST


def test_a_step_is_a_step(tmp_path: Path) -> None:
    """An editor's file is empty, and then no YAML, before it is whole."""
    file = ConfigFile.create(tmp_path / "config", FIRST)
    said: list[Any] = list(file.change(SECOND, IN_PLACE))
    assert said == ["", cut_off(SECOND), SECOND]


def test_a_file_names_storage_classes_and_the_nodes_without_them() -> None:
    """One rule for each expression."""
    wanted = Configuration(
        exclude=("^a$",), storage=("beta3", "local-path"), without=(Without(("^b$", "^c$"), ("beta3",)),)
    )

    assert yaml.safe_load(wanted.text()) == {
        "version": "v1",
        "cluster_storage": ["beta3", "local-path"],
        "exclude": {
            "nodes": ["^a$"],
            "node_storage": [
                {"node_filter": "^b$", "classes": ["beta3"]}, {"node_filter": "^c$", "classes": ["beta3"]},
            ],
        },
    }  # fmt: skip


@pytest.mark.parametrize("storage", [None, (), ("other",)])
def test_a_changed_file_keeps_what_is_not_changed(storage: tuple[str, ...] | None) -> None:
    """Other nodes are excluded; classes and rules stay unless others are given."""
    before = Configuration(exclude=("^a$",), storage=("beta3",), without=(Without(("^b$",), ("beta3",)),)).text()
    after = yaml.safe_load(changed(before, exclude=("^c$",), storage=storage))

    assert after["exclude"] == {**yaml.safe_load(before)["exclude"], "nodes": ["^c$"]}
    assert after["cluster_storage"] == (["beta3"] if storage is None else list(storage))
    assert changed("", exclude=("^c$",)) == text(("^c$",))
