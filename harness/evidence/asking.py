"""Whether a scenario shows it: asked by real runs, some at a time, within a number of runs and a time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.evidence.replay import repetition
from harness.evidence.shrink import Spent
from harness.history.record import canonical
from harness.names.naming import USUAL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.evidence.job import Job
    from harness.evidence.pool import Pool
    from harness.evidence.replay import Original, Repetition
    from harness.run.plan import Plan
    from harness.scenario import Scenario


@dataclass(slots=True)
class Asking:
    """Makes runs of scenarios until one shows what `first` shows.

    `job`: makes the job of a name and a plan; `tries`: how often a scenario may fail to show it before it is given up;
    `most`, `until`: how many runs, and until when (monotonic seconds). A run counts only where every promise of `first`
    is broken alike, and where the run itself can be believed as much as the first one could.
    """

    first: Original
    pool: Pool
    job: Callable[[str, Plan], Job]
    most: int
    until: float
    tries: int = 1
    runs: int = 0
    shown: dict[str, Repetition] = field(default_factory=dict)
    _failed: set[str] = field(default_factory=set)

    def __call__(self, scenarios: Sequence[Scenario]) -> int | None:
        """The index of one that shows it, or None; raises Spent when there are no more runs or no more time."""
        keys = [key_of(scenario) for scenario in scenarios]
        known = next((index for index, key in enumerate(keys) if key in self.shown), None)
        if known is not None:
            return known
        open_ = [index for index, key in enumerate(keys) if key not in self._failed]
        if not open_:
            return None
        left = self.most - self.runs
        if left <= 0 or time.monotonic() > self.until:
            raise Spent
        wanted = [index for _try in range(self.tries) for index in open_]
        found = self._run([(index, scenarios[index]) for index in wanted[:left]])
        if found is None and len(wanted) <= left:
            self._failed |= {keys[index] for index in open_}
        return found

    def times(self, scenario: Scenario, number: int) -> list[Repetition]:
        """So many runs of one scenario, whatever the budget is."""
        jobs = [self._job(scenario) for _number in range(number)]
        self.pool.run(jobs)
        found = [repetition(job, self.first) for job in jobs]
        self._note(scenario, found)
        return found

    def restart(self, scenario: Scenario, runs: Sequence[Repetition]) -> None:
        """Forget what was shown, because something else is looked for now, but for these runs of a scenario."""
        self.shown.clear()
        self._note(scenario, runs)

    def _note(self, scenario: Scenario, runs: Sequence[Repetition]) -> None:
        for run in runs:
            if self.shows(run):
                self.shown[key_of(scenario)] = run

    def shows(self, run: Repetition) -> bool:
        """Whether a run counts."""
        believed = set(run.doubts) <= set(self.first.doubts)
        wanted = {one.promise for one in self.first.findings}
        seen = [one.alike for one in run.shown if one.promise in wanted]
        return not run.error and believed and bool(seen) and all(seen)

    def _run(self, wanted: Sequence[tuple[int, Scenario]]) -> int | None:
        jobs = [(index, scenario, self._job(scenario)) for index, scenario in wanted]
        by_name = {job.name: (index, scenario) for index, scenario, job in jobs}
        found: list[int] = []

        def ended(job: Job) -> bool:
            index, scenario = by_name[job.name]
            self._note(scenario, [repetition(job, self.first)])
            if key_of(scenario) in self.shown:
                found.append(index)
            return bool(found)

        self.pool.run([job for _index, _scenario, job in jobs], ended)
        return found[0] if found else None

    def _job(self, scenario: Scenario) -> Job:
        self.runs += 1
        kinds, kind = scenario.possible_on, self.first.plan.datastore
        plan = replace(self.first.plan, scenario=scenario, datastore=kind if kind in kinds else kinds[0])
        if not any(new in scenario.nodes for old, new in plan.called.items() if old != new):
            plan = replace(plan, names=USUAL, called={})
        return self.job(f"try-{self.runs:03d}", plan)


def key_of(scenario: Scenario) -> str:
    """What makes a scenario the one it is."""
    return canonical(scenario.as_json())
