"""Which exits of its own the contract permits an operator that a supervisor starts again.

RECOVER-3: one of its ports is taken. Part A, "Process": it exits non-zero when its configuration is bad at its start.
There is no last good configuration then, and none that could be served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.check.phases import phases_of
from harness.check.windows import GRPC, REST

if TYPE_CHECKING:
    from harness.check.base import Context
    from harness.check.windows import SelfExit

AT_START_S = 10.0
"""Who has run for longer has read its configuration long before, and is past its start."""


def exit_permitted(context: Context, gone: SelfExit) -> bool:
    """Whether the exit is one of these: a supervisor restarts the operator, and it was right to end."""
    if not context.supervised:
        return False
    grace_s = context.objective("RECOVER-3")
    taken = context.windows.spans({REST, GRPC}, grace_s=grace_s)
    if any(begin <= gone.t <= end for begin, end in taken):
        return True
    return gone.code is not None and gone.code > 0 and _bad_at_start(context, gone)


def _bad_at_start(context: Context, gone: SelfExit) -> bool:
    """Whether the process that ended was at its start, and was started while its configuration file was bad or gone."""
    started_s = max((start for start in context.windows.starts if start <= gone.t), default=None)
    if started_s is None or gone.t - started_s > AT_START_S:
        return False
    phases = phases_of(context.history, context.end_s)
    return any(phase.good is None and phase.begin_s <= started_s < phase.end_s for phase in phases)
