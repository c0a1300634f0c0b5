"""The ground truth told by several watchers: whoever knows more is believed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.run.observe import LiveTruth, trim
from tests.unit.model.objects import amounts, node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.history.writer import HistoryWriter

NAMES = ("a", "b", "c")


@dataclass
class Notes:
    """Stands for a history: keeps what is added."""

    records: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kind: str, **fields: Any) -> None:
        """Keep one record."""
        self.records.append({"k": kind, **fields})

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The records of a kind."""
        return [record for record in self.records if record["k"] == kind]


def alive() -> tuple[LiveTruth, Notes]:
    """A truth without anything in it, and what it writes."""
    notes = Notes()
    return LiveTruth(cast("HistoryWriter", notes)), notes


def item(name: str, version: int, *, uid: str = "u1", cores: int = 4) -> dict[str, Any]:
    """A Node as the API server tells it."""
    body = node(capacity=amounts(cpu=cores), allocatable=amounts(cpu=cores))
    return {**body, "metadata": {**body["metadata"], "name": name, "uid": uid, "resourceVersion": str(version)}}


def lists(live: LiveTruth, version: int, *items: dict[str, Any]) -> None:
    """A watcher's complete LIST."""
    live.record_list("nodes", str(version), [live.record_object("SYNC", "nodes", one) for one in items])


def tells(live: LiveTruth, event: str, what: dict[str, Any]) -> None:
    """A watcher's event."""
    live.record_object(event, "nodes", what)


def nodes(live: LiveTruth) -> dict[str, tuple[str, str]]:
    """What is known now: name -> uid and cores."""
    return {
        name: (body["metadata"]["uid"], str(body["status"]["capacity"]["cpu"]))
        for name, body in live.truth.nodes().items()
    }


def test_what_two_watchers_tell_is_recorded_once() -> None:
    """The second to tell the same event adds nothing."""
    live, notes = alive()

    for _watcher in range(2):
        tells(live, "ADDED", item("a", 5))
    for _watcher in range(2):
        tells(live, "MODIFIED", item("a", 6, cores=8))

    assert [(one["event"], one["rv"]) for one in notes.of("object")] == [("ADDED", "5"), ("MODIFIED", "6")]


def test_what_is_older_than_what_is_known_is_not_believed() -> None:
    """A slower server's event, or its object in a list, does not undo what a faster one told."""
    live, notes = alive()
    tells(live, "ADDED", item("a", 7, cores=8))

    tells(live, "MODIFIED", item("a", 6, cores=4))
    lists(live, 6, item("a", 6, cores=4))

    assert nodes(live) == {"a": ("u1", "8")}
    assert len(notes.of("object")) == 1


def test_a_stale_list_does_not_bring_back_what_was_deleted() -> None:
    """A slower server still lists the object; the truth goes without it, and so does the record of the list."""
    live, notes = alive()
    lists(live, 5, item("a", 3), item("b", 4))
    tells(live, "DELETED", item("a", 8))

    lists(live, 6, item("a", 3), item("b", 4))

    assert set(nodes(live)) == {"b"}
    assert notes.of("synced")[-1]["objects"] == [["", "b", "u1"]]


def test_a_stale_list_does_not_take_away_what_came_since() -> None:
    """An object that a watch told of after the list's moment stays, with its own uid."""
    live, notes = alive()
    lists(live, 5, item("a", 3))
    tells(live, "ADDED", item("new", 9))
    tells(live, "DELETED", item("a", 10))
    tells(live, "ADDED", item("a", 11, uid="u2", cores=2))

    lists(live, 8, item("a", 3))

    assert nodes(live) == {"a": ("u2", "2"), "new": ("u1", "4")}
    assert sorted(notes.of("synced")[-1]["objects"]) == [["", "a", "u2"], ["", "new", "u1"]]


def test_what_a_newer_list_no_longer_holds_is_gone_for_good() -> None:
    """After the list a slower watch that tells of earlier moments does not bring the object back; a new one is new."""
    live, _notes = alive()
    lists(live, 5, item("a", 3))
    lists(live, 10)

    tells(live, "MODIFIED", item("a", 7, cores=8))
    assert nodes(live) == {}

    tells(live, "DELETED", item("a", 9))
    tells(live, "ADDED", item("a", 12, uid="u2"))
    assert nodes(live) == {"a": ("u2", "4")}


def test_what_came_and_went_before_a_list_is_not_brought_back() -> None:
    """An object that nobody told of, and that a complete list lacks, was gone by then, whatever a slow server says."""
    live, notes = alive()
    lists(live, 10, item("b", 4))

    tells(live, "ADDED", item("a", 6))
    lists(live, 7, item("a", 6), item("b", 4))

    assert set(nodes(live)) == {"b"}
    assert notes.of("synced")[-1]["objects"] == [["", "b", "u1"]]


def test_what_was_deleted_and_came_and_went_again_before_a_list_is_not_brought_back() -> None:
    """That the last thing known of an object is its deletion does not make a slow server's later word of it newer."""
    live, _notes = alive()
    lists(live, 5, item("a", 3))
    tells(live, "DELETED", item("a", 6))
    lists(live, 10)

    tells(live, "ADDED", item("a", 8, uid="u2"))

    assert nodes(live) == {}


def test_a_list_records_each_object_again() -> None:
    """A list repeats what is known: a history may begin with it."""
    live, notes = alive()
    lists(live, 5, item("a", 3))
    lists(live, 6, item("a", 3))

    assert [(one["event"], one["rv"]) for one in notes.of("object")] == [("SYNC", "3"), ("SYNC", "3")]


