"""JSON data back into frozen dataclasses, by their annotations; whatever does not fit is named.

`dataclasses.asdict` goes the other way. Annotations may be str, int, float, bool, a dataclass, `tuple[X, ...]`, a tuple
of fixed length, `Mapping[str, X]`, `X | None`, or a type that the caller knows how to make (`known`).
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from harness.errors import UsageError

Made = TypeVar("Made")
Known = Mapping[Any, Callable[[Any], Any]]
"""How to make a value of a type of which annotations do not tell enough: annotation -> from JSON."""

_PLAIN = (str, bool, int)


def make(kind: type[Made], body: Any, *, named: str, known: Known | None = None) -> Made:
    """A value of the dataclass `kind` from a JSON object; `named`: what messages call it.

    Raises UsageError for what is unknown, missing or of another type, with its place; range checks are the class's own.
    """
    fields = {field.name for field in dataclasses.fields(cast("Any", kind)) if field.init}
    if not isinstance(body, Mapping):
        raise _wrong(named, "an object", body)
    if unknown := sorted(str(key) for key in body.keys() - fields):
        raise UsageError(f"{named} has {unknown[0]!r}, which is not known", hint="a newer harness may have written it")
    hints = get_type_hints(kind)
    given = {key: value_of(hints[key], value, f"{named}: {key}", known or {}) for key, value in body.items()}
    try:
        return kind(**given)
    except TypeError as exc:  # what is needed and missing
        raise UsageError(f"{named}: {exc}", hint=f"given were {', '.join(sorted(given)) or 'none'}") from exc


def value_of(hint: Any, value: Any, named: str, known: Known) -> Any:
    """A value of an annotated type from JSON data; raises UsageError naming its place."""
    for special, from_json in known.items():
        if hint == special:
            return from_json(value)
    origin = get_origin(hint)
    if origin in {Union, types.UnionType}:
        found = _optional(hint, value, named, known)
    elif origin is tuple:
        found = _tuple(get_args(hint), value, named, known)
    elif origin is not None and issubclass(origin, Mapping):
        found = _mapping(get_args(hint)[1], value, named, known)
    elif dataclasses.is_dataclass(hint):
        found = make(cast("type[Any]", hint), value, named=named, known=known)
    else:
        found = value if hint is Any else _plain(hint, value, named)
    return found


def _mapping(inner: Any, value: Any, named: str, known: Known) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(named, "an object", value)
    return {str(key): value_of(inner, item, f"{named}[{key}]", known) for key, item in value.items()}


def _plain(hint: Any, value: Any, named: str) -> Any:
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint in _PLAIN and type(value) is hint:
        return value
    raise _wrong(named, getattr(hint, "__name__", str(hint)), value)


def _optional(hint: Any, value: Any, named: str, known: Known) -> Any:
    kinds = [kind for kind in get_args(hint) if kind is not types.NoneType]
    if value is None and len(kinds) < len(get_args(hint)):
        return None
    problems = []
    for kind in kinds:
        try:
            return value_of(kind, value, named, known)
        except UsageError as exc:
            problems.append(exc)
    raise problems[0]


def _tuple(kinds: tuple[Any, ...], value: Any, named: str, known: Known) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _wrong(named, "a list", value)
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise _wrong(named, f"a list of {len(kinds)}", value)
    return tuple(
        value_of(kind, item, f"{named}[{number}]", known)
        for number, (kind, item) in enumerate(zip(kinds, value, strict=True))
    )


def _wrong(named: str, wanted: str, value: Any) -> UsageError:
    return UsageError(
        f"{named} is {str(value)[:60]!r}, which is not {wanted}", hint="it was changed by hand, or damaged"
    )
