"""The operator's configuration, as far as the inventory depends on it (contract, part A, "Configuration file").

A history stores it as the parsed YAML document. Text that is not YAML at all is stored as {"raw": text}, and a file
that is not there as {"raw": null}: bad configurations like any other with an unknown key. Regular expressions are Go's
(RE2) for the operator and Python's here: for node names the common ground (literals, classes, anchors, groups,
alternatives, repetition) means the same; lookaround and back-references, which only Python knows, are refused as RE2
refuses them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_VERSION = re.compile(r"\s*v?[0-9]+(\.[0-9]+){0,2}([-+][0-9A-Za-z.+-]+)?\s*")
_NOT_RE2 = re.compile(r"\(\?<?[=!]|(?<!\\)(?:\\\\)*\\[1-9]")
_KEYS = frozenset({"version", "cluster_storage", "exclude"})
_EXCLUDE_KEYS = frozenset({"nodes", "node_storage"})
_RULE_KEYS = frozenset({"node_filter", "classes"})


class ConfigError(ValueError):
    """A configuration that an operator must not accept; the message says why."""


@dataclass(frozen=True, slots=True)
class Config:
    """What is published and what is not.

    `cluster_storage` names storage classes; a node is left out when any of `exclude_nodes` is found in its name;
    `exclude_storage` holds pairs of a regular expression on node names and the classes that such nodes do not have.
    """

    cluster_storage: tuple[str, ...] = ()
    exclude_nodes: tuple[re.Pattern[str], ...] = ()
    exclude_storage: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = ()

    def excludes(self, node: str) -> bool:
        """Whether the node is not to be published; an expression matches anywhere in the name, as in Go."""
        return any(pattern.search(node) for pattern in self.exclude_nodes)

    def storage_classes(self, node: str) -> tuple[str, ...]:
        """The classes of `cluster_storage` that the node is not excluded from, sorted."""
        out = frozenset[str]().union(*(classes for pattern, classes in self.exclude_storage if pattern.search(node)))
        return tuple(sorted(set(self.cluster_storage) - out))


DEFAULT = Config()


def is_empty(body: Any) -> bool:
    """Whether a file says nothing at all: no error of the contract's, and nothing that anybody means either."""
    return body is None or body == ""


def parse(body: Any) -> Config:
    """The configuration of a document; nothing or an empty document gives the defaults.

    Raises ConfigError for what the contract calls an error: an unknown key, an empty or bad regular expression, an
    excluded class that is not in `cluster_storage`, or a value of the wrong type.
    """
    if is_empty(body):
        return DEFAULT
    _keys(body, _KEYS, "the document")
    version = body.get("version")
    if version is not None and (isinstance(version, bool) or not _VERSION.fullmatch(str(version))):
        raise ConfigError(f"version {version!r} is not a version")
    classes = _strings(body.get("cluster_storage"), "cluster_storage")
    exclude = {} if body.get("exclude") is None else body["exclude"]
    _keys(exclude, _EXCLUDE_KEYS, "exclude")
    nodes = tuple(_pattern(text) for text in _strings(exclude.get("nodes"), "exclude.nodes"))
    rules = []
    for rule in _list(exclude.get("node_storage"), "exclude.node_storage"):
        _keys(rule, _RULE_KEYS, "an item of exclude.node_storage")
        excluded = frozenset(_strings(rule.get("classes"), "classes of exclude.node_storage"))
        if not excluded <= set(classes):
            raise ConfigError(f"excluded classes {sorted(excluded - set(classes))} are not in cluster_storage")
        rules.append((_pattern(rule.get("node_filter")), excluded))
    return Config(classes, nodes, tuple(rules))


def _keys(value: Any, known: frozenset[str], where: str) -> None:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} is not a mapping: {value!r}")
    unknown = [key for key in value if key not in known]
    if unknown:
        raise ConfigError(f"{where} has unknown keys {unknown!r}; known are {sorted(known)}")


def _list(value: Any, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ConfigError(f"{where} is not a list: {value!r}")
    return value


def _strings(value: Any, where: str) -> tuple[str, ...]:
    items = _list(value, where)
    if not all(isinstance(item, str) for item in items):
        raise ConfigError(f"{where} holds something that is not a string: {items!r}")
    return tuple(items)


def _pattern(text: Any) -> re.Pattern[str]:
    if not isinstance(text, str) or not text:
        raise ConfigError(f"empty or missing regular expression: {text!r}")
    if _NOT_RE2.search(text):
        raise ConfigError(f"regular expression {text!r} uses what RE2 does not have")
    try:
        return re.compile(text)
    except re.error as exc:
        raise ConfigError(f"bad regular expression {text!r}: {exc}") from exc
