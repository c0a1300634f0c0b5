"""Which names stand in a fault, and the same fault under other names.

A plan may be run with other names (`harness run --names`). What names a node is known by the parameter's name, in a
fault and in all that it is made of; a repository of faults that grows needs no list of kinds here.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, TypeVar

from harness.cluster.hardware import NodeProfile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.fault.base import Fault

Named = TypeVar("Named")

NAMING_NODES = frozenset({"node", "nodes", "gone", "becomes"})
"""The parameters that name nodes: one, or several, each alone or with its profile."""

NAMING_ANY = frozenset({"name"})
"""The parameters that name an object of any kind: a node, where there is a node of that name."""

EXPRESSIONS = frozenset({"exclude"})
"""The parameters that are regular expressions of names of nodes."""

EVERY = "*"
"""Stands for every node, and is no name."""

OF_MODELS = frozenset({"registry-changed", "registry-flaps"})
"""The faults whose `names` give GPU models other names, by kind."""

OF_POD_NAMES = frozenset({"foreign-pod", "leftover-pods"})
"""The faults that need the contract's name of a discovery pod, so node names that leave room for it, by kind."""


def nodes_named(fault: Fault) -> set[str]:
    """The nodes that a fault, or what it is made of, names."""
    return {name for part in _each(fault) for key in _naming(part) for name in _names(getattr(part, key))} - {EVERY, ""}


def models_named(fault: Fault) -> list[tuple[str, str]]:
    """The other names that a fault, or what it is made of, gives GPU models: (known name, other name)."""
    return [pair for part in _each(fault) if getattr(part, "kind", "") in OF_MODELS for pair in part.names]


def needs_pod_name(fault: Fault) -> bool:
    """Whether the fault needs the contract's name of a node's discovery pod."""
    return any(getattr(part, "kind", "") in OF_POD_NAMES for part in _each(fault))


def under_names(value: Named, names: Mapping[str, str]) -> Named:
    """The same fault, or configuration, where nodes have other names; a node without another name keeps its own."""
    changed: Named = _under(value, names)
    return changed


def _under(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, tuple):
        return tuple(_under(item, names) for item in value)
    if isinstance(value, NodeProfile) or not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    given = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
    return dataclasses.replace(
        value,
        **{
            key: (_called if key in NAMING_NODES | NAMING_ANY else _matching if key in EXPRESSIONS else _under)(
                item, names
            )
            for key, item in given.items()
        },
    )


def _matching(value: Any, names: Mapping[str, str]) -> Any:
    return tuple(matching(item, names) for item in value) if isinstance(value, tuple) else value


def matching(expression: str, names: Mapping[str, str]) -> str:
    """An expression of the nodes that the given one is of, by their other names; one that is of none stays."""
    try:
        found = [re.escape(new) for old, new in sorted(names.items()) if re.search(expression, old)]
    except re.error:
        return expression
    return f"^(?:{'|'.join(found)})$" if found else expression


def _called(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, tuple):
        return tuple(_called(item, names) for item in value)
    return names.get(value, value) if isinstance(value, str) else value


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, tuple):
        for item in value:
            yield from _names(item)
    elif isinstance(value, str):
        yield value


def _naming(part: Any) -> Iterator[str]:
    return (field.name for field in dataclasses.fields(part) if field.name in NAMING_NODES)


def _each(value: Any) -> Iterator[Any]:
    """A fault, and everything that it is made of."""
    if isinstance(value, tuple):
        for item in value:
            yield from _each(item)
    elif dataclasses.is_dataclass(value) and not isinstance(value, NodeProfile | type):
        yield value
        for field in dataclasses.fields(value):
            yield from _each(getattr(value, field.name))
