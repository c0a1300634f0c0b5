"""Running a scenario: the one place that wires everything."""

from __future__ import annotations

from harness.run.engine import Setup, run
from harness.run.result import RunResult

__all__ = ["RunResult", "Setup", "run"]
