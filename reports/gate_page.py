"""Two operators side by side, as one page: what a gate compared, with a link to the run behind each sign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.check.contract import PROMISES
from harness.evidence.gate import tally
from reports import words
from reports.disk import replace_text
from reports.html import INDEX, PAGE, environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILE = "gate.html"
FLAKY = "~"
_WORST = ("regression", "flaky", "cannot say", "known", "better", "no worse")
_COLOURS = {"regression": "FAIL", "flaky": "UNKNOWN", "cannot say": "UNKNOWN"}
_SIGNS = {str(verdict): sign for verdict, sign in words.SIGN.items()}
_HEADS = {"no worse": "PASS", "a regression": "FAIL", "cannot say": "UNKNOWN"}

Cell = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Side:
    """One operator's sign in a cell, and where its first run is."""

    verdict: str
    sign: str
    said: str
    path: str


@dataclass(frozen=True, slots=True)
class Signs:
    """A cell of the table."""

    sides: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A scenario: its worst outcome, and a cell for each promise."""

    scenario: str
    outcome: str
    cells: Mapping[str, Signs]

    @property
    def colour(self) -> str:
        """The class of its badge."""
        return _COLOURS.get(self.outcome, "PASS")


def write_page(
    out: Path, body: Mapping[str, Any], sections: Sequence[tuple[str, Sequence[Cell]]], said: Callable[[Cell], Any]
) -> Path:
    """Write gate.html; raises PlatformError. `sections`: what is to be read, by title; `said`: the texts of a cell."""
    cells: Sequence[Cell] = body["compared"]
    promises = {str(cell["promise"]) for cell in cells}
    counted = Counter(str(cell["outcome"]) for cell in cells)
    text = environment().get_template("gate.html.j2").render(
        body=body, rows=rows(cells), head=body["verdict"], colour=_HEADS.get(str(body["verdict"]), "UNKNOWN"),
        columns=[*(name for name in PROMISES if name in promises), *sorted(promises - {*PROMISES})],
        totals=", ".join(f"{number} {name}" for name, number in counted.items()) or "nothing",
        sections=sections, said=said, tally=tally, who=who, campaigns=campaigns(out),
    )  # fmt: skip
    return replace_text(out / FILE, text)


def rows(cells: Sequence[Cell]) -> list[Row]:
    """A row for each scenario, in order."""
    by_scenario: dict[str, list[Cell]] = {}
    for cell in cells:
        by_scenario.setdefault(str(cell["scenario"]), []).append(cell)
    return [_row(scenario, listed) for scenario, listed in by_scenario.items()]


def _row(scenario: str, cells: Sequence[Cell]) -> Row:
    signs = {str(cell["promise"]): Signs((_side(cell, "candidate"), _side(cell, "baseline"))) for cell in cells}
    return Row(scenario, min((str(cell["outcome"]) for cell in cells), key=_rank), signs)


def _rank(outcome: str) -> int:
    return _WORST.index(outcome) if outcome in _WORST else 0


def _side(cell: Cell, name: str) -> Side:
    verdicts = [str(verdict) for verdict in cell[name]] or ["UNKNOWN"]
    agreed = len(set(verdicts)) == 1
    verdict = verdicts[0] if agreed else "UNKNOWN"
    said = f"{name}: {cell['promise']} {tally(verdicts)}"
    return Side(verdict, _SIGNS.get(verdict, "?") if agreed else FLAKY, said, f"{name}/01/{cell['scenario']}/{PAGE}")


def who(operator: Mapping[str, Any]) -> str:
    """An operator by name, with the beginning of its checksum."""
    checksum = str(operator.get("sha256") or "")[:12]
    return str(operator.get("name") or "unknown") + (f" ({checksum}…)" if checksum else "")


def campaigns(out: Path) -> list[tuple[str, str]]:
    """The campaigns of both sides that have a page: (name, path)."""
    found = sorted(path for side in ("candidate", "baseline") for path in (out / side).glob(f"*/{INDEX}"))
    return [(path.parent.relative_to(out).as_posix(), path.relative_to(out).as_posix()) for path in found]
