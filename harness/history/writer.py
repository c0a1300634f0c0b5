"""Writing a history: one line a record, flushed as it happens."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TextIO

from harness.errors import HistoryError, PlatformError
from harness.history.record import KINDS, encode, snapshot_id

if TYPE_CHECKING:
    from pathlib import Path

    from harness.clock import RunClock

FILE_NAME = "history.jsonl"


class HistoryWriter:
    """Appends records to `directory/history.jsonl`; safe to call from several threads.

    A write that fails (full disk) raises PlatformError naming the file, once and for every later call: a run without
    its history has no verdict.
    """

    def __init__(self, directory: Path, clock: RunClock) -> None:
        self.path = directory / FILE_NAME
        self.clock = clock
        self._lock = threading.Lock()
        self._next = 0
        self._snapshots: set[str] = set()
        try:
            self._file: TextIO = self.path.open("x", encoding="utf-8")
        except OSError as exc:
            raise PlatformError(f"cannot write the history {self.path}: {exc.strerror}") from exc

    def add(self, kind: str, *, at: float | None = None, **fields: Any) -> float:
        """Append one record and return its time (now, unless `at` is given)."""
        if kind not in KINDS:
            raise HistoryError(f"unknown record kind {kind!r}", hint=f"one of {', '.join(sorted(KINDS))}")
        with self._lock:
            t = self.clock.now() if at is None else at
            record = {"n": self._next, "t": round(t, 6), "k": kind, **fields}
            try:
                self._file.write(encode(record) + "\n")
                self._file.flush()
            except (OSError, ValueError) as exc:
                raise PlatformError(
                    f"cannot write the history {self.path}: {exc}",
                    hint="free some space or choose another --out directory",
                ) from exc
            self._next += 1
            return t

    def snapshot(self, body: Any) -> str:
        """Store `body` once by content and return its id."""
        key = snapshot_id(body)
        if key not in self._snapshots:
            self._snapshots.add(key)
            self.add("snapshot", id=key, body=body)
        return key

    def close(self) -> None:
        """Close the file; later calls of `add` fail. Raises PlatformError when what was written last does not fit."""
        with self._lock:
            try:
                self._file.close()
            except OSError as exc:
                raise PlatformError(
                    f"cannot write the history {self.path}: {exc}",
                    hint="free some space or choose another --out directory",
                ) from exc
