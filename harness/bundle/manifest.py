"""What a bundle says of itself: its format, what it was made with, and checksums of what is in it.

`bundle.json` is written first, so that it is there whatever becomes of the run; `checksums.json` last, so that a bundle
without it is known to be cut off. Checksums tell damage and careless edits; they are no signature, and who wants to
deceive can write them anew.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.bundle import ERROR_FILE, LOGS, PLAN_FILE, STATE_FILE, VERDICTS_FILE
from harness.errors import HistoryError, PlatformError
from harness.history.writer import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MANIFEST_FILE = "bundle.json"
CHECKSUMS_FILE = "checksums.json"
FORMAT = 1
"""Raised whenever an older harness would misread what is written from then on."""

_FILES = (MANIFEST_FILE, PLAN_FILE, FILE_NAME, "journal.jsonl", VERDICTS_FILE, ERROR_FILE, STATE_FILE)
"""What a bundle may hold beside its logs. Whatever else lies there (reports, somebody's notes) is no evidence."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Who made a bundle, and with what. `toolchain`: component -> {"version", "source", "sha256"}."""

    scenario: str
    seed: int
    operator: Mapping[str, str]
    versions: Mapping[str, str]
    toolchain: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def write(self, bundle: Path) -> None:
        """Write bundle.json; raises PlatformError when the disk does not take it."""
        body = {
            "format": FORMAT,
            "scenario": self.scenario,
            "seed": self.seed,
            "operator": dict(self.operator),
            "versions": dict(self.versions),
            "toolchain": {name: dict(facts) for name, facts in self.toolchain.items()},
        }
        write_json(bundle / MANIFEST_FILE, body)


def read_manifest(bundle: Path) -> dict[str, Any]:
    """What bundle.json says, empty where there is none (an earlier harness, or one that died at once).

    Raises HistoryError when it is no such file, or when this harness is too old for the bundle.
    """
    path = bundle / MANIFEST_FILE
    if not path.exists():
        return {}
    body = read_json(path)
    number = body.get("format")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise HistoryError(f"{path}: format {number!r} is none", hint="is this a bundle of the harness?")
    if number > FORMAT:
        raise HistoryError(
            f"{path}: the bundle has format {number}, and this harness reads up to {FORMAT}",
            hint=f"it was made by harness {_made_by(body)}: use that one, or a newer one",
        )
    return body


def _made_by(body: Mapping[str, Any]) -> str:
    versions = body.get("versions")
    return str(versions.get("harness", "of an unknown version")) if isinstance(versions, dict) else "(unknown)"


def evidence(bundle: Path) -> list[str]:
    """The files of a bundle that are evidence, as paths within it; the list of checksums is not. Links are left out."""
    logs = sorted(path.relative_to(bundle).as_posix() for path in (bundle / LOGS).rglob("*") if _plain(path))
    return [*(name for name in _FILES if _plain(bundle / name)), *logs]


def _plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def seal(bundle: Path, *, complete: bool = True) -> None:
    """Write the checksums of all that is in the bundle; `complete`: the run came to its end and was judged."""
    files = {name: _facts(bundle / name) for name in evidence(bundle)}
    write_json(bundle / CHECKSUMS_FILE, {"format": FORMAT, "complete": complete, "files": files})


def verify(bundle: Path) -> bool | None:
    """Whether the bundle is complete, once every listed file has been found as it was; None: it has no checksums.

    Raises HistoryError that names the first file which is missing or is not the same.
    """
    path = bundle / CHECKSUMS_FILE
    if not path.exists():
        return None
    body = read_json(path)
    listed = body.get("files")
    if not isinstance(listed, dict) or not all(isinstance(facts, dict) for facts in listed.values()):
        raise HistoryError(f"{path}: it lists no files", hint="the file was damaged; take the bundle from its source")
    present = set(evidence(bundle))
    for name, facts in listed.items():
        if name not in present:
            raise HistoryError(f"{bundle}: {name} is missing", hint="the bundle was changed after the run")
        found = _facts(bundle / name)
        if found != facts:
            raise HistoryError(
                f"{bundle}: {name} is not as it was written: {found['size']} bytes, sha256 {found['sha256'][:12]}…; "
                f"expected {facts.get('size')} bytes, sha256 {str(facts.get('sha256'))[:12]}…",
                hint="the bundle was damaged or changed after the run; take it from its source again",
            )
    return bool(body.get("complete"))


def _facts(path: Path) -> dict[str, Any]:
    try:
        return facts_of(path.read_bytes())
    except OSError as exc:
        raise HistoryError(f"cannot read {path}: {exc.strerror}") from exc


def facts_of(content: bytes) -> dict[str, Any]:
    """What the list of checksums says of a file: {"size", "sha256"}."""
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a bundle; raises HistoryError naming the file when there is none."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise HistoryError(f"cannot read {path}: {exc.strerror}") from exc
    except (ValueError, RecursionError) as exc:
        raise HistoryError(f"{path} is no JSON: {exc}", hint="it was cut off or changed") from exc
    if not isinstance(body, dict):
        raise HistoryError(f"{path} holds {type(body).__name__}, not a JSON object", hint="it was changed")
    return body


def write_json(path: Path, body: Any) -> None:
    """Write a file of a bundle; raises PlatformError naming it when the disk does not take it."""
    try:
        path.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    except OSError as exc:
        raise PlatformError(
            f"cannot write {path}: {exc.strerror}", hint="free some space or choose another --out"
        ) from exc
