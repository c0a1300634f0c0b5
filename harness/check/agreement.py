"""Whether an inventory is the expected one, now. Pure: a run's gate uses it live, recovery uses it for its findings.

Classes of difference: `lost` (must be there and is not), `ghost` (is there and must not be), `over` and `under`
(a figure too high or too low), `info` (hardware info or labels differ).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from harness.model import quantity
from harness.model.inventory import ABSENT, FIELDS, ExpectedNode, ExpectedStorage, is_managed
from harness.model.readings import OneOf, fits, values_of
from harness.model.storage import FIGURES
from harness.model.timeline import (
    CPU_INFO,
    GPU_INFO,
    LABELS,
    NODE_CLASSES,
    PRESENT,
    STORAGE_FIELDS,
    STORAGE_PRESENT,
    Timeline,
)

if TYPE_CHECKING:
    from harness.model.reported import Reported, ReportedNode, ReportedStorage


_READABLE = 63  # a label's length: what people use

_WORDS: Mapping[Any, str] = {ABSENT: "not reported", True: "reported", None: "not known"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that is not the expected one. `expected`, `reported`: texts; `source`: "" when there is but one.

    `node`: of a field of cluster storage, the class.
    """

    node: str
    field: str
    expected: str
    reported: str
    kind: str
    source: str = ""

    def __str__(self) -> str:
        where = f"{self.source}: " if self.source else ""
        what = f"{subject(named(self.node), self.field)} {self.kind}"
        return f"{where}{what}: expected {self.expected}, reported {self.reported}"


def named(name: str) -> str:
    """A name as sentences show it: one that is too long to read keeps its ends and says its length."""
    return name if len(name) <= _READABLE else f"{name[:24]}…{name[-12:]} ({len(name)} characters)"


def subject(name: str, field: str) -> str:
    """What a key is about, as sentences begin: "node worker-1: cpu.allocated", "class beta3: storage.capacity"."""
    return f"{'class' if field in STORAGE_FIELDS else 'node'} {name}: {field}"


def shown(value: Any) -> str:
    """A value as findings show it: quantities in plain digits, hardware info on one line, ABSENT as "not reported"."""
    match value:
        case OneOf():
            text = " or ".join(sorted({shown(item) for item in value.values}, key=lambda text: (len(text), text)))
        case Decimal():
            text = quantity.text(value)
        case Mapping():
            text = ", ".join(f"{key}={value[key]}" for key in sorted(value)) or "none"
        case tuple():
            text = ", ".join(_item(item) for item in value) or "none"
        case _:
            text = _WORDS.get(value, str(value))
    return text


def _item(item: Any) -> str:
    names = getattr(type(item), "__slots__", ())
    return "/".join(str(getattr(item, name)) for name in names if getattr(item, name) != "") if names else str(item)


def kind_of(field: str, expected: Any, reported: Any) -> str:
    """The class of a difference between two values of one field."""
    if field in {PRESENT, STORAGE_PRESENT}:
        return "lost" if reported is ABSENT else "ghost"
    wanted = [value for value in values_of(expected) if isinstance(value, Decimal)]
    if wanted and isinstance(reported, Decimal):
        return "over" if reported > min(wanted) else "under"
    return "info"


def fields_of(node: ReportedNode) -> Iterator[tuple[str, Any]]:
    """What a reported node says, as (field, value) in the timeline's terms; what could not be read is left out."""
    yield PRESENT, True
    yield from ((field, node.values[field]) for field in FIELDS if field in node.values)
    yield CPU_INFO, node.cpu_info
    yield GPU_INFO, node.gpu_info
    yield NODE_CLASSES, node.storage_classes


def fields_of_storage(item: ReportedStorage) -> Iterator[tuple[str, Any]]:
    """What is reported of a class of cluster storage, likewise."""
    yield STORAGE_PRESENT, True
    yield from ((field, item.values[field]) for field in FIGURES if field in item.values)


