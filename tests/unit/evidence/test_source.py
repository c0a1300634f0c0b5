"""A scenario as source is the same scenario again, as somebody would have written it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

import harness
from harness import faults, nodes, schedules
from harness.errors import UsageError
from harness.evidence.source import Source, scenario_source
from harness.run.described import scenarios_of
from harness.scenario import Scenario
from tests.unit.scenario.test_scenario_stored import scenarios

ROOT = Path(__file__).resolve().parents[3]


def made(source: str, names: set[str]) -> Any:
    """What the source makes, with nothing at hand but the public names that it says it needs."""
    return eval(source, {name: getattr(harness, name) for name in names})  # noqa: S307 - our own text


@given(scenarios())
def test_any_scenario_comes_back_from_its_source(scenario: Scenario) -> None:
    """It is equal, and the names that are to be imported are all that it needs."""
    assert made(*scenario_source(scenario)) == scenario


def test_every_scenario_of_the_suite_comes_back_from_its_source() -> None:
    """Every kind of fault and schedule that is in use has a public name; lines stay short but for long texts."""
    for scenario in scenarios_of(ROOT):
        source, names = scenario_source(scenario)
        assert made(source, names) == scenario
        long = [text for text in source.splitlines() if len(text) > 115 and not re.search(r"\"[^\"]{40,}\"", text)]
        assert long == []


def test_only_what_differs_is_written() -> None:
    """Defaults are left out, and texts have double quotes."""
    scenario = Scenario(id="chaos/x", promises=("TRUTH-1",), faults=(faults.NodeSilent(node="worker-1"),), seed=7)

    source, names = scenario_source(scenario)

    assert source == (
        'Scenario(id="chaos/x", promises=("TRUTH-1",), faults=(faults.NodeSilent(node="worker-1"),), seed=7)'
    )
    assert names == {"Scenario", "faults"}


def test_nested_schedules_are_written_one_part_a_line() -> None:
    """Where a line would be too long, each part has its own."""
    fault = faults.AllocatableChanged(changes=(("nvidia.com/gpu", "3"), ("cpu", None)), for_s=2.5)
    step = schedules.After(
        schedules.OperatorCalls("patch", "nodes"), schedules.Sequence((fault, faults.ApiSlow(), fault))
    )
    scenario = Scenario(id="chaos/x", promises=("TRUTH-1",), nodes=nodes.simulated(2), faults=(step,))

    source, names = scenario_source(scenario)

    assert "\n    faults=(\n        schedules.After(\n" in source
    assert made(source, names) == scenario


def test_a_value_without_public_name_is_refused() -> None:
    """A reproducer uses public names alone."""

    @dataclasses.dataclass(frozen=True)
    class Private:
        part: int = 0

    with pytest.raises(UsageError, match="Private has no public name"):
        Source().write(Private(part=1))
