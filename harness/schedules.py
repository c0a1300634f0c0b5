"""How faults follow one another, and what they may wait for (public names; the code is in `harness.fault`)."""

from __future__ import annotations

from harness.fault.schedule import After, Alternate, Once, Parallel, Sequence, Stagger, Step, Until
from harness.fault.trigger import DiscoveryPodRunning, OperatorCalls, RestAnswers, TrafficDone, Trigger

__all__ = [
    "After",
    "Alternate",
    "DiscoveryPodRunning",
    "Once",
    "OperatorCalls",
    "Parallel",
    "RestAnswers",
    "Sequence",
    "Stagger",
    "Step",
    "TrafficDone",
    "Trigger",
    "Until",
]
