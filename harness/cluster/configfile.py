"""The operator's configuration file: what is in it, and the ways in which such a file changes.

In a cluster the file is in a ConfigMap volume: the name that the operator is given is a symbolic link to a file below
`..data`, which is a link to a directory named after the time. kubelet writes a new directory, renames a new link over
`..data`, and removes the old directory (kubelet's atomic writer, `pkg/volume/util/atomic_writer.go`). Elsewhere it is a
plain file, which programs replace by renaming a new one over it, or empty and write anew, bit by bit.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from harness.errors import FaultError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

IN_PLACE, OVERWRITE, RENAME, SWAP = "in-place", "overwrite", "rename", "configmap-swap"
WAYS = (IN_PLACE, OVERWRITE, RENAME, SWAP)
"""How a file changes: emptied and written in pieces, written over in one go, replaced, or as in a ConfigMap volume."""

FILE_NAME = "config.yaml"
_DATA, _NEW_DATA = "..data", "..data_tmp"


@dataclass(frozen=True, slots=True)
class Without:
    """Nodes, by regular expressions of their names, that do not have these storage classes."""

    exclude: tuple[str, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration that an operator is started with.

    `exclude`: regular expressions of the names of nodes that are left out; `volume`: whether the file is in a ConfigMap
    volume; `storage`: the storage classes that it names; `without`: which nodes do not have which of them; `inline`:
    whether there is no file, but its text on the command line.
    """

    exclude: tuple[str, ...] = ()
    volume: bool = False
    storage: tuple[str, ...] = ()
    without: tuple[Without, ...] = ()
    inline: bool = False

    def text(self) -> str:
        """The whole file."""
        rules = [
            {"node_filter": pattern, "classes": list(item.classes)} for item in self.without for pattern in item.exclude
        ]
        return text(self.exclude, storage=self.storage, rules=json.dumps(rules))


def text(exclude: Iterable[str], *, storage: Iterable[str] = (), rules: str = "[]") -> str:
    """A whole file that excludes these nodes.

    `storage`: the classes that it names; `rules`: what stands at `exclude.node_storage`.
    """
    nodes = "".join(f"\n    - {json.dumps(item)}" for item in exclude) or " []"
    classes = json.dumps(list(storage))
    return f"version: v1\ncluster_storage: {classes}\nexclude:\n  nodes:{nodes}\n  node_storage: {rules}\n"


def changed(content: str, *, exclude: Iterable[str], storage: Iterable[str] | None = None) -> str:
    """The same file with other nodes excluded and, unless None, other storage classes; what is no file is made one."""
    body = yaml.safe_load(content)
    body = body if isinstance(body, dict) else {}
    named = body.get("cluster_storage") or () if storage is None else storage
    rules = (body.get("exclude") or {}).get("node_storage") or []
    return text(exclude, storage=named, rules=json.dumps(rules))


def cut_off(whole: str) -> str:
    """What there is of a file when its writing ends within its last expression: no YAML."""
    return whole[: whole.rindex('"') - 1] if '"' in whole else whole[: len(whole) // 2]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The file on disk, in a directory of its own."""

    directory: Path
    volume: bool = False

    @classmethod
    def create(cls, directory: Path, content: str, *, volume: bool = False) -> ConfigFile:
        """A new file in a new directory."""
        directory.mkdir()
        made = cls(directory, volume)
        if volume:
            made._swap(content)
        else:
            made.path.write_text(content, encoding="utf-8")
        return made

    @property
    def path(self) -> Path:
        """What the operator is given."""
        return self.directory / FILE_NAME

    def read(self) -> str | None:
        """What is read through the operator's path; None when there is no file."""
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def change(self, content: str | None, how: str) -> Iterator[str | None]:
        """Change the file step by step, and tell after each step what is read from then on. None: no file.

        Raises FaultError where a file of this kind does not change in that way.
        """
        if (how == SWAP) is not self.volume:
            raise FaultError(
                f"{self.path.name} is {'' if self.volume else 'not '}in a ConfigMap volume: it does not change {how!r}",
                hint="config=Configuration(volume=True) goes with how='configmap-swap', and with nothing else",
            )
        if self.volume:
            self._swap(content)
        elif content is None:
            self.path.unlink(missing_ok=True)
        elif how == IN_PLACE:
            yield from self._rewrite(content)
            return
        elif how == OVERWRITE:
            self._overwrite(content.encode())
        else:
            fresh = self.path.with_suffix(".new")
            fresh.write_text(content, encoding="utf-8")
            fresh.replace(self.path)
        yield content

    def _rewrite(self, content: str) -> Iterator[str]:
        """As editors do: the file is empty, then half there, then whole."""
        half = cut_off(content)
        with self.path.open("w", encoding="utf-8") as file:
            yield ""
            file.write(half)
            file.flush()
            yield half
            file.write(content[len(half) :])
            file.flush()
            yield content

    def _overwrite(self, content: bytes) -> None:
        """One write over what is there, filled up with empty lines, so that nobody reads a mixture."""
        if not content or not self.path.exists():
            self.path.write_bytes(content)
            return
        with self.path.open("r+b", buffering=0) as file:
            file.write(content.ljust(os.fstat(file.fileno()).st_size, b"\n"))

    def _swap(self, content: str | None) -> None:
        """The steps of a kubelet, in its order; without content the volume holds no file any more."""
        data = self.directory / _DATA
        before = data.resolve() if data.is_symlink() else None
        stamp = time.strftime("..%Y_%m_%d_%H_%M_%S.", time.gmtime())
        # mkdtemp's directory is the owner's alone; kubelet's can be read by all.
        fresh = Path(tempfile.mkdtemp(prefix=stamp, dir=self.directory))
        fresh.chmod(0o755)
        if content is not None:
            (fresh / FILE_NAME).write_text(content, encoding="utf-8")
        link = self.directory / _NEW_DATA
        link.unlink(missing_ok=True)
        link.symlink_to(fresh.name)
        link.replace(data)
        if content is None:
            self.path.unlink(missing_ok=True)
        elif not self.path.is_symlink():
            self.path.symlink_to(f"{_DATA}/{FILE_NAME}")
        if before is not None:
            shutil.rmtree(before, ignore_errors=True)
