"""How faults follow one another: an algebra of frozen data, and what it becomes for one seed.

A step is a fault or a schedule of steps. `unfold` draws what is left open (gaps, and a seed for each injection) and
makes of it the few acts that the nemesis knows; the same seed makes the same acts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from harness.fault.base import Fault
from harness.fault.together import Together, parts

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from harness.fault.trigger import Trigger


@dataclass(frozen=True, slots=True)
class Once:
    """A fault, `after_s` seconds after its turn has come."""

    fault: Fault
    after_s: float = 0.0
    kind: ClassVar[str] = "once"


@dataclass(frozen=True, slots=True)
class Sequence:
    """Steps one after another, `pause_s` before each. A scenario's `faults` are one."""

    steps: tuple[Step, ...]
    pause_s: float = 1.0
    kind: ClassVar[str] = "sequence"


@dataclass(frozen=True, slots=True)
class Parallel:
    """Branches side by side. All triggers among them are armed before any branch begins; over when all are."""

    branches: tuple[Step, ...]
    kind: ClassVar[str] = "parallel"


@dataclass(frozen=True, slots=True)
class Alternate:
    """The first, then the second, `times` times over, `pause_s` before each."""

    first: Step
    second: Step
    times: int = 2
    pause_s: float = 1.0
    kind: ClassVar[str] = "alternate"


@dataclass(frozen=True, slots=True)
class Stagger:
    """Steps that begin about `every_s` seconds apart, whether or not those before are over.

    Each gap is drawn from the seed, up to the share `jitter` shorter or longer.
    """

    steps: tuple[Step, ...]
    every_s: float = 1.0
    jitter: float = 0.3
    kind: ClassVar[str] = "stagger"


@dataclass(frozen=True, slots=True)
class Until:
    """A fault that lasts until the trigger, armed before the injection, has fired; its own length does not count.

    It is healed after `deadline_s` at the latest, and the run is UNKNOWN then.
    """

    fault: Fault
    trigger: Trigger
    deadline_s: float = 30.0
    kind: ClassVar[str] = "until"


@dataclass(frozen=True, slots=True)
class After:
    """A step that begins when the trigger has fired.

    When it has not after `deadline_s` seconds, the step is left out, and the run is UNKNOWN.
    """

    trigger: Trigger
    then: Step
    deadline_s: float = 30.0
    kind: ClassVar[str] = "after"


Schedule: TypeAlias = Once | Sequence | Parallel | Alternate | Stagger | Until | After
Step: TypeAlias = Fault | Schedule

SCHEDULES: dict[str, type[Schedule]] = {
    kind.kind: kind for kind in (Once, Sequence, Parallel, Alternate, Stagger, Until, After)
}


def steps_of(step: Step) -> tuple[Step, ...]:
    """What a schedule is made of; nothing for a fault."""
    match step:
        case Once() | Until():
            return (step.fault,)
        case Sequence() | Stagger():
            return step.steps
        case Parallel():
            return step.branches
        case Alternate():
            return (step.first, step.second)
        case After():
            return (step.then,)
    return ()


def injected(*steps: Step) -> Iterator[Fault]:
    """Every fault that the steps inject, in order, each once; a fault made of faults is one."""
    for step in steps:
        if isinstance(step, Schedule):
            yield from injected(*steps_of(step))
        else:
            yield step


def simple(*steps: Step) -> Iterator[Fault]:
    """Every simple fault of the steps."""
    for fault in injected(*steps):
        yield from parts(fault)


def triggers(*steps: Step) -> Iterator[Trigger]:
    """Every trigger of the steps."""
    for step in steps:
        if isinstance(step, Until | After):
            yield step.trigger
        yield from triggers(*steps_of(step))


