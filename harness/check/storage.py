"""TRUTH-6: storage classes and cluster storage equal StorageClasses, PersistentVolumes and pools.

Judged as the other figures are (`harness.check.truth`): late values are stale and have the objective, values that never
were true are found at once. What each figure has to be, and why, is in docs/storage.md and `harness.model.storage`.
Where no class exists, is named or is reported there is nothing to examine, and the verdict is UNKNOWN.
"""

from __future__ import annotations

from harness.check.base import Context, capped, checker
from harness.check.truth import finding_of, untrue
from harness.check.verdict import PromiseVerdict, judge
from harness.model.timeline import NODE_CLASSES, STORAGE_FIELDS


@checker("TRUTH-6")
def truth_6(context: Context) -> PromiseVerdict:
    """Each class that has to be, and no other, is reported with true figures, and nodes have the classes they have."""
    lag_s = context.objective("TRUTH-6")
    classes = context.timeline.classes()
    # Without any class, that nodes have none is nothing that was shown.
    fields = (*STORAGE_FIELDS, NODE_CLASSES) if classes else STORAGE_FIELDS
    found = untrue(context, fields, context.away(), lag_s=lag_s)
    findings = [finding_of(context, episode, lag_s) for episode in found.episodes]
    findings += context.untrue_from_the_start(*STORAGE_FIELDS, NODE_CLASSES)
    measured = {"classes": float(len(classes)), "indeterminate": float(found.unjudged)}
    return judge(
        "TRUTH-6",
        examined=found.examined,
        unit="values",
        findings=capped("TRUTH-6", findings),
        measured={name: value for name, value in measured.items() if value},
    )
