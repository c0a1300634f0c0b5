"""An API server in memory with rights, admission, quotas, namespaces and priority levels, and a proxy before it.

It decides at once, and serves a starved user one request at a time, as a priority level without shares does.
"""

from __future__ import annotations

import asyncio
import copy
import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from harness.cluster.access import OPERATOR_RULES, OPERATOR_USER, SERVICE_ACCOUNTS
from harness.cluster.base import DISCOVERY_ACCOUNT, POD_NAMESPACE
from harness.cluster.hardware import NodeProfile
from harness.errors import ApiError
from harness.fault.admission import BINDINGS, POLICIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cluster.apirules import ApiRule

ROLE = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{OPERATOR_USER}"
NAMESPACE = f"/api/v1/namespaces/{POD_NAMESPACE}"
ACCOUNT = f"{SERVICE_ACCOUNTS}/{DISCOVERY_ACCOUNT}"
FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"


def start() -> dict[str, Any]:
    """What is there before any fault."""
    return {
        ROLE: {"rules": copy.deepcopy(OPERATOR_RULES)},
        NAMESPACE: {"metadata": {"uid": "first"}, "status": {"phase": "Active"}},
        ACCOUNT: {},
        f"{SERVICE_ACCOUNTS}/default": {},
    }


@dataclass
class Ruler:
    """The API server: objects by path. `terminates`: how often a namespace that was deleted is still seen."""

    objects: dict[str, Any] = field(default_factory=start)
    pods: list[dict[str, Any]] = field(default_factory=list)
    terminates: int = 2
    executing: int = 0
    rejected: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def get(self, path: str, **_: Any) -> Any:
        """An object, the pods, or the metrics."""
        if path == "/metrics":
            labels = 'flow_schema="harness-starved",priority_level="harness-starved",reason="concurrency-limit"'
            other = 'apiserver_flowcontrol_rejected_requests_total{flow_schema="other",priority_level="x"} 9\n'
            return f"{other}apiserver_flowcontrol_rejected_requests_total{{{labels}}} {self.rejected}\n"
        if path == f"{NAMESPACE}/pods":
            return {"items": self.pods}
        if path == NAMESPACE and self.objects.get(path, {}).get("status") == {"phase": "Terminating"}:
            self.terminates -= 1
            if self.terminates < 0:
                self.objects = {key: item for key, item in self.objects.items() if not key.startswith(NAMESPACE)}
        if path not in self.objects:
            raise ApiError(f"GET {path}: 404", status=404)
        return copy.deepcopy(self.objects[path])

    async def create(self, path: str, body: Mapping[str, Any]) -> Any:
        """A review, or an object."""
        if path.endswith("/subjectaccessreviews"):
            return {"status": {"allowed": self._may(body["spec"])}}
        name = f"{path}/{body['metadata']['name']}"
        if name in self.objects:
            raise ApiError(f"POST {name}: 409", status=409)
        self.objects[name] = {**body, "metadata": {**body["metadata"], "uid": "another"}, "status": {"phase": "Active"}}
        if path.endswith("/resourcequotas"):
            self.objects[name]["status"] = {"hard": body["spec"]["hard"], "used": {"pods": str(self._running())}}
        return self.objects[name]

    async def ensure(self, path: str, body: Mapping[str, Any]) -> None:
        """An object, where there is none."""
        if f"{path}/{body['metadata']['name']}" not in self.objects:
            await self.create(path, body)

    async def patch(self, path: str, body: Any) -> None:
        """The rules of the role."""
        self.objects[path] = {**self.objects[path], **body}

    async def delete(self, path: str) -> None:
        """Gone, or, for a namespace, on its way."""
        if path == NAMESPACE and path in self.objects:
            self.objects[path]["status"] = {"phase": "Terminating"}
        else:
            self.objects.pop(path, None)

    async def request(self, method: str, path: str, *, params: Mapping[str, str], as_user: str = "", **_: Any) -> Any:
        """A dry run, or a list as the operator's user."""
        self.asked.append((method, as_user))
        if method == "GET":
            await self._turn(as_user, waits="resourceVersionMatch" in params)
        elif method == "PATCH":
            self._admit("nodes", as_user, path)
        else:
            self._admit("pods", as_user, path)
            if NAMESPACE not in self.objects or ACCOUNT not in self.objects:
                raise ApiError(f"POST {path}: 403: error looking up service account", status=403)
            for name, quota in self.objects.items():
                if "/resourcequotas/" in name and self._running() >= int(quota["spec"]["hard"]["pods"]):
                    raise ApiError(f"POST {path}: 403: exceeded quota: {name}", status=403)

    def _running(self) -> int:
        return sum(item["status"]["phase"] == "Running" for item in self.pods)

    def _may(self, spec: Mapping[str, Any]) -> bool:
        asked = spec["resourceAttributes"]
        name = "/".join(part for part in (asked["resource"], asked["subresource"]) if part)
        return any(
            asked["group"] in rule["apiGroups"] and name in rule["resources"] and asked["verb"] in rule["verbs"]
            for rule in self.objects[ROLE]["rules"]
        )

    def _admit(self, resource: str, user: str, path: str) -> None:
        for name, body in self.objects.items():
            if not name.startswith(f"{POLICIES}/") or f"{BINDINGS}/{name.rpartition('/')[2]}" not in self.objects:
                continue
            spec = body["spec"]
            meant = spec["matchConstraints"]["resourceRules"][0]["resources"] == [resource]
            if meant and all(f"'{user}'" in item["expression"] for item in spec.get("matchConditions", ())):
                raise ApiError(f"{path}: 422: {spec['validations'][0]['message']}", status=422)

    async def _turn(self, user: str, *, waits: bool) -> None:
        """Lists that are to be newer than anything are waited for."""
        starved = user == OPERATOR_USER and any(name.startswith(f"{FLOW}/flowschemas/") for name in self.objects)
        if starved and self.executing:
            self.rejected += 1
            raise ApiError("GET: 429", status=429)
        self.executing += starved
        try:
            if waits:
                await asyncio.Event().wait()
        finally:
            self.executing -= starved


