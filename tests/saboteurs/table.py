"""The table of saboteurs: which scenario catches which defect, and by which promises."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "fixtures" / "data" / "saboteurs.toml"


@dataclass(frozen=True, slots=True)
class Row:
    """One saboteur.

    `test`: a pytest node id; `fails`, `may`: what findings say, by promise; `datastore`: "" for the usual one; the file
    explains the rest.
    """

    defect: str
    test: str
    fails: Mapping[str, re.Pattern[str]]
    unknown: frozenset[str]
    why: str
    datastore: str = ""
    may: Mapping[str, re.Pattern[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, defect: str, body: Mapping[str, Any]) -> Row:
        """One table of the file; a key that is not known raises TypeError."""
        rest = dict(body)
        fails = {promise: re.compile(pattern) for promise, pattern in rest.pop("fails").items()}
        may = {promise: re.compile(pattern) for promise, pattern in rest.pop("may", {}).items()}
        return cls(
            defect=rest.pop("defect", defect),
            test=f"scenarios/{rest.pop('test')}".replace("{datastore}", str(rest.get("datastore", ""))),
            fails=fails,
            may=may,
            unknown=frozenset(rest.pop("unknown", ())),
            why=rest.pop("why", ""),
            **rest,
        )


def load() -> tuple[Row, ...]:
    """All rows, in the order of the file."""
    return tuple(Row.read(defect, body) for defect, body in tomllib.loads(TABLE.read_text(encoding="utf-8")).items())
