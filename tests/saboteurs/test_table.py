"""Every saboteur is caught by the promise it breaks and by no other reason.

Not unit tests: each case runs one scenario on a real cluster, in a pytest of its own with an output directory of its
own. `tox run -e saboteurs`; another seed: `--seed N`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from harness.check.base import MAX_FINDINGS
from harness.check.contract import PROMISES
from harness.process.shim import command
from harness.reference.defects import DEFECTS
from tests.saboteurs.document import DOCUMENT, render
from tests.saboteurs.table import ROOT, Row, load

if TYPE_CHECKING:
    from pathlib import Path

ROWS = load()
SEED = 11
DEADLINE_S = 300.0
"""The longest takes 150 s (ten cycles of harm, and SURVIVE-2's 60 s), twice as long on a machine with other work."""


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed given on the command line, or the usual one."""
    given: int | None = request.config.getoption("--seed")
    return SEED if given is None else given


def run_against(row: Row, out: Path, seed: int) -> dict[str, Any]:
    """Run the row's scenario against its saboteur; returns its entry in summary.json. It dies with us."""
    argv = [
        sys.executable, "-m", "pytest", row.test, f"--defect={row.defect}", f"--seed={seed}", f"--out={out}",
        *([f"--datastore={row.datastore}"] if row.datastore else []),
        "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
    ]  # fmt: skip
    # Nothing of the pytest that we are in may reach the one that we start: neither options nor an xdist worker's name.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        command(argv), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert (out / "summary.json").is_file(), f"no summary; pytest ended with {done.returncode}:\n{done.stdout[-3000:]}"
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert (summary["errors"], summary["problems"]) == ([], []), "the run was not judged as a whole"
    (entry,) = summary["scenarios"]
    return dict(entry)


def explain(entry: dict[str, Any]) -> str:
    """What every promise that is not PASS said, for the failure's text."""
    lines = [f"{entry['id']}, seed {entry['seed']}, {entry['bundle']}"]
    for promise in entry["promises"]:
        if promise["verdict"] != "PASS":
            said = [*(finding["text"] for finding in promise["findings"]), *promise["reasons"]]
            lines += [f"{promise['id']} {promise['verdict']}: {text}" for text in said[:5]]
    return "\n".join(lines)


@pytest.mark.parametrize("row", ROWS, ids=[row.defect for row in ROWS])
def test_a_saboteur_is_caught_by_what_it_breaks(row: Row, tmp_path: Path, seed: int) -> None:
    """The promises that FAIL are those of the table, no other is in doubt, and every finding is about the defect."""
    entry = run_against(row, tmp_path / "out", seed)

    verdicts = {promise["id"]: promise["verdict"] for promise in entry["promises"]}
    failed = {promise for promise, verdict in verdicts.items() if verdict == "FAIL"}
    unknown = {promise for promise, verdict in verdicts.items() if verdict == "UNKNOWN"}
    assert (failed, unknown - row.unknown) == (set(row.fails), set()), explain(entry)
    for promise in entry["promises"]:
        if promise["id"] in failed:
            # Beyond MAX_FINDINGS there is one more that only counts the rest.
            texts = [finding["text"] for finding in promise["findings"][:MAX_FINDINGS]]
            beside = [text for text in texts if not row.fails[promise["id"]].search(text)]
            assert texts, explain(entry)
            assert beside == [], f"{promise['id']}: findings that are not about {row.defect}\n{explain(entry)}"


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
