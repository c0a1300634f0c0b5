"""Counting what did not pass in repeated campaigns; the campaigns themselves are replaced."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ci import repeat

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

GOOD = {"id": "chaos/a", "verdict": "PASS", "promises": [{"id": "TRUTH-1", "verdict": "PASS"}], "bundle": "b"}
BAD = {"id": "chaos/b", "verdict": "UNKNOWN", "promises": [{"id": "TRUTH-2", "verdict": "UNKNOWN"}], "bundle": "b"}


def ended(bodies: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, out: Path) -> int:
    """The exit code of three runs that end with these summaries, the last one again and again."""
    told = iter(bodies)
    monkeypatch.setattr(repeat, "_once", lambda *_arguments: next(told, bodies[-1]))
    monkeypatch.setattr(sys, "argv", ["repeat", "--times", "3", "--out", str(out)])
    return repeat.main()


def test_only_passes_are_success(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Three campaigns without another verdict end with 0."""
    assert ended([{"scenarios": [GOOD]}], monkeypatch, tmp_path) == 0


def test_one_verdict_of_another_kind_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """UNKNOWN counts as FAIL does, with seed, scenario and promise."""
    assert ended([{"scenarios": [GOOD]}, {"scenarios": [GOOD, BAD]}], monkeypatch, tmp_path) == 1
    assert "seed 2: chaos/b: UNKNOWN (TRUTH-2), bundle b" in capsys.readouterr().out


def test_different_inventories_by_one_seed_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Passes alone are no success where one seed ended with different inventories on different datastores."""
    row = {"scenario": "chaos/a", "datastores": {"etcd": {}, "sqlite": {}}, "same_inventory": False}

    assert ended([{"scenarios": [GOOD], "differential": [row]}], monkeypatch, tmp_path) == 1
    assert "seed 3: chaos/a: final inventories differ between etcd, sqlite" in capsys.readouterr().out


def test_a_campaign_that_cannot_run_ends_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is tried twenty times that cannot work once."""
    nothing = {"scenarios": [], "errors": [{"scenario": "*", "error": "harness run ended with 3"}]}

    assert ended([nothing], monkeypatch, tmp_path) == repeat.CANNOT_RUN
    assert capsys.readouterr().out.count("seed") == 1