def differences(expected: Mapping[str, ExpectedNode], reported: Reported) -> list[Difference]:
    """Everything in which `reported` is not what is expected, by node name. A figure that is missing differs too."""
    found: list[Difference] = []
    for name in sorted(expected.keys() | reported.nodes.keys()):
        want, have = expected.get(name), reported.nodes.get(name)
        if want is None or have is None:
            values = (True, ABSENT) if want is not None else (ABSENT, True)
            found.append(_difference(name, PRESENT, *values))
            continue
        said = dict(fields_of(have))
        infos = {CPU_INFO: want.cpu_info, GPU_INFO: want.gpu_info, NODE_CLASSES: want.storage_classes}
        found += _differing(name, {**want.values, **infos}, said)
    return found


def storage_differences(expected: Mapping[str, ExpectedStorage], reported: Reported) -> list[Difference]:
    """Everything in which the reported cluster storage is not what is expected, by class."""
    found: list[Difference] = []
    for name in sorted(expected.keys() | reported.storage.keys()):
        want, have = expected.get(name), reported.storage.get(name)
        if want is None or have is None:
            if want is None or want.sure:
                values = (True, ABSENT) if want is not None else (ABSENT, True)
                found.append(_difference(name, STORAGE_PRESENT, *values))
            continue
        found += _differing(name, want.values, dict(fields_of_storage(have)))
    return found


def _differing(name: str, wanted: Mapping[str, Any], said: Mapping[str, Any]) -> list[Difference]:
    return [
        _difference(name, field, value, said.get(field, ABSENT))
        for field, value in wanted.items()
        if value is not None and not fits(value, said.get(field, ABSENT))
    ]


def disagreement(a: Reported, b: Reported) -> list[Difference]:
    """Where two answers tell different inventories (SHAPE-2); `expected` is what `a` says, order and notation aside."""
    found: list[Difference] = []
    for name in sorted(a.nodes.keys() | b.nodes.keys()):
        left = dict(fields_of(a.nodes[name])) if name in a.nodes else {PRESENT: ABSENT}
        right = dict(fields_of(b.nodes[name])) if name in b.nodes else {PRESENT: ABSENT}
        both = sorted(left.keys() & right.keys())
        found += [_difference(name, field, left[field], right[field]) for field in both if left[field] != right[field]]
    return found


def label_differences(
    expected: Mapping[str, ExpectedNode], labels: Mapping[str, Mapping[str, str]]
) -> list[Difference]:
    """Where the managed labels of the nodes in `labels` (all labels, by node) are not the wanted ones (LABEL-1)."""
    found: list[Difference] = []
    for name, actual in sorted(labels.items()):
        managed = {key: value for key, value in actual.items() if is_managed(key)}
        want = expected.get(name)
        wanted: Mapping[str, str] = want.labels if want is not None else {}
        if want is not None and not want.labels_known:
            managed = {key: value for key, value in managed.items() if key in wanted}
        if managed != dict(wanted):
            found.append(_difference(name, LABELS, wanted, managed))
    return found


def expected_at(timeline: Timeline, t: float) -> dict[str, ExpectedNode]:
    """What had to be reported at `t`, by node."""
    found: dict[str, ExpectedNode] = {}
    for name in timeline.nodes():
        if timeline.at((name, PRESENT), t) is ABSENT:
            continue
        labels = timeline.at((name, LABELS), t)
        found[name] = ExpectedNode(
            name=name,
            values={field: timeline.at((name, field), t) for field in FIELDS},
            cpu_info=timeline.at((name, CPU_INFO), t),
            gpu_info=timeline.at((name, GPU_INFO), t),
            labels=labels if isinstance(labels, Mapping) else {},
            labels_known=isinstance(labels, Mapping),
            storage_classes=timeline.at((name, NODE_CLASSES), t),
        )
    return found


def expected_storage_at(timeline: Timeline, t: float) -> dict[str, ExpectedStorage]:
    """What had to be reported of cluster storage at `t`, by class."""
    found: dict[str, ExpectedStorage] = {}
    for name in timeline.classes():
        present = timeline.at((name, STORAGE_PRESENT), t)
        if present is not ABSENT:
            values = {field: timeline.at((name, field), t) for field in FIGURES}
            found[name] = ExpectedStorage(name, values, sure=present is True)
    return found


def _difference(node: str, field: str, expected: Any, reported: Any) -> Difference:
    return Difference(node, field, shown(expected), shown(reported), kind_of(field, expected, reported))