@dataclass
class Place:
    """A cluster with its proxy: rules by id in the order in which they were set, and what it saw refused."""

    client: Ruler = field(default_factory=Ruler)
    proxied: bool = True
    rules: dict[str, ApiRule] = field(default_factory=dict)
    refused: list[dict[str, Any]] = field(default_factory=list)

    async def set_api_rule(self, rule: ApiRule) -> None:
        """As the cluster does."""
        self.rules[rule.id] = rule

    async def clear_api_rule(self, rule_id: str) -> None:
        """As the cluster does."""
        self.rules.pop(rule_id, None)

    async def api_stats(self) -> dict[str, Any]:
        """As the cluster does."""
        return {"rules": {}, "refused": copy.deepcopy(self.refused)}

    def refuse(self, verb: str, resource: str, status: int, *, count: int = 1) -> None:
        """The operator was refused; what is connected to is a proxy."""
        kind = {"verb": verb, "resource": resource, "subresource": "proxy" if verb == "connect" else ""}
        self.refused.append({**kind, "status": status, "count": count})


@dataclass
class World:
    """As much of a run as these faults see."""

    cluster: Place = field(default_factory=Place)
    held: dict[Any, Any] = field(default_factory=dict)
    hardware: dict[str, Any] = field(default_factory=dict)
    rng: random.Random = field(default_factory=lambda: random.Random(5))  # noqa: S311 - names, not secrets
    profiles: dict[str, NodeProfile] = field(default_factory=lambda: {"n1": NodeProfile(), "n2": NodeProfile()})
    operator: Any = field(default_factory=SimpleNamespace)

    async def set_hardware(self, node: str, profile: NodeProfile | None) -> None:
        """Note it."""
        self.hardware[node] = profile
