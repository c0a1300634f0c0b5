"""The track record as data: what was found, in what, by which scenario, and how often it has been seen since.

The file is the one source; the tables of TRACK_RECORD.md are made from it (`ci.track_record_page`). What nobody has
written down is empty. Counts come from `harness replay --json`, never from memory.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness import typed
from harness.bundle.manifest import write_json
from harness.check.contract import PROMISES
from harness.errors import HistoryError, UsageError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence
    from pathlib import Path

STORED = "fixtures/data/findings.json"
"""Below the suite."""

FORMAT, VERSION = "inventory-harness findings", 1
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Found:
    """When and with which seeds it was found first; `on` is empty where nobody wrote it down."""

    on: str = ""
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Again:
    """When it was seen again: with a seed, or in `shown` of `times` replays of one plan."""

    on: str = ""
    seed: int | None = None
    shown: int | None = None
    times: int | None = None

    def __str__(self) -> str:
        said = [self.on] if self.on else []
        said += [f"{self.shown} of {self.times}"] if self.times is not None else []
        said += [f"seed {self.seed}"] if self.seed is not None else []
        return ", ".join(said)


@dataclass(frozen=True, slots=True)
class Shown:
    """The run that shows it: the scenario's id, the seed of a recorded run, and the datastores it needs."""

    scenario: str
    seed: int
    datastore: str = ""

    def words(self, operator: str = "./provider-services") -> str:
        """The one command."""
        where = ["--datastore", self.datastore] if self.datastore else []
        return shlex.join(
            ["harness", "run", "-k", self.scenario, "--operator", operator, "--seed", str(self.seed), *where]
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the track record.

    `seen`, `where`, `why`: Markdown, as the record has it; `scenarios`: the ids that `where` speaks of; `recorded`: the
    day on which the line was written; `affected`: versions it was seen in; `fixed`: the first without it, empty where
    there is none that is known; `again`: oldest first.
    """

    number: int
    operator: str
    promises: tuple[str, ...]
    seen: str
    where: str
    why: str
    scenarios: tuple[str, ...]
    found: Found
    recorded: str
    affected: tuple[str, ...]
    command: Shown
    fixed: str = ""
    again: tuple[Again, ...] = ()

    def __post_init__(self) -> None:
        if unknown := [name for name in self.promises if name not in PROMISES]:
            raise UsageError(f"finding {self.number}: {unknown[0]} is no promise", hint="docs/contract.md has them")
        if self.command.scenario not in self.scenarios:
            raise UsageError(
                f"finding {self.number}: its command runs {self.command.scenario}", hint="name one of its scenarios"
            )
        days = [self.found.on, self.recorded, *(one.on for one in self.again)]
        if wrong := [day for day in days if day and not _DATE.fullmatch(day)]:
            raise UsageError(f"finding {self.number}: {wrong[0]!r} is no day", hint="like 2026-11-24, or empty")


def read(path: Path) -> tuple[Finding, ...]:
    """The findings in a file, by number; raises HistoryError or UsageError naming what is wrong."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise HistoryError(f"cannot read the findings {path}: {exc}") from exc
    if not isinstance(body, Mapping) or (body.get("format"), body.get("version")) != (FORMAT, VERSION):
        raise HistoryError(f"{path} holds no findings of version {VERSION}", hint="was it written by a newer harness?")
    found = tuple(
        typed.make(Finding, one, named=f"{path.name}, finding {number}")
        for number, one in enumerate(body.get("findings") or (), start=1)
    )
    numbers = [one.number for one in found]
    if numbers != sorted(set(numbers)):
        raise HistoryError(f"{path}: numbers {numbers} are not in order, or are there twice")
    return found


def write(path: Path, findings: Sequence[Finding]) -> None:
    """Write the file; raises PlatformError."""
    listed = [dataclasses.asdict(one) for one in findings]
    write_json(path, {"format": FORMAT, "version": VERSION, "findings": listed})


def replayed(findings: Sequence[Finding], number: int, counts: Mapping[str, Any], on: dt.date) -> tuple[Finding, ...]:
    """The findings with the counts that `harness replay --json` has written of one of them.

    Raises UsageError where there is no such finding, or where something else was replayed.
    """
    chosen = next((one for one in findings if one.number == number), None)
    if chosen is None:
        raise UsageError(f"there is no finding {number}", hint=f"1 to {len(findings)}")
    scenario = str(counts.get("scenario", "")).partition("@")[0]
    if scenario not in chosen.scenarios:
        raise UsageError(
            f"finding {number} is not shown by {scenario or 'what was replayed'}",
            hint=f"its scenarios are {', '.join(chosen.scenarios)}",
        )
    shown, times, seed = (counts.get(key) for key in ("reproduced", "times", "seed"))
    if not isinstance(shown, int) or not isinstance(times, int) or not isinstance(seed, int):
        raise UsageError("the file has no counts", hint="write it with `harness replay BUNDLE --times N --json FILE`")
    looked_for = {str(one.get("id")) for one in counts.get("promises") or () if isinstance(one, Mapping)}
    if not looked_for & {*chosen.promises}:
        raise UsageError(
            f"finding {number} is of {', '.join(chosen.promises)}, and the replay looked for "
            f"{', '.join(sorted(looked_for)) or 'nothing'}",
            hint="replay a bundle that shows it",
        )
    again = (*chosen.again, Again(on.isoformat(), seed, shown, times))
    return tuple(dataclasses.replace(one, again=again) if one is chosen else one for one in findings)
