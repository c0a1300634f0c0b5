"""A capture from the first look to the picture: what is read, when it is enough, and what is said of it."""

from __future__ import annotations

import asyncio
import platform
import re
from dataclasses import dataclass, field
from importlib.metadata import version
from time import monotonic as now
from typing import TYPE_CHECKING, Any

from harness import seed as seeds
from harness.capture import anonymous, looks
from harness.capture import operator as operators
from harness.capture.anonymous import Anonymous
from harness.capture.looks import Look, Seen, truth_of
from harness.capture.picture import Picture
from harness.capture.recreate import Objects, recreated
from harness.cluster.configfile import Configuration, Without
from harness.errors import ClusterError, OperatorError, UsageError
from harness.model import config
from harness.model.figures import FIELDS
from harness.model.reported import parse
from harness.run.configured import document
from harness.run.plan import Plan
from harness.run.steady import MAY_BE_EXCEPTED
from harness.wait import interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from harness.capture.foreign import Foreign
    from harness.capture.operator import Answers

EVERY_S = 3.0
"""Between two looks: lists of a large cluster are work for its API server."""


@dataclass(slots=True)
class Capture:
    """One capture under way.

    `given`: the operator's configuration as a document, None for none; `registry`: the GPU registry's content, None
    where it was not given; `tell`: told what is being done.
    """

    cluster: Foreign
    answers: Answers
    given: Any
    registry: Any
    tell: Callable[[str], None]
    kept: Anonymous = field(default_factory=Anonymous)
    _hardware: dict[str, Any] = field(default_factory=dict)
    _config: config.Config = config.DEFAULT

    async def take(self, patience_s: float) -> tuple[Picture, tuple[str, ...]]:
        """Look until what is seen stands, or for `patience_s`; the picture, and what could not be judged or kept.

        Raises UsageError for what is missing, ClusterError and OperatorError for what does not answer.
        """
        try:
            self._config = config.parse(self.given)
        except config.ConfigError as exc:
            raise UsageError(
                f"the operator's configuration is not valid: {exc}", hint="which one is in force then nobody can say"
            ) from exc
        first = await asyncio.to_thread(self.cluster.everything)
        self.tell(f"{len(first['nodes'])} nodes, {len(first['pods'])} pods")
        said, problem = await operators.hardware(self.cluster, first["pods"])
        self._hardware = {self.kept.names.name(node): anonymous.hardware(body) for node, body in said.items()}
        notes = [f"CPU and GPU info, and labels of GPUs, are not judged everywhere: {problem}"] if problem else []
        if self.registry is None:
            notes.append("GPU info and labels are not judged: --registry was not given")
        look, seen = await self._looked(first, patience_s)
        plan, differs = self._plan(look, seen)
        return Picture(plan, look, seen, await self._versions()), (*notes, *differs)

    async def _looked(self, first: Mapping[str, list[dict[str, Any]]], patience_s: float) -> tuple[Look, Seen]:
        """Look as often as it takes; an operator that has answered once may leave out a look while there is time."""
        began = now()
        told: list[tuple[float, frozenset[Any]]] = []
        listed = first
        while True:
            t = now() - began
            try:
                look = await self._look(listed, t)
            except OperatorError as exc:
                if not told or t > patience_s:
                    raise
                self.tell(f"no look {t:.0f} s after the first: {exc.what}")
            else:
                told.append((look.t, look.differences()))
                seen = looks.seen(told)
                self.tell(f"look {len(told)}: {len(told[-1][1])} differences")
                if seen.settled or look.t > patience_s:
                    return look, seen
            await interval(EVERY_S)
            listed = await asyncio.to_thread(self.cluster.everything)

    async def _look(self, listed: Mapping[str, list[dict[str, Any]]], t: float) -> Look:
        answers = await self.answers.read(self.cluster)
        return Look(t, tuple(self._truth(listed)), {name: self.kept.answer(body) for name, body in answers.items()})

    def _truth(self, listed: Mapping[str, list[dict[str, Any]]]) -> Iterable[dict[str, Any]]:
        """The records of a history for what was listed."""
        for node, body in self._hardware.items():
            if body is not None:
                yield {"k": "hardware", "t": 0.0, "node": node, "hardware": body}
        if self.registry is not None:
            yield {"k": "registry", "t": 0.0, "body": self.registry}
        if (made := self.configuration(one["metadata"]["name"] for one in listed["nodes"])) is not None:
            yield {"k": "config", "t": 0.0, "body": document(made.text())}
        makers = {
            "nodes": self.kept.node, "pods": self.kept.pod, "storageclasses": self.kept.storage_class,
            "persistentvolumes": self.kept.volume,
        }  # fmt: skip
        for resource, items in listed.items():
            identities = []
            for body in map(makers[resource], items):
                meta = body["metadata"]
                named = {"namespace": meta.get("namespace", ""), "name": meta["name"], "uid": meta["uid"]}
                yield {
                    "k": "object",
                    "t": 0.0,
                    "event": "SYNC",
                    "resource": resource,
                    **named,
                    "rv": "0",
                    "object": body,
                }
                identities.append(list(named.values()))
            yield {"k": "synced", "t": 0.0, "resource": resource, "rv": "0", "objects": identities}

    def configuration(self, nodes: Iterable[str]) -> Configuration | None:
        """The operator's configuration under pseudonyms, whom its expressions match by name; None where it has none."""
        if self.given is None:
            return None
        real = sorted(nodes)
        names, found = self.kept.names.name, self._config
        without = []
        for pattern, classes in found.exclude_storage:
            if matched := tuple(_exactly(names(node)) for node in real if pattern.search(node)):
                without.append(Without(matched, tuple(sorted(map(names, classes)))))
        return Configuration(
            exclude=tuple(_exactly(names(node)) for node in real if found.excludes(node)),
            storage=tuple(map(names, found.cluster_storage)),
            without=tuple(without),
        )

    def _plan(self, look: Look, seen: Seen) -> tuple[Plan, tuple[str, ...]]:
        of: dict[str, list[dict[str, Any]]] = {}
        for record in look.truth:
            if record["k"] == "object":
                of.setdefault(record["resource"], []).append(record["object"])
        reported, _problems = parse(next(iter(look.answers.values()), None))
        config_body = next((record["body"] for record in look.truth if record["k"] == "config"), None)
        objects = Objects(
            nodes={body["metadata"]["name"]: body for body in of.get("nodes", ())},
            pods=tuple(of.get("pods", ())),
            classes=tuple(of.get("storageclasses", ())),
            volumes=tuple(of.get("persistentvolumes", ())),
            hardware={node: body for node, body in self._hardware.items() if body is not None},
            registry=self.registry,
            config=None if config_body is None else _configuration(config_body),
            told={name: tuple((g.vendor, g.name) for g in node.gpu_info) for name, node in reported.nodes.items()},
            pools={
                name: int(item.values["storage.allocatable"])
                for name, item in reported.storage.items()
                if "storage.allocatable" in item.values
            },
        )
        suspects = {one.node for one in seen.standing if _needs_to_join(one.field)} & objects.nodes.keys()
        name = f"captured/{self.kept.names.uid('')[:8]}"
        made = recreated(objects, name=name, promises=judged(look), suspects=suspects)
        return Plan(made.scenario, seeds.fresh()), made.differs

    async def _versions(self) -> dict[str, str]:
        try:
            body = await asyncio.to_thread(self.cluster.get, "/version")
            found = str(body.get("gitVersion", "unknown"))
        except ClusterError:
            found = "unknown"
        return {"harness": version("inventory-harness"), "python": platform.python_version(), "cluster": found}


