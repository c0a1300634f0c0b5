"""TRUTH-6: storage classes and cluster storage equal StorageClasses, PersistentVolumes and pools.

Judged as the other figures are (`harness.check.truth`): late values are stale and have the objective, values that never
were true are found at once. What each figure has to be, and why, is in docs/storage.md and `harness.model.storage`.
Where no class exists, is named or is reported there is nothing to examine, and the verdict is UNKNOWN.

While a fault keeps a Ceph cluster from telling of its pools (and RECOVER-1's objective after it) figures may be late;
that a class is reported is still held against the truth, because what is unknown is not gone.
"""

from __future__ import annotations

from harness.check.base import Context, capped, checker
from harness.check.truth import finding_of, untrue
from harness.check.verdict import PromiseVerdict, judge
from harness.check.windows import POOLS
from harness.model.storage import FIGURES
from harness.model.timeline import NODE_CLASSES, STORAGE_FIELDS, STORAGE_PRESENT


@checker("TRUTH-6")
def truth_6(context: Context) -> PromiseVerdict:
    """Each class that has to be, and no other, is reported with true figures, and nodes have the classes they have."""
    lag_s = context.objective("TRUTH-6")
    classes = context.timeline.classes()
    # Without any class, that nodes have none is nothing that was shown.
    names = (STORAGE_PRESENT, NODE_CLASSES) if classes else (STORAGE_PRESENT,)
    untold = context.windows.spans({POOLS}, grace_s=context.objective("RECOVER-1"))
    found = (
        untrue(context, names, context.away(), lag_s=lag_s),
        untrue(context, FIGURES, [*context.away(), *untold], lag_s=lag_s),
    )
    findings = [finding_of(context, episode, lag_s) for part in found for episode in part.episodes]
    findings += context.untrue_from_the_start(*STORAGE_FIELDS, NODE_CLASSES)
    measured = {"classes": float(len(classes)), "indeterminate": float(sum(part.unjudged for part in found))}
    return judge(
        "TRUTH-6",
        examined=sum(part.examined for part in found),
        unit="values",
        findings=capped("TRUTH-6", findings),
        measured={name: value for name, value in measured.items() if value},
    )
