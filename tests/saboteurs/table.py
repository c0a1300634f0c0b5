"""The table of saboteurs of this repository: which scenario catches which defect, and by which promises."""

from __future__ import annotations

from pathlib import Path

from harness.run import saboteurs
from harness.run.saboteurs import Row

__all__ = ["ROOT", "Row", "load"]

ROOT = Path(__file__).resolve().parents[2]


def load() -> tuple[Row, ...]:
    """All rows, in the order of the file."""
    return saboteurs.load(ROOT)
