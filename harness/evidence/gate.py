"""A candidate against a baseline, promise by promise: no worse, a regression, or nothing that can be said.

Every scenario is run with both, as often as asked for, with one seed. What is compared is the verdict on each promise
of each scenario. One that is not the same in every repetition is flaky: it is named, and neither averaged nor decided
by majority. Nothing is called no worse that was not examined.

========== ===================================================================== =========
candidate  baseline                                                              outcome
========== ===================================================================== =========
PASS       FAIL                                                                  better
PASS       anything else                                                         no worse
FAIL       PASS                                                                  regression
FAIL       FAIL                                                                  no worse (broken in both)
FAIL       UNKNOWN, or flaky                                                     cannot say
UNKNOWN    anything                                                              cannot say
flaky      FAIL, where the candidate's are FAIL and PASS                         no worse (broken in both)
flaky      anything else                                                         flaky: cannot say
========== ===================================================================== =========
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from harness.check.verdict import FAIL, PASS, UNKNOWN, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.evidence.findings import Signature
    from harness.evidence.known import Known

NO_WORSE, A_REGRESSION, CANNOT_SAY = 0, 1, 2
"""Exit codes of a gate."""

_SHOWN_FINDINGS = 3


class Outcome(Enum):
    """What a promise of a scenario says of the candidate."""

    BETTER = "better"
    SAME = "no worse"
    KNOWN = "known"
    UNSURE = "cannot say"
    FLAKY = "flaky"
    REGRESSION = "regression"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Judged:
    """What one repetition of a scenario said, for one side. `error`: why it said nothing."""

    verdicts: Mapping[str, Verdict]
    findings: Mapping[str, Sequence[str]]
    reasons: Mapping[str, Sequence[str]]
    signatures: frozenset[Signature] = frozenset()
    bundle: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Compared:
    """One promise of one scenario on both sides.

    `candidate`, `baseline`: the verdict of each repetition; `findings`, `reasons`: the candidate's, as text; `why`: of
    what is known; `new`: findings of the candidate's of a kind that the baseline has not shown.
    """

    scenario: str
    promise: str
    candidate: tuple[Verdict, ...]
    baseline: tuple[Verdict, ...]
    outcome: Outcome
    findings: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    why: str = ""
    bundles: tuple[str, ...] = ()

    @property
    def flaky(self) -> tuple[str, ...]:
        """The sides whose repetitions do not agree."""
        sides = (("candidate", self.candidate), ("baseline", self.baseline))
        return tuple(name for name, verdicts in sides if len(set(verdicts)) > 1)

    def as_json(self) -> dict[str, Any]:
        """The entry of comparison.json."""
        return {
            "scenario": self.scenario,
            "promise": self.promise,
            "outcome": str(self.outcome),
            "candidate": [str(verdict) for verdict in self.candidate],
            "baseline": [str(verdict) for verdict in self.baseline],
            "flaky": list(self.flaky),
            "findings": list(self.findings),
            "reasons": list(self.reasons),
            "new": list(self.new),
            "why": self.why,
            "bundles": list(self.bundles),
        }


def outcome(candidate: Iterable[Verdict], baseline: Iterable[Verdict]) -> Outcome:
    """What the verdicts of all repetitions say (see the table above); no verdicts at all are UNKNOWN."""
    ours, theirs = set(candidate) or {UNKNOWN}, set(baseline) or {UNKNOWN}
    if ours == {PASS}:
        return Outcome.BETTER if theirs == {FAIL} else Outcome.SAME
    if theirs == {FAIL} and UNKNOWN not in ours:
        return Outcome.SAME
    if ours == {FAIL} and theirs == {PASS}:
        return Outcome.REGRESSION
    return Outcome.FLAKY if len(ours) > 1 else Outcome.UNSURE


def compare(
    scenario: str, candidate: Sequence[Judged], baseline: Sequence[Judged], known: Sequence[Known] = ()
) -> tuple[Compared, ...]:
    """Every promise that either side judged in that scenario, in order; `known`: what is no news."""
    promises = dict.fromkeys(name for judged in (*candidate, *baseline) for name in judged.verdicts)
    found = []
    for promise in promises or {"": None}:  # nothing was judged at all: that is said once
        ours, theirs = _verdicts(candidate, promise), _verdicts(baseline, promise)
        result = outcome(ours, theirs)
        excuse = next((one for one in known if one.covers(scenario, promise)), None)
        excused = excuse is not None and result in {Outcome.REGRESSION, Outcome.FLAKY, Outcome.UNSURE}
        found.append(
            Compared(
                scenario, promise, ours, theirs, Outcome.KNOWN if excused else result,
                findings=_texts(candidate, promise),
                reasons=_reasons(candidate, "candidate", promise) + _reasons(baseline, "baseline", promise),
                new=_new(candidate, baseline, promise),
                why=excuse.why if excuse is not None and excused else "",
                bundles=tuple(one.bundle for one in candidate if one.verdicts.get(promise) is not PASS and one.bundle),
            )
        )  # fmt: skip
    return tuple(found)


def _verdicts(judged: Sequence[Judged], promise: str) -> tuple[Verdict, ...]:
    return tuple(one.verdicts.get(promise, UNKNOWN) for one in judged)


def _texts(judged: Sequence[Judged], promise: str) -> tuple[str, ...]:
    """The first findings of the first repetition that has any."""
    found: Sequence[str] = next((one.findings[promise] for one in judged if one.findings.get(promise)), ())
    return tuple(found[:_SHOWN_FINDINGS])


def _reasons(judged: Sequence[Judged], side: str, promise: str) -> tuple[str, ...]:
    """Why nothing can be said, each once."""
    found = [one.error for one in judged if one.error]
    found += [reason for one in judged for reason in one.reasons.get(promise, ())]
    return tuple(f"{side}: {reason}" for reason in dict.fromkeys(found))[:_SHOWN_FINDINGS]


def _new(candidate: Sequence[Judged], baseline: Sequence[Judged], promise: str) -> tuple[str, ...]:
    """Kinds of findings that only the candidate showed; none where the baseline kept the promise anyway."""
    if not any(one.verdicts.get(promise) is FAIL for one in baseline):
        return ()
    there = {one.alike for judged in baseline for one in judged.signatures}
    fresh = {one.alike: one for judged in candidate for one in sorted(judged.signatures) if one.promise == promise}
    return tuple(sorted(str(one) for alike, one in fresh.items() if alike not in there))


@dataclass(frozen=True, slots=True)
class Gate:
    """All that was compared; `unused`: known entries that excused nothing."""

    compared: tuple[Compared, ...]
    unused: tuple[str, ...] = ()

    def of(self, *outcomes: Outcome) -> list[Compared]:
        """What came out so."""
        return [one for one in self.compared if one.outcome in outcomes]

    @property
    def exit_code(self) -> int:
        """1: a regression; 2: something cannot be said, or nothing was compared; 0: no worse."""
        if self.of(Outcome.REGRESSION):
            return A_REGRESSION
        return CANNOT_SAY if self.of(Outcome.UNSURE, Outcome.FLAKY) or not self.compared else NO_WORSE

    @property
    def word(self) -> str:
        """The whole in two words."""
        return {NO_WORSE: "no worse", A_REGRESSION: "a regression", CANNOT_SAY: "cannot say"}[self.exit_code]


def gate(compared: Iterable[Compared], known: Sequence[Known] = ()) -> Gate:
    """Put together what was compared."""
    everything = tuple(compared)
    used = {one for one in known for cell in everything if cell.why and one.covers(cell.scenario, cell.promise)}
    return Gate(everything, tuple(f"{one.scenario} {one.promise}" for one in known if one not in used))


def tally(verdicts: Sequence[object]) -> str:
    """The verdicts of all repetitions in a few words: "FAIL", or "1 FAIL and 2 PASS"."""
    counted = Counter(str(one) for one in verdicts)
    if len(counted) == 1:
        return next(iter(counted))
    return " and ".join(f"{number} {name}" for name, number in sorted(counted.items())) or "nothing"
