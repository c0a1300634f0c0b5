"""Whether a saboteur was caught, from the summary of its run alone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from harness.check.base import MAX_FINDINGS
from harness.errors import HistoryError, UsageError
from harness.history.record import encode
from harness.run import saboteurs
from harness.run.saboteurs import CAUGHT, DOUBTED, MISSED, NOT_RUN, OTHERWISE, Row, Score, complaints, score, scored

ROOT = Path(__file__).resolve().parents[3]
ROW = Row(
    name="adds-wrongly", defect="adds-wrongly", test="scenarios/chaos/test_x.py::test_x",
    fails={"TRUTH-3": re.compile("allocated over: ")}, may={"TRUTH-4": re.compile("rose")}, unknown=frozenset(), why="",
)  # fmt: skip
ABOUT_IT = "node worker-1: cpu.allocated over: expected 1"


def promise(name: str, verdict: str, *texts: str, t_s: float = 9.0) -> dict[str, Any]:
    """A promise of a summary."""
    return {"id": name, "verdict": verdict, "findings": [{"text": text, "t_s": t_s} for text in texts], "reasons": []}


def entry(*promises: dict[str, Any]) -> dict[str, Any]:
    """The entry of a run."""
    return {"id": "chaos/x", "promises": list(promises), "wall_s": 31.26, "seed": 11}


def test_what_is_as_the_table_says_is_caught() -> None:
    """By the promises that fail, so soon after the gate, in so much time."""
    found = score(ROW, entry(promise("TRUTH-3", "FAIL", ABOUT_IT), promise("TRUTH-1", "PASS")), gate_s=4.5)

    assert (found.outcome, found.by, found.found_s, found.wall_s, found.why) == (CAUGHT, ("TRUTH-3",), 4.5, 31.3, "")


@pytest.mark.parametrize(
    ("promises", "outcome", "said"),
    [
        ((promise("TRUTH-3", "PASS"),), MISSED, "TRUTH-3 is PASS"),
        ((promise("TRUTH-1", "PASS"),), MISSED, "TRUTH-3 is not judged"),
        ((promise("TRUTH-3", "UNKNOWN"),), DOUBTED, "TRUTH-3 is UNKNOWN"),
        (
            (promise("TRUTH-3", "FAIL", ABOUT_IT), promise("AVAIL-1", "FAIL", "no")),
            OTHERWISE,
            "AVAIL-1 is FAIL as well",
        ),
        ((promise("TRUTH-3", "FAIL", ABOUT_IT), promise("AVAIL-1", "UNKNOWN")), OTHERWISE, "AVAIL-1 is UNKNOWN"),
        (
            (promise("TRUTH-3", "FAIL", ABOUT_IT, "something else"),),
            OTHERWISE,
            "TRUTH-3 has a finding that is not about it: something else",
        ),
        ((promise("TRUTH-3", "FAIL"),), OTHERWISE, "TRUTH-3 has no findings"),
        (
            (promise("TRUTH-3", "FAIL", ABOUT_IT), promise("TRUTH-4", "FAIL", "fell")),
            OTHERWISE,
            "TRUTH-4 has a finding that is not about it: fell",
        ),
    ],
)
def test_what_is_not_as_the_table_says_is_told(promises: tuple[dict[str, Any], ...], outcome: str, said: str) -> None:
    """A promise too many or too few, in doubt, or for another reason."""
    found = score(ROW, entry(*promises), gate_s=4.0)

    assert (found.outcome, found.why) == (outcome, said)


def test_what_may_fail_need_not() -> None:
    """A promise of `may` is no complaint, failed or kept, as long as its findings are about the defect."""
    base = promise("TRUTH-3", "FAIL", ABOUT_IT)

    assert complaints(ROW, entry(base, promise("TRUTH-4", "FAIL", "it rose"))) == []
    assert complaints(ROW, entry(base, promise("TRUTH-4", "PASS"))) == []


def test_the_finding_that_counts_the_rest_is_no_complaint() -> None:
    """Beyond the most that are shown there is one more that speaks of no node."""
    texts = [ABOUT_IT] * MAX_FINDINGS + ["and 30 more findings of TRUTH-3"]

    assert complaints(ROW, entry(promise("TRUTH-3", "FAIL", *texts))) == []


def test_a_finding_at_the_gate_itself_is_after_no_time() -> None:
    """What was never true is found when the gate lets it pass, which the run's clock may call a little earlier."""
    assert score(ROW, entry(promise("TRUTH-3", "FAIL", ABOUT_IT, t_s=3.9)), gate_s=4.0).found_s == 0.0


