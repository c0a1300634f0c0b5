"""When a kubelet starts a container again, and when it makes the chart's liveness probe: numbers and pure decisions.

A kubelet sees a container's end within its relist period, starts it again at once the first time, then 10 s, 20 s, 40 s
and so on up to 5 min after its end, and begins anew when it has run for 10 min (kubernetes/pkg/kubelet, `doBackOff`,
and client-go, `flowcontrol.Backoff`; the same in 1.34 and 1.35: the gate ReduceDefaultCrashLoopBackOffDecay is alpha
and off, KubeletCrashLoopBackOffMax lets a node choose a lower maximum). What ended it makes no difference: an exit of
its own, a kill for memory and a failed probe all count. A new pod has a back-off of its own.

The probe is that of the chart akash-inventory-operator 19.0.2. `scale` shortens the waiting alone: what the operator
itself works at (an answer, its end) takes as long as in life.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.errors import UsageError

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 10.0, 300.0
RELIST_S = 1.0
INITIAL_DELAY_S, PERIOD_S, TIMEOUT_S, GRACE_S = 240.0, 30.0, 30.0, 30.0
"""Of the chart's probe: before the first, between two, for one; and terminationGracePeriodSeconds. One failure ends."""

LEAST_GRACE_S = 5.0
"""An operator that ends in order works at it, and does not work faster because our waits are shorter."""

DEFAULT_SCALE, LEAST_SCALE, FULL_SCALE = 0.1, 0.05, 1.0
"""Below the least the first probe would come before an operator, whose start is not scaled, has seen its cluster."""


def check_scale(scale: float, named: str = "--backoff-scale") -> float:
    """The scale, when it is one; raises UsageError otherwise."""
    if not LEAST_SCALE <= scale <= FULL_SCALE:
        raise UsageError(
            f"{named} {scale:g} is out of range",
            hint=f"{LEAST_SCALE:g} to {FULL_SCALE:g}; with 1 the waits are as long as a kubelet's",
        )
    return scale


@dataclass(frozen=True, slots=True)
class Supervision:
    """What a campaign asks for beyond what its scenarios say; `liveness` implies `supervised`, `scale` None: theirs."""

    supervised: bool = False
    liveness: bool = False
    scale: float | None = None

    def __post_init__(self) -> None:
        if self.scale is not None:
            check_scale(self.scale)

    def options(self) -> list[str]:
        """The command-line options that ask for it."""
        supervised = ["--supervised"] if self.supervised and not self.liveness else []
        liveness = ["--liveness"] if self.liveness else []
        return [*supervised, *liveness, *([] if self.scale is None else [f"--backoff-scale={self.scale:g}"])]


UNCHANGED = Supervision()


@dataclass(slots=True)
class BackOff:
    """How long after each end of one pod's container a kubelet starts it again, `scale` times as long as in life."""

    scale: float = DEFAULT_SCALE
    _wait_s: float = 0.0
    _restarted_at: float = -math.inf

    def after(self, ended_at: float) -> float:
        """Seconds from this end until the start; counts it. Times are monotonic seconds."""
        if ended_at - self._restarted_at > 2 * LONGEST_BACKOFF_S * self.scale:
            self._wait_s = 0.0
        wait_s = max(self._wait_s, RELIST_S) * self.scale
        self._wait_s = min(2 * self._wait_s, LONGEST_BACKOFF_S) or FIRST_BACKOFF_S
        self._restarted_at = ended_at + wait_s
        return wait_s

    def forget(self) -> None:
        """The next container belongs to a new pod."""
        self._wait_s, self._restarted_at = 0.0, -math.inf


def grace_s(scale: float) -> float:
    """From SIGTERM until SIGKILL."""
    return max(GRACE_S * scale, LEAST_GRACE_S)


def longest_until_probed_s(scale: float) -> float:
    """From the start of a process until it has surely been probed, when it answers at once."""
    return (INITIAL_DELAY_S + PERIOD_S) * scale
