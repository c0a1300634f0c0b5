"""The steady state: report equals truth, over all three sources, and stays so.

The same comparison that the checkers make afterwards, made live: for the gate and for convergence.

The gate knows one exception. Where nothing but hardware info, labels or storage differs, has differed from the
operator's start on and differs in the same way on every look, although the discovery API of each such node has
answered, the operator has a defect of its own there: a finding of TRUTH-5, LABEL-1 or TRUTH-6. It would be a pity if
that defect hid all others, so it is noted, left out of all comparison from then on, and the run goes on. Of cluster
storage one figure of one class is an exception of its own; that the Ceph tools answer is seen to before the operator
starts.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.check.agreement import Difference, differences, label_differences, shown, storage_differences
from harness.model.hardware import differing_attributes
from harness.model.reported import Reported, parse
from harness.model.storage import exception
from harness.model.timeline import CPU_INFO, GPU_INFO, LABELS, NODE_CLASSES, STORAGE_FIELDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from harness.run.observe import LiveTruth
    from harness.run.poll import Polling
    from harness.wait import Progress

SOURCES = ("rest", "query", "stream")
OF_HARDWARE = frozenset({CPU_INFO, GPU_INFO, LABELS})
MAY_BE_EXCEPTED = OF_HARDWARE | {NODE_CLASSES, *STORAGE_FIELDS}
_SHOWN = 3


@dataclass(slots=True)
class Steady:
    """Compares what is reported now with what is true now, less what was excepted."""

    live: LiveTruth
    polling: Polling
    excepted: frozenset[str] = frozenset()
    _parsed: dict[str, tuple[Any, Reported, int]] = field(default_factory=dict)

    def differences(self) -> list[Difference]:
        """Everything in which a source or a node's labels are not true; empty when all is well."""
        truth = self.live.truth
        expected = truth.expected()
        found: list[Difference] = []
        for source in SOURCES:
            body = self.polling.last.get(source)
            if body is None:
                found.append(Difference("*", "inventory", "an inventory", "no answer", "lost", source))
                continue
            reported, problems = self._parse(source, body)
            if problems:
                found.append(Difference("*", "shape", "as documented", f"{problems} problems", "info", source))
            differing = [*differences(expected, reported), *storage_differences(truth.expected_storage(), reported)]
            found += [replace(difference, source=source) for difference in differing]
        return found + label_differences(expected, {name: truth.node_labels(name) for name in expected})

    def held_for(self, quiet_s: float) -> Callable[[Progress], Awaitable[bool | None]]:
        """A condition for `wait.until`: no differences for `quiet_s` seconds on end."""
        since: list[float] = []

        async def held(progress: Progress) -> bool | None:
            found = self.differences()
            if found:
                since.clear()
                progress.last = "; ".join(str(item) for item in found[:_SHOWN])
                progress.last += f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
                return None
            if not since:
                since.append(time.monotonic())
            return True if time.monotonic() - since[0] >= quiet_s else None

        return held

    def exceptions(self, *, after_s: float, able: Collection[str]) -> list[dict[str, Any]] | None:
        """What the gate may let pass, one entry for each field or attribute; None when it may not let this pass.

        `after_s`: how long the operator has been running, for the finding. `able`: the nodes whose discovery API has
        answered. Where it never did, the fault may be ours (a pod that does not start, an egress that does not answer),
        and nothing may be called the operator's.
        """
        found = self.differences()
        if not found or any(item.field not in MAY_BE_EXCEPTED for item in found):
            return None
        if any(item.field in OF_HARDWARE and item.node not in able for item in found):
            return None
        entries: dict[str, dict[str, Any]] = {}
        nodes: dict[str, set[str]] = {}
        for item in found:
            for name, expected, reported in self._aspects(item):
                nodes.setdefault(name, set()).add(item.node)
                entries.setdefault(name, {"field": name, "node": item.node, "expected": expected, "reported": reported})
        return [{**entry, "nodes": len(nodes[name]), "after_s": round(after_s, 3)} for name, entry in entries.items()]

    def let_pass(self, exceptions: list[dict[str, Any]]) -> None:
        """Leave these fields out of all comparison from now on."""
        self.excepted = frozenset(str(item["field"]) for item in exceptions)
        self.live.truth.except_fields(self.excepted)
        self._parsed.clear()

    def _aspects(self, item: Difference) -> list[tuple[str, str, str]]:
        """The attributes of info that differ, or the field as a whole: (name, expected, reported)."""
        if item.field in STORAGE_FIELDS:
            return [(exception(item.field, item.node), item.expected, item.reported)]
        expected, reported = self.live.truth.expected_node(item.node), self._reported(item.node)
        if item.field in {CPU_INFO, GPU_INFO} and expected is not None and reported is not None:
            slot = "cpu_info" if item.field == CPU_INFO else "gpu_info"
            want, have = getattr(expected, slot), getattr(reported, slot)
            names = differing_attributes(want or (), have)
            if names:
                return [(f"{item.field}.{name}", _values(want, name), _values(have, name)) for name in names]
        return [(item.field, item.expected, item.reported)]

    def _reported(self, node: str) -> Any:
        for source in SOURCES:
            if source in self._parsed and node in self._parsed[source][1].nodes:
                return self._parsed[source][1].nodes[node]
        return None

    def _parse(self, source: str, body: Any) -> tuple[Reported, int]:
        known = self._parsed.get(source)
        if known is None or known[0] is not body:
            reported, problems = parse(body, self.excepted)
            known = (body, reported, len(problems))
            self._parsed[source] = known
        return known[1], known[2]


def _values(infos: tuple[Any, ...], name: str) -> str:
    """The values of one attribute, in order; one value where all are the same."""
    values = [shown(getattr(info, name)) or '""' for info in infos]
    return values[0] if len(set(values)) == 1 else ", ".join(values)