def test_pods_and_nodes_of_one_name_are_two_things() -> None:
    """A list of one kind says nothing of the other."""
    live, notes = alive()
    tells(live, "ADDED", item("a", 5))

    live.record_list("pods", "9", [])

    assert set(nodes(live)) == {"a"}
    assert notes.of("synced")[-1]["objects"] == []


def test_a_gap_is_open_only_while_no_watch_is() -> None:
    """It begins when the last watch breaks, with the reason of that one, and ends with the first that is open again."""
    live, notes = alive()
    live.follows("nodes", again=False)
    live.follows("nodes", again=True)
    live.lost("nodes", "one broke")
    live.follows("nodes", again=True)
    live.lost("nodes", "one broke again")
    assert notes.records == []

    live.lost("nodes", "the other broke")
    live.follows("nodes", again=True)
    live.follows("nodes", again=True)

    assert [(one["phase"], one["why"]) for one in notes.of("gap")] == [
        ("begin", "the other broke"),
        ("end", "listed again"),
    ]


def test_each_resource_has_gaps_of_its_own() -> None:
    """A watch of pods does not close a gap in the sight of nodes."""
    live, notes = alive()
    live.follows("pods", again=False)
    live.follows("nodes", again=False)
    live.lost("nodes", "broke")
    live.follows("pods", again=True)

    assert [(one["phase"], one["resource"]) for one in notes.of("gap")] == [("begin", "nodes")]


@dataclass(frozen=True)
class Change:
    """One event of the datastore; its version is its place in the sequence, from 1."""

    event: str
    body: dict[str, Any]


@st.composite
def changes(draw: st.DrawFn) -> list[Change]:
    """What happened to a few nodes: each comes, changes, goes, and comes again as another."""
    made: list[Change] = []
    uids: dict[str, str] = {}
    for version, name in enumerate(draw(st.lists(st.sampled_from(NAMES), max_size=14)), start=1):
        cores = draw(st.integers(1, 2))
        if name not in uids:
            uids[name] = f"u{version}"
            event = "ADDED"
        else:
            event = draw(st.sampled_from(("MODIFIED", "MODIFIED", "DELETED")))
        made.append(Change(event, item(name, version, uid=uids[name], cores=cores)))
        if event == "DELETED":
            del uids[name]
    return made


def state(made: Sequence[Change], version: int) -> dict[str, dict[str, Any]]:
    """The objects at a version, by name."""
    found: dict[str, dict[str, Any]] = {}
    for change in made[:version]:
        name = change.body["metadata"]["name"]
        found.pop(name, None)
        if change.event != "DELETED":
            found[name] = change.body
    return found


@st.composite
def watchers(draw: st.DrawFn, made: Sequence[Change]) -> list[tuple[str, int]]:
    """What one watcher does: LIST at a version, each event from there on; perhaps it breaks and lists again later."""
    steps: list[tuple[str, int]] = []
    at = draw(st.integers(0, len(made)))
    while True:
        steps.append(("list", at))
        until = draw(st.integers(at, len(made)))
        steps += [("event", version) for version in range(at + 1, until + 1)]
        if until == len(made):
            return steps
        at = draw(st.integers(until, len(made)))


def step(live: LiveTruth, made: Sequence[Change], what: tuple[str, int]) -> None:
    """Let a watcher tell what it saw."""
    kind, version = what
    if kind == "list":
        lists(live, version, *state(made, version).values())
    else:
        tells(live, made[version - 1].event, made[version - 1].body)


def kept(made: Sequence[Change], version: int) -> dict[str, Any]:
    """What the truth holds at a version."""
    return {name: trim("nodes", body) for name, body in state(made, version).items()}


@st.composite
def interleaved(draw: st.DrawFn, made: Sequence[Change]) -> list[tuple[str, int]]:
    """What two watchers do, each in its own order."""
    one, other = draw(watchers(made)), draw(watchers(made))
    turns = draw(st.integers(0, 2 ** len(one + other) - 1))
    steps: list[tuple[str, int]] = []
    while one and other:
        steps.append((other if turns & 1 else one).pop(0))
        turns >>= 1
    return [*steps, *one, *other]


@settings(deadline=None)
@given(st.data())
def test_the_truth_is_always_the_newest_that_anybody_told(data: st.DataObject) -> None:
    """However two watchers interleave, break and list again, each moment's truth is that of the newest version told."""
    made = data.draw(changes())
    live, _notes = alive()
    newest = 0
    for what in data.draw(interleaved(made)):
        step(live, made, what)
        newest = max(newest, what[1])

        assert dict(live.truth.nodes()) == kept(made, newest)


@settings(deadline=None)
@given(st.data())
def test_two_watchers_end_where_one_does(data: st.DataObject) -> None:
    """Any interleaving of two gives the final truth of a single one, and so does the record that they wrote."""
    made = data.draw(changes())
    (alone, _), (both, notes) = alive(), alive()
    for what in data.draw(watchers(made)):
        step(alone, made, what)
    for what in data.draw(interleaved(made)):
        step(both, made, what)

    again, _ = alive()
    for record in notes.records:
        again.truth.apply({"t": 0.0, **record})
    assert both.truth.nodes() == alone.truth.nodes() == again.truth.nodes()
    assert both.truth.expected() == alone.truth.expected() == again.truth.expected()