def judged(look: Look) -> tuple[str, ...]:
    """The promises that can be judged of what is known."""
    truth = truth_of(look.truth)
    nodes = truth.expected().values()
    possible = (
        ("SHAPE-1", True),
        ("SHAPE-2", len(look.answers) > 1),
        ("TRUTH-1", True),
        ("TRUTH-2", True),
        ("TRUTH-3", True),
        ("TRUTH-4", True),
        ("TRUTH-5", any(node.cpu_info is not None for node in nodes)),
        ("TRUTH-6", bool(truth.expected_storage())),
        ("LABEL-1", any(node.labels_known for node in nodes)),
    )
    return tuple(promise for promise, known in possible if known)


def _needs_to_join(field_name: str) -> bool:
    """Whether a run could not begin with a node of which this is wrong, nor wait for pods to make it so."""
    allocated = field_name in FIELDS and field_name.endswith(".allocated")
    return field_name not in MAY_BE_EXCEPTED and not allocated


def _exactly(name: str) -> str:
    return f"^{re.escape(name)}$"


def _configuration(body: Mapping[str, Any]) -> Configuration:
    """The configuration in a document of our own making."""
    rules = body["exclude"]["node_storage"]
    return Configuration(
        exclude=tuple(body["exclude"]["nodes"]),
        storage=tuple(body["cluster_storage"]),
        without=tuple(Without((rule["node_filter"],), tuple(rule["classes"])) for rule in rules),
    )
