"""Saboteurs that go wrong over bad luck at their start, or over what others do to their pods.

Rows of the table in `harness.reference.defects`: name, what is wrong, promises that breaks, behaviour.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.reference.behaviour import CORRECT, Behaviour
from harness.reference.config import Config
from harness.reference.log import LOG

if TYPE_CHECKING:
    from harness.errors import UsageError


def _default(error: UsageError) -> Config:
    LOG.error("config: %s; the default is in force", error.what)
    return Config()


Row = tuple[str, str, tuple[str, ...], Behaviour]

ROWS: tuple[Row, ...] = (
    (
        "registry-asked-once",
        "A GPU registry that does not answer is never asked again, so that one which is late at the start is none.",
        ("RECOVER-1",),
        replace(CORRECT, asks_registry_again=False),
    ),
    (
        "waits-for-ended-pods",
        "A discovery pod that ended before it ran, as one that a kubelet rejects, is taken for one that will run yet.",
        ("RECOVER-4",),
        replace(CORRECT, replaces_ended=False),
    ),
    (
        "hardware-goes-with-the-pod",
        "What is known of a node's hardware goes with its discovery pod, which is made once and never again.",
        ("RECOVER-4",),
        replace(CORRECT, outlives_pod=False),
    ),
    (
        "config-bad-at-start-excludes-none",
        "An operator whose configuration file is bad when it starts goes on with the default.",
        ("CONFIG-1",),
        replace(CORRECT, on_bad_start=_default),
    ),
)
