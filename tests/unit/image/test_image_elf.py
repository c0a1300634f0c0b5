from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.image import elf

INTERPRETER = Path(sys.executable).resolve()
_AT = 64
"""Where the program headers begin: right after the header."""


def program(machine: int, loader: str = "", *, wide: bool = True, order: str = "<") -> bytes:
    """A program that is nothing but its headers."""
    kind = bytes((2 if wide else 1, 1 if order == "<" else 2))
    size = 56 if wide else 32
    text = loader.encode() + b"\0"
    where = _AT + size
    form = "IIQQQQQQ" if wide else "IIIIIIII"
    entry = (3, 4, where, 0, 0, len(text), len(text), 1) if wide else (3, where, 0, 0, len(text), len(text), 4, 1)
    segment = struct.pack(order + form, *(entry if loader else (1, *entry[1:])))
    header = bytearray(_AT)
    header[:7] = b"\x7fELF" + kind + b"\x01"
    struct.pack_into(order + "H", header, 18, machine)
    struct.pack_into(order + ("Q" if wide else "I"), header, 32 if wide else 28, _AT)
    struct.pack_into(order + "HH", header, 54 if wide else 42, size, 1)
    return bytes(header) + segment + text


@pytest.mark.parametrize(
    ("machine", "arch"), [(62, "amd64"), (183, "arm64"), (40, "arm"), (243, "riscv64"), (4711, "machine 4711")]
)
@pytest.mark.parametrize("wide", [True, False], ids=["64", "32"])
@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
def test_a_program_says_its_processor_and_its_loader(
    tmp_path: Path, machine: int, arch: str, order: str, *, wide: bool
) -> None:
    """Both are read whatever the width and the byte order."""
    path = tmp_path / "program"
    path.write_bytes(program(machine, "/lib64/ld.so", wide=wide, order=order))

    found = elf.read(path)

    assert (found.arch, found.loader, found.static) == (arch, "/lib64/ld.so", False)


def test_a_static_program_needs_nothing(tmp_path: Path) -> None:
    """No loader is named in it, and no library is looked for."""
    path = tmp_path / "program"
    path.write_bytes(program(62))

    found = elf.read(path)

    assert found.static
    assert elf.libraries(found) == ()


def test_the_libraries_of_this_interpreter_are_here() -> None:
    """The loader tells each of them by a path that exists, and itself."""
    found = elf.read(INTERPRETER)

    libraries = elf.libraries(found)

    assert Path(found.loader) in libraries
    assert any(path.name.startswith("libc.so") for path in libraries)
    assert all(path.is_file() for path in libraries)


@pytest.mark.parametrize(
    ("content", "said"), [(b"#!/bin/sh\n", "but a script"), (b"", "but empty"), (b"MZ", "is not a Linux program")]
)
def test_what_is_no_program_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """The error says what it is instead, where that is clear."""
    path = tmp_path / "operator"
    path.write_bytes(content)

    with pytest.raises(UsageError, match=said):
        elf.read(path)


@given(length=st.integers(min_value=4, max_value=_AT - 1))
def test_a_program_that_is_cut_off_is_refused(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    """Wherever its header ends too soon, there is one clear error."""
    path = tmp_path_factory.mktemp("elf") / "operator"
    path.write_bytes(program(62, "/lib64/ld.so")[:length])

    with pytest.raises(UsageError, match="its header is cut off"):
        elf.read(path)
