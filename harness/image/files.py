"""The files of an image, gathered from this machine, and their layer: the same files give the same bytes, always."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from harness.errors import PlatformError
from harness.image import elf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PROGRAM, _PLAIN, _SHARED = 0o755, 0o644, 0o1777


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, link or directory. `source`: a file of this machine, the content itself, or None for a directory."""

    mode: int
    source: Path | bytes | None = None
    link: str = ""


@dataclass(slots=True)
class Files:
    """The files of one layer by their absolute path in the image. What is added later replaces what was there."""

    entries: dict[PurePosixPath, Entry] = field(default_factory=dict)
    library_dirs: set[str] = field(default_factory=set)

    def directory(self, path: str, *, shared: bool = False) -> None:
        """An empty directory; `shared`: for everybody, as /tmp is."""
        self.entries[PurePosixPath(path)] = Entry(_SHARED if shared else _PROGRAM)

    def text(self, path: str, content: str, *, program: bool = False) -> None:
        """A file with this content."""
        self.entries[PurePosixPath(path)] = Entry(_PROGRAM if program else _PLAIN, content.encode())

    def link(self, path: str, target: str) -> None:
        """A symbolic link."""
        self.entries[PurePosixPath(path)] = Entry(0o777, link=target)

    def copy(self, path: str, source: Path, *, program: bool = False) -> None:
        """A file of this machine."""
        self.entries[PurePosixPath(path)] = Entry(_PROGRAM if program else _PLAIN, source)

    def program(self, path: str, source: Path) -> elf.Program:
        """A program of this machine, with the shared libraries it needs; raises UsageError and PlatformError."""
        found = elf.read(source)
        self.copy(path, source, program=True)
        self.libraries(found)
        return found

    def libraries(self, program: elf.Program, loader: str = "") -> None:
        """The shared libraries of a program or library that is in the image, each where it is here."""
        for library in elf.libraries(program, loader):
            if PurePosixPath(library) not in self.entries:
                self.copy(str(library), library.resolve(), program=True)
                self.library_dirs.add(str(library.parent))

    def tree(self, path: str, source: Path, *, without: Iterable[str] = ()) -> None:
        """A directory of this machine with all that is in it, save what has a name of `without` (glob patterns)."""
        skipped = tuple(without)
        for found in _walk(source, skipped):
            where = PurePosixPath(path) / found.relative_to(source).as_posix()
            if found.is_symlink() and not found.exists():
                continue
            self.entries[where] = Entry(_PROGRAM if found.stat().st_mode & 0o100 else _PLAIN, found)

    def identity(self) -> str:
        """SHA-256, in hex, of everything that is in it."""
        whole = hashlib.sha256()
        for path, entry in sorted(self.entries.items()):
            whole.update(f"{path}\0{entry.mode:o}\0{entry.link}\0".encode())
            whole.update(_digest(entry.source))
        return whole.hexdigest()

    def write(self, layer: Path) -> str:
        """Write the layer as an uncompressed tar; its SHA-256 in hex. Raises PlatformError."""
        try:
            with tarfile.open(layer, "w", format=tarfile.GNU_FORMAT) as archive:
                for path, entry in sorted(_with_parents(self.entries).items()):
                    _add(archive, path, entry)
            with layer.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as exc:
            raise PlatformError(f"cannot write the image layer {layer}: {exc.strerror or exc}") from exc


def _walk(source: Path, skipped: tuple[str, ...]) -> Iterator[Path]:
    try:
        listed = sorted(source.iterdir())
    except OSError as exc:
        raise PlatformError(f"cannot read {source}: {exc.strerror}") from exc
    for path in listed:
        if any(path.match(pattern) for pattern in skipped):
            continue
        if path.is_dir():
            yield from _walk(path, skipped)
        else:
            yield path


def _digest(source: Path | bytes | None) -> bytes:
    if source is None:
        return b"-"
    if isinstance(source, bytes):
        return hashlib.sha256(source).digest()
    try:
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as exc:
        raise PlatformError(f"cannot read {source}: {exc.strerror}") from exc


def _with_parents(entries: dict[PurePosixPath, Entry]) -> dict[PurePosixPath, Entry]:
    """The entries and the directories above them, so that nobody has to guess their mode."""
    root = PurePosixPath("/")
    above = {parent: Entry(_PROGRAM) for path in entries for parent in path.parents if parent != root}
    return {**above, **entries}


def _add(archive: tarfile.TarFile, path: PurePosixPath, entry: Entry) -> None:
    # Time, owner and order are the same always: only the content makes one layer differ from another.
    info = tarfile.TarInfo(str(path).lstrip("/"))
    info.mode = entry.mode
    if entry.link:
        info.type, info.linkname = tarfile.SYMTYPE, entry.link
        archive.addfile(info)
    elif entry.source is None:
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
    elif isinstance(entry.source, bytes):
        info.size = len(entry.source)
        archive.addfile(info, io.BytesIO(entry.source))
    else:
        info.size = entry.source.stat().st_size
        with entry.source.open("rb") as file:
            archive.addfile(info, file)
