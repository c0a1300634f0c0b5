"""How a campaign under other names says so, in every format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.verdict import judge
from reports.campaign import load, summary
from reports.html import parted
from reports.junit import render as render_junit
from reports.markdown import render as render_markdown
from reports.write import write_all
from tests.unit.reports import bundles
from tests.unit.reports.stores import printed

if TYPE_CHECKING:
    from pathlib import Path

DOUBTFUL = (judge("TRUTH-1", examined=0, unit="nodes"),)


def test_other_names_are_told(tmp_path: Path) -> None:
    """Summary, terminal, Markdown, JUnit and both pages name the word."""
    bundles.write_run(tmp_path, "chaos/x", promises=DOUBTFUL, names="longest")
    campaign = load(tmp_path)
    write_all(tmp_path)

    assert summary(campaign)["scenarios"][0]["names"] == "longest"
    assert "  names: longest" in printed(tmp_path).splitlines()
    assert printed(tmp_path).rstrip().endswith("(names: longest)")
    assert "Names: longest." in render_markdown(campaign)
    assert "seed 7, names longest, bundle" in render_markdown(campaign)
    assert '<property name="names" value="longest"' in render_junit(campaign)
    assert "Names: longest." in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "; names: longest" in (tmp_path / "chaos" / "x" / "report.html").read_text(encoding="utf-8")


def test_usual_names_are_not_worth_a_word(tmp_path: Path) -> None:
    """Nothing is said of them to people; programs find them."""
    bundles.write_run(tmp_path, "chaos/x", promises=DOUBTFUL)
    campaign = load(tmp_path)

    assert summary(campaign)["scenarios"][0]["names"] == "usual"
    assert campaign.names == ""
    assert "names:" not in printed(tmp_path)
    assert "Names:" not in render_markdown(campaign)
    assert ", names " not in render_markdown(campaign)


def test_a_bundle_that_does_not_say_had_usual_names(tmp_path: Path) -> None:
    """There were no others when it was made; one without verdicts is asked for its plan."""
    bundles.write_run(tmp_path, "chaos/x", promises=DOUBTFUL)
    verdicts = tmp_path / "chaos" / "x" / "verdicts.json"
    verdicts.write_text(verdicts.read_text(encoding="utf-8").replace('"names": "usual",', ""), encoding="utf-8")

    assert [run.names for run in load(tmp_path).runs] == ["usual"]

    verdicts.unlink()
    plan = tmp_path / "chaos" / "x" / "plan.json"
    plan.write_text('{"names": "64"}', encoding="utf-8")

    assert [run.names for run in load(tmp_path).runs] == ["64"]


def test_a_name_is_broken_behind_a_slash_and_obeys_nobody() -> None:
    """What is between slashes is escaped, and what cannot be seen is written out."""
    assert parted("chaos/a<b>\x1b/c") == "chaos/<wbr>a&lt;b&gt;\\x1b/<wbr>c"
