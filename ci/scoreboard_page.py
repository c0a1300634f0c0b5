"""docs/scoreboard.md, made from fixtures/data/scoreboard.json: `python -m ci.scoreboard_page`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.check.contract import PROMISES
from harness.reference.defects import DEFECTS
from harness.run import saboteurs, scoreboard
from harness.run.saboteurs import CAUGHT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.run.saboteurs import Row, Score
    from harness.run.scoreboard import Scoreboard

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "scoreboard.md"
STORED = ROOT / scoreboard.STORED

HEAD = """\
# Scoreboard

Which promise caught which saboteur, and how soon. A saboteur is the reference operator with exactly one known defect;
[saboteurs.md](saboteurs.md) says what is wrong with each and which scenario is to catch it. "After" is the time from
the gate, when the operator was shown to be well, to the first finding; promises about recovery find at the end of the
time that they allow.

`harness scoreboard` makes it; `harness scoreboard -k NAME` runs some. It fails when one that was caught before is not
caught again. This page is made from `fixtures/data/scoreboard.json` by `python -m ci.scoreboard_page`.
"""


def render(found: Scoreboard, rows: Sequence[Row]) -> str:
    """The whole document."""
    names = {score.name for score in found.scores}
    waiting = [row.name for row in rows if row.name not in names]
    by_promise = [
        f"| {promise} | {PROMISES[promise].text} | {len(caught)} | {_soonest(caught)} |"
        for promise, caught in found.by_promise().items()
    ]
    made = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    total = f"{found.caught} of {len(found.scores)} saboteurs were caught as the table says."
    where = f"{found.machine.get('cores')} cores, {found.machine.get('memory_mib')} MiB"
    parts = [
        HEAD,
        f"{total} Made with {made}; {where}.\n",
        *([f"Not scored yet: {', '.join(f'`{name}`' for name in waiting)}.\n"] if waiting else []),
        "## By saboteur\n",
        "| saboteur | scenario's test | caught by | after | wall |\n|---|---|---|---|---|",
        *map(_line, found.scores),
        "\n## By promise\n",
        "| promise | text | saboteurs | soonest |\n|---|---|---|---|",
        *by_promise,
        "\n## What nobody caught\n",
        _escaped(found.escaped),
    ]
    return "\n".join(parts) + "\n"


def _line(score: Score) -> str:
    by = ", ".join(score.by) if score.outcome == CAUGHT else f"**{score.outcome}** {', '.join(score.by)}".strip()
    test = score.test.removeprefix("scenarios/").partition("::")[0]
    return f"| `{score.name}` | `{test}` | {by} | {_seconds(score.found_s)} | {_seconds(score.wall_s)} |"


def _soonest(caught: Sequence[Score]) -> str:
    return f"`{caught[0].name}`, {_seconds(caught[0].found_s)}" if caught else "nobody yet"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def _escaped(scores: Sequence[Score]) -> str:
    if not scores:
        return "Nothing: every saboteur was caught by the promises that it breaks."
    return "\n".join(
        f"- `{score.name}` ({DEFECTS[score.defect].description if score.defect in DEFECTS else 'gone'}): "
        f"{score.outcome}; {score.why}"
        for score in scores
    )


def current() -> str:
    """The document as it should be."""
    return render(scoreboard.read(STORED), saboteurs.load(ROOT))


if __name__ == "__main__":
    DOCUMENT.write_text(current(), encoding="utf-8")
