"""One still picture of a captured cluster, as a bundle that `harness rejudge`, `replay` and `shrink` take.

The picture is a history in which nothing happens: what the API server listed in the last look is true from its
beginning to its end, and the operator's answers lie between. So the same checkers that judge runs judge it. Nodes and
classes that were moving when the last look was made are left out: of them nobody can say what was true.
"""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.bundle import CAPTURED, VERDICTS_FILE, manifest
from harness.bundle.archive import pack
from harness.capture.looks import WINDOW_S
from harness.check.contract import judge_history
from harness.clock import RunClock
from harness.history import reader
from harness.history.writer import HistoryWriter
from harness.model import storage
from harness.run.result import RunResult

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from harness.capture.looks import Look, Seen
    from harness.check.contract import Judgement
    from harness.history.record import Record
    from harness.run.plan import Plan

_STEP_S = 0.5
"""Between two of the answers that stand for those of the looks."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What goes into the bundle. `versions`: of the harness and of the cluster."""

    plan: Plan
    look: Look
    seen: Seen
    versions: Mapping[str, str]

    @property
    def moving(self) -> frozenset[str]:
        """The nodes and classes that are left out."""
        return frozenset(one.node for one in self.seen.moving)


def written(picture: Picture, target: Path) -> Judgement:
    """Judge the picture and write its archive; raises UsageError where the target exists, PlatformError."""
    with tempfile.TemporaryDirectory(prefix="inventory-harness-capture-") as place:
        bundle = Path(place) / picture.plan.scenario.id.rpartition("/")[2]
        bundle.mkdir()
        operator, versions = {"name": CAPTURED}, dict(picture.versions)
        manifest.Manifest(picture.plan.label, picture.plan.seed, operator, versions).write(bundle)
        picture.plan.write(bundle)
        _history(picture, bundle)
        judgement = judge_history(reader.read(bundle / "history.jsonl"))
        result = RunResult(
            scenario=picture.plan.label, seed=picture.plan.seed, operator=operator, versions=versions,
            judgement=judgement, wall_s=0.0, overhead_s=0.0, bundle=Path(bundle.name),
        )  # fmt: skip
        manifest.write_json(bundle / VERDICTS_FILE, {"operator": operator, "versions": versions, **result.as_json()})
        manifest.seal(bundle)
        pack(bundle, target)
    return judgement


def _history(picture: Picture, bundle: Path) -> None:
    history = HistoryWriter(bundle, RunClock())
    try:
        scenario = replace(picture.plan.scenario, faults=(), pods=())
        history.add(
            "run", at=0.0, scenario=scenario.as_json(), seed=picture.plan.seed, operator={"name": CAPTURED},
            versions=dict(picture.versions), names=picture.plan.names, called={}, sources=[*picture.look.answers],
        )  # fmt: skip
        for record in _still(picture.look.truth, picture.moving):
            history.add(record["k"], at=0.0, **{key: value for key, value in record.items() if key not in {"k", "t"}})
        history.add("mark", at=0.0, mark="gate-passed", detail="captured: there was no start to be judged")
        shown = [(source, told(body, picture.moving)) for source, body in picture.look.answers.items()]
        for number in itertools.count(1):
            t = number * _STEP_S
            if t > WINDOW_S:
                break
            for source, body in shown:
                key = history.snapshot(body)
                history.add("report", at=t, source=source, t0=t, outcome="ok", status="200", snapshot=key)
        history.add("mark", at=WINDOW_S + _STEP_S, mark="end", detail="")
    finally:
        history.close()


def _still(records: Iterable[Record], moving: Collection[str]) -> Iterable[Record]:
    """The truth without the nodes that were moving, and what is on them."""
    gone: set[tuple[str, str, str]] = set()
    for record in records:
        if record["k"] == "synced":
            left = [one for one in record["objects"] if (record["resource"], one[0], one[1]) not in gone]
            yield {**record, "objects": left}
            continue
        if record["k"] == "object":
            of = record["object"].get("spec", {}).get("nodeName") if record["resource"] == "pods" else record["name"]
            if of in moving and record["resource"] in {"nodes", "pods", storage.CLASSES}:
                gone.add((record["resource"], record["namespace"], record["name"]))
                continue
        yield record


def told(body: Any, moving: Collection[str]) -> Any:
    """An answer without the nodes and classes that were moving."""
    if not isinstance(body, dict):
        return body
    nodes, stored = body.get("nodes"), body.get("storage")
    made = dict(body)
    if isinstance(nodes, list):
        made["nodes"] = [one for one in nodes if not (isinstance(one, dict) and one.get("name") in moving)]
    if isinstance(stored, list):
        made["storage"] = [one for one in stored if _class_of(one) not in moving]
    return made


def _class_of(item: Any) -> Any:
    info = item.get("info") if isinstance(item, dict) else None
    return info.get("class") if isinstance(info, dict) else None
