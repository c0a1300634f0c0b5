"""Reading a history back, whole or torn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import HistoryError
from harness.history.record import Record, decode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class History:
    """All records of a run in the order they were written, and its snapshots by id.

    `torn` tells that the last line was cut off (the harness was killed while writing); everything before it is whole.
    """

    records: tuple[Record, ...]
    snapshots: dict[str, Any] = field(default_factory=dict)
    torn: bool = False

    def of(self, *kinds: str) -> Iterator[Record]:
        """The records of the given kinds, in order."""
        wanted = frozenset(kinds)
        return (record for record in self.records if record["k"] in wanted)

    def mark(self, name: str) -> Record | None:
        """The last mark of that name, or None."""
        found = None
        for record in self.of("mark"):
            if record["mark"] == name:
                found = record
        return found

    @property
    def header(self) -> Record:
        """The `run` record; raises HistoryError when there is none."""
        if not self.records or self.records[0]["k"] != "run":
            raise HistoryError(
                "the history does not begin with a 'run' record", hint="is this a bundle of the harness?"
            )
        return self.records[0]


def from_records(records: list[dict[str, Any]], *, torn: bool = False) -> History:
    """A history from records in memory (`n` may be missing); used by the reader and by tests of checkers."""
    snapshots = {r["id"]: r["body"] for r in records if r["k"] == "snapshot"}
    ordered = tuple(sorted(records, key=lambda r: (r["t"], r.get("n", 0))))
    return History(records=ordered, snapshots=snapshots, torn=torn)


def read(path: Path) -> History:
    """Read a history file; raises HistoryError where it cannot be read, or as `from_text` does."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise HistoryError(f"cannot read the history {path}: {exc.strerror}") from exc
    return from_text(text, str(path))


def from_text(text: str, where: str) -> History:
    """The history in a file's text; `where`: how errors call it.

    A torn last line is tolerated and reported by `torn`; any other damaged line raises HistoryError with its number.
    """
    lines = text.split("\n")
    records: list[dict[str, Any]] = []
    torn = lines[-1] != ""
    body = lines[:-1]
    for number, line in enumerate(body, start=1):
        try:
            record = decode(line)
        except HistoryError as exc:
            raise HistoryError(f"{where}, line {number}: {exc.what}", hint=exc.hint) from exc
        if record["n"] != len(records):
            raise HistoryError(f"{where}, line {number}: record {record['n']} where {len(records)} was expected")
        records.append(record)
    return from_records(records, torn=torn)
