"""From the cause to the truth, in every report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from harness.check.freshness import Freshness
from reports import fresh
from reports.campaign import load, summary
from reports.html import page, write_index
from reports.markdown import render
from tests.unit.reports.bundles import kept, write_run

if TYPE_CHECKING:
    from pathlib import Path

QUICK = Freshness("cpu", delays=[0.04, 0.05, 0.06, 0.2], untrue_s={"under": 1.5, "stale": 1.5})
SLOW = Freshness("cpu", delays=[3.0] * 4, away=[9.0], never=2)
NODES = Freshness("nodes", delays=[0.5])


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A campaign of three runs: two measured one resource, one another."""
    for name, measured in (("a/quick", QUICK), ("a/slow", SLOW), ("a/nodes", NODES), ("a/none", None)):
        write_run(tmp_path, name, promises=kept("TRUTH-3"), fresh=measured)
    return tmp_path


def test_a_run_tells_its_quantiles(out: Path) -> None:
    """By nearest rank, with how long REST was untrue; a run without measurements has no rows."""
    runs = {run.id: run for run in load(out).runs}
    (row,) = fresh.of_run(runs["a/quick"])

    assert (row.resource, row.seen, row.never) == ("cpu", 4, 0)
    assert row.quantiles == (0.05, 0.2, 0.2, 0.2)
    assert row.untrue == "under 1.5 s, stale 1.5 s"
    assert fresh.of_run(runs["a/none"]) == []


def test_each_node_has_rows_of_its_own(out: Path) -> None:
    """With what of it never became true, and its name on one line."""
    runs = {run.id: run for run in load(out).runs}
    (row,) = fresh.by_node(runs["a/slow"])

    assert (row.resource, row.seen, row.never, row.quantiles) == ("cpu", 6, 2, (3.0, 3.0, 3.0, 3.0))
    assert "\x1b" not in row.node
    assert fresh.by_node(runs["a/none"]) == []


def test_a_campaign_adds_up_its_runs(out: Path) -> None:
    """All causes of all runs together, by resource in the usual order."""
    rows = fresh.of_campaign(load(out))

    assert [row.resource for row in rows] == ["nodes", "cpu"]
    cpu = rows[1]
    assert (cpu.seen, cpu.away_seen, cpu.away, cpu.never) == (8, 1, 9.0, 2)
    assert cpu.quantiles == (0.2, 3.0, 3.0, 3.0)


def test_the_summary_tells_it_to_programs(out: Path) -> None:
    """Numbers by resource, and null where there is none."""
    body = json.loads(json.dumps(summary(load(out))))

    assert body["freshness"][1] == {
        "resource": "cpu", "seen": 8, "p50_s": 0.2, "p90_s": 3.0, "p99_s": 3.0, "max_s": 3.0, "away_seen": 1,
        "away_max_s": 9.0, "never": 2,
    }  # fmt: skip
    assert "freshness" not in body["scenarios"][0]


def test_the_pages_hold_the_tables(out: Path) -> None:
    """The campaign's page the sums, each run's page its own and the plot; names are shown, never obeyed."""
    campaign = load(out)
    index = write_index(campaign).read_text(encoding="utf-8")
    runs = {run.id: run for run in campaign.runs}
    slow = page(runs["a/slow"], index="", machine={})

    assert "From the cause to the truth" in index
    assert "From the cause to the truth" in slow
    assert "<script>alert" not in slow
    assert "9.0 s" in slow
    assert "Each node by itself" in slow
    assert "From the cause to the truth" not in page(runs["a/none"], index="", machine={})


def test_markdown_holds_them_as_well(out: Path) -> None:
    """The sums by resource, and a row for each run in a fold."""
    text = render(load(out))

    assert "| cpu | 8 | 200 ms | 3.0 s | 3.0 s | 3.0 s | 1, max 9.0 s | 2 |" in text
    assert "| a/slow | - | 3.0 s / 3.0 s / 3.0 s / 3.0 s, 2 never |" in text
    assert "| a/none | - | - |" in text


def test_without_measurements_there_is_no_table(tmp_path: Path) -> None:
    """Bundles of an older harness are shown as they were."""
    write_run(tmp_path, "a/none", promises=kept("TRUTH-3"))
    campaign = load(tmp_path)

    assert "From the cause to the truth" not in render(campaign)
    assert "From the cause to the truth" not in write_index(campaign).read_text(encoding="utf-8")
    assert summary(campaign)["freshness"] == []
