"""What a Linux program needs to run elsewhere: its processor, its loader, its shared libraries.

Only the header and the program headers are read (elf(5)); the libraries are told by the program's own loader, which
alone knows where it looks for them.
"""

from __future__ import annotations

import re
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.errors import PlatformError, UsageError

_MACHINES = {3: "386", 40: "arm", 62: "amd64", 183: "arm64", 243: "riscv64", 21: "ppc64le", 22: "s390x"}
_INTERP = 3
"""PT_INTERP: the program is dynamic, and this segment names its loader."""

_LIST_S = 30.0
_FOUND = re.compile(r"^\s*(?:\S+ => )?(/\S+)(?: \(0x[0-9a-f]+\))$")
_MISSING = re.compile(r"^\s*(\S+) => not found$")


@dataclass(frozen=True, slots=True)
class Program:
    """`arch` in Go's words; `loader`: the path of its dynamic loader, "" for a static program or a library."""

    path: Path
    arch: str
    loader: str

    @property
    def static(self) -> bool:
        """Whether it needs nothing but the kernel."""
        return not self.loader


def read(path: Path) -> Program:
    """Look at a program; raises UsageError when it is no Linux program, or cannot be read."""
    try:
        with path.open("rb") as file:
            header = file.read(64)
            if header[:4] != b"\x7fELF":
                raise UsageError(f"{path} is not a Linux program{_instead(header)}", hint="give an ELF binary")
            wide, order = header[4] == 2, "<" if header[5] == 1 else ">"
            machine = struct.unpack_from(order + "H", header, 18)[0]
            at, size, count = _table(header, wide=wide, order=order)
            file.seek(at)
            table = file.read(size * count)
            loader = ""
            for number in range(count):
                kind, offset, length = _segment(table, number * size, wide=wide, order=order)
                if kind == _INTERP:
                    file.seek(offset)
                    loader = file.read(length).rstrip(b"\0").decode()
    except OSError as exc:
        raise UsageError(f"cannot read {path}: {exc.strerror}", hint="is it a file that you may read?") from exc
    except (struct.error, IndexError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path} is not a whole program: its header is cut off", hint="copy it again") from exc
    return Program(path, _MACHINES.get(machine, f"machine {machine}"), loader)


def libraries(program: Program, loader: str = "") -> tuple[Path, ...]:
    """The shared libraries that the loader would take, and the loader itself; none for a static program.

    `loader`: whose to ask where the file names none, as a library does. Raises PlatformError when one is missing here.
    """
    asked = program.loader or loader
    if not asked:
        return ()
    try:
        done = subprocess.run(
            [asked, "--list", str(program.path.resolve())], capture_output=True, text=True, timeout=_LIST_S,
            check=False, stdin=subprocess.DEVNULL, env={"LC_ALL": "C"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise PlatformError(
            f"{program.path} is a dynamic program, and its loader {asked} does not work here: {exc}",
            hint="give a static binary (CGO_ENABLED=0), or an image of its own",
        ) from exc
    lines = done.stdout.splitlines()
    if missing := [found[1] for line in lines if (found := _MISSING.match(line))]:
        raise PlatformError(
            f"{program.path} is a dynamic program, and this machine lacks {', '.join(missing)}",
            hint="give a static binary (CGO_ENABLED=0), or an image of its own",
        )
    return (Path(asked), *(Path(found[1]) for line in lines if (found := _FOUND.match(line))))


def _instead(header: bytes) -> str:
    if header.startswith(b"#!"):
        return " but a script"
    return " but empty" if not header else ""


def _table(header: bytes, *, wide: bool, order: str) -> tuple[int, int, int]:
    """Where the program headers begin, how long one is, and how many there are."""
    if wide:
        (at,) = struct.unpack_from(order + "Q", header, 32)
        return (at, *struct.unpack_from(order + "HH", header, 54))
    (at,) = struct.unpack_from(order + "I", header, 28)
    return (at, *struct.unpack_from(order + "HH", header, 42))


def _segment(table: bytes, at: int, *, wide: bool, order: str) -> tuple[int, int, int]:
    """Type, offset and length in the file of one program header."""
    if wide:
        kind, _flags, offset, _virtual, _physical, length = struct.unpack_from(order + "IIQQQQ", table, at)
    else:
        kind, offset, _virtual, _physical, length = struct.unpack_from(order + "IIIII", table, at)
    return kind, offset, length
