"""Reading a bundle back: a directory or an archive, of a run that ended well, badly, or not at all.

What a harness that was killed leaves is read as far as it goes, and `notes` says what is missing: a last line cut off,
no verdicts, no checksums. What cannot be trusted is refused: a line of the history or a file that was changed, a bundle
of a later format, something that is no bundle.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.bundle import ERROR_FILE, PLAN_FILE, VERDICTS_FILE
from harness.bundle.archive import SUFFIX, unpacked
from harness.bundle.manifest import MANIFEST_FILE, read_json, read_manifest, verify
from harness.errors import HistoryError
from harness.history import reader
from harness.history.writer import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from harness.history.reader import History

MARKERS = (MANIFEST_FILE, PLAN_FILE, FILE_NAME, VERDICTS_FILE, ERROR_FILE)
"""A directory that holds one of them is a bundle."""

CUT_OFF = "the run was cut off: it has no verdicts"
NO_CHECKSUMS = "there are no checksums: the run was cut off, or an earlier harness wrote it"


@dataclass(frozen=True, slots=True)
class Bundle:
    """One run, read back.

    `name`: the scenario's id, with the datastore where that was not the usual one; `directory`: where it lies while the
    context lasts; `manifest`, `plan`: bundle.json and plan.json, empty where there are none; `verdicts`: what was
    judged then, None where nothing was; `error`: why the harness could not carry the run out, empty where it could;
    `notes`: what is not as a run leaves it.
    """

    name: str
    directory: Path
    manifest: Mapping[str, Any]
    plan: Mapping[str, Any]
    history: History
    verdicts: Mapping[str, Any] | None
    error: str = ""
    notes: tuple[str, ...] = ()

    @property
    def operator(self) -> dict[str, str]:
        """What is known of the operator: {"name", "sha256", "defect"}, each where there is one."""
        said = self.history.header.get("operator")
        return {str(key): str(value) for key, value in said.items()} if isinstance(said, dict) else {}

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the harness and of every component."""
        said = self.history.header.get("versions")
        return {str(key): str(value) for key, value in said.items()} if isinstance(said, dict) else {}


@contextmanager
def opened(path: Path) -> Iterator[Bundle]:
    """The bundle at `path`, a directory or an archive; what was unpacked is gone after the context.

    Raises HistoryError, with what is wrong and where, for what is no bundle or cannot be trusted.
    """
    if path.is_dir():
        yield read(path)
    elif path.is_file():
        with unpacked(path) as directory:
            yield read(directory, called=str(path))
    else:
        raise HistoryError(f"{path}: there is no such file or directory", hint=f"give a run's directory or {SUFFIX}")


def read(directory: Path, *, called: str = "") -> Bundle:
    """Read the directory of a bundle; `called`: what messages name it by. Raises HistoryError."""
    if not is_bundle(directory):
        raise HistoryError(
            f"{called or directory} is no bundle: it holds none of {', '.join(MARKERS)}",
            hint="give the directory of one run, a campaign's that holds some, or an archive of one",
        )
    manifest = read_manifest(directory)
    sealed = verify(directory)
    notes: list[str] = [] if sealed is not None else [NO_CHECKSUMS]
    error = _left(directory, ERROR_FILE, notes, sealed=sealed)
    verdicts = _left(directory, VERDICTS_FILE, notes, sealed=sealed)
    plan = _left(directory, PLAN_FILE, notes, sealed=sealed) or {}
    if not (directory / FILE_NAME).exists():
        why = f": {error.get('error')}" if error else ""
        raise HistoryError(f"{called or directory} holds no {FILE_NAME}, so nothing was recorded{why}")
    history = reader.read(directory / FILE_NAME)
    if history.torn:
        notes.append("the last line of the history is cut off: the harness was ended while writing it")
    if verdicts is None:
        notes.append(CUT_OFF)
    name = _name(manifest, plan, history)
    said = str(error.get("error") or "for a reason that was not written down") if error else ""
    return Bundle(name, directory, manifest, plan, history, verdicts, said, tuple(notes))


def is_bundle(directory: Path) -> bool:
    """Whether a directory has what a run leaves first."""
    return any((directory / name).is_file() for name in MARKERS)


def _left(directory: Path, name: str, notes: list[str], *, sealed: bool | None) -> dict[str, Any] | None:
    """A JSON file, None where there is none; one that a killed harness had begun to write is noted and left out."""
    if not (directory / name).exists():
        return None
    try:
        return read_json(directory / name)
    except HistoryError as exc:
        if sealed:  # it is as it was written, and never was JSON
            raise
        notes.append(exc.what)
        return None


def _name(manifest: Mapping[str, Any], plan: Mapping[str, Any], history: History) -> str:
    """How the run is called: by bundle.json, or by the scenario of the plan or of the history."""
    for body in (plan, history.header):
        scenario = body.get("scenario")
        if isinstance(scenario, dict) and scenario.get("id"):
            return str(manifest.get("scenario") or scenario["id"])
    return str(manifest.get("scenario") or "")


def found(paths: Iterable[Path]) -> list[Path]:
    """The bundles among the paths and, where one is a campaign's directory, those below it, in order.

    An archive that lies beside the directory it was made from is not counted again.

    Raises HistoryError for a path that is not there, or below which there is none.
    """
    listed: list[Path] = []
    for path in paths:
        if path.is_dir() and not is_bundle(path):
            below = sorted(_below(path))
            if not below:
                raise HistoryError(f"{path} holds no bundle", hint="give the directory of a run or of a campaign")
            listed += below
        else:
            listed.append(path)
    return listed


def _below(path: Path) -> Iterator[Path]:
    for directory, inner, files in os.walk(path):
        here = Path(directory)
        if is_bundle(here):
            inner.clear()  # what lies inside a bundle is evidence, no further one
            yield here
        else:
            packed = {name for name in files if name.endswith(SUFFIX)}
            yield from (here / name for name in packed if name.removesuffix(SUFFIX) not in inner)
