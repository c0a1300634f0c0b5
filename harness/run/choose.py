"""Which operator a campaign is about, and what it needs beside it, from what the user said."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.cluster import backend
from harness.errors import UsageError
from harness.operator.base import REFERENCE, parse
from harness.reference.defects import DEFECTS
from harness.toolchain import Toolchain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.cluster.backend import BackendSpec
    from harness.cluster.datastore import DatastoreSpec
    from harness.operator.base import OperatorSpec


def choose(operator: str, defect: str | None) -> OperatorSpec:
    """The operator of `--operator` and `--defect`; raises UsageError naming the value that is not acceptable."""
    spec = parse(operator, defect=defect)
    if defect is not None and defect not in DEFECTS:
        raise UsageError(f"--defect {defect} is not known", hint=f"one of {', '.join(DEFECTS)}")
    return spec


def placed(specs: tuple[BackendSpec, ...], spec: OperatorSpec) -> tuple[BackendSpec, ...]:
    """The same backends; an operator that runs already is elsewhere on each, the usual one included.

    One of an image is a pod wherever it can be. Raises UsageError where a place was asked for of one that runs already.
    """
    if spec.image:
        return tuple(replace(one, operator_in=one.operator_in or backend.place_of_image(one)) for one in specs)
    if not spec.rest_url:
        return specs
    if asked := [one.operator_in for one in specs if one.operator_in not in {"", backend.ELSEWHERE}]:
        raise UsageError(f"--operator-in {asked[0]}: {spec.name} runs already", hint="drop --operator-in")
    return tuple(replace(one, operator_in=backend.ELSEWHERE) for one in specs or (backend.USUAL,))


def named(text: str) -> tuple[str, str | None]:
    """--operator and --defect in one word: a path, "reference", or "reference+DEFECT"."""
    head, plus, defect = text.partition("+")
    return (head, defect) if plus and head == REFERENCE else (text, None)


def optional_parts(stores: Iterable[DatastoreSpec], specs: Iterable[BackendSpec] = ()) -> tuple[str, ...]:
    """The optional parts of the toolchain that these datastores and backends need, each once, by name."""
    of_backends = {part for spec in specs for part in backend.make(spec).components}
    return tuple(sorted(of_backends | {part for store in stores for part in store.components}))


def uses_toolchain(specs: Iterable[BackendSpec]) -> bool:
    """Whether any of these backends needs the toolchain's binaries."""
    made = [backend.make(spec) for spec in specs]
    return any(one.control_plane or one.components for one in made)


NO_TOOLCHAIN = Toolchain({}, {}, {}, {})
"""Of a campaign that needs none."""
