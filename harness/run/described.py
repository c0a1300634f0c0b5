"""The catalogue of faults in words: what each harms and needs, how it proves that it bit, and who uses it.

Nothing here is written twice: what a fault harms is the first sentence of its class, how it proves it the first of its
`bitten`, what it needs stands in `harness.fault.catalog`, and what it threatens is what its scenarios judge.
"""

from __future__ import annotations

import runpy
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harness.check.contract import PROMISES
from harness.errors import UsageError
from harness.fault import catalog
from harness.fault.needs import NEEDS
from harness.fault.radius import RADII
from harness.fault.schedule import injected
from harness.fault.together import Together
from harness.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Described:
    """One kind of fault.

    `name`: its kind; `harms`, `proves`: a sentence each; `radius`: what it may touch, and nothing else, as is verified;
    `needs`: what its scenario must have, and the backend's capabilities (`harness.cluster.capability`);
    `threatens`: the promises that its scenarios judge, in the contract's order; `scenarios`: their ids, sorted.
    """

    name: str
    harms: str
    radius: tuple[str, ...]
    needs: tuple[str, ...]
    proves: str
    threatens: tuple[str, ...]
    scenarios: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The fields, with lists for tuples."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def describe(scenarios: Iterable[Scenario]) -> tuple[Described, ...]:
    """Every kind of fault, by name, with those of the scenarios that use it."""
    users: dict[str, list[Scenario]] = {name: [] for name in catalog.KINDS}
    for scenario in scenarios:
        for name in {part for fault in injected(*scenario.faults) for part in _kinds(fault)}:
            users[name].append(scenario)
    return tuple(
        Described(
            name=name,
            harms=first_sentence(kind.__doc__),
            radius=RADII.get(name, ("what its parts may",)),
            needs=needs(name),
            proves=first_sentence(kind.bitten.__doc__),
            threatens=tuple(p for p in PROMISES if any(p in scenario.promises for scenario in users[name])),
            scenarios=tuple(sorted(scenario.id for scenario in users[name])),
        )
        for name, kind in sorted(catalog.KINDS.items())
    )


def needs(name: str) -> tuple[str, ...]:
    """What a kind of fault needs: of its scenario, one phrase each, and of a backend, words of its capabilities."""
    found = []
    if name in catalog.DATASTORES:
        found.append(f"datastore {' or '.join(catalog.DATASTORES[name])}")
    if name in catalog.OF_SERVERS:
        found.append("three servers")
    if name in catalog.OF_SUPERVISED:
        found.append("supervised operator")
    if name in catalog.OF_CONFIGURED:
        found.append("configuration file")
    if name in catalog.OF_MEMORY_GROUPS:
        found.append("memory control group")
    if name in catalog.OF_STORAGE:
        found.append("storage")
    return (*found, *NEEDS.get(name, ()))


def first_sentence(docstring: str | None) -> str:
    """The first sentence of a docstring, on one line; empty when there is none."""
    paragraph = " ".join((docstring or "").split("\n\n", maxsplit=1)[0].split())
    sentence, stop, _rest = f"{paragraph} ".partition(". ")
    return sentence + "." if stop else paragraph


def scenarios_of(suite: Path) -> tuple[Scenario, ...]:
    """The scenarios of the suite that is at `suite`, by id: its test modules are loaded, and no test is run.

    Raises UsageError for a module that cannot be loaded.
    """
    found: dict[str, Scenario] = {}
    for path in sorted((suite / "scenarios").rglob("test_*.py")):
        try:
            module = runpy.run_path(str(path))
        except (ImportError, SyntaxError) as exc:
            raise UsageError(
                f"{path} cannot be loaded: {exc}", hint="pytest scenarios --collect-only says more"
            ) from exc
        found |= {value.id: value for value in _values(module) if isinstance(value, Scenario)}
    return tuple(found[name] for name in sorted(found))


def _values(module: dict[str, Any]) -> Iterator[Any]:
    """What a module names, and the parameters of its tests."""
    for value in module.values():
        yield value
        for mark in getattr(value, "pytestmark", ()):
            for case in mark.args[1] if mark.name == "parametrize" else ():
                yield from getattr(case, "values", (case,))


def _kinds(fault: Any) -> Iterator[str]:
    """The kind of a fault, and of all that it is made of."""
    yield fault.kind
    if isinstance(fault, Together):
        yield from _kinds(fault.first)
        yield from _kinds(fault.second)
