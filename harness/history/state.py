"""The cluster as it truly was at one moment, put together from the records of ground truth."""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection

    from harness.history.reader import History

Identity = tuple[str, str, str]
"""(resource, namespace, name)."""


def states(history: History, moments: Collection[float]) -> list[dict[str, Any]]:
    """Nodes and pods at each moment, by time: [{"t", "nodes": [object, …], "pods": [object, …]}, …].

    Objects are as the history holds them (metadata, spec and status, as far as a model reads them), by namespace and
    name. A moment in a gap of the truth has what was known before the gap.
    """
    wanted = sorted(set(moments))
    known: dict[Identity, tuple[str, Any]] = {}
    found: list[dict[str, Any]] = []
    for record in history.of("object", "synced"):
        while wanted and record["t"] > wanted[0]:
            found.append(_state(wanted.pop(0), known))
        if record["k"] == "synced":
            _synced(known, record["resource"], record["objects"])
        else:
            key = (record["resource"], record["namespace"], record["name"])
            if record["event"] == "DELETED":
                known.pop(key, None)
            else:
                known[key] = (record["uid"], record["object"])
    return found + [_state(t, known) for t in wanted]


def _synced(known: dict[Identity, tuple[str, Any]], resource: str, objects: Collection[Collection[str]]) -> None:
    """Whatever a complete list does not hold is gone."""
    there = {tuple(one) for one in objects}
    for key, (uid, _object) in list(known.items()):
        if key[0] == resource and (key[1], key[2], uid) not in there:
            del known[key]


def _state(t: float, known: dict[Identity, tuple[str, Any]]) -> dict[str, Any]:
    listed: dict[str, list[tuple[Identity, Any]]] = {"nodes": [], "pods": []}
    for key, (_uid, item) in known.items():
        insort(listed.setdefault(key[0], []), (key, item), key=lambda pair: pair[0])
    return {"t": t, **{resource: [item for _key, item in items] for resource, items in listed.items()}}
