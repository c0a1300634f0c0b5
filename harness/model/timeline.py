"""What had to be reported, as step functions over the whole run.

With the past kept, a reported value that is not true now can be told apart: true before (stale) or never (wrong). A
key is (node, field), where field is one of

- `inventory.FIELDS`: a Decimal;
- "present": True, or None while it is not knowable whether the node has to be reported;
- "cpu.info", "gpu.info": sorted tuples, or None while not knowable;
- "labels": the wanted managed labels as a mapping, or None while not fully knowable;
- "storage.classes": the sorted classes of the node, or None.

While a node is not to be reported, every field of it is ABSENT; its "labels" too, and then it must carry no managed
label. Of cluster storage a key is (class, field), where field is one of `storage.FIELDS`: "storage.present", and
figures as Decimals or None. Where the contract leaves open what is meant, a value is a `OneOf`.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from harness.errors import HistoryError
from harness.model import storage
from harness.model.inventory import ABSENT, FIELDS, ExpectedNode, ExpectedStorage, Truth
from harness.model.readings import fits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.history.record import Record

PRESENT = "present"
CPU_INFO = "cpu.info"
GPU_INFO = "gpu.info"
LABELS = "labels"
NODE_CLASSES = storage.OF_NODE
KEY_FIELDS = (PRESENT, *FIELDS, CPU_INFO, GPU_INFO, LABELS, NODE_CLASSES)
"""The fields of a node."""

STORAGE_PRESENT, STORAGE_FIELDS = storage.PRESENT, storage.FIELDS
"""Those of a class of cluster storage."""

Key = tuple[str, str]
Window = tuple[float, float]


class Records(Protocol):
    """What a timeline is built from: the records of a run in order (`harness.history.reader.History` is one)."""

    @property
    def records(self) -> Sequence[Record]:
        """All records, by time."""
        ...


@dataclass(frozen=True, slots=True)
class LabelStep:
    """From `t` on the node had exactly these labels, as of resource version `rv`.

    `exists` is false while there is no such node (then `labels` is empty); a changed `uid` is another node of the name.
    """

    t: float
    labels: Mapping[str, str]
    rv: str
    uid: str
    exists: bool = True


class _Steps:
    """The changes of one key: `values[i]` holds from `times[i]` up to `times[i + 1]`."""

    __slots__ = ("times", "values")

    def __init__(self) -> None:
        self.times: list[float] = []
        self.values: list[Any] = []

    def put(self, t: float, value: Any) -> None:
        """Note the value from `t` on. What held for no time at all is kept as well: it was true once."""
        if value != (self.values[-1] if self.values else ABSENT):
            self.times.append(t)
            self.values.append(value)

    def index(self, t: float) -> int:
        """The step in force at `t`; -1 before the first."""
        return bisect_right(self.times, t) - 1


HARNESS, WAY, CONNECTION = "harness", "way to the operator", "a connection to the operator"
UNHEARD = frozenset({HARNESS, WAY, CONNECTION})
"""Resources of gaps in which not all that the operator said was heard: we stood still, nothing came through to us, or
one connection did not, while others may have (which is no gap of the truth)."""


class Timeline:
    """Expected values over time; build one with `Timeline.build`. Times are seconds since the run began.

    `gaps`: when the truth was not surely known; `unheard`: those of them in which answers did not reach us (`UNHEARD`).
    """

    def __init__(
        self,
        steps: Mapping[Key, _Steps],
        label_history: Mapping[str, Sequence[LabelStep]],
        gaps: tuple[Window, ...],
        classes: tuple[str, ...] = (),
        unheard: tuple[Window, ...] = (),
    ) -> None:
        self._steps = steps
        self._classes = classes
        self.label_history = label_history
        self.gaps = gaps
        self.unheard = unheard

    @classmethod
    def build(cls, history: Records, excepted: frozenset[str] = frozenset()) -> Timeline:
        """The timeline of a run, without the fields excepted at its gate (`hardware.judged_info`).

        Raises HistoryError when a record of ground truth cannot be understood.
        """
        return _Builder(excepted).build(history.records)

    def keys(self) -> list[Key]:
        """Every key that ever had a value other than ABSENT, sorted."""
        return sorted(self._steps)

    def nodes(self) -> list[str]:
        """Every node there ever was, whether it had to be reported or not, sorted."""
        return sorted(self.label_history)

    def classes(self) -> Sequence[str]:
        """Every storage class that ever existed or was named by the configuration, reported or not, sorted."""
        return self._classes

    def at(self, key: Key, t: float) -> Any:
        """The expected value at `t` (of several changes at one instant, the last); ABSENT for what is not known."""
        steps = self._steps.get(key)
        index = steps.index(t) if steps is not None else -1
        return steps.values[index] if steps is not None and index >= 0 else ABSENT

    def since(self, key: Key, t: float) -> float:
        """When the value at `t` became the expected one; 0.0 when it was so from the start of the run."""
        steps = self._steps.get(key)
        index = steps.index(t) if steps is not None else -1
        return steps.times[index] if steps is not None and index >= 0 else 0.0

    def last_true(self, key: Key, value: Any, t: float) -> float | None:
        """The latest time up to `t` at which `value` was the expected one.

        `t` itself when it is true then, the end of its last interval when it was true before, None when it never was.
        While the expected value was not knowable (None), any value may have been the true one and counts as such.
        """
        if _may_be(self.at(key, t), value):
            return t
        steps = self._steps.get(key)
        if steps is None:
            return None
        for index in range(steps.index(t) - 1, -1, -1):
            if _may_be(steps.values[index], value):
                return steps.times[index + 1]
        return steps.times[0] if value is ABSENT and steps.times[0] <= t else None

    def changes(self, key: Key) -> Sequence[tuple[float, Any]]:
        """The steps of the key, oldest first: (from when, value). Before the first it is ABSENT."""
        steps = self._steps.get(key)
        return list(zip(steps.times, steps.values, strict=True)) if steps is not None else []

    def in_gap(self, t0: float, t1: float) -> bool:
        """Whether the ground truth was unwatched at any moment from `t0` to `t1`, ends included."""
        return any(begin <= t1 and end >= t0 for begin, end in self.gaps)

    def removed_between(self, name: str, t0: float, t1: float, *, presence: str = PRESENT) -> bool:
        """Whether the node had not surely to be reported at some moment from `t0` to `t1`, ends included.

        `presence`: STORAGE_PRESENT for a class of cluster storage.
        """
        key = (name, presence)
        if self.at(key, t0) is not True:
            return True
        return any(value is not True for t, value in self.changes(key) if t0 <= t <= t1)

    def actual_labels(self, node: str) -> Sequence[tuple[float, Mapping[str, str]]]:
        """All labels the node really had: (from when, labels), oldest first; empty labels while it did not exist."""
        return [(step.t, step.labels) for step in self.label_history.get(node, ())]


def _may_be(expected: Any, value: Any) -> bool:
    """Whether the value may be the true one where that is expected."""
    return expected is None or fits(expected, value)


class _Builder:
    """Replays the records through `Truth` and notes what changes."""

    def __init__(self, excepted: frozenset[str]) -> None:
        self.truth = Truth(excepted)
        self.steps: dict[Key, _Steps] = {}
        self.last: dict[str, ExpectedNode | None] = {}
        self.labels: dict[str, list[LabelStep]] = {}
        self.storage: Mapping[str, ExpectedStorage] = {}
        self.classes: set[str] = set()

    def build(self, records: Sequence[Record]) -> Timeline:
        for record in records:
            t = record["t"]
            touched = self.truth.apply(record)
            for name in touched:
                self._note(name, t)
            self._note_storage(t)
            if record["k"] == "object" and record["resource"] == "nodes":
                self._note_labels(record["name"], t, record["rv"])
            elif record["k"] == "synced" and record["resource"] == "nodes":
                for name in touched:
                    self._note_labels(name, t, record["rv"])
        labels: dict[str, Sequence[LabelStep]] = {name: tuple(steps) for name, steps in self.labels.items()}
        gaps = _gaps(record for record in records if record.get("resource") != CONNECTION)
        unheard = _gaps(record for record in records if record["k"] != "gap" or record["resource"] in UNHEARD)
        return Timeline(self.steps, labels, gaps, tuple(sorted(self.classes)), unheard)

    def _note(self, name: str, t: float) -> None:
        old = self.last.get(name)
        new = self.truth.expected_node(name)
        if new == old:
            return
        self.last[name] = new
        for field, value in _changes(old, new):
            self._put((name, field), t, value)

    def _note_storage(self, t: float) -> None:
        """What storage is expected from now on; the same object as before where nothing can have changed."""
        old, new = self.storage, self.truth.expected_storage()
        if new is old:
            return
        self.storage = new
        self.classes |= self.truth.storage_classes()
        for name in old.keys() | new.keys():
            if old.get(name) != new.get(name):
                for field, value in _of_storage(new.get(name)):
                    self._put((name, field), t, value)

    def _put(self, key: Key, t: float, value: Any) -> None:
        if key not in self.steps:
            self.steps[key] = _Steps()
        self.steps[key].put(t, value)

    def _note_labels(self, name: str, t: float, rv: str) -> None:
        uid = self.truth.node_uid(name)
        before = self.labels.setdefault(name, [])
        if uid is None:
            step = LabelStep(t, {}, rv, before[-1].uid if before else "", exists=False)
        else:
            step = LabelStep(t, self.truth.node_labels(name), rv, uid)
        last = before[-1] if before else None
        if last is None or (last.labels, last.uid, last.exists) != (step.labels, step.uid, step.exists):
            before.append(step)


def _changes(old: ExpectedNode | None, new: ExpectedNode | None) -> Iterator[tuple[str, Any]]:
    """The fields of `new` that may differ from `old`.

    After a pod event only figures do: info and labels come from one profile, made anew whenever any of them may change.
    """
    if old is None or new is None or old.labels is not new.labels:
        yield from _fields(new)
    else:
        yield from ((field, value) for field, value in new.values.items() if value is not old.values[field])


def _fields(node: ExpectedNode | None) -> Iterator[tuple[str, Any]]:
    if node is None:
        for field in KEY_FIELDS:
            yield field, ABSENT
        return
    yield PRESENT, True if node.sure else None
    yield from node.values.items()
    yield CPU_INFO, node.cpu_info
    yield GPU_INFO, node.gpu_info
    yield LABELS, node.labels if node.labels_known and node.sure else None
    yield NODE_CLASSES, node.storage_classes


def _of_storage(item: ExpectedStorage | None) -> Iterator[tuple[str, Any]]:
    if item is None:
        for field in STORAGE_FIELDS:
            yield field, ABSENT
        return
    yield STORAGE_PRESENT, True if item.sure else None
    yield from item.values.items()


def _gaps(records: Iterable[Record]) -> tuple[Window, ...]:
    """The gaps of all resources together, merged; one without an end lasts to the last record."""
    opened: dict[str, float] = {}
    windows: list[Window] = []
    last = 0.0
    for record in records:
        last = record["t"]
        if record["k"] != "gap":
            continue
        resource = record["resource"]
        if record["phase"] == "begin":
            opened.setdefault(resource, float(record.get("since", last)))
        elif record["phase"] == "end":
            windows.append((opened.pop(resource, 0.0), last))
        else:
            raise HistoryError(f"unknown phase {record['phase']!r} of a gap", hint="one of begin, end")
    windows.extend((begin, last) for begin in opened.values())
    merged: list[Window] = []
    for begin, end in sorted(windows):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return tuple(merged)
