"""The undo journal: what must be undone, on disk before it is done.

One JSON line each: {"id", "fault", "plan", "state", "cluster"} before an injection, {"id", "undone": true} after its
heal. Whoever finds a journal with open entries knows what was harmed, where, and how to undo it.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import PlatformError

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """One injection that may have to be undone. `cluster`: which of somebody's it was done to; "" for one of ours."""

    id: str
    fault: str
    plan: dict[str, Any]
    state: dict[str, Any]
    cluster: str = ""


class Journal:
    """Append-only, forced to the disk before the caller goes on."""

    def __init__(self, directory: Path, cluster: str = "") -> None:
        self.path = directory / FILE_NAME
        self.cluster = cluster

    def open(self, entry: Entry) -> None:
        """Record an injection that is about to happen."""
        said = {"id": entry.id, "fault": entry.fault, "plan": entry.plan, "state": entry.state}
        self._write({**said, "cluster": self.cluster})

    def close(self, entry_id: str) -> None:
        """Record that an injection was undone."""
        self._write({"id": entry_id, "undone": True})

    def _write(self, body: dict[str, Any]) -> None:
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(body, separators=(",", ":")) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as exc:
            raise PlatformError(f"cannot write the undo journal {self.path}: {exc.strerror}") from exc


def pending(path: Path) -> list[Entry]:
    """The injections of a journal that were not undone, oldest first; a torn last line is passed over."""
    entries: dict[str, Entry] = {}
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for line in text.splitlines():
        try:
            body = json.loads(line)
        except json.JSONDecodeError:
            continue  # only the last line of a killed harness can be torn: its injection had not begun
        if body.get("undone"):
            entries.pop(body["id"], None)
        else:
            entries[body["id"]] = Entry(
                body["id"], body["fault"], body["plan"], body["state"], str(body.get("cluster", ""))
            )  # fmt: skip
    return list(entries.values())
