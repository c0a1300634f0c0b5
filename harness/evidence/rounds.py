"""A gate on disk: what is to be run, what has been, and what came of it. An interrupted gate goes on where it was.

`gate.json` says which operators, plans, seed and version; `candidate/01/…` and `baseline/01/…` are campaigns with one
bundle for each scenario, as `harness run` leaves them; `jobs/` holds what is about the runs' processes.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.bundle.manifest import CHECKSUMS_FILE, read_json, write_json
from harness.check.contract import judge_history
from harness.errors import HarnessError, HistoryError, PlatformError, UsageError
from harness.evidence.findings import signatures
from harness.evidence.gate import Judged
from harness.evidence.job import Job
from harness.evidence.pool import outcome
from harness.run import plan as plans

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.operator.base import OperatorSpec
    from harness.run.plan import Plan

GATE_FILE = "gate.json"
CANDIDATE, BASELINE = "candidate", "baseline"
SIDES = (CANDIDATE, BASELINE)


@dataclass(frozen=True, slots=True)
class Operator:
    """One side: what was asked for, and what that is (`describe` of its spec: name, checksum, defect)."""

    asked: str
    defect: str | None
    described: Mapping[str, str]

    @classmethod
    def of(cls, asked: str, defect: str | None, spec: OperatorSpec) -> Operator:
        """The side of a chosen operator."""
        return cls(asked, defect, spec.describe())


@dataclass(frozen=True, slots=True)
class Rounds:
    """What a gate runs. `selection`: how its scenarios were chosen, so that it goes on with the same ones."""

    out: Path
    candidate: Operator
    baseline: Operator
    seed: int
    kubernetes: str
    selection: Mapping[str, str]
    plans: tuple[Plan, ...]

    def write(self) -> None:
        """Write gate.json; raises PlatformError."""
        write_json(
            self.out / GATE_FILE,
            {
                **{side: dict(getattr(self, side).described) for side in SIDES},
                "seed": self.seed,
                "kubernetes": self.kubernetes,
                "selection": dict(self.selection),
                "plans": [plan.as_json() for plan in self.plans],
            },
        )

    def jobs(self, times: int) -> Iterator[Job]:
        """Every run, both sides of a scenario one after the other, so that a busy machine harms both alike."""
        for number in range(1, times + 1):
            for plan in self.plans:
                for side in reversed(SIDES):
                    yield self.job(side, number, plan)

    def job(self, side: str, number: int, plan: Plan) -> Job:
        """One run of one side."""
        operator: Operator = getattr(self, side)
        command = ["harness", "replay", str(self.out / side / f"{number:02d}" / plan.label)]
        if operator.described.get("sha256"):
            command += ["--operator", operator.asked]
        return Job(
            f"{side}/{number:02d}", self.out, plan, operator.asked, operator.defect, self.kubernetes,
            reproduce=" ".join(command),
        )  # fmt: skip


def stored(out: Path) -> dict[str, Any] | None:
    """What gate.json says in a directory that a gate was begun in; None where none was. Raises HistoryError."""
    return read_json(out / GATE_FILE) if (out / GATE_FILE).is_file() else None


def resumed(
    out: Path,
    body: Mapping[str, Any],
    operators: Mapping[str, Operator],
    selection: Mapping[str, str],
    seed: int | None,
) -> Rounds:
    """The gate that was begun there, to go on; `seed`: the one that was given, if any.

    Raises UsageError where something else is asked for now, naming what it was then; HistoryError for another file.
    """
    for side, operator in operators.items():
        then = body.get(side)
        if then != dict(operator.described):
            told = then.get("sha256") or then.get("name") if isinstance(then, Mapping) else then
            now = operator.described.get("sha256") or operator.described["name"]
            raise UsageError(f"--out {out}: its {side} was {told}, not {now}", hint="another gate needs another --out")
    if body.get("selection") != dict(selection):
        raise UsageError(f"--out {out}: its scenarios were chosen by {_told(body.get('selection'))}", hint="likewise")
    if seed is not None and body.get("seed") != seed:
        raise UsageError(f"--out {out}: its seed was {body.get('seed')}, not {seed}", hint="leave --seed out to go on")
    listed, number, version = body.get("plans"), body.get("seed"), body.get("kubernetes")
    if not isinstance(listed, list) or not isinstance(number, int) or not isinstance(version, str):
        raise HistoryError(f"{out / GATE_FILE} has not the shape of a gate", hint="it was changed: begin another gate")
    made = tuple(plans.from_json(one) for one in listed)
    return Rounds(out, operators[CANDIDATE], operators[BASELINE], number, version, selection, made)


def _told(selection: Any) -> str:
    given = {key: value for key, value in selection.items() if value} if isinstance(selection, Mapping) else {}
    return ", ".join(f"{key} {value}" for key, value in given.items()) or "nothing but the usual"


def left(jobs: Sequence[Job]) -> list[Job]:
    """The jobs that have not come to their end; what a run that was cut off has left is moved to the job's place.

    Raises PlatformError when it cannot be moved.
    """
    found = []
    for job in jobs:
        if (job.bundle / CHECKSUMS_FILE).is_file():
            continue
        if job.bundle.exists():
            _put_aside(job)
        found.append(job)
    return found


def _put_aside(job: Job) -> None:
    try:
        job.place.mkdir(parents=True, exist_ok=True)
        number = sum(1 for path in job.place.iterdir() if path.name.startswith("cut-off-")) + 1
        shutil.move(job.bundle, job.place / f"cut-off-{number}")
    except OSError as exc:
        raise PlatformError(f"cannot move {job.bundle}: {exc.strerror}", hint="free some space") from exc


def judged(job: Job) -> Judged:
    """What a run said; one that did not come to its end said nothing, and why."""
    try:
        with outcome(job) as bundle:
            judgement = judge_history(bundle.history)
            doubts = [f"{one.promise}: {reason}" for one in judgement.assumptions for reason in one.reasons]
            return Judged(
                verdicts={one.promise: one.verdict for one in judgement.promises},
                findings={one.promise: [finding.text for finding in one.findings] for one in judgement.promises},
                reasons={one.promise: [*one.reasons] or doubts for one in judgement.promises if not one.findings},
                signatures=signatures(judgement),
                bundle=str(job.bundle.relative_to(job.out)),
            )
    except HarnessError as exc:
        return Judged({}, {}, {}, error=exc.what)