def test_a_score_survives_its_way_through_json() -> None:
    """As it is kept and stored."""
    found = score(ROW, entry(promise("TRUTH-3", "FAIL", ABOUT_IT)), gate_s=4.5)

    assert Score.from_json(json.loads(json.dumps(found.as_json()))) == found


def summary(out: Path, *entries: dict[str, Any], errors: tuple[dict[str, str], ...] = ()) -> None:
    """The summary of a campaign of these runs, each with a history that passed its gate at 4.5 s."""
    out.mkdir(exist_ok=True)
    for one in entries:
        place = out / one["id"]
        place.mkdir(parents=True)
        records: list[dict[str, Any]] = [{"t": 0.0, "k": "run"}, {"t": 4.5, "k": "mark", "mark": "gate-passed"}]
        lines = (encode({"n": number, **record}) for number, record in enumerate(records))
        (place / "history.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    body = {"scenarios": list(entries), "errors": list(errors), "problems": []}
    (out / "summary.json").write_text(json.dumps(body), encoding="utf-8")


def test_a_run_that_has_ended_is_scored_from_what_it_left(tmp_path: Path) -> None:
    """The gate is read from its history."""
    summary(tmp_path, entry(promise("TRUTH-3", "FAIL", ABOUT_IT, t_s=6.0)))

    assert (scored(ROW, tmp_path, 11).outcome, scored(ROW, tmp_path, 11).found_s) == (CAUGHT, 1.5)


def test_a_run_that_was_not_judged_as_a_whole_is_not_run(tmp_path: Path) -> None:
    """No summary, no scenario, two of them, or one that could not take place: nothing is known of the saboteur."""
    assert scored(ROW, tmp_path, 11).outcome == NOT_RUN
    summary(tmp_path / "none")
    assert "no scenario was run" in scored(ROW, tmp_path / "none", 11).why
    summary(tmp_path / "error", errors=({"scenario": "chaos/x", "error": "no room"},))
    assert "no room" in scored(ROW, tmp_path / "error", 11).why
    with pytest.raises(HistoryError, match="not judged as a whole"):
        saboteurs.entry_of(tmp_path / "error")


def test_the_table_of_the_repository_is_read() -> None:
    """Each row has a name of its own, and a test of the scenarios."""
    rows = saboteurs.load(ROOT)

    assert len({row.name for row in rows}) == len(rows) > 50
    assert {row.test.partition("::")[0] for row in rows} <= {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "scenarios").rglob("test_*.py")
    }


def test_a_table_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """The path is named."""
    with pytest.raises(UsageError, match=r"saboteurs\.toml: No such file"):
        saboteurs.load(tmp_path)


def test_rows_are_chosen_by_name_test_or_promise() -> None:
    """Any of the words is enough; none is everything, and a word that matches nothing is an error."""
    rows = saboteurs.load(ROOT)

    assert saboteurs.chosen(rows, ()) == rows
    assert [row.name for row in saboteurs.chosen(rows, ("rounds-cpu",))] == ["rounds-cpu"]
    assert "RECOVER-2" in saboteurs.chosen(rows, ("RECOVER-2",))[0].fails
    assert {row.test.split("/")[1] for row in saboteurs.chosen(rows, ("regression/",))} == {"regression"}
    with pytest.raises(UsageError, match="no saboteur matches meteor"):
        saboteurs.chosen(rows, ("meteor",))


def test_the_command_of_a_row_names_the_defect_the_test_and_the_datastore(tmp_path: Path) -> None:
    """With the suite's own configuration, whatever directory it is started in."""
    row = next(row for row in saboteurs.load(ROOT) if row.datastore == "postgres")
    words = row.argv(ROOT, tmp_path, 7)

    assert f"--defect={row.defect}" in words
    assert row.test in words
    assert {"--datastore=postgres", "--seed=7", f"--out={tmp_path}"} <= set(words)


def test_nothing_of_the_pytest_that_we_are_in_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's name or an option of the outer run would change the inner one."""
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw3")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-x")

    assert not [name for name in saboteurs.environment() if name.startswith("PYTEST_")]
