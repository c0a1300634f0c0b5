"""Reading bundles back, and the summary for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from harness.check.verdict import FAIL, UNKNOWN, judge
from harness.errors import PlatformError
from reports.campaign import load, load_run, summary, write_summary
from tests.unit.reports import bundles

if TYPE_CHECKING:
    from pathlib import Path


def test_every_bundle_becomes_a_run(campaign_dir: Path) -> None:
    """All bundles are found, named by their path, in order of their ids."""
    assert [run.id for run in load(campaign_dir).runs] == [
        "chaos/api-server-killed",
        "chaos/etcd-killed",
        "chaos/node-cordoned",
        "chaos/port-taken",
        "conformance/first-inventory",
        "conformance/same-pod-names",
    ]


def test_verdicts_come_back_as_they_were_written(campaign_dir: Path) -> None:
    """Verdicts, findings, reasons and measured numbers survive the way over the disk."""
    run = load_run(campaign_dir, campaign_dir / "chaos" / "api-server-killed")
    by_id = {promise.promise: promise for promise in run.promises}
    assert run.verdict is FAIL
    assert run.recovery_s == pytest.approx(4.2)
    assert by_id["AVAIL-1"].findings[0].t_s == pytest.approx(12.1)
    assert by_id["AVAIL-2"].measured == {"worst_latency_s": 0.41, "p99_latency_s": 0.08}
    assert run.stale[3] == (12.1, 27.0)
    assert run.started == "2026-11-24T10:00:00+00:00"


def test_the_summary_has_the_documented_shape(campaign_dir: Path) -> None:
    """The keys that programs rely on are there, with the values of the bundle."""
    body = summary(load(campaign_dir))
    assert body["operator"] == {"name": "reference"}
    assert body["versions"]["etcd"] == "3.6.5"
    assert body["verdict"] == "FAIL"
    assert body["started"] == "2026-11-24T10:00:00+00:00"
    assert body["machine"].keys() == {"cores", "memory_mib", "kernel"}
    entry = body["scenarios"][0]
    assert entry["id"] == "chaos/api-server-killed"
    assert (entry["verdict"], entry["seed"], entry["wall_s"], entry["recovery_s"]) == ("FAIL", 7, 31.2, 4.2)
    assert entry["bundle"] == str(campaign_dir / "chaos" / "api-server-killed")
    broken = next(promise for promise in entry["promises"] if promise["id"] == "SURVIVE-1")
    assert broken["verdict"] == "FAIL"
    assert broken["findings"][0].keys() == {"text", "object", "expected", "reported", "t_s"}
    assert "series" not in entry
    assert "operator" not in entry


def test_a_run_that_did_not_take_place_is_an_error_and_no_scenario(campaign_dir: Path) -> None:
    """What the harness could not run stands in `errors` with its hint, not among the verdicts."""
    body = summary(load(campaign_dir))
    assert body["errors"] == [
        {
            "scenario": "chaos/port-taken",
            "error": "gave up waiting after 60.0 s",
            "hint": "is the disk full?",
        }
    ]
    assert "chaos/port-taken" not in [entry["id"] for entry in body["scenarios"]]


def test_write_summary_leaves_one_whole_file(campaign_dir: Path) -> None:
    """The file holds the summary, and no draft stays beside it."""
    path = write_summary(campaign_dir)
    assert json.loads(path.read_text()) == summary(load(campaign_dir))
    assert sorted(entry.name for entry in campaign_dir.iterdir()) == ["chaos", "conformance", "summary.json"]


def test_numbers_without_a_value_in_json_become_null(tmp_path: Path) -> None:
    """An infinite number does not make the summary unreadable for strict parsers."""
    endless = judge("RECOVER-1", examined=1, unit="recoveries", measured={"recovery_s": float("inf")})
    bundles.write_run(tmp_path, "chaos/x", promises=(endless,))
    text = write_summary(tmp_path).read_text()
    assert "Infinity" not in text
    assert json.loads(text)["scenarios"][0]["promises"][0]["measured"]["recovery_s"] is None


@pytest.mark.parametrize("damage", ["", "{", '{"id": 1}', "[]", "null", '{"verdict":"MAYBE","promises":[],"seed":1}'])
def test_damaged_verdicts_are_an_error_that_is_named(tmp_path: Path, damage: str) -> None:
    """A bundle whose verdicts cannot be read is UNKNOWN, and the file is named."""
    bundle = bundles.write_run(tmp_path, "chaos/x", promises=bundles.kept("TRUTH-1"))
    (bundle / "verdicts.json").write_text(damage)
    campaign = load(tmp_path)
    assert campaign.verdict is UNKNOWN
    assert [error.scenario for error in campaign.errors] == ["chaos/x"]
    assert any("verdicts.json" in problem for problem in campaign.problems)
    assert summary(campaign)["scenarios"] == []


def test_a_run_that_was_cut_off_is_not_left_out(tmp_path: Path) -> None:
    """A bundle with a plan and a history but no verdicts is an error with its seed."""
    bundle = bundles.write_run(tmp_path, "chaos/x", promises=bundles.kept("TRUTH-1"))
    bundles.Story(bundle, "chaos/x").end()
    (bundle / "verdicts.json").unlink()
    run = load(tmp_path).runs[0]
    assert run.error is not None
    assert "cut off" in run.error.error
    assert run.seed == 7
    assert run.operator == bundles.OPERATOR


def test_a_missing_history_is_named(campaign_dir: Path) -> None:
    """The problems say which bundle lacks its history."""
    assert "chaos/etcd-killed: history.jsonl is missing" in load(campaign_dir).problems


def test_a_campaign_of_nothing_is_unknown(tmp_path: Path) -> None:
    """No scenarios are no PASS."""
    assert load(tmp_path).verdict is UNKNOWN


def test_a_path_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(PlatformError, match="nowhere"):
        load(tmp_path / "nowhere")


def test_the_machine_of_the_first_summary_is_kept(tmp_path: Path) -> None:
    """A summary written again elsewhere still tells the machine that the campaign ran on."""
    bundles.write_run(tmp_path, "chaos/x", promises=bundles.kept("TRUTH-1"))
    (tmp_path / "summary.json").write_text(json.dumps({"machine": {"cores": 3}}))
    assert json.loads(write_summary(tmp_path).read_text())["machine"] == {"cores": 3}