def longest_s(step: Step) -> float:
    """How long a step may last at most, in seconds, besides what evidence and healing take."""
    match step:
        case Once():
            length = step.after_s + longest_s(step.fault)
        case Sequence():
            length = sum(step.pause_s + longest_s(one) for one in step.steps)
        case Parallel():
            length = max(longest_s(one) for one in step.branches)
        case Alternate():
            length = step.times * sum(step.pause_s + longest_s(one) for one in (step.first, step.second))
        case Stagger():
            gap_s = step.every_s * (1 + step.jitter)
            length = max(number * gap_s + longest_s(one) for number, one in enumerate(step.steps))
        case Until():
            length = step.deadline_s
        case After():
            length = step.deadline_s + longest_s(step.then)
        case Together():
            length = longest_s(step.first) + step.after_s + longest_s(step.second)
        case _:
            length = step.for_s
    return length


@dataclass(frozen=True, slots=True)
class Pause:
    """Let so many seconds pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Injection:
    """Inject, hold and heal a fault. `id`: unique in the run; `seed`: of its own choices, None for the nemesis's."""

    id: str
    fault: Fault
    seed: int | None = None
    until: Awaited | None = None


@dataclass(frozen=True, slots=True)
class InOrder:
    """Acts one after another."""

    acts: tuple[Act, ...]


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Acts side by side."""

    acts: tuple[Act, ...]


@dataclass(frozen=True, slots=True)
class Awaited:
    """Wait for the trigger; then act, if there is an act."""

    id: str
    trigger: Trigger
    deadline_s: float
    act: Act | None = None


Act: TypeAlias = Pause | Injection | InOrder | AtOnce | Awaited


def unfold(steps: tuple[Step, ...], pause_s: float, rng: random.Random) -> InOrder:
    """What a scenario's faults become for one seed.

    Faults that stand in the tuple itself draw from the nemesis's own stream, in turn. In a schedule two may choose at
    the same moment, so each has a seed of its own.
    """
    unfolding = _Unfolding(rng)
    return InOrder(tuple(act for step in steps for act in (Pause(pause_s), unfolding.of(step, alone=True))))


@dataclass(slots=True)
class _Unfolding:
    rng: random.Random
    injections: int = 0
    awaited: int = 0

    def of(self, step: Step, *, alone: bool = False) -> Act:
        """The act that a step becomes; `alone`: nothing else goes on meanwhile."""
        match step:
            case Once():
                act: Act = InOrder((Pause(step.after_s), self._injection(step.fault)))
            case Sequence():
                act = self._in_order(step.steps, step.pause_s)
            case Parallel():
                act = AtOnce(tuple(self.of(one) for one in step.branches))
            case Alternate():
                act = self._in_order((step.first, step.second) * step.times, step.pause_s)
            case Stagger():
                act = AtOnce(tuple(self._staggered(step)))
            case Until():
                act = self._injection(step.fault, self._awaited(step.trigger, step.deadline_s))
            case After():
                wait = self._awaited(step.trigger, step.deadline_s)
                act = Awaited(wait.id, wait.trigger, wait.deadline_s, self.of(step.then))
            case _:
                act = self._injection(step, own_seed=not alone)
        return act

    def _in_order(self, steps: tuple[Step, ...], pause_s: float) -> InOrder:
        return InOrder(tuple(act for step in steps for act in (Pause(pause_s), self.of(step))))

    def _staggered(self, step: Stagger) -> Iterator[Act]:
        begins_s = 0.0
        for one in step.steps:
            yield InOrder((Pause(begins_s), self.of(one)))
            begins_s += step.every_s * (1 + self.rng.uniform(-step.jitter, step.jitter))

    def _injection(self, fault: Fault, until: Awaited | None = None, *, own_seed: bool = True) -> Injection:
        name = f"{self.injections}-{fault.kind}"
        self.injections += 1
        return Injection(name, fault, self.rng.getrandbits(63) if own_seed else None, until)

    def _awaited(self, trigger: Trigger, deadline_s: float) -> Awaited:
        name = f"t{self.awaited}-{trigger.kind}"
        self.awaited += 1
        return Awaited(name, trigger, deadline_s)
