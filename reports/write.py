"""All reports of a campaign at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.campaign import load, save_summary
from reports.html import write_index, write_page
from reports.junit import write_junit
from reports.markdown import write_markdown

if TYPE_CHECKING:
    from pathlib import Path

    from reports.campaign import Campaign


def write_all(out: Path) -> list[Path]:
    """Read a campaign and write all its reports (`save_all`)."""
    return save_all(load(out))


def save_all(campaign: Campaign) -> list[Path]:
    """Write summary.json, junit.xml, report.md, each run's report.html and index.html; returns what was written.

    What programs read comes first. Raises PlatformError when the disk is full or a place cannot be written to.
    """
    written = [save_summary(campaign), write_junit(campaign), write_markdown(campaign)]
    written += [write_page(campaign, run) for run in campaign.runs]
    return [*written, write_index(campaign)]
