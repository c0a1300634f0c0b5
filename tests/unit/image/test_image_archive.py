from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.image import archive
from harness.image.archive import Recipe
from harness.image.files import Files

if TYPE_CHECKING:
    from pathlib import Path

NAME = "inventory-harness.invalid/operator:1"


def image(path: Path, *, arch: str = "amd64", name: str = NAME, content: str = "hello") -> Path:
    """A small image, as we write one."""
    files = Files()
    files.text("/etc/motd", content)
    layer = path.with_suffix(".layer")
    digest = files.write(layer)
    archive.write(path, name, Recipe(("/bin/true",)).config(arch, digest), layer)
    layer.unlink()
    return path


def members(path: Path) -> dict[str, bytes]:
    """What is in a tar, by name."""
    with tarfile.open(path) as opened:
        return {one.name: file.read() for one in opened if (file := opened.extractfile(one)) is not None}


def packed(path: Path, content: dict[str, bytes]) -> Path:
    """A tar of these members."""
    with tarfile.open(path, "w") as out:
        for name, body in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            out.addfile(info, io.BytesIO(body))
    return path


def oci(path: Path, *, arch: str = "amd64", index: bool = False) -> Path:
    """The same as an OCI archive; `index`: its manifest is behind one more index, as of images for several systems."""
    blobs: dict[str, bytes] = {}

    def put(body: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(body).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = body
        return {"digest": f"sha256:{digest}", "size": len(body)}

    layer = put(b"layer")
    config = put(json.dumps({"architecture": arch, "os": "linux"}).encode())
    manifest = put(json.dumps({"config": config, "layers": [layer]}).encode())
    if index:
        manifest = put(json.dumps({"manifests": [manifest]}).encode())
    top = {**manifest, "annotations": {"org.opencontainers.image.ref.name": "given:1"}}
    return packed(path, {"oci-layout": b"{}", "index.json": json.dumps({"manifests": [top]}).encode(), **blobs})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Name, processor and the digest of the configuration are those of the image."""
    path = image(tmp_path / "image.tar", arch="arm64")

    found = archive.read(path)

    config = next(body for name, body in members(path).items() if name == f"{found.digest}.json")
    assert found.names == (NAME,)
    assert found.arch == "arm64"
    assert hashlib.sha256(config).hexdigest() == found.digest


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    """Neither time nor place nor order goes into an image."""
    first, second = image(tmp_path / "a.tar"), image(tmp_path / "b.tar")

    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("index", [False, True], ids=["manifest", "index"])
def test_an_oci_archive_is_read(tmp_path: Path, *, index: bool) -> None:
    """One image is found behind one index or two."""
    found = archive.read(oci(tmp_path / "image.tar", arch="arm64", index=index))

    assert (found.names, found.arch) == (("given:1",), "arm64")


@pytest.mark.parametrize("make", [image, oci], ids=["docker", "oci"])
def test_an_image_is_renamed_and_nothing_else(tmp_path: Path, make: Any) -> None:
    """Its layers and its configuration are the same; it has the new name alone."""
    path, target = make(tmp_path / "image.tar"), tmp_path / "renamed.tar"

    archive.rename(path, "inventory-harness.invalid/given:abc", target)

    before, after = archive.read(path), archive.read(target)
    assert "inventory-harness.invalid/given:abc" in after.names
    assert before.names[0] not in after.names
    assert (after.digest, after.arch) == (before.digest, before.arch)


def test_a_compressed_archive_is_read(tmp_path: Path) -> None:
    """`docker save | gzip` is a common way to keep an image."""
    path = tmp_path / "image.tar.gz"
    path.write_bytes(gzip.compress(image(tmp_path / "image.tar").read_bytes()))

    assert archive.read(path).names == (NAME,)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(min_value=0.0, max_value=0.999))
@pytest.mark.parametrize("make", [image, oci], ids=["docker", "oci"])
def test_an_archive_that_is_cut_off_is_refused(
    tmp_path_factory: pytest.TempPathFactory, make: Any, share: float
) -> None:
    """Wherever it ends before its last member does, it is not taken for an image."""
    folder = tmp_path_factory.mktemp("archive")
    path = make(folder / "image.tar")
    whole = path.read_bytes()
    end = len(whole.rstrip(b"\0"))
    path.write_bytes(whole[: int(end * share)])

    with pytest.raises(UsageError, match=r"image archive|not an image"):
        archive.read(path)


def test_a_layer_that_was_changed_is_refused(tmp_path: Path) -> None:
    """Its content is compared with what the configuration says of it."""
    path = image(tmp_path / "image.tar")
    content = members(path)
    layer = next(name for name in content if name.endswith("layer.tar"))
    content[layer] = content[layer].replace(b"hello", b"hallo")

    with pytest.raises(UsageError, match="is damaged"):
        archive.read(packed(path, content))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"readme": b"x"}, "neither manifest.json nor index.json"),
        ({"manifest.json": b"[]"}, "holds 0 images"),
        ({"manifest.json": b'[{"Config": "a.json", "Layers": ["l"]}]'}, "a.json is missing"),
        ({"manifest.json": b'[{"Config": "a.json", "Layers": []}]', "a.json": b"[]"}, "makes no sense"),
        ({"index.json": b'{"manifests": [{"digest": "sha256:00"}]}'}, "blobs/sha256/00 is missing"),
        ({"index.json": b"{}"}, "makes no sense"),
    ],
    ids=["tar", "empty", "config", "shape", "blob", "index"],
)
def test_a_tar_that_is_no_image_is_refused(tmp_path: Path, content: dict[str, bytes], said: str) -> None:
    """The error says what is missing or wrong in it."""
    with pytest.raises(UsageError, match=said):
        archive.read(packed(tmp_path / "image.tar", content))


def test_a_file_that_is_no_tar_is_refused(tmp_path: Path) -> None:
    """The error names the file, in one line, and how to make an archive."""
    path = tmp_path / "image.tar"
    path.write_bytes(b"no tar" * 1000)

    with pytest.raises(UsageError, match="is not a whole image archive") as caught:
        archive.read(path)

    assert str(path) in caught.value.what
    assert "\n" not in caught.value.what
    assert "docker save" in caught.value.hint
