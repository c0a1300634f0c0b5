"""Which fault of which scenario stands for each kind of the catalogue.

Nothing has to be written for a new kind that a scenario uses and whose heal leaves the world as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cluster.embeddedbackend import EmbeddedBackend
from harness.fault.needs import needs
from harness.fault.schedule import injected
from harness.fault.together import parts
from harness.run.described import scenarios_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.fault.base import Fault
    from harness.scenario import Scenario

SCENARIOS = scenarios_of(Path(__file__).resolve().parents[2])

PREFERRED: Mapping[str, str] = {
    # Harm to a leader has to show more than harm to a follower: another one leads as well.
    "member-killed": "chaos/leader-killed",
    "member-paused": "chaos/leader-paused",
    "member-partitioned": "chaos/leader-partitioned",
}
"""By kind, the scenario to take where the first of the simplest ones that use it is not to be taken, and why."""

LASTING: Mapping[str, frozenset[str]] = dict.fromkeys(
    ("node-deleted", "node-replaced", "node-renamed", "nodes-join", "deletion-missed"), frozenset({"nodes"})
)
"""By kind, the parts of a `tests.faults.look.Look` that stay changed after the heal, because that is what it is for."""


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, as a scenario uses it: of the kind itself or, for one that is never used alone, made of such a one."""

    fault: Fault
    scenario: Scenario

    @property
    def expression(self) -> str:
        """What `harness run -k` has to be given to run this scenario and none whose id begins alike."""
        name = self.scenario.id
        longer = [other.id for other in SCENARIOS if name in other.id and other.id != name]
        return " and not ".join([name, *longer])

    @property
    def lasting(self) -> frozenset[str]:
        """What the heal does not bring back."""
        return frozenset().union(*(LASTING.get(part.kind, frozenset()) for part in parts(self.fault)))


def cases(scenarios: Iterable[Scenario]) -> dict[str, Case]:
    """The case of each kind that a scenario uses."""
    found: dict[str, Case] = {}
    used = [(fault, scenario) for scenario in sorted(scenarios, key=_effort) for fault in injected(*scenario.faults)]
    for fault, scenario in used:
        if PREFERRED.get(fault.kind, scenario.id) == scenario.id:
            found.setdefault(fault.kind, Case(fault, scenario))
    for fault, scenario in used:
        for part in parts(fault):
            found.setdefault(part.kind, Case(fault, scenario))
    return found


def _effort(scenario: Scenario) -> tuple[int, int, int, str]:
    return len(list(injected(*scenario.faults))), scenario.servers, len(scenario.nodes), scenario.id


CASES = cases(SCENARIOS)

SIMULATED = tuple(kind for kind in sorted(CASES) if not needs(CASES[kind].fault) - EmbeddedBackend().capabilities())
"""The kinds that can be done to simulated nodes; those of real nodes are in `tests/kind`."""
