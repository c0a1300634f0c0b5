"""SURVIVE-1: no panic and no exit, whatever the operator is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.base import Context, capped, checker
from harness.check.exits import exit_permitted
from harness.check.verdict import Finding, PromiseVerdict, judge

if TYPE_CHECKING:
    from harness.check.windows import SelfExit


@checker("SURVIVE-1")
def survive_1(context: Context) -> PromiseVerdict:
    """The process never ends by itself, save where the contract lets it and it is supervised (`check.exits`)."""
    records = list(context.history.of("process"))
    answers = sum(1 for listed in context.answers.values() for answer in listed if answer.answered)
    findings = [_finding(context, gone) for gone in context.windows.exits if not exit_permitted(context, gone)]
    reasons = [] if records else ["the operator's process was not watched"]
    return judge(
        "SURVIVE-1",
        examined=len(records) + answers,
        unit="process events and answers",
        findings=capped("SURVIVE-1", findings),
        reasons=reasons,
        measured=_measured(context),
    )


def _measured(context: Context) -> dict[str, float]:
    """How often the process ended; a restart by the liveness script is the deployment's doing, and no finding here."""
    exits, restarts = float(len(context.windows.exits)), float(len(context.windows.restarts))
    return {"self_exits": exits, "liveness_restarts": restarts} if restarts else {"self_exits": exits}


def _finding(context: Context, gone: SelfExit) -> Finding:
    how = "ended by itself" if gone.code is None else f"exited by itself with code {gone.code}"
    if gone.code is not None and gone.code < 0:
        how = f"died of signal {-gone.code}"
    last = f"; its last words: {gone.detail}" if gone.detail else ""
    return Finding(
        text=f"the operator {how} {context.windows.when(gone.t)}{last}",
        object="operator process",
        expected="running",
        reported=how,
        t_s=gone.t,
    )
