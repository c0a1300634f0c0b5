"""Registers the fixtures. Everything else lives in `fixtures/`."""

from __future__ import annotations

pytest_plugins = ["fixtures.options", "fixtures.campaign", "fixtures.runs", "fixtures.outcome", "fixtures.select"]
