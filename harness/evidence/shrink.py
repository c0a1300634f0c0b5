"""A smaller scenario that still shows it: what is left out one part after another, as long as it is still shown.

The order is from what tells a reader most to what tells least: promises, names, everything beside nodes and faults, the
faults, the nodes, pods and traffic, durations. Whether a scenario shows it is asked of an `Oracle`, which makes runs;
it is the oracle that ends the search when runs or time are spent, and the smallest found until then stands.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.evidence import parts
from harness.evidence.ddmin import ddmin, least

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.evidence.parts import Variant
    from harness.evidence.replay import Choice
    from harness.run.plan import Plan
    from harness.scenario import Scenario

Oracle = Callable[[Sequence["Scenario"]], int | None]
"""The index of a scenario that shows it, or None; raises Spent when no more may be asked."""

_ROUNDS = 3
"""What could not be left out at first may be once other things are; after that little is gained for many runs."""


class Spent(Exception):  # noqa: N818 - the end of a search, no error
    """There are no more runs, or no more time."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was left out or made smaller, and what was left then."""

    said: str
    scenario: Scenario


@dataclass(slots=True)
class Shrinker:
    """The search. `best`: the smallest scenario that showed it; `steps`: how it came to that; `tell`: told of each."""

    plan: Plan
    promises: tuple[str, ...]
    choices: tuple[Choice, ...]
    oracle: Oracle
    tell: Callable[[Step], None] = lambda _step: None
    best: Scenario = field(init=False)
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        scenario, kind = self.plan.scenario, self.plan.datastore
        # The smallest scenario has to say by itself what it runs on.
        usual = scenario.possible_on[0] == kind
        self.best = scenario if usual else dataclasses.replace(scenario, datastores=(kind,))

    def run(self) -> bool:
        """Search; True when nothing more can be left out, False when the oracle was spent before."""
        try:
            self._once()
            for _round in range(_ROUNDS):
                before = self.best
                for reduce in (self._extras, self._faults, self._nodes, self._pods, self._traffic, self._numbers):
                    reduce()
                if self.best == before:
                    return True
        except Spent:
            return False
        return True

    def _try(self, variants: Iterable[Variant]) -> int | None:
        """Ask for all that can be made of these; the first that shows it, by its number, becomes the best."""
        made: list[tuple[int, Step]] = []
        for number, (said, make) in enumerate(variants):
            try:
                scenario = make()
            except UsageError:
                continue
            if scenario != self.best:
                made.append((number, Step(said, scenario)))
        found = self.oracle([step.scenario for _number, step in made]) if made else None
        if found is None:
            return None
        number, step = made[found]
        self.best = step.scenario
        self.steps.append(step)
        self.tell(step)
        return number

    def _fully(self, variants: Callable[[Scenario], Iterable[Variant]]) -> None:
        """Try the variants of what is the best until none of them shows it."""
        while self._try(variants(self.best)) is not None:
            pass

    def _once(self) -> None:
        """What is done first: only the promises in question, usual names, targets by name."""
        best = self.best
        if tuple(best.promises) != self.promises:
            self._try([("judged on its broken promises alone", lambda: _judged(best, self.promises))])
        if any(old != new for old, new in self.plan.called.items()):
            plan = dataclasses.replace(self.plan, scenario=self.best)
            self._try([("under usual names", lambda: parts.usual_names(plan))])
        named = self.best
        self._try([("with its targets by name", lambda: parts.pinned(named, self.choices))])

    def _extras(self) -> None:
        self._fully(parts.without_extras)

    def _faults(self) -> None:
        def shows(tried: Sequence[tuple[int, ...]]) -> int | None:
            return self._try((_fewer(len(faults), kept), _faults_of(scenario, kept)) for kept in tried)

        scenario, faults = self.best, self.best.faults
        ddmin(range(len(faults)), shows)
        self._fully(parts.simpler_steps)

    def _nodes(self) -> None:
        def shows(tried: Sequence[tuple[str, ...]]) -> int | None:
            return self._try((f"with {_count(len(kept), 'node')}", _nodes_of(scenario, kept)) for kept in tried if kept)

        scenario = self.best
        # An empty cluster shows nothing, and is never tried.
        ddmin(tuple(scenario.nodes), lambda tried: None if tried == [()] else shows(tried))
        self._fully(parts.plain_profiles)

    def _pods(self) -> None:
        def shows(tried: Sequence[tuple[int, ...]]) -> int | None:
            return self._try((f"with {_count(len(kept), 'pod')}", _pods_of(scenario, kept)) for kept in tried)

        scenario = self.best
        ddmin(range(len(scenario.pods)), shows)
        self._fully(parts.simpler_pods)

    def _traffic(self) -> None:
        self._fully(parts.less_traffic)

    def _numbers(self) -> None:
        best = self.best
        if len(list(parts.numbers(best))) > 1:
            self._try([("all durations and counts at their least", lambda: parts.shortest(best))])
        for path, name, value, floor in list(parts.numbers(self.best)):
            whole = isinstance(value, int)

            def shows(tried: float, path: parts.Path = path, name: str = name, whole: bool = whole) -> bool:
                number = round(tried) if whole else tried
                best = self.best
                said = f"{name} of {number:g}"
                return self._try([(said, lambda: parts.with_number(best, path, number))]) is not None

            least(value, floor, shows)


def _judged(scenario: Scenario, promises: tuple[str, ...]) -> Scenario:
    objectives = {name: value for name, value in scenario.objectives.items() if name in {*promises, "RECOVER-1"}}
    return dataclasses.replace(scenario, promises=promises, objectives=objectives)


def _faults_of(scenario: Scenario, kept: tuple[int, ...]) -> Callable[[], Scenario]:
    return lambda: dataclasses.replace(scenario, faults=tuple(scenario.faults[index] for index in kept))


def _nodes_of(scenario: Scenario, kept: tuple[str, ...]) -> Callable[[], Scenario]:
    def make() -> Scenario:
        names = tuple(name for name in scenario.names if name in kept)
        gone = scenario.nodes.keys() - {*kept}
        return dataclasses.replace(
            scenario,
            nodes={name: scenario.nodes[name] for name in kept},
            names=names,
            pods=tuple(pod for pod in scenario.pods if pod.node not in gone),
        )

    return make


def _pods_of(scenario: Scenario, kept: tuple[int, ...]) -> Callable[[], Scenario]:
    return lambda: dataclasses.replace(scenario, pods=tuple(scenario.pods[index] for index in kept))


def _fewer(had: int, kept: tuple[int, ...]) -> str:
    return "without any fault" if not kept else f"with {len(kept)} of {had} faults"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
