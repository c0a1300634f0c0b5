"""The configuration file: parsing it, and following its changes.

Rules: contract.md part A, "Configuration file". A bad configuration at start is an error; a bad one later is logged,
and the last good one stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from harness.errors import UsageError
from harness.reference.log import LOG
from harness.reference.pause import pause

if TYPE_CHECKING:
    from collections.abc import Callable

# CONFIG-1 gives 5 s. Looking at the content, not at file events, is what survives a ConfigMap's swap of `..data`. What
# two looks in a row have found is believed: a file that is written in pieces is not, before it is whole.
_LOOK_S = 0.4
_VERSION = re.compile(r"v?\d+(\.\d+){0,2}(-[0-9A-Za-z.-]+)?")


@dataclass(frozen=True, slots=True)
class Config:
    """Which nodes and storage classes are offered; the default allows everything."""

    cluster_storage: tuple[str, ...] = ()
    exclude_nodes: tuple[re.Pattern[str], ...] = ()
    exclude_storage: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = ()

    def excludes(self, node: str) -> bool:
        """Whether an expression is found anywhere in the node's name (Go's MatchString)."""
        return any(pattern.search(node) for pattern in self.exclude_nodes)

    def classes_not_on(self, node: str) -> frozenset[str]:
        """The storage classes that the node does not have."""
        return frozenset(name for pattern, names in self.exclude_storage if pattern.search(node) for name in names)


def parse(text: str) -> Config:
    """A configuration from YAML; raises UsageError that names what is wrong."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise UsageError(f"configuration is not YAML: {exc}") from exc
    top = _table(document or {}, {"version", "cluster_storage", "exclude"}, "configuration")
    if "version" in top and not _VERSION.fullmatch(str(top["version"])):
        raise UsageError(f"configuration: invalid version {top['version']!r}", hint="for example v1")
    storage = _texts(top.get("cluster_storage"), "cluster_storage")
    exclude = _table(top.get("exclude") or {}, {"nodes", "node_storage"}, "exclude")
    rules = []
    for entry in _list(exclude.get("node_storage"), "exclude.node_storage"):
        rule = _table(entry, {"node_filter", "classes"}, "exclude.node_storage")
        classes = _texts(rule.get("classes"), "classes")
        unknown = sorted(set(classes) - set(storage))
        if unknown:
            raise UsageError(f"exclude.node_storage names classes that are not in cluster_storage: {unknown}")
        rules.append((_pattern(rule.get("node_filter")), classes))
    nodes = tuple(_pattern(item) for item in _list(exclude.get("nodes"), "exclude.nodes"))
    return Config(storage, nodes, tuple(rules))


def refuse(error: UsageError) -> Config:
    """Part A, "Process": a bad configuration at start is an error, over which the process ends."""
    raise error


def read(source: str, *, on_bad: Callable[[UsageError], Config] = refuse) -> Config:
    """The configuration at start: a file (ends in `yaml`), inline text, or "" for the default."""
    try:
        return parse(_text(source))
    except UsageError as exc:
        return on_bad(exc)


def read_again(source: str) -> Callable[[], str]:
    """The way to the file's text: by its name, anew each time."""
    return lambda: _text(source)


def keep_last_good(error: UsageError) -> None:
    """CONFIG-1: a bad new configuration changes nothing, and is told of."""
    LOG.error("config: the last good configuration stays: %s", error.what)


async def follow(
    source: str,
    apply: Callable[[Config], None],
    *,
    reader: Callable[[str], Callable[[], str]] = read_again,
    on_bad: Callable[[UsageError], Config | None] = keep_last_good,
) -> None:
    """Apply each new good content of the file until cancelled; returns at once when there is no file.

    `on_bad` tells of a bad one, once, and may say what to apply in its place.
    """
    if not source.endswith("yaml"):
        return
    text = reader(source)
    judged: Config | str = ""
    before: Config | str = ""
    while True:
        found = _look(text)
        if found == before and found != judged:
            judged = found
            config = on_bad(UsageError(found)) if isinstance(found, str) else found
            if config is not None:
                apply(config)
        before = found
        await pause(_LOOK_S)


def _look(text: Callable[[], str]) -> Config | str:
    """What the file says now, or what is wrong with it."""
    try:
        content = text()
        if not content.strip():
            return "the configuration file is empty"
        return parse(content)
    except UsageError as exc:
        return exc.what


def _text(source: str) -> str:
    if not source.endswith("yaml"):
        return source
    try:
        return Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"configuration {source} cannot be read: {exc}", hint="give another with --config") from exc


def _table(value: Any, known: set[str], what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{what} is not a mapping: {str(value)[:80]!r}")
    unknown = sorted(set(map(str, value)) - known)
    if unknown:
        raise UsageError(f"{what}: unexpected field {unknown[0]}", hint=f"one of: {', '.join(sorted(known))}")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise UsageError(f"{what} is not a list: {str(value)[:80]!r}")
    return value


def _texts(value: Any, what: str) -> tuple[str, ...]:
    return tuple(str(item) for item in _list(value, what))


def _pattern(value: Any) -> re.Pattern[str]:
    if not isinstance(value, str) or not value:
        raise UsageError(f"empty regexp filters are not allowed: {value!r}")
    try:
        return re.compile(value)
    except re.error as exc:
        raise UsageError(f"not a regular expression: {value!r}: {exc}") from exc
