"""A conformance bundle: one file that holds what a run of the conformance suite saw and said, with checksums.

A ZIP archive, the same bytes for the same content: `manifest.json` first, which names every other member with its size
and SHA-256, then the members by name, without times or owners. Checksums tell damage and careless editing; whoever
changes a member can change its checksum too, so the SHA-256 of the whole file is what to write down.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from harness.errors import HistoryError, PlatformError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

FORMAT, VERSION = "inventory-harness conformance bundle", 1
MANIFEST = "manifest.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP archive can hold; every member has it."""

_MODE, _UNIX = 0o644, 3
_LOCAL, _END, _END_BYTES = b"PK\x03\x04", b"PK\x05\x06", 22
MOST_BYTES = 1 << 30
"""A member that says it is larger is not read: no history of a run is, and an archive may be a bomb."""

_DAMAGED = "damaged or cut off; ask for it again, or compare its SHA-256 with the one it was made with"


def seal(target: Path, files: Mapping[str, Path | bytes]) -> str:
    """Write the bundle, whole or not at all; returns its SHA-256. Raises PlatformError when it cannot be written."""
    draft = target.with_name(f".{target.name}.part")
    try:
        contents = {name: _content(source) for name, source in sorted(files.items())}
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            archive.writestr(_member(MANIFEST), _manifest(contents))
            for name, content in contents.items():
                archive.writestr(_member(name), content)
        draft.replace(target)
    except OSError as exc:
        draft.unlink(missing_ok=True)
        raise PlatformError(
            f"cannot write the bundle {target}: {exc.strerror}", hint="free some space or choose another --bundle"
        ) from exc
    return sha256(target)


def sha256(path: Path) -> str:
    """The SHA-256 of a file, hex; raises HistoryError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise HistoryError(f"cannot read {path}: {exc.strerror}", hint="give the file of a conformance bundle") from exc


def _content(source: Path | bytes) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()


def _manifest(contents: Mapping[str, bytes]) -> str:
    members = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }
    return json.dumps({"format": FORMAT, "version": VERSION, "files": members}, indent=1) + "\n"


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system, info.external_attr = _UNIX, _MODE << 16
    return info


@dataclass(frozen=True, slots=True)
class Sealed:
    """A bundle that is open for reading. Every read is held against the manifest."""

    path: Path
    archive: zipfile.ZipFile
    files: Mapping[str, Mapping[str, Any]]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _exc: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.archive.close()

    def read(self, name: str) -> bytes:
        """A member's content; raises HistoryError when it is missing or not what the manifest says."""
        told = self.files.get(name)
        if told is None:
            raise HistoryError(f"{self.path}: {name} is missing", hint="the bundle was not made by this harness")
        content = _bytes(self.path, self.archive, name)
        if len(content) != told.get("bytes") or hashlib.sha256(content).hexdigest() != told.get("sha256"):
            raise HistoryError(
                f"{self.path}: {name} is not what the manifest says: it was changed after the bundle was made",
                hint=_DAMAGED,
            )
        return content

    def read_json(self, name: str) -> Any:
        """A member that is JSON."""
        try:
            return json.loads(self.read(name))
        except ValueError as exc:
            raise HistoryError(f"{self.path}: {name} is no JSON ({exc})", hint=_DAMAGED) from exc


def unseal(path: Path) -> Sealed:
    """Open a bundle; raises HistoryError with what is wrong: no such file, no bundle, cut off, changed, too new."""
    archive = _archive(path)
    try:
        return Sealed(path, archive, _files(path, archive))
    except HistoryError:
        archive.close()
        raise


def _archive(path: Path) -> zipfile.ZipFile:
    try:
        with path.open("rb") as file:
            head = file.read(len(_LOCAL))
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _END_BYTES))
            tail = file.read()
    except OSError as exc:
        raise HistoryError(f"cannot read {path}: {exc.strerror}", hint="give the file of a conformance bundle") from exc
    if head != _LOCAL:
        raise HistoryError(
            f"{path} is no conformance bundle ({size} bytes, no ZIP archive)",
            hint="give the file that `harness conformance --operator …` has written",
        )
    if not tail.startswith(_END):
        raise HistoryError(f"{path} has no end: {_DAMAGED}")
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as exc:
        raise HistoryError(f"{path} cannot be opened ({exc}): {_DAMAGED}") from exc


def _files(path: Path, archive: zipfile.ZipFile) -> Mapping[str, Mapping[str, Any]]:
    """The manifest's table, held against what is in the archive."""
    names = archive.namelist()
    if MANIFEST not in names:
        raise HistoryError(
            f"{path} is a ZIP archive and no conformance bundle: it has no {MANIFEST}",
            hint="give the file that `harness conformance --operator …` has written",
        )
    try:
        manifest = json.loads(_bytes(path, archive, MANIFEST))
    except ValueError as exc:
        raise HistoryError(f"{path}: {MANIFEST} is no JSON ({exc})", hint=_DAMAGED) from exc
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise HistoryError(f"{path}: its {MANIFEST} is not that of a conformance bundle", hint=f"wanted {FORMAT!r}")
    version = manifest.get("version")
    if version != VERSION:
        raise HistoryError(
            f"{path} has format {version}, and this harness reads format {VERSION}",
            hint="take the harness that has written it, or a newer one",
        )
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(isinstance(told, dict) for told in files.values()):
        raise HistoryError(f"{path}: its {MANIFEST} names no files", hint=_DAMAGED)
    others = sorted(names)
    if others != sorted((MANIFEST, *files)):
        odd = sorted(set(others) ^ {MANIFEST, *files}) or ["a member that is there twice"]
        raise HistoryError(f"{path}: members and {MANIFEST} differ in {', '.join(odd[:5])}", hint=_DAMAGED)
    return files


def _bytes(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    size = archive.getinfo(name).file_size
    if size > MOST_BYTES:
        raise HistoryError(f"{path}: {name} would have {size} bytes", hint=f"{MOST_BYTES} at most")
    try:
        return archive.read(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as exc:
        raise HistoryError(f"{path}: {name} cannot be read ({exc})", hint=_DAMAGED) from exc
