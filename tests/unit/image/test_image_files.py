from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import PlatformError
from harness.image import base
from harness.image.files import Files

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=3).map(
    lambda parts: "/" + "/".join(parts)
)


def test_a_layer_holds_what_was_gathered(tmp_path: Path) -> None:
    """Files, programs, links and directories, each with its mode, and the directories above them."""
    source = tmp_path / "source"
    source.write_text("copied")
    files = Files()
    files.copy("/usr/bin/tool", source, program=True)
    files.text("/etc/passwd", "root")
    files.link("/bin/sh", "/usr/bin/tool")
    files.directory("/tmp", shared=True)

    files.write(tmp_path / "layer.tar")

    with tarfile.open(tmp_path / "layer.tar") as layer:
        modes = {one.name: one.mode for one in layer}
        link = layer.getmember("bin/sh").linkname
        tool = layer.extractfile("usr/bin/tool")
        content = b"" if tool is None else tool.read()
    assert modes == {
        "bin": 0o755, "bin/sh": 0o777, "etc": 0o755, "etc/passwd": 0o644, "tmp": 0o1777, "usr": 0o755,
        "usr/bin": 0o755, "usr/bin/tool": 0o755,
    }  # fmt: skip
    assert (link, content) == ("/usr/bin/tool", b"copied")


@given(names=st.lists(NAMES, min_size=2, max_size=6, unique=True), content=st.text(max_size=3))
def test_the_identity_is_of_the_content(names: list[str], content: str) -> None:
    """The order in which files were added makes no difference; a name or a byte does."""
    forth, back, more = Files(), Files(), Files()
    for name in names:
        forth.text(name, content)
    for name in reversed(names):
        back.text(name, content)
    for name in names:
        more.text(name, content)
    more.text(names[0], content + "x")

    assert forth.identity() == back.identity()
    assert forth.identity() != more.identity()


def test_a_tree_is_copied_without_what_is_not_wanted(tmp_path: Path) -> None:
    """Patterns leave out files and whole directories, wherever they are; dangling links are left out too."""
    for name in ("a.py", "tests/b.py", "deep/tests/c.py", "deep/d.a"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    files = Files()

    files.tree("/lib", tmp_path, without=("tests", "*.a"))

    assert [str(path) for path in files.entries] == ["/lib/a.py"]


def test_a_file_that_vanished_is_a_clear_error(tmp_path: Path) -> None:
    """What was there when it was gathered may be gone when it is read."""
    source = tmp_path / "source"
    source.touch()
    files = Files()
    files.copy("/file", source)
    source.unlink()

    with pytest.raises(PlatformError, match="cannot read"):
        files.identity()


def test_what_this_machine_lacks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any program on PATH an image has none, says so, and starts the operator itself."""
    monkeypatch.setenv("PATH", "/nonexistent")
    files = Files()

    notes = base.furnish(files)

    assert {note.split(":")[0] for note in notes} >= {"no tini", "no bash", "no curl", "no jq"}
    assert base.recipe(files).entrypoint == ()
