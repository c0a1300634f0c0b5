"""Verdicts and findings.

FAIL outranks UNKNOWN outranks PASS. A verdict says how much was examined; nothing examined is UNKNOWN, never PASS.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


class Verdict(Enum):
    """What is known of a promise after a run."""

    PASS = "PASS"  # noqa: S105 - a word, not a secret
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"

    def __str__(self) -> str:
        return self.value


PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
_RANK = {PASS: 0, UNKNOWN: 1, FAIL: 2}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of the whole: FAIL over UNKNOWN over PASS; UNKNOWN for nothing at all."""
    return max(verdicts, key=_RANK.__getitem__, default=UNKNOWN)


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which a promise was seen broken.

    `object`: what it is about ("node worker-1: cpu.allocated"); `expected`, `reported`: values as text; `t_s`: when
    it was first seen, seconds since the run began; `text`: the whole in one line, with the time relative to the fault
    where there is one.
    """

    text: str
    object: str
    expected: str
    reported: str
    t_s: float

    def as_json(self) -> dict[str, Any]:
        """The shape of summary.json."""
        return {
            "text": self.text,
            "object": self.object,
            "expected": self.expected,
            "reported": self.reported,
            "t_s": round(self.t_s, 3),
        }


@dataclass(frozen=True, slots=True)
class PromiseVerdict:
    """The verdict on one promise.

    `examined` counts what the checker looked at (answers, values, windows: `unit` says which); `reasons` tell why it
    is UNKNOWN; `measured` holds named numbers worth showing, in the unit their name ends with (`recovery_s`,
    `worst_latency_s`).
    """

    promise: str
    verdict: Verdict
    examined: int
    unit: str
    findings: tuple[Finding, ...] = ()
    reasons: tuple[str, ...] = ()
    measured: dict[str, float] = field(default_factory=dict)


def judge(
    promise: str,
    *,
    examined: int,
    unit: str,
    findings: Iterable[Finding] = (),
    reasons: Iterable[str] = (),
    measured: dict[str, float] | None = None,
) -> PromiseVerdict:
    """The verdict that follows from what a checker saw.

    Any finding: FAIL. Otherwise any reason to doubt, or nothing examined: UNKNOWN. Otherwise PASS.
    """
    found = tuple(findings)
    why = tuple(reasons)
    if not found and examined == 0 and not why:
        why = (f"no {unit} were examined",)
    verdict = FAIL if found else UNKNOWN if why else PASS
    return PromiseVerdict(promise, verdict, examined, unit, found, why, dict(measured or {}))
