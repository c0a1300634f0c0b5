"""Campaigns on disk for the tests of the reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.reports import bundles, stores

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def campaign_dir(tmp_path: Path) -> Path:
    """A campaign with a PASS, a FAIL, an UNKNOWN and a run that did not take place."""
    return bundles.campaign(tmp_path / "out")


@pytest.fixture
def hostile_dir(tmp_path: Path) -> Path:
    """A campaign in which every text from outside holds HTML, Markdown, markup and control characters."""
    return bundles.hostile(tmp_path / "out")


@pytest.fixture
def stores_dir(tmp_path: Path) -> Path:
    """A campaign on several datastores, in which one scenario ends with another inventory on one of them."""
    return stores.on_datastores(tmp_path / "out")
