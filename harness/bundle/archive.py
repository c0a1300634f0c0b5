"""A bundle as one file, to be sent to somebody: a tar of its evidence, compressed by Zstandard.

The same bundle makes the same bytes. What is packed has no credentials in it, whatever the directory held, and a list
of checksums, also where the run was cut off before it had one. Nothing in an archive can name a place outside of the
directory into which it is unpacked.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

import zstandard

from harness.bundle.manifest import CHECKSUMS_FILE, FORMAT, evidence, facts_of, read_manifest, verify
from harness.bundle.secrets import clean
from harness.errors import HistoryError, PlatformError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIX = ".tar.zst"
MAGIC = b"\x28\xb5\x2f\xfd"
"""The first bytes of a Zstandard frame (RFC 8878, section 3.1.1)."""

LARGEST_BYTES = 4 << 30
"""Of an unpacked bundle: that of 5,000 nodes has some hundred MiB; what is larger is meant to fill a disk."""

_LEVEL = 10
_MOST_FILES = 2000
_FOREIGN = "an archive of the harness is made by `harness bundle pack`"


def pack(bundle: Path, target: Path) -> Path:
    """Write the archive of a bundle, whole or not at all, over none that is there; returns `target`.

    Raises HistoryError when the directory is no bundle or was changed since it was sealed, UsageError when the target
    exists, PlatformError when it cannot be written.
    """
    read_manifest(bundle)
    names = evidence(bundle)
    if not names:
        raise HistoryError(f"{bundle} is no bundle: it holds no evidence", hint="give the directory of one run")
    complete = verify(bundle) is True
    draft = target.with_name(f".{target.name}.{os.getpid()}.new")
    if target.exists():
        raise UsageError(f"{target} exists already", hint="nothing is overwritten: give another name with --to")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("xb") as file, zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).stream_writer(
            file, closefd=False
        ) as packed, tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # fmt: skip
            _fill(tar, bundle, names, complete=complete)
        draft.replace(target)
    except OSError as exc:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise PlatformError(
            f"cannot write {target}: {exc.strerror or exc}", hint="free some space or choose another place with --to"
        ) from exc
    return target


def _fill(tar: tarfile.TarFile, bundle: Path, names: list[str], *, complete: bool) -> None:
    listed = {}
    for name in names:
        content = clean(PurePosixPath(name).name, (bundle / name).read_bytes())
        listed[name] = facts_of(content)
        _add(tar, f"{_top(bundle)}/{name}", content)
    body = {"format": FORMAT, "complete": complete, "files": listed}
    _add(tar, f"{_top(bundle)}/{CHECKSUMS_FILE}", (json.dumps(body, indent=1) + "\n").encode())


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    item = tarfile.TarInfo(name)
    item.size, item.mode = len(content), 0o644
    tar.addfile(item, io.BytesIO(content))


def _top(bundle: Path) -> str:
    return bundle.resolve().name or "bundle"


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """The bundle of an archive as a directory, for as long as the context lasts.

    Raises HistoryError, naming the file, for one that is cut off, damaged, too large, or not made by the harness;
    PlatformError when there is no room for it.
    """
    try:
        place = Path(tempfile.mkdtemp(prefix="inventory-harness-bundle-"))
    except OSError as exc:
        raise PlatformError(f"cannot unpack {archive}: {exc.strerror}", hint="set TMPDIR to another place") from exc
    try:
        yield _unpack(archive, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _unpack(archive: Path, place: Path) -> Path:
    try:
        with archive.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise HistoryError(f"{archive} is no bundle: neither a directory nor a {SUFFIX} archive", hint=_FOREIGN)
            file.seek(0)
            with zstandard.ZstdDecompressor().stream_reader(file) as reader:
                return _extract(archive, reader, place)
    except (zstandard.ZstdError, tarfile.TarError, EOFError) as exc:
        raise HistoryError(
            f"{archive} is cut off or damaged: {exc}", hint="take it from its source again, and compare its size"
        ) from exc
    except OSError as exc:
        raise PlatformError(f"cannot unpack {archive}: {exc.strerror or exc}", hint="free some space") from exc


def _extract(archive: Path, reader: IO[bytes] | zstandard.ZstdDecompressionReader, place: Path) -> Path:
    tops: set[str] = set()
    room = LARGEST_BYTES
    with tarfile.open(fileobj=reader, mode="r|") as tar:
        for number, item in enumerate(tar):
            parts = PurePosixPath(item.name).parts
            room -= item.size
            if not item.isfile() or len(parts) < 2 or ".." in parts or PurePosixPath(item.name).is_absolute():
                raise HistoryError(f"{archive} is no bundle: it holds {item.name!r}", hint=_FOREIGN)
            if room < 0 or number >= _MOST_FILES:
                raise HistoryError(
                    f"{archive} is too large: over {LARGEST_BYTES >> 30} GiB or {_MOST_FILES} files", hint=_FOREIGN
                )
            tops.add(parts[0])
            content = tar.extractfile(item)
            path = place.joinpath(*parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                shutil.copyfileobj(content, file)  # type: ignore[arg-type]
            if path.stat().st_size != item.size:
                raise EOFError(f"{item.name} has {path.stat().st_size} bytes of {item.size}")
    if len(tops) != 1:
        raise HistoryError(f"{archive} is no bundle: it holds {len(tops)} directories", hint=_FOREIGN)
    bundle = place / tops.pop()
    if not (bundle / CHECKSUMS_FILE).is_file():
        raise HistoryError(f"{archive} is cut off: it has no list of checksums", hint="take it from its source again")
    return bundle
