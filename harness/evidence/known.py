"""What is known to be broken, so that a gate does not stop for it (`--known FILE`).

A TOML file of entries, each with its reason::

    [[known]]
    scenario = "chaos/api-server-*"
    promise = "AVAIL-1"
    why = "nodes vanish while the API server is away; to be mended in the next release"

`scenario` and `promise` may have the wildcards * and ?.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from harness import typed
from harness.check.contract import PROMISES
from harness.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

_FORM = '[[known]] with scenario = "…", promise = "…" and why = "…"'


@dataclass(frozen=True, slots=True)
class Known:
    """One entry of the file."""

    scenario: str
    promise: str
    why: str

    def covers(self, scenario: str, promise: str) -> bool:
        """Whether it speaks of that promise of that scenario."""
        return fnmatchcase(scenario, self.scenario) and fnmatchcase(promise, self.promise)


def read(path: Path) -> tuple[Known, ...]:
    """The entries of a file; raises UsageError naming it for what is no such file, or has no reason."""
    try:
        body: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise UsageError(f"--known {path}: {exc.strerror}", hint="give a readable file") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"--known {path} is no TOML: {exc}", hint=_FORM) from exc
    entries = body.get("known", [])
    if set(body) - {"known"} or not isinstance(entries, list):
        raise UsageError(f"--known {path} holds {', '.join(sorted(body))}", hint=_FORM)
    return tuple(_entry(path, number, entry) for number, entry in enumerate(entries, start=1))


def _entry(path: Path, number: int, entry: Any) -> Known:
    named = f"--known {path}, entry {number}"
    known = typed.make(Known, entry, named=named)
    if not known.why.strip():
        raise UsageError(f"{named} says no why", hint="an exception needs its reason")
    if not any(fnmatchcase(promise, known.promise) for promise in PROMISES):
        raise UsageError(f"{named}: {known.promise!r} is no promise", hint=f"one of {', '.join(PROMISES)}")
    return known
