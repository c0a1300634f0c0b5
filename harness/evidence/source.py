"""A scenario as Python source: what a person would have written, with the harness's public names.

Only what differs from the defaults is written. The source makes an equal scenario; a property test holds it to that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import harness
from harness import faults, nodes, schedules
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.scenario import Scenario

WIDTH = 110
_INDENT = "    "
_MODULES = (("faults.", faults), ("schedules.", schedules), ("nodes.", nodes))


@dataclasses.dataclass(slots=True)
class Source:
    """Writes values, and notes in `names` which public names of `harness` they need."""

    names: set[str] = dataclasses.field(default_factory=set)

    def write(self, value: Any, *, room: int = WIDTH, depth: int = 0) -> str:
        """The source of a value, on one line where it fits into `room`, else with one part a line.

        Raises UsageError for a value that has no public name.
        """
        short = self._short(value)
        if len(short) <= room:
            return short
        if isinstance(value, tuple) and value:
            return self._lines("(", [("", item) for item in value], ")", depth)
        if isinstance(value, Mapping):
            return self._lines("{", [(f"{_quoted(key)}: ", item) for key, item in value.items()], "}", depth)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            given = [(f"{name}=", item) for name, item in self._given(value)]
            return self._lines(f"{self._name(type(value))}(", given, ")", depth)
        return short

    def _lines(self, begin: str, parts: list[tuple[str, Any]], end: str, depth: int) -> str:
        inner = _INDENT * (depth + 1)
        room = WIDTH - len(inner) - 1
        lines = [f"{inner}{head}{self.write(item, room=room - len(head), depth=depth + 1)}," for head, item in parts]
        return "\n".join([begin, *lines, f"{_INDENT * depth}{end}"])

    def _short(self, value: Any) -> str:
        if isinstance(value, tuple):
            inner = ", ".join(self._short(item) for item in value)
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{_quoted(key)}: {self._short(item)}" for key, item in value.items()) + "}"
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            inner = ", ".join(f"{name}={self._short(item)}" for name, item in self._given(value))
            return f"{self._name(type(value))}({inner})"
        return _quoted(value)

    def _given(self, value: Any) -> list[tuple[str, Any]]:
        """The fields that are not as they would be anyway."""
        found = []
        for field in dataclasses.fields(value):
            item = getattr(value, field.name)
            if field.init and not (_has_default(field) and item == _default(field)):
                found.append((field.name, item))
        return found

    def _name(self, kind: type[Any]) -> str:
        for prefix, module in _MODULES:
            if getattr(module, kind.__name__, None) is kind:
                self.names.add(prefix.rstrip("."))
                return f"{prefix}{kind.__name__}"
        name = str(kind.__name__)
        if name not in harness.__all__ or getattr(harness, name) is not kind:
            raise UsageError(f"{name} has no public name", hint="harness.faults, schedules, nodes or harness itself")
        self.names.add(name)
        return name


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default


def _quoted(value: Any) -> str:
    """A plain value; texts in double quotes, as everywhere in the suite."""
    text = repr(value)
    if isinstance(value, str) and text.startswith("'") and '"' not in text:
        return f'"{text[1:-1]}"'
    return text


def scenario_source(scenario: Scenario) -> tuple[str, set[str]]:
    """The source of a scenario, and the public names that it needs from `harness`."""
    source = Source()
    text = source.write(scenario)
    return text, source.names
