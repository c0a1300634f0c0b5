"""A bundle as one file: the same again, or one clear error."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest
import zstandard

from harness.bundle import archive
from harness.bundle.archive import pack, unpacked
from harness.bundle.manifest import evidence
from harness.bundle.opened import CUT_OFF, opened
from harness.errors import HistoryError, PlatformError, UsageError
from tests.unit.bundle.written import begun, told, whole

if TYPE_CHECKING:
    from pathlib import Path


def made(path: Path, *members: tuple[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    """An archive with these members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members:
            item = tarfile.TarInfo(name)
            item.size, item.type, item.linkname = len(content) if kind == tarfile.REGTYPE else 0, kind, "/etc/passwd"
            tar.addfile(item, io.BytesIO(content))
    path.write_bytes(zstandard.ZstdCompressor().compress(buffer.getvalue()))
    return path


def test_what_is_packed_is_what_there_was(tmp_path: Path) -> None:
    """Every file of evidence is the same after the journey, and nothing stays behind of unpacking."""
    bundle = whole(tmp_path / "out")
    packed = pack(bundle, tmp_path / "x.tar.zst")

    with unpacked(packed) as copy:
        assert evidence(copy) == evidence(bundle)
        for name in evidence(bundle):
            assert (copy / name).read_bytes() == (bundle / name).read_bytes()
        place = copy.parent

    assert not place.exists()


def test_packing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """An archive depends on the evidence alone, not on when or by whom it was packed."""
    bundle = whole(tmp_path / "out")

    assert pack(bundle, tmp_path / "a").read_bytes() == pack(bundle, tmp_path / "b").read_bytes()


def test_an_archive_of_a_cut_off_run_is_whole_and_says_so(tmp_path: Path) -> None:
    """What is there is checked when it is opened; that there are no verdicts is noted."""
    bundle = begun(tmp_path / "out")
    told(bundle, ends=False)

    with opened(pack(bundle, tmp_path / "x.tar.zst")) as one:
        assert one.verdicts is None
        assert one.notes == (CUT_OFF,)


def test_only_evidence_is_packed(tmp_path: Path) -> None:
    """A file that somebody left in the directory does not travel."""
    bundle = whole(tmp_path / "out")
    (bundle / "admin.kubeconfig").write_text("client-key-data: c2VjcmV0", encoding="utf-8")

    with unpacked(pack(bundle, tmp_path / "x.tar.zst")) as copy:
        assert not (copy / "admin.kubeconfig").exists()


def test_a_changed_bundle_is_not_packed(tmp_path: Path) -> None:
    """Packing gives new checksums, so it looks at the old ones first; no file is left."""
    bundle = whole(tmp_path / "out")
    (bundle / "verdicts.json").write_text("{}", encoding="utf-8")

    with pytest.raises(HistoryError, match=r"verdicts\.json is not as it was written"):
        pack(bundle, tmp_path / "x.tar.zst")

    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A file that is there is refused by name, and stays."""
    (tmp_path / "x").write_text("mine", encoding="utf-8")

    with pytest.raises(UsageError, match="exists already"):
        pack(whole(tmp_path / "out"), tmp_path / "x")

    assert (tmp_path / "x").read_text(encoding="utf-8") == "mine"


def test_a_directory_that_is_no_bundle_is_not_packed(tmp_path: Path) -> None:
    """There is nothing in it to be packed."""
    with pytest.raises(HistoryError, match="is no bundle"):
        pack(tmp_path, tmp_path / "x")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The error names the file; nothing is left of it."""
    (tmp_path / "file").touch()

    with pytest.raises(PlatformError, match="cannot write"):
        pack(whole(tmp_path / "out"), tmp_path / "file" / "x.tar.zst")


@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_archive_is_refused(tmp_path: Path, share: float) -> None:
    """Wherever it was cut, the error names the file and says that it is cut off or damaged."""
    packed = pack(whole(tmp_path / "out"), tmp_path / "x.tar.zst")
    packed.write_bytes(packed.read_bytes()[: int(len(packed.read_bytes()) * share)])

    with pytest.raises(HistoryError, match=r"x\.tar\.zst is (cut off|no bundle)"), opened(packed):
        pass


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_damaged_archive_is_refused(tmp_path: Path, share: float) -> None:
    """A flipped byte is found by the frame's own checksum or by ours."""
    packed = pack(whole(tmp_path / "out"), tmp_path / "x.tar.zst")
    content = bytearray(packed.read_bytes())
    content[int(len(content) * share)] ^= 0xFF
    packed.write_bytes(content)

    with pytest.raises(HistoryError, match=r"x\.tar\.zst"), opened(packed):
        pass


@pytest.mark.parametrize(
    ("members", "kind", "said"),
    [
        ([("../evil", b"x")], tarfile.REGTYPE, r"'\.\./evil'"),
        ([("a/../../evil", b"x")], tarfile.REGTYPE, "evil"),
        ([("/tmp/evil", b"x")], tarfile.REGTYPE, "evil"),
        ([("a/link", b"")], tarfile.SYMTYPE, "a/link"),
        ([("a/pipe", b"")], tarfile.FIFOTYPE, "a/pipe"),
        ([("plain", b"x")], tarfile.REGTYPE, "plain"),
        ([("a/x", b"x"), ("b/x", b"x")], tarfile.REGTYPE, "2 directories"),
        ([("a/history.jsonl", b"x")], tarfile.REGTYPE, "no list of checksums"),
        ([("a/checksums.json", b"[]")], tarfile.REGTYPE, "no bundle"),
        ([], tarfile.REGTYPE, "0 directories"),
    ],
)
def test_a_foreign_archive_is_refused(tmp_path: Path, members: list[tuple[str, bytes]], kind: bytes, said: str) -> None:
    """Nothing is written outside of the place of unpacking, whatever names an archive holds."""
    (tmp_path / "in").mkdir()
    path = made(tmp_path / "in" / "x.tar.zst", *members, kind=kind)

    with pytest.raises(HistoryError, match=said), opened(path):
        pass

    assert [item.name for item in tmp_path.rglob("*")] == ["in", "x.tar.zst"]


def test_an_archive_that_would_fill_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file that unpacks to more than any bundle has is given up."""
    monkeypatch.setattr(archive, "LARGEST_BYTES", 1000)
    path = made(tmp_path / "x.tar.zst", ("a/history.jsonl", bytes(2000)))

    with pytest.raises(HistoryError, match="too large"), opened(path):
        pass


def test_a_tar_without_compression_is_refused(tmp_path: Path) -> None:
    """The error says what is expected."""
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w"):
        pass

    with pytest.raises(HistoryError, match=r"neither a directory nor a \.tar\.zst archive"), opened(path):
        pass
