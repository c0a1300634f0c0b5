"""Every saboteur is caught by the promise it breaks and by no other reason.

Not unit tests: each case runs one scenario on a real cluster, in a pytest of its own with an output directory of its
own. `tox run -e saboteurs`; another seed: `--seed N`. With `--scores DIR` each leaves its score there, from which
`harness scoreboard --out DIR` makes the scoreboard without running anything again.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from harness.check.contract import PROMISES
from harness.reference.defects import DEFECTS
from harness.run.saboteurs import SEED, complaints, entry_of, environment, scored
from harness.run.scoreboard import keep
from tests.saboteurs.document import DOCUMENT, render
from tests.saboteurs.table import ROOT, Row, load

if TYPE_CHECKING:
    from pathlib import Path

ROWS = load()
DEADLINE_S = 300.0
"""The longest takes 150 s (ten cycles of harm, and SURVIVE-2's 60 s), twice as long on a machine with other work."""


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed given on the command line, or the usual one."""
    given: int | None = request.config.getoption("--seed")
    return SEED if given is None else given


def run_against(row: Row, out: Path, seed: int) -> dict[str, Any]:
    """Run the row's scenario against its saboteur; returns its entry in summary.json. It dies with us."""
    done = subprocess.run(
        row.argv(ROOT, out, seed), cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=DEADLINE_S,
        check=False,
    )  # fmt: skip
    assert (out / "summary.json").is_file(), f"no summary; pytest ended with {done.returncode}:\n{done.stdout[-3000:]}"
    return entry_of(out)


def explain(entry: dict[str, Any]) -> str:
    """What every promise that is not PASS said, for the failure's text."""
    lines = [f"{entry['id']}, seed {entry['seed']}, {entry['bundle']}"]
    for promise in entry["promises"]:
        if promise["verdict"] != "PASS":
            said = [*(finding["text"] for finding in promise["findings"]), *promise["reasons"]]
            lines += [f"{promise['id']} {promise['verdict']}: {text}" for text in said[:5]]
    return "\n".join(lines)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_saboteur_is_caught_by_what_it_breaks(row: Row, tmp_path: Path, seed: int, scores: Path | None) -> None:
    """The promises that FAIL are those of the table, no other is in doubt, and every finding is about the defect."""
    if scores is not None:
        (scores / f"{row.name}.json").unlink(missing_ok=True)  # of an earlier run, whatever becomes of this one
    entry = run_against(row, tmp_path / "out", seed)
    if scores is not None:
        keep(scores, scored(row, tmp_path / "out", seed))

    assert complaints(row, entry) == [], explain(entry)


def test_every_defect_is_in_the_table() -> None:
    """The table has one row for each defect, and the promises of the defect are among those that fail."""
    assert {row.defect for row in ROWS} == set(DEFECTS)
    assert [row.defect for row in ROWS if not set(DEFECTS[row.defect].breaks) <= set(row.fails)] == []


def test_every_checker_is_proven_on_a_saboteur() -> None:
    """Each promise that has a checker is failed by at least one saboteur."""
    judged = {promise.id for promise in PROMISES.values() if promise.judged}

    assert {promise for row in ROWS for promise in row.fails} == judged


def test_more_than_one_promise_has_a_reason() -> None:
    """A row says why more than one promise fails, and says nothing where only one does."""
    assert [row.defect for row in ROWS if bool(row.why) != (len(row.fails) > 1)] == []


def test_the_document_is_up_to_date() -> None:
    """docs/saboteurs.md says what the table says."""
    assert DOCUMENT.read_text(encoding="utf-8") == render(ROWS), "run: python -m tests.saboteurs.document"
