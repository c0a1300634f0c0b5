"""Campaigns on several datastores: runs that end with a chosen inventory."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from rich.console import Console

from reports.campaign import load
from reports.terminal import print_summary
from tests.unit.reports import bundles

if TYPE_CHECKING:
    from pathlib import Path

CARD = {
    "vendor": "nvidia", "vendor_id": "10de", "name": "a100", "model_id": "20b5", "interface": "PCIe",
    "memory_size": "80Gi",
}  # fmt: skip
VERSIONS = {
    "etcd": "etcd v3.6.8, 1 member",
    "sqlite": "kine v0.17.5 on SQLite 3.40.1",
    "postgres": "kine v0.17.5 on PostgreSQL 15.18",
}


def node(name: str, **figures: str) -> dict[str, Any]:
    """A node as REST reports it; `figures`: what is allocated, such as cpu="2500m"."""

    def quantity(resource: str, allocatable: str) -> dict[str, str]:
        return {"capacity": allocatable, "allocatable": allocatable, "allocated": figures.get(resource, "0")}

    return {
        "name": name,
        "resources": {
            "cpu": {"quantity": quantity("cpu", "16"), "info": None},
            "memory": {"quantity": quantity("memory", "64Gi"), "info": None},
            "gpu": {"quantity": quantity("gpu", "4"), "info": [dict(CARD)]},
            "ephemeral_storage": quantity("ephemeral_storage", "512Gi"),
            "volumes_attached": quantity("volumes_attached", "0"),
            "volumes_mounted": quantity("volumes_mounted", "0"),
        },
        "capabilities": {"storage_classes": []},
    }


def inventory(*nodes: dict[str, Any]) -> dict[str, Any]:
    """What REST answers."""
    return {"nodes": list(nodes), "storage": []}


ONE = inventory(node("worker-1", cpu="2500m"), node("worker-2"))
"""What a scenario ends with unless a test says otherwise."""


def printed(out: Path) -> str:
    """The summary of a campaign as a terminal shows it."""
    console = Console(file=io.StringIO(), width=120)
    print_summary(load(out), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def ended(
    bundle: Path,
    scenario: str,
    body: dict[str, Any] | None,
    *,
    converged: bool = True,
    excepted: list[dict[str, Any]] | None = None,
) -> None:
    """The history of a run that ends with an inventory; without one REST never answers."""
    story = bundles.Story(bundle, scenario)
    exceptions = {"excepted": excepted} if excepted else {}
    story.tell(2.0, "mark", mark="gate-passed", detail="", **exceptions)
    story.answers("rest", 2.0, 3.0, "ok" if body is not None else "error")
    if body is not None:
        story.body = story.writer.snapshot(body)
        story.answers("rest", 3.0, 4.0)
    story.answers("rest", 4.0, 4.2, "refused")
    story.tell(5.0, "mark", mark="converged" if converged else "not-converged", detail="")
    story.tell(5.1, "mark", mark="end", detail="")
    story.body = story.writer.snapshot(inventory())
    story.answers("rest", 5.2, 5.4)  # the operator is being stopped: not judged
    story.end()


def stored(out: Path, scenario: str, kind: str, body: dict[str, Any] | None, **more: Any) -> Path:
    """A whole run on a datastore, called as the harness calls it; `more`: of its verdicts, `ending`: of its history."""
    label = scenario if kind == "etcd" else f"{scenario}@{kind}"
    ending = more.pop("ending", {})
    given = {"promises": bundles.kept("TRUTH-1", "RECOVER-1"), "version": VERSIONS.get(kind, ""), **more}
    bundle = bundles.write_run(out, label, datastore=kind, **given)
    ended(bundle, scenario, body, **ending)
    return bundle


def on_datastores(out: Path) -> Path:
    """Three scenarios on three datastores: one the same everywhere, one different on postgres, one on etcd3 alone."""
    told = {"chaos/api-server-killed": (2.1, 2.4, 5.9), "chaos/node-cordoned": (0.84, 0.91, 1.2)}
    first = inventory(node("worker-1", cpu="2500m"), node("worker-2", memory="1Gi"))
    turned = inventory(node("worker-2", memory="1073741824"), node("worker-1", cpu="2.5"))
    other = inventory(node("worker-1", cpu="3"), node("worker-2", memory="1Gi"))
    for scenario, times in told.items():
        for kind, recovery_s in zip(VERSIONS, times, strict=True):
            differs = kind == "postgres" and scenario == "chaos/node-cordoned"
            stored(
                out, scenario, kind, other if differs else first if kind == "etcd" else turned, recovery_s=recovery_s
            )
    bundle = bundles.write_run(
        out, "chaos/leader-moved", promises=bundles.kept("TRUTH-1"), recovery_s=None, datastore="etcd3"
    )
    ended(bundle, "chaos/leader-moved", first)
    rows = [
        {"test": test, "datastore": kind, "why": "possible on etcd3"}
        for kind in ("etcd", "sqlite", "postgres")
        for test in ("chaos/leader-moved", "chaos/member-replaced")
    ]
    (out / "not-applicable.json").write_text(json.dumps(rows), encoding="utf-8")
    return out
