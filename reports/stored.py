"""Reading the small files of a campaign: what is missing or damaged is named in `problems`, never raised."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import psutil

from harness.errors import HistoryError
from harness.history.record import decode

if TYPE_CHECKING:
    from pathlib import Path


def read_json(path: Path, name: str, problems: list[str], *, required: bool = True) -> Any:
    """The content of a JSON file; None where it cannot be read. `name`: how problems call what it belongs to."""
    try:
        return json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        if required:
            problems.append(f"{name}: {path.name} is missing")
    except (OSError, ValueError, RecursionError) as exc:
        problems.append(f"{name}: {path.name} cannot be read ({exc})")
    return None


def read_object(path: Path, name: str, problems: list[str], *, required: bool = True) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is none."""
    known = len(problems)
    body = read_json(path, name, problems, required=required)
    if isinstance(body, dict):
        return body
    _note_shape(path, name, problems, known, "a JSON object")
    return None


def read_rows(path: Path, name: str, problems: list[str], keys: tuple[str, ...], **usual: str) -> list[tuple[str, ...]]:
    """The values of `keys` in each object of a JSON list of objects, and of those that may be missing, by their usual.

    The file need not be there.
    """
    known = len(problems)
    body = read_json(path, name, problems, required=False)
    rows = body if isinstance(body, list) else []
    found = [
        tuple(str({**usual, **row}[key]) for key in (*keys, *usual))
        for row in rows
        if isinstance(row, dict) and row.keys() >= set(keys)
    ]
    if len(found) < len(rows) or not isinstance(body, list):
        _note_shape(path, name, problems, known, f"a JSON list of objects with {', '.join(keys)}")
    return found


def _note_shape(path: Path, name: str, problems: list[str], known: int, wanted: str) -> None:
    """Name a file that could be read and holds something else."""
    if len(problems) == known and path.is_file():
        problems.append(f"{name}: {path.name} is not {wanted}")


def read_header(path: Path, name: str, problems: list[str], *, required: bool) -> dict[str, Any]:
    """A history's first record; the rest is read when its page is drawn."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return decode(file.readline())
    except FileNotFoundError:
        if required:
            problems.append(f"{name}: {path.name} is missing")
    except (OSError, ValueError, HistoryError) as exc:
        problems.append(f"{name}: {path.name} cannot be read ({exc})")
    return {}


def strings(value: Any) -> dict[str, str]:
    """A JSON object as texts; empty for anything else."""
    return {str(key): str(item) for key, item in value.items()} if isinstance(value, Mapping) else {}


def machine(summary: Path) -> dict[str, Any]:
    """The machine as an earlier summary of the campaign tells, or this one."""
    earlier = (read_object(summary, "campaign", [], required=False) or {}).get("machine")
    if isinstance(earlier, dict) and earlier:
        return earlier
    return {
        "cores": os.cpu_count(),
        "memory_mib": round(psutil.virtual_memory().total / 2**20),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
