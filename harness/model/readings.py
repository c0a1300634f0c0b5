"""Expected values of which there may be more than one, because the contract leaves open which of them is meant.

A field with one reading is expected to have its value. Where several readings are as good, the expected value is a
`OneOf`, and an operator may report any of its values. None stays what it is everywhere in the model: not knowable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any of these values, of which there are at least two, may be reported."""

    values: frozenset[Any]


def one_of(values: Iterable[Any]) -> Any:
    """What is expected where any of the values may be reported: the value itself when there is but one.

    None when there is none, or when one of them is not knowable.
    """
    distinct = frozenset(values)
    if not distinct or None in distinct:
        return None
    return next(iter(distinct)) if len(distinct) == 1 else OneOf(distinct)


def values_of(expected: Any) -> Collection[Any]:
    """The values that may be reported."""
    return expected.values if isinstance(expected, OneOf) else (expected,)


def fits(expected: Any, reported: Any) -> bool:
    """Whether what is reported is (one of) what is expected."""
    return reported in expected.values if isinstance(expected, OneOf) else bool(reported == expected)
