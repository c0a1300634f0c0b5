"""What `kubectl describe node` prints about requests, read back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.model import quantity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from decimal import Decimal

_ROW = re.compile(r"\s{2,}")


@dataclass(frozen=True, slots=True)
class Described:
    """`pods`: cpu and memory that each pod listed requests, by (namespace, name); `allocated`: requests by resource."""

    pods: Mapping[tuple[str, str], tuple[Decimal, Decimal]]
    allocated: Mapping[str, Decimal]


def parse(text: str) -> Described:
    """The two tables of the description of one node. Raises AssertionError where one of them is not there."""
    pods = {
        (row[0], row[1]): (_amount(row[2]), _amount(row[4]))
        for row in _table(text, "Non-terminated Pods:", "Namespace")
    }
    allocated = {row[0]: _amount(row[1]) for row in _table(text, "Allocated resources:", "Resource")}
    return Described(pods, allocated)


def _table(text: str, heading: str, first_column: str) -> Iterator[list[str]]:
    """The cells of each row below the dashes, up to the next heading."""
    lines = iter(text.splitlines())
    assert any(line.startswith(heading) for line in lines), f"no {heading!r} in:\n{text}"
    assert any(line.strip().startswith(first_column) for line in lines), f"no table under {heading!r} in:\n{text}"
    next(lines)
    for line in lines:
        if not line.startswith("  "):
            return
        yield _ROW.split(line.strip())


def _amount(cell: str) -> Decimal:
    """A quantity, followed by its share of what is allocatable where that is printed: "250m (3%)"."""
    return quantity.parse(cell.split(" ", maxsplit=1)[0])
