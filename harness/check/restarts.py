"""Recovery by a restart, as users of a Deployment see it: what healed the operator, and how long a kubelet takes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.verdict import Finding
from harness.check.windows import Span, merged

if TYPE_CHECKING:
    from harness.check.base import Context
    from harness.check.windows import LivenessRestart, SelfExit

_MINUTES_FROM_S = 120.0


def last_before(context: Context, healed_s: float, until_s: float) -> LivenessRestart | None:
    """The last restart by the liveness script after the heal, up to the recovery.

    One before the heal shows nothing: the process after it met the same fault, and had to recover by itself.
    """
    found = [restart for restart in context.windows.restarts if healed_s < restart.t <= until_s]
    return found[-1] if found else None


def unscaled(context: Context, begin_s: float, end_s: float) -> float:
    """How long the time between would be with a kubelet's own waits: for its restarts, and for its next probe."""
    windows = context.windows
    waits: list[Span] = [(gone.t, gone.until_s) for gone in windows.exits] if context.supervised else []
    for restart in (one for one in windows.restarts if one.t <= end_s):
        since = max((start for start in windows.starts if start <= restart.t), default=begin_s)
        waits += [(since, restart.t), (restart.gone_s, restart.until_s)]
    within = merged((max(begin, begin_s), min(end, end_s)) for begin, end in waits if begin < end_s and end > begin_s)
    return end_s - begin_s + sum(end - begin for begin, end in within) * (context.pace - 1.0)


def healed_by(context: Context, restart: LivenessRestart, healed_s: float, moment_s: float, names: str) -> Finding:
    """The finding of an operator that was true again only because the liveness script restarted it."""
    return Finding(
        text=(
            f"the inventory was true {moment_s - healed_s:.2f} s after the heal of {names}, and only by the restart "
            f"that the liveness script brought about {restart.t - healed_s:.2f} s after it ({restart.why}); "
            f"{_in_life(context, healed_s, moment_s)}"
        ),
        object=f"recovery from {names}",
        expected="recovery without a restart",
        reported="the liveness script restarted it",
        t_s=restart.t,
    )


def cut_off(restart: LivenessRestart, healed_s: float, names: str, objective_s: float) -> str:
    """Why nothing can be said of a recovery into which the liveness script came before its time was over."""
    return (
        f"the liveness script restarted the operator {restart.t - healed_s:.2f} s after the heal of {names} "
        f"({restart.why}), before its {objective_s:g} s were over: without --liveness it is seen whether it recovers"
    )


def exited(context: Context, gone: SelfExit, moment_s: float | None, names: str) -> Finding:
    """The finding of an operator that exited by itself after a fault, with what a user of a Deployment saw then."""
    again = ""
    if context.supervised and gone.until_s <= context.end_s:
        again = f"; its supervisor started it again {gone.until_s - gone.t:.2f} s later"
        if moment_s is not None and moment_s >= gone.t:
            again += f", the inventory was true {moment_s - gone.t:.2f} s after the exit"
        again += f"; {_in_life(context, gone.t, gone.until_s if moment_s is None else max(moment_s, gone.until_s))}"
    return Finding(
        text=f"the operator exited by itself after {names}, {context.windows.when(gone.t)}{again}",
        object="operator process",
        expected="recovery without a restart",
        reported="it exited",
        t_s=gone.t,
    )


def _in_life(context: Context, begin_s: float, end_s: float) -> str:
    took = unscaled(context, begin_s, end_s)
    shown = f"{took:.0f} s" if took < _MINUTES_FROM_S else f"{took / 60:.1f} min"
    return f"with a kubelet's own waits {shown}"
