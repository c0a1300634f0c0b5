"""A conformance bundle is judged again from its histories, and nothing that does not belong together is believed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from harness.check.contract import judge_history
from harness.errors import HistoryError
from harness.history.reader import from_text
from harness.history.record import encode
from harness.run.conformance_bundle import LOG, RESULTS, JudgedAgain, files, judge_again, results
from harness.run.sealed import seal, unseal
from tests.unit.check.story import Story, allocated, quiet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPERATOR = {"name": "provider-services", "sha256": "ab12"}
PROMISES = ("TRUTH-1", "TRUTH-3", "SHAPE-1")


def wrong() -> Story:
    """A run in which a sum is wrong from the middle on."""
    story = Story(*PROMISES)
    story.node("a")
    story.pod("p", 0.2, node="a", milli=500)
    story.started()
    story.observe(2.0, 20.0)
    story.observe(20.0, 40.0, alter=allocated("a", "9"))
    story.end(40.0)
    return story


def written(story: Story, scenario: str, *, seed: int = 7) -> str:
    """The story as a history file of that scenario."""
    story.records[0] |= {"scenario": {**story.scenario, "id": scenario}, "seed": seed, "operator": OPERATOR}
    ordered = sorted(story.records, key=lambda record: record["t"])
    return "".join(encode({"n": number, **record}) + "\n" for number, record in enumerate(ordered))


def campaign(out: Path, **histories: str) -> dict[str, Any]:
    """The directory of a campaign with these runs, and its summary."""
    entries = []
    for name, text in histories.items():
        place = out / "chaos" / name
        (place / "logs").mkdir(parents=True, exist_ok=True)
        (place / "history.jsonl").write_text(text, encoding="utf-8")
        (place / "plan.json").write_text("{}", encoding="utf-8")
        (place / "logs" / "operator.stderr.log").write_text("said\n", encoding="utf-8")
        (place / "logs" / "etcd.stderr.log").write_text("much\n", encoding="utf-8")
        judged = judge_history(from_text(text, name)).as_json()
        entries.append({"id": f"chaos/{name}", "seed": 7, "bundle": str(place), **judged})
    (out / "pytest.log").write_text("1 passed\n", encoding="utf-8")
    return {"operator": OPERATOR, "versions": {"harness": "0.1.0"}, "scenarios": entries, "errors": []}


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """A function that makes a bundle of two runs, one right and one wrong; `change` may alter its results before."""

    def make(change: Callable[[dict[str, Any]], None] | None = None, **more: Any) -> Path:
        histories = {"right": written(quiet(*PROMISES), "chaos/right"), "wrong": written(wrong(), "chaos/wrong")}
        summary = campaign(tmp_path / "out", **histories) | more
        body = results(summary, {"chaos/right": ("A-REST-1",)})
        members = files(tmp_path / "out", body, log=tmp_path / "out" / "pytest.log")
        if change is not None:
            change(body)
            members[RESULTS] = json.dumps(body).encode()
        seal(tmp_path / "b.zip", members)
        return tmp_path / "b.zip"

    return make


def test_the_bundle_holds_results_versions_log_and_histories(made: Callable[..., Path]) -> None:
    """And of each run's logs the operator's; no path of the machine is among the results."""
    with unseal(made()) as bundle:
        names, body = set(bundle.files), bundle.read_json(RESULTS)
        text = bundle.read(RESULTS).decode()

    runs = {f"runs/chaos/{name}" for name in ("right", "wrong")}
    members = ("history.jsonl", "plan.json", "logs/operator.stderr.log")
    assert names == {RESULTS, LOG, *(f"{run}/{member}" for run in runs for member in members)}
    assert (body["operator"], body["versions"], body["verdict"]) == (OPERATOR, {"harness": "0.1.0"}, "FAIL")
    assert [promise["verdict"] for promise in body["promises"] if promise["id"] == "TRUTH-3"] == ["FAIL"]
    assert "/out/" not in text


def test_verdicts_follow_from_the_histories(made: Callable[..., Path]) -> None:
    """Judged again they are what they were, and the exit code is that of the runs."""
    judged = judge_again(made())

    assert judged.differences == ()
    assert {run["id"]: run["verdict"] for run in judged.runs} == {"chaos/right": "PASS", "chaos/wrong": "FAIL"}
    assert [run["clauses"] for run in judged.runs] == [["A-REST-1"], []]
    assert judged.code == 1
    assert any("provider-services ab12" in text for text in judged.told())


def test_a_verdict_that_does_not_follow_is_told(made: Callable[..., Path]) -> None:
    """Somebody who writes PASS over a FAIL is contradicted by the history."""

    def whitewash(body: dict[str, Any]) -> None:
        for run in body["runs"]:
            for said in run["promises"]:
                said["verdict"], said["findings"] = "PASS", []

    (difference,) = judge_again(made(whitewash)).differences

    assert (difference.run, difference.promise) == ("chaos/wrong", "TRUTH-3")
    assert (difference.stored, difference.today) == ("PASS", "FAIL")


def test_a_run_that_could_not_take_place_is_not_forgotten(made: Callable[..., Path]) -> None:
    """It stands in the results, is told, and keeps the exit code from being that of a success."""
    judged = judge_again(made(errors=[{"scenario": "chaos/none", "error": "no room"}]))

    assert "could not be run: chaos/none" in judged.told()
    assert JudgedAgain("", {"errors": [{}]}, ({"verdict": "PASS"},), ()).code == 3
    assert JudgedAgain("", {"errors": []}, (), ()).code == 2


def _other_seed(body: dict[str, Any]) -> None:
    body["runs"][0]["seed"] = 8


def _other_operator(body: dict[str, Any]) -> None:
    body["operator"] = {"name": "another"}


def _no_runs(body: dict[str, Any]) -> None:
    del body["runs"]


def _no_promises(body: dict[str, Any]) -> None:
    body["runs"][0]["promises"] = None


def _more_runs(body: dict[str, Any]) -> None:
    body["runs"].append({**body["runs"][0], "id": "chaos/imagined"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_other_seed, "is of another run: seed 7, and 8 in results.json"),
        (_other_operator, "is of another run: operator"),
        (_no_runs, "has not the shape of results"),
        (_no_promises, "has not the shape of results"),
        (_more_runs, r"runs/chaos/imagined/history\.jsonl is missing"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    made: Callable[..., Path], change: Callable[[dict[str, Any]], None], said: str
) -> None:
    """A history of another run, operator or seed, results of another shape, a run without its history."""
    with pytest.raises(HistoryError, match=said):
        judge_again(made(change))


def test_a_history_in_the_place_of_another_is_refused(made: Callable[..., Path], tmp_path: Path) -> None:
    """The right run's history does not make the wrong one right."""
    with unseal(made()) as bundle:
        members: dict[str, Path | bytes] = {name: bundle.read(name) for name in bundle.files}
    members["runs/chaos/wrong/history.jsonl"] = members["runs/chaos/right/history.jsonl"]
    seal(tmp_path / "swapped.zip", members)

    with pytest.raises(HistoryError, match=r"wrong/history\.jsonl is of another run: scenario 'chaos/right'"):
        judge_again(tmp_path / "swapped.zip")


def test_a_history_that_is_damaged_is_named(tmp_path: Path) -> None:
    """Also where its checksum in the manifest is right, because it was damaged before it was packed."""
    text = written(quiet(*PROMISES), "chaos/right")
    body = results(campaign(tmp_path / "out", right=text), {})
    (tmp_path / "out/chaos/right/history.jsonl").write_text(
        text.replace('"MODIFIED"', '"modified"', 1).replace('"ADDED"', '"ADDER"', 1)
    )
    seal(tmp_path / "b.zip", files(tmp_path / "out", body, log=tmp_path / "none"))

    with pytest.raises(HistoryError, match=r"runs/chaos/right/history\.jsonl, line \d+: checksum does not match"):
        judge_again(tmp_path / "b.zip")


def test_results_are_the_same_for_the_same_summary(tmp_path: Path) -> None:
    """Nothing of the time or the place comes in when they are made."""
    summary = campaign(tmp_path / "out", right=written(quiet(*PROMISES), "chaos/right"))

    assert json.dumps(results(summary, {})) == json.dumps(results(json.loads(json.dumps(summary)), {}))
