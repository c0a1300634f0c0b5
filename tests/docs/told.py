"""The commands of a page, in order, each with the exit code that the page says it has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"

_CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(?P<words>.*?)\s+# exit code (?P<code>\d+)")


@dataclass(frozen=True, slots=True)
class Told:
    """One command line for a shell; `code` is None where the page says nothing of it."""

    words: str
    code: int | None


def commands(page: Path) -> list[Told]:
    """All commands of a page, from its console blocks."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in _CONSOLE.findall(text) for line in block.splitlines() if line.startswith("$ ")]
    return [_told(line.removeprefix("$ ")) for line in lines]


def _told(line: str) -> Told:
    found = _CODE.fullmatch(line)
    return Told(found["words"], int(found["code"])) if found else Told(line.strip(), None)
