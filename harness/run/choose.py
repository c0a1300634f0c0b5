"""Which operator a campaign is about, and what it needs beside it, from what the user said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.operator.base import REFERENCE, parse
from harness.reference.defects import DEFECTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.cluster.datastore import DatastoreSpec
    from harness.operator.base import OperatorSpec


def choose(operator: str, defect: str | None) -> OperatorSpec:
    """The operator of `--operator` and `--defect`; raises UsageError naming the value that is not acceptable."""
    spec = parse(operator, defect=defect)
    if defect is not None and defect not in DEFECTS:
        raise UsageError(f"--defect {defect} is not known", hint=f"one of {', '.join(DEFECTS)}")
    return spec


def named(text: str) -> tuple[str, str | None]:
    """--operator and --defect in one word: a path, "reference", or "reference+DEFECT"."""
    head, plus, defect = text.partition("+")
    return (head, defect) if plus and head == REFERENCE else (text, None)


def optional_parts(stores: Iterable[DatastoreSpec]) -> tuple[str, ...]:
    """The optional parts of the toolchain that these datastores need, each once, by name."""
    return tuple(sorted({part for store in stores for part in store.components}))
