"""Looks at a cluster and its operator, and what stands through them.

A look is what the API server listed and what the operator answered right after. Lists are not watched, so what changes
between two looks is not seen; a difference counts only when it is the very same in every look for longer than any
objective, while what was expected stood still. An operator that lags behind a busy cluster differs in each look by
something else, and is not accused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.check.agreement import Difference, differences, label_differences, storage_differences
from harness.model.inventory import Truth
from harness.model.reported import parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.history.record import Record

WINDOW_S = 12.0
"""Longer than the objectives of all that is judged (10 s), with one look's time to spare."""

AGREED_S = 2.0
"""How long all has to agree before it is called true, as in runs."""

SHAPE = "shape"


@dataclass(frozen=True, slots=True)
class Look:
    """`t`: seconds since the first look; `truth`: records as of a history; `answers`: by source."""

    t: float
    truth: tuple[Record, ...]
    answers: Mapping[str, Any]

    def differences(self) -> frozenset[Difference]:
        """Everything in which an answer, or a node's labels, is not true."""
        truth = truth_of(self.truth)
        expected = truth.expected()
        found: list[Difference] = []
        for source, body in self.answers.items():
            reported, problems = parse(body)
            found += [Difference(one.path, SHAPE, one.expected, one.found, "info", source) for one in problems]
            differing = [*differences(expected, reported), *storage_differences(truth.expected_storage(), reported)]
            found += [replace(one, source=source) for one in differing]
        labels = {name: truth.node_labels(name) for name in truth.nodes()}
        return frozenset([*found, *label_differences(expected, labels)])


def truth_of(records: Sequence[Record]) -> Truth:
    """The model after these records."""
    truth = Truth()
    for record in records:
        truth.apply(record)
    return truth


@dataclass(frozen=True, slots=True)
class Seen:
    """What the looks say so far. `standing`: the differences that count; `moving`: those of the last look that do not.

    `settled`: whether there is nothing to wait for.
    """

    standing: frozenset[Difference]
    moving: frozenset[Difference]
    settled: bool


def seen(looks: Sequence[tuple[float, frozenset[Difference]]]) -> Seen:
    """What the looks say: (when, in what they differ), in order."""
    if not looks:
        return Seen(frozenset(), frozenset(), settled=False)
    end, last = looks[-1]
    if not last:
        agreed = next((t for t, found in reversed(looks) if found), None)
        since = looks[0][0] if agreed is None else min(t for t, _found in looks if t > agreed)
        return Seen(frozenset(), frozenset(), settled=end - since >= AGREED_S)
    within = [found for t, found in looks if t >= end - WINDOW_S]
    whole = end - looks[0][0] >= WINDOW_S
    standing = frozenset.intersection(*within) if whole else frozenset()
    return Seen(standing, last - standing, settled=whole and standing == last)
