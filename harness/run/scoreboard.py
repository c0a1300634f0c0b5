"""The scoreboard: every saboteur, by which promise it was caught, how soon, and what nobody caught. Scores on disk.

A directory of scores holds one file for each row of the table, so a run that was cut off is taken up where it ended.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.check.contract import PROMISES
from harness.errors import HistoryError, PlatformError
from harness.run.saboteurs import CAUGHT, Score

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from harness.run.saboteurs import Row

FORMAT, VERSION = "inventory-harness scoreboard", 1
STORED = "fixtures/data/scoreboard.json"
"""The scoreboard that docs/scoreboard.md is made from, below the suite."""


def keep(directory: Path, score: Score) -> None:
    """Write a score into the directory of scores, which is made; raises PlatformError when that is not possible."""
    path = directory / f"{score.name}.json"
    draft = path.with_suffix(".part")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(score.as_json(), indent=1) + "\n", encoding="utf-8")
        draft.replace(path)
    except OSError as exc:
        raise PlatformError(f"cannot write {path}: {exc.strerror}", hint="choose a writable --out") from exc


def known(directory: Path, rows: Iterable[Row], seed: int) -> dict[str, Score]:
    """The scores there of those of the rows that were caught with that seed, by name.

    A row that has changed since, or whose score is damaged, has none, and so has one that was not caught: it is run.
    """
    found: dict[str, Score] = {}
    for row in rows:
        try:
            score = Score.from_json(json.loads((directory / f"{row.name}.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, KeyError):
            continue  # not scored yet, or cut off while it was written
        then = (score.test, score.expected, score.seed, score.datastore, score.outcome)
        if then == (row.test, tuple(row.fails), seed, row.datastore, CAUGHT):
            found[row.name] = score
    return found


@dataclass(frozen=True, slots=True)
class Scoreboard:
    """All scores, in the order of the table, and what they were made with."""

    scores: tuple[Score, ...]
    versions: Mapping[str, str]
    machine: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The shape of the stored file."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "versions": dict(self.versions),
            "machine": dict(self.machine),
            "scores": [score.as_json() for score in self.scores],
        }

    @property
    def caught(self) -> int:
        """How many saboteurs were caught as the table says."""
        return sum(1 for score in self.scores if score.outcome == CAUGHT)

    @property
    def escaped(self) -> list[Score]:
        """Those that were not."""
        return [score for score in self.scores if score.outcome != CAUGHT]

    def by_promise(self) -> dict[str, list[Score]]:
        """Whom each promise has caught, soonest first; each promise that is judged is there."""
        found: defaultdict[str, list[Score]] = defaultdict(list)
        for score in self.scores:
            for promise in score.by if score.outcome == CAUGHT else ():
                found[promise].append(score)
        return {
            promise.id: sorted(found[promise.id], key=lambda score: (score.found_s or 0.0, score.name))
            for promise in PROMISES.values()
            if promise.judged
        }


def read(path: Path) -> Scoreboard:
    """A stored scoreboard; raises HistoryError with what is wrong with it."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise HistoryError(f"cannot read the scoreboard {path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise HistoryError(f"{path} is no JSON ({exc})", hint="a file that `harness scoreboard --json` wrote") from exc
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise HistoryError(f"{path} is no scoreboard", hint="a file that `harness scoreboard --json` wrote")
    if body.get("version") != VERSION:
        raise HistoryError(f"{path} has format {body.get('version')}, and this harness reads format {VERSION}")
    try:
        scores = tuple(Score.from_json(score) for score in body["scores"])
    except (TypeError, KeyError, AttributeError) as exc:
        raise HistoryError(f"{path} has not the shape of a scoreboard ({type(exc).__name__}: {exc})") from exc
    return Scoreboard(scores, body.get("versions") or {}, body.get("machine") or {})


@dataclass(frozen=True, slots=True)
class Lost:
    """A saboteur that was caught, and is no longer. `now`: what came of it."""

    name: str
    by: tuple[str, ...]
    now: str


def lost(before: Scoreboard, now: Sequence[Score]) -> list[Lost]:
    """Those of `before` that were caught and are among `now` without being caught; others were not run."""
    outcomes = {score.name: score for score in now}
    return [
        Lost(old.name, old.by, outcomes[old.name].outcome)
        for old in before.scores
        if old.outcome == CAUGHT and old.name in outcomes and outcomes[old.name].outcome != CAUGHT
    ]


def merged(before: Scoreboard, now: Scoreboard, rows: Iterable[Row]) -> Scoreboard:
    """What is new over what was stored, for the rows that there are, in their order."""
    scores = {score.name: score for score in (*before.scores, *now.scores)}
    kept = tuple(scores[row.name] for row in rows if row.name in scores)
    return Scoreboard(kept, now.versions or before.versions, now.machine or before.machine)
