"""One Chromium for all tests, a fresh page for each, and campaigns on disk to look at."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

from reports import gate
from reports.write import write_all
from tests.unit.reports import bundles, gates, stores

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium from PATH; it may not be missing, for a test that did not look has seen nothing."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.fail(f"none of {', '.join(NAMES)} is on PATH; apt-get install chromium", pytrace=False)
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(params=["usual", "hostile", "datastores", "gate"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The reports of a usual campaign, of one full of hostile names, of one on several datastores, and of a gate."""
    if request.param == "gate":
        out = gates.compared(tmp_path / "out")
        gate.write(out)
        return out
    make = {"usual": bundles.campaign, "hostile": bundles.hostile, "datastores": stores.on_datastores}[request.param]
    out = make(tmp_path / "out")
    write_all(out)
    return out
