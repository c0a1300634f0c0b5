"""`--scores DIR`: where the runs of the saboteurs leave their scores."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--scores", default=None, metavar="DIR", help="keep a score of each saboteur there")


@pytest.fixture
def scores(request: pytest.FixtureRequest) -> Path | None:
    """The directory; None where no scores are kept."""
    given: str | None = request.config.getoption("--scores")
    return None if given is None else Path(given).resolve()
