"""Conformance bundles as files: the same bytes for the same content, and one clear error for whatever is wrong."""

from __future__ import annotations

import hashlib
import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError, HistoryError, PlatformError
from harness.run import sealed
from harness.run.sealed import MANIFEST, seal, unseal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES: dict[str, Path | bytes] = {
    "results.json": b'{"a": 1}', "runs/chaos/x/history.jsonl": b"line\n" * 4000, "empty": b"",
}  # fmt: skip


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of three members."""
    seal(tmp_path / "b.zip", FILES)
    return tmp_path / "b.zip"


def contents(path: Path) -> dict[str, bytes]:
    """Everything that a bundle holds."""
    with unseal(path) as opened:
        return {name: opened.read(name) for name in opened.files}


def test_what_is_put_in_comes_out(bundle: Path) -> None:
    """Each member by its name, and nothing else in the archive but the manifest."""
    assert contents(bundle) == FILES
    with zipfile.ZipFile(bundle) as archive:
        assert archive.namelist() == [MANIFEST, *sorted(FILES)]


def test_the_same_content_is_the_same_file(tmp_path: Path) -> None:
    """Neither the time nor the order of members nor where they lie on disk is in it; the checksum is the file's."""
    on_disk = tmp_path / "somewhere.txt"
    on_disk.write_bytes(b"line\n" * 4000)
    again: dict[str, Path | bytes] = {
        "empty": b"", "runs/chaos/x/history.jsonl": on_disk, "results.json": b'{"a": 1}'
    }  # fmt: skip

    first, second = seal(tmp_path / "1.zip", FILES), seal(tmp_path / "2.zip", again)

    assert first == second == hashlib.sha256((tmp_path / "1.zip").read_bytes()).hexdigest()


def test_a_bundle_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """A member that vanished while it was packed is an error, and there is no half a bundle."""
    with pytest.raises(PlatformError, match=r"cannot write the bundle .*b\.zip"):
        seal(tmp_path / "b.zip", {"a": tmp_path / "gone"})

    assert list(tmp_path.iterdir()) == []


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _foreign(path: Path) -> None:
    path.write_text("a letter to a friend", encoding="utf-8")


def _nothing(path: Path) -> None:
    path.write_bytes(b"")


def _another_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("hello.txt", "hello")


def _manifest(**changed: Any) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        found = {**contents(path)}
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read(MANIFEST)) | changed
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(MANIFEST, json.dumps(manifest))
            for name, content in found.items():
                archive.writestr(name, content)

    return change


def _member(name: str, content: bytes | None) -> Callable[[Path], None]:
    """A member is another one, is taken out, or is added, and the manifest stays as it was."""

    def change(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            found = {one: archive.read(one) for one in archive.namelist()}
        others = {one: body for one, body in found.items() if one != name}
        with zipfile.ZipFile(path, "w") as archive:
            for one, body in (others if content is None else {**others, name: content}).items():
                archive.writestr(one, body)

    return change


def _gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (_cut, "has no end"),
        (_foreign, r"is no conformance bundle \(20 bytes"),
        (_nothing, r"is no conformance bundle \(0 bytes"),
        (_another_archive, f"is a ZIP archive and no conformance bundle: it has no {MANIFEST}"),
        (_gone, "cannot read .*: No such file or directory"),
        (_manifest(version=2), "has format 2, and this harness reads format 1"),
        (_manifest(version="x"), "has format x"),
        (_manifest(format="a recipe"), "is not that of a conformance bundle"),
        (_manifest(files=["results.json"]), "names no files"),
        (_member(MANIFEST, b"{"), "is no JSON"),
        (_member("results.json", b'{"a": 2}'), r"results\.json is not what the manifest says"),
        (_member("results.json", None), r"differ in results\.json"),
        (_member("more", b"x"), "differ in more"),
    ],
)
def test_what_is_wrong_is_said_in_one_error(bundle: Path, harm: Callable[[Path], None], said: str) -> None:
    """Cut off, foreign, of a newer format, changed, incomplete or added to: the file is named, and what to do."""
    harm(bundle)

    with pytest.raises(HistoryError, match=said) as caught:
        contents(bundle)

    assert str(bundle) in caught.value.what
    assert caught.value.hint or "ask for it again" in caught.value.what


def test_a_member_that_is_there_twice_is_refused(bundle: Path) -> None:
    """Which of the two is meant cannot be known."""
    with zipfile.ZipFile(bundle, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("empty", b"")

    with pytest.raises(HistoryError, match="there twice"):
        contents(bundle)


def test_a_member_that_would_fill_the_memory_is_refused(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size is looked at before anything is unpacked."""
    monkeypatch.setattr(sealed, "MOST_BYTES", 1000)

    with pytest.raises(HistoryError, match="would have 20000 bytes"):
        contents(bundle)


def test_a_member_that_nobody_packed_is_missing(bundle: Path) -> None:
    """Asking for it is an error of the bundle, not of the harness."""
    with unseal(bundle) as opened, pytest.raises(HistoryError, match=r"runs/none is missing"):
        opened.read("runs/none")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small bundle's bytes."""
    path = tmp_path_factory.mktemp("bundle") / "b.zip"
    seal(path, {"results.json": b'{"a": 1}', "log": b"line\n" * 20})
    return path.read_bytes()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_damage_passes_unseen(whole: bytes, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A bundle of which a byte is another one, or that is cut off anywhere, is refused or says what it said."""
    path = tmp_path_factory.mktemp("damaged") / "b.zip"
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    other = bytes([whole[at] ^ data.draw(st.integers(1, 255))])
    path.write_bytes(whole[:at] if cut else whole[:at] + other + whole[at + 1 :])
    try:
        found = contents(path)
    except HarnessError:
        return

    assert not cut
    assert found == {"results.json": b'{"a": 1}', "log": b"line\n" * 20}
