"""The same scenario on several backends: verdicts are compared, and what is not applicable is told everywhere."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from harness.check.verdict import FAIL, PASS, UNKNOWN, PromiseVerdict, Verdict
from reports import words
from reports.campaign import Campaign, Run, load, summary
from reports.differential import NotApplicable, compare, in_order, verdicts_agree
from reports.junit import render

if TYPE_CHECKING:
    from pathlib import Path


def run(place: str, out: Path, **verdicts: Verdict) -> Run:
    """A run of one scenario with these verdicts."""
    backend = "embedded" if place == "etcd" else place
    name = "shared/pods" if backend == "embedded" else f"shared/pods@{backend}"
    promises = tuple(
        PromiseVerdict(promise.replace("_", "-"), verdict, 1, "answers") for promise, verdict in verdicts.items()
    )
    return Run(
        id=name, bundle=out / name, verdict=max(verdicts.values(), key=[PASS, UNKNOWN, FAIL].index), seed=7,
        operator={}, versions={}, promises=promises, backend=backend,
    )  # fmt: skip


def test_a_run_stands_in_the_column_of_its_backend(tmp_path: Path) -> None:
    """Its scenario is the same as that of the run on another one."""
    here, there = run("etcd", tmp_path, TRUTH_1=PASS), run("kind", tmp_path, TRUTH_1=PASS)

    assert (here.scenario, there.scenario) == ("shared/pods", "shared/pods")
    assert (here.place, there.place) == ("etcd", "kind")
    assert in_order(["kind", "etcd"]) == ["etcd", "kind"]


def test_equal_verdicts_agree(tmp_path: Path) -> None:
    """Inventories are not looked at: they are of other machines."""
    (found,) = compare([run("etcd", tmp_path, TRUTH_1=PASS), run("kind", tmp_path, TRUTH_1=PASS)])

    assert found.of_verdicts
    assert found.verdict is PASS
    assert found.as_json()["same_verdicts"] is True
    assert words.same(found) == "✓ same verdicts"


def test_a_promise_kept_on_one_and_broken_on_another_is_a_difference(tmp_path: Path) -> None:
    """It is told with both verdicts."""
    runs = {"etcd": run("etcd", tmp_path, TRUTH_1=PASS, TRUTH_2=PASS), "kind": run("kind", tmp_path, TRUTH_1=FAIL)}
    found = verdicts_agree(runs)

    assert found.same is False
    assert found.differences == ("TRUTH-1 is PASS on etcd, FAIL on kind",)


def test_what_could_not_be_judged_somewhere_is_in_doubt(tmp_path: Path) -> None:
    """UNKNOWN agrees with nothing, not even with itself."""
    runs = {name: run(name, tmp_path, TRUTH_1=UNKNOWN) for name in ("etcd", "kind")}
    found = verdicts_agree(runs)

    assert found.same is None
    assert found.why == "TRUTH-1 could not be judged on etcd; TRUTH-1 could not be judged on kind"


def test_what_is_not_applicable_is_in_every_report(tmp_path: Path) -> None:
    """As a line, as an entry of the summary, and as a skipped test case with the reason; never as passed."""
    row = {"test": "shared/kubelet", "backend": "embedded", "datastore": "", "why": "needs kubelet: real kubelets"}
    (tmp_path / "not-applicable.json").write_text(json.dumps([row]), encoding="utf-8")
    found = load(tmp_path)

    assert found.not_applicable == (NotApplicable("shared/kubelet", "", "needs kubelet: real kubelets", "embedded"),)
    assert summary(found)["not_applicable"] == [row]
    assert words.left_out(found.not_applicable) == [
        "not applicable on embedded: shared/kubelet (needs kubelet: real kubelets)"
    ]
    suite = ET.fromstring(render(found)).find("testsuite")  # noqa: S314 - our own text
    assert suite is not None
    assert (suite.get("tests"), suite.get("skipped"), suite.get("failures")) == ("1", "1", "0")
    (case,) = suite.iter("testcase")
    assert [child.tag for child in case] == ["skipped"]


def test_notes_of_an_older_harness_are_of_the_usual_backend(tmp_path: Path) -> None:
    """They named no backend, since there was but one."""
    row = {"test": "chaos/leader-moved", "datastore": "sqlite", "why": "possible on etcd3"}
    (tmp_path / "not-applicable.json").write_text(json.dumps([row]), encoding="utf-8")

    assert load(tmp_path).not_applicable[0].place == "sqlite"


def test_columns_are_called_what_they_are(tmp_path: Path) -> None:
    """Backends where verdicts are compared, datastores where inventories are."""
    runs = (run("etcd", tmp_path, TRUTH_1=PASS), run("kind", tmp_path, TRUTH_1=FAIL))
    found = Campaign(tmp_path, runs, comparisons=compare(runs))

    assert (words.places(found), words.aspect(found)) == ("backends", "verdicts")
    assert words.columns(found) == ["embedded", "kind"]
    assert "1 with different verdicts" in words.totals(found)


def test_a_backend_on_which_nothing_can_be_run_is_told_in_its_column(tmp_path: Path) -> None:
    """What needs a kubelet is not applicable in the very column that the embedded backend has."""
    runs = [run("etcd", tmp_path, TRUTH_1=PASS), run("kind", tmp_path, TRUTH_1=PASS)]
    alone = dataclasses.replace(run("kind", tmp_path, TRUTH_1=PASS), id="shared/kubelet@kind")
    found = compare([*runs, alone])
    left = NotApplicable("shared/kubelet", "", "needs kubelet: real kubelets", "embedded")
    campaign = Campaign(tmp_path, (*runs, alone), comparisons=found, not_applicable=(left,))

    assert [words.cell(campaign, item, "embedded") for item in found] == ["n/a", "✓"]


def test_a_long_list_of_what_is_not_applicable_is_cut_on_a_terminal() -> None:
    """How many more there are is told; the other reports have them all."""
    found = [NotApplicable(f"shared/{letter}", "", "needs kubelet", "embedded") for letter in "abcde"]

    assert words.left_out(found, most=3) == [
        "not applicable on embedded: shared/a, shared/b, shared/c and 2 more (needs kubelet)"
    ]
    assert words.left_out(found[:3], most=3) == words.left_out(found[:3])
