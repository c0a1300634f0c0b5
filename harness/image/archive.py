"""Image archives as files: written as `docker save` writes them, and read as `docker save` and OCI tools write them.

`docker load`, `kind load image-archive`, `ctr images import` and K3s take what is written here. A Docker archive has
`manifest.json` [{"Config", "RepoTags", "Layers"}], the configuration as JSON, and each layer as a tar. An OCI archive
has `index.json` with the digests of manifests below `blobs/`; newer engines write both into one file.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from harness.errors import PlatformError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_MANIFEST, _INDEX = "manifest.json", "index.json"
_SMALL = 2**24
"""A JSON document of an image has some kilobytes; what is larger than this is none."""

_NAME_NOTES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_EPOCH = "1970-01-01T00:00:00Z"
_HINT = "make it with `docker save IMAGE -o FILE.tar`"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an image runs and as what, beside its files."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()

    def config(self, arch: str, layer: str) -> dict[str, Any]:
        """The image configuration (OCI image specification); `layer` is the SHA-256 of its one layer in hex."""
        return {
            "architecture": arch,
            "os": "linux",
            "created": _EPOCH,
            "config": {
                "Entrypoint": list(self.entrypoint) or None,
                "Cmd": list(self.command) or None,
                "Env": [f"{name}={value}" for name, value in self.environment],
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
            "history": [{"created": _EPOCH, "created_by": "inventory-harness"}],
        }


@dataclass(frozen=True, slots=True)
class Contents:
    """What an archive holds: one image. `digest`: of its configuration, in hex; `names`: it may have none."""

    names: tuple[str, ...]
    arch: str
    digest: str


def write(path: Path, name: str, config: Mapping[str, Any], layer: Path) -> None:
    """Write a Docker archive with one image of one layer; raises PlatformError."""
    body = json.dumps(config, sort_keys=True).encode()
    own = f"{hashlib.sha256(body).hexdigest()}.json"
    inner = f"{config['rootfs']['diff_ids'][0].removeprefix('sha256:')}/layer.tar"
    manifest = [{"Config": own, "RepoTags": [name], "Layers": [inner]}]
    try:
        with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
            _put(archive, own, body)
            info = tarfile.TarInfo(inner)
            info.size = layer.stat().st_size
            with layer.open("rb") as file:
                archive.addfile(info, file)
            _put(archive, _MANIFEST, json.dumps(manifest).encode())
    except OSError as exc:
        raise PlatformError(f"cannot write the image {path}: {exc.strerror or exc}") from exc


def read(path: Path) -> Contents:
    """What is in an image archive, looked at to its end; raises UsageError when it is none, cut off or damaged."""
    with _opened(path) as archive:
        digests: dict[str, tuple[int, str]] = {}
        documents: dict[str, Any] = {}
        for member in archive:
            file = archive.extractfile(member)
            if file is None:
                continue
            kept = member.size <= _SMALL
            digests[member.name], raw = _summed(file, kept=kept)
            if kept and raw[:1] in {b"{", b"["}:
                documents[member.name] = _decoded(raw)
    if isinstance(documents.get(_MANIFEST), list):
        return _docker(path, documents, digests)
    if isinstance(documents.get(_INDEX), dict):
        return _oci(path, documents, digests)
    raise UsageError(f"{path} is a tar archive and not an image: neither {_MANIFEST} nor {_INDEX} is in it", hint=_HINT)


def rename(path: Path, name: str, target: Path) -> None:
    """Write the same image under this name alone; the archive must have been read before. Raises PlatformError."""
    try:
        with _opened(path) as archive, tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as out:
            for member in archive:
                file = archive.extractfile(member)
                if member.name in {_MANIFEST, _INDEX} and file is not None:
                    _put(out, member.name, json.dumps(_renamed(json.loads(file.read()), name)).encode())
                elif member.name != "repositories":  # an older list of names
                    out.addfile(member, file)
    except OSError as exc:
        raise PlatformError(f"cannot write the image {target}: {exc.strerror or exc}") from exc


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    """The tar, also a compressed one; whatever it turns out not to be is a UsageError."""
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:*") as archive:
            yield archive
            _complete(path, file, archive)
    except FileNotFoundError as exc:
        raise UsageError(f"there is no image archive {path}", hint=_HINT) from exc
    except (tarfile.TarError, EOFError, zlib.error) as exc:
        why = str(exc).splitlines()[0] if str(exc) else "it is cut off"
        raise UsageError(f"{path} is not a whole image archive: {why}", hint=_HINT) from exc
    except IsADirectoryError as exc:
        raise UsageError(f"{path} is a directory, not an image archive", hint=_HINT) from exc


def _complete(path: Path, file: IO[bytes], archive: tarfile.TarFile) -> None:
    """A tar ends with two empty blocks. Python takes one that ends anywhere between two members for whole."""
    if isinstance(archive.fileobj, io.BufferedReader) and archive.fileobj is file:
        file.seek(archive.offset)
        if not file.read(tarfile.BLOCKSIZE).startswith(bytes(tarfile.BLOCKSIZE)):
            raise UsageError(f"{path} is not a whole image archive: it is cut off after its last member", hint=_HINT)


def _summed(file: IO[bytes], *, kept: bool) -> tuple[tuple[int, str], bytes]:
    """(length, SHA-256 in hex) of a member, and its content where it is to be kept."""
    digest, length, raw = hashlib.sha256(), 0, b""
    while block := file.read(2**20):
        digest.update(block)
        length += len(block)
        raw = raw + block if kept else b""
    return (length, digest.hexdigest()), raw


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _docker(path: Path, documents: Mapping[str, Any], digests: Mapping[str, tuple[int, str]]) -> Contents:
    images = documents[_MANIFEST]
    if len(images) != 1:
        raise UsageError(f"{path} holds {len(images)} images; one is wanted", hint=_HINT)
    try:
        config, names, layers = images[0]["Config"], images[0].get("RepoTags") or [], images[0]["Layers"]
        missing = [name for name in (config, *layers) if name not in digests]
        if missing:
            raise UsageError(f"{path} is not a whole image archive: {missing[0]} is missing", hint=_HINT)
        document = documents[config]
        # Old engines put links in the place of layers that occur twice; then there is no content to look at.
        for layer, wanted in zip(layers, document["rootfs"]["diff_ids"], strict=True):
            _same(path, layer, digests[layer], wanted)
        return Contents(tuple(names), document["architecture"], digests[config][1])
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise UsageError(f"{path} is not an image archive: its {_MANIFEST} makes no sense ({exc})", hint=_HINT) from exc


def _same(path: Path, layer: str, found: tuple[int, str], wanted: str) -> None:
    """An uncompressed layer is what the configuration says; a compressed one carries its own check."""
    by_name = layer.rpartition("/")[2]
    if f"sha256:{found[1]}" != wanted and layer.startswith("blobs/sha256/") and by_name != found[1]:
        raise UsageError(f"{path} is damaged: {layer} is not what it is called", hint=_HINT)
    if f"sha256:{found[1]}" != wanted and layer.endswith("layer.tar"):
        raise UsageError(f"{path} is damaged: {layer} is not what its configuration says", hint=_HINT)


def _oci(path: Path, documents: Mapping[str, Any], digests: Mapping[str, tuple[int, str]]) -> Contents:
    def blob(descriptor: Mapping[str, Any]) -> str:
        name = "blobs/" + str(descriptor["digest"]).replace(":", "/")
        if name not in digests:
            raise UsageError(f"{path} is not a whole image archive: {name} is missing", hint=_HINT)
        if digests[name][1] != name.rpartition("/")[2]:
            raise UsageError(f"{path} is damaged: {name} is not what it is called", hint=_HINT)
        return name

    try:
        found = documents[_INDEX]["manifests"]
        notes = [one.get("annotations") or {} for one in found]
        names = tuple(dict.fromkeys(note[key] for note in notes for key in _NAME_NOTES if key in note))
        manifests = [documents[blob(one)] for one in found]
        images = [inner for one in manifests for inner in one.get("manifests", [one])]
        if len(images) != 1:
            raise UsageError(f"{path} holds {len(images)} images; one is wanted", hint=_HINT)
        image = images[0] if "config" in images[0] else documents[blob(images[0])]
        for layer in image["layers"]:
            blob(layer)
        config = blob(image["config"])
        return Contents(names, documents[config]["architecture"], digests[config][1])
    except (KeyError, TypeError, AttributeError) as exc:
        raise UsageError(f"{path} is not an image archive: its {_INDEX} makes no sense ({exc})", hint=_HINT) from exc


def _renamed(document: Any, name: str) -> Any:
    if isinstance(document, list):
        return [{**image, "RepoTags": [name]} for image in document]
    tag = name.rpartition(":")[2]
    notes = dict(zip(_NAME_NOTES, (name, tag), strict=True))
    manifests = [{**one, "annotations": {**(one.get("annotations") or {}), **notes}} for one in document["manifests"]]
    return {**document, "manifests": manifests}


def _put(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))
