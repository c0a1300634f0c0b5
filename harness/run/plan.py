"""The plan of a run: all that its choices were made from, so that they can be made again.

It stands in the bundle, written before anything else. The scenario in it is a value of its own: it stays as it was when
the file that declared it has changed. The seed makes every random choice again: targets, pods, gaps of a schedule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness import seed as seeds
from harness.bundle import PLAN_FILE
from harness.bundle.manifest import write_json
from harness.cluster.backend import EMBEDDED, MODULES
from harness.cluster.datastore import ETCD, KINDS
from harness.errors import UsageError
from harness.names.naming import USUAL
from harness.scenario import Scenario

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Plan:
    """One run before it takes place.

    `scenario`: as it is carried out, under the names it is carried out with; `names`: the word for those, `called`: how
    each of its nodes was called before; `datastore`: the kind; `settle`: whether traffic ends with the same pods
    for the same seed; `kubernetes`: the control plane's version ("v1.34.4"), empty where it was not written down;
    `backend`: the name of what provides the cluster.
    """

    scenario: Scenario
    seed: int
    datastore: str = ETCD
    names: str = USUAL
    called: Mapping[str, str] = field(default_factory=dict)
    settle: bool = False
    kubernetes: str = ""
    backend: str = EMBEDDED

    def as_json(self) -> dict[str, Any]:
        """The content of plan.json."""
        return {
            "scenario": self.scenario.as_json(),
            "seed": self.seed,
            "names": self.names,
            "called": dict(self.called),
            "datastore": self.datastore,
            "settle": self.settle,
            "kubernetes": self.kubernetes,
            "backend": self.backend,
        }

    def write(self, bundle: Path) -> None:
        """Write plan.json; raises PlatformError when the disk does not take it."""
        write_json(bundle / PLAN_FILE, self.as_json())

    @property
    def label(self) -> str:
        """How its run is called: the scenario's id, with backend and datastore where those are not the usual ones."""
        return label_of(self.scenario, self.datastore, self.backend)


def label_of(scenario: Scenario, datastore: str, backend: str = EMBEDDED) -> str:
    """How a run of the scenario on that kind of datastore of that backend is called."""
    words = [
        *([backend] if backend != EMBEDDED else []),
        *([datastore] if datastore != scenario.possible_on[0] else []),
    ]
    return f"{scenario.id}@{'-'.join(words)}" if words else scenario.id


def from_json(body: Any) -> Plan:
    """The plan in plan.json; raises UsageError for what is none, or cannot be carried out."""
    if not isinstance(body, Mapping) or not isinstance(body.get("scenario"), Mapping):
        raise UsageError("there is no plan: plan.json holds no scenario", hint="is this a bundle of the harness?")
    seed, datastore = body.get("seed"), body.get("datastore", ETCD)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise UsageError(f"the plan's seed is {seed!r}, which is no whole number", hint="it was changed by hand")
    if datastore not in KINDS:
        raise UsageError(f"the plan's datastore {datastore!r} is not known", hint=f"one of {', '.join(KINDS)}")
    provider = body.get("backend") or EMBEDDED
    if provider not in MODULES:
        raise UsageError(f"the plan's backend {provider!r} is not known", hint=f"one of {', '.join(MODULES)}")
    called = body.get("called")
    return Plan(
        scenario=Scenario.from_json(body["scenario"]),
        seed=seeds.check(seed),
        datastore=datastore,
        names=str(body.get("names") or USUAL),
        called={str(old): str(new) for old, new in called.items()} if isinstance(called, Mapping) else {},
        settle=body.get("settle") is True,
        kubernetes=str(body.get("kubernetes") or ""),
        backend=provider,
    )
