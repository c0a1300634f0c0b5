"""Today's checkers on the evidence of then: what they say, and where that differs from what was said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.check.contract import Judgement, judge_history

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.bundle.opened import Bundle
    from harness.check.verdict import PromiseVerdict, Verdict


@dataclass(frozen=True, slots=True)
class Rejudged:
    """A bundle's verdicts of today.

    `before`: the verdict on each promise as it was stored, empty where nothing was judged then; `differences`: a
    sentence for each promise or assumption of which something else is said now; `notes`: what was missing
    in the bundle.
    """

    name: str
    judgement: Judgement
    before: Mapping[str, str]
    differences: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst of all, today."""
        return self.judgement.verdict

    def as_json(self) -> dict[str, Any]:
        """The entry of `harness rejudge --json`."""
        return {
            "bundle": self.name,
            **self.judgement.as_json(),
            "before": dict(self.before),
            "differences": list(self.differences),
            "notes": list(self.notes),
        }


def rejudge(bundle: Bundle) -> Rejudged:
    """Judge the history of a bundle; never raises for what it holds, as `judge_history` does not."""
    judgement = judge_history(bundle.history)
    promises = _stored(bundle.verdicts, "promises")
    then = {**promises, **_stored(bundle.verdicts, "assumptions")}
    differences = tuple(_differences(then, judgement)) if then else ()
    before = {name: str(item.get("verdict")) for name, item in promises.items()}
    return Rejudged(bundle.name, judgement, before, differences, bundle.notes)


def _stored(verdicts: Mapping[str, Any] | None, part: str) -> dict[str, Mapping[str, Any]]:
    """The stored verdicts of that part by id; whatever has not their shape is left out."""
    listed = (verdicts or {}).get(part)
    items = listed if isinstance(listed, list) else []
    return {str(item["id"]): item for item in items if isinstance(item, dict) and "id" in item}


def _differences(then: Mapping[str, Mapping[str, Any]], now: Judgement) -> Iterator[str]:
    judged = {verdict.promise: verdict for verdict in (*now.promises, *now.assumptions)}
    for name, verdict in judged.items():
        if name not in then:
            yield f"{name}: {verdict.verdict} now, was not judged then{_why(verdict)}"
            continue
        was, findings = str(then[name].get("verdict")), then[name].get("findings")
        found = findings if isinstance(findings, list) else []
        if was != str(verdict.verdict):
            yield f"{name}: {verdict.verdict} now, was {was}{_why(verdict)}"
        elif len(found) != len(verdict.findings):
            yield f"{name}: {_count(len(verdict.findings))} now, were {len(found)}"
    yield from (f"{name}: not judged now, was {then[name].get('verdict')}" for name in then if name not in judged)


def _why(verdict: PromiseVerdict) -> str:
    said = [finding.text for finding in verdict.findings] or list(verdict.reasons)
    return f": {said[0]}" if said else ""


def _count(number: int) -> str:
    return f"{number} finding" if number == 1 else f"{number} findings"
