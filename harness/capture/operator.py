"""The operator in a user's cluster: where it answers, what it was configured with, and what its discovery pods say."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from harness.capture.foreign import FORBIDDEN, NOT_FOUND, refused
from harness.errors import ApiError, ClusterError, OperatorError, UsageError
from harness.operator.api import OK, GrpcReader, RestReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.capture.foreign import Foreign

NAMESPACE = "akash-services"
NAME = "operator-inventory"
"""What the chart calls service and ConfigMap."""

CONFIG_KEY = "config.yaml"
NONE = "none"
"""What --config says where the operator has no configuration."""

DISCOVERY = {"app.kubernetes.io/instance": "inventory-hardware-discovery"}
DISCOVERY_PORT = 8081
_TIMEOUT_S = 10.0
_PORTS = ("rest", "api", "http")
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Answers:
    """Where the operator answers: `rest`, a URL; `grpc`, HOST:PORT; `service`, a path behind the API server.

    What is empty is not asked.
    """

    rest: str = ""
    grpc: str = ""
    service: str = ""

    async def read(self, cluster: Foreign) -> dict[str, Any]:
        """What each source says now, by source; raises OperatorError when one does not answer."""
        found: dict[str, Any] = {}
        if self.rest:
            async with RestReader(self.rest.rstrip("/"), _TIMEOUT_S) as reader:
                answer = await reader.get()
            found["rest"] = _told(answer.outcome, answer.body, f"GET {self.rest}/v1/inventory", answer.error)
        if self.service:
            try:
                found["rest"] = await asyncio.to_thread(cluster.get, f"{self.service}/v1/inventory")
            except ClusterError as exc:
                raise OperatorError(f"the operator does not answer: {exc.what}", hint="or name it: --rest URL") from exc
        if self.grpc:
            async with GrpcReader(self.grpc, _TIMEOUT_S) as reader_:
                answer = await reader_.query()
                found["query"] = _told(answer.outcome, answer.body, f"QueryCluster at {self.grpc}", answer.error)
                found["stream"] = await _first(reader_, self.grpc)
        return found


async def _first(reader: GrpcReader, where: str) -> Any:
    """The snapshot that StreamCluster begins with."""
    messages = reader.stream()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            answer = await anext(aiter(messages))
    except TimeoutError as exc:
        raise OperatorError(f"StreamCluster at {where} sends nothing within {_TIMEOUT_S:g} s") from exc
    finally:
        if isinstance(messages, AsyncGenerator):
            await messages.aclose()  # the call ends with it
    return _told(answer.outcome, answer.body, f"StreamCluster at {where}", answer.error)


def _told(outcome: str, body: Any, what: str, error: str) -> Any:
    if outcome != OK:
        raise OperatorError(
            f"the operator does not answer: {what}: {error or outcome}",
            hint="--rest URL and --grpc HOST:PORT, as seen from here; `kubectl port-forward` makes both reachable",
        )
    return body


def found_by_service(cluster: Foreign, namespace: str) -> Answers:
    """The operator by its service; raises UsageError when there is none, or no right to look."""
    path = f"/api/v1/namespaces/{namespace}/services"
    try:
        services = cluster.items(path)
    except ApiError as exc:
        if exc.status != FORBIDDEN:
            raise
        raise refused(cluster.kubeconfig, [f"list services in {namespace}"]) from exc
    named = {str(one["metadata"]["name"]): one for one in services}
    chosen = named.get(NAME) or next((one for name, one in sorted(named.items()) if NAME in name), None)
    if chosen is None:
        raise UsageError(
            f"no operator is found: {namespace} has no service {NAME}, but {', '.join(sorted(named)) or 'none at all'}",
            hint="--namespace, or --rest URL and --grpc HOST:PORT",
        )
    ports = [str(one.get("name") or one["port"]) for one in chosen["spec"]["ports"]]
    port = next((name for name in _PORTS if name in ports), ports[0])
    return Answers(service=f"{path}/{chosen['metadata']['name']}:{port}/proxy")


def configuration(cluster: Foreign, given: str, namespace: str) -> Any:
    """The operator's configuration as a document, None where it has none.

    `given`: a file, NAMESPACE/NAME or NAMESPACE/NAME/KEY of a ConfigMap, NONE, or nothing for the chart's ConfigMap.
    Raises UsageError when there is none where it should be: without it nobody can say which nodes belong.
    """
    if given == NONE:
        return None
    if given and Path(given).is_file():
        return _document(Path(given).read_text(encoding="utf-8", errors="replace"), given)
    parts = given.split("/") if given else [namespace, NAME]
    if not 2 <= len(parts) <= 3:
        raise UsageError(f"--config {given}: there is no such file", hint="a file, NAMESPACE/NAME[/KEY], or none")
    place, name = parts[:2]
    try:
        body = cluster.get(f"/api/v1/namespaces/{place}/configmaps/{name}")
    except ApiError as exc:
        if exc.status == FORBIDDEN:
            raise refused(cluster.kubeconfig, [f"get configmaps in {place}"]) from exc
        if exc.status != NOT_FOUND:
            raise
        raise UsageError(
            f"the operator's configuration is not found: there is no ConfigMap {place}/{name}",
            hint=f"--config FILE or NAMESPACE/NAME, or --config {NONE} when it has none",
        ) from exc
    data = body.get("data") or {}
    key = parts[2] if len(parts) == 3 else CONFIG_KEY if CONFIG_KEY in data or len(data) != 1 else next(iter(data))
    if key not in data:
        raise UsageError(
            f"the ConfigMap {place}/{name} has no {key}, but {', '.join(sorted(data)) or 'nothing'}",
            hint="--config NAMESPACE/NAME/KEY",
        )
    return _document(data[key], f"{place}/{name}")


def _document(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise UsageError(
            f"the operator's configuration {where} is no YAML: {exc}", hint="it is to be mended first"
        ) from exc


async def hardware(cluster: Foreign, pods: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Any], str]:
    """What the discovery pods among these say, by the (real) name of their node; and why not of all.

    Nothing is asked of a pod that does not run.
    """
    running = [pod for pod in pods if _discovers(pod) and (pod.get("status") or {}).get("phase") == "Running"]
    found: dict[str, Any] = {}
    problems: list[str] = []
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(pod: Mapping[str, Any]) -> None:
        meta, node = pod["metadata"], str(pod["spec"].get("nodeName") or "")
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}:{DISCOVERY_PORT}/proxy"
        async with gate:
            try:
                said = {part: await asyncio.to_thread(cluster.get, f"{path}/{part}") for part in ("cpu", "gpu")}
            except ApiError as exc:
                denied = exc.status == FORBIDDEN
                problems.append("no right to get pods/proxy" if denied else f"a discovery pod answers {exc.status}")
            except ClusterError:
                problems.append("a discovery pod does not answer")
            else:
                found[node] = said

    await asyncio.gather(*(one(pod) for pod in running))
    return found, "; ".join(dict.fromkeys(problems)) or ("" if running else "no discovery pod runs")


def _discovers(pod: Mapping[str, Any]) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in DISCOVERY.items())


def registry(given: str) -> Any:
    """The GPU registry's content from a file, or from a URL that the operator was given; None for nothing.

    Raises UsageError when there is none.
    """
    if not given:
        return None
    try:
        if not given.startswith(("http://", "https://")):
            return json.loads(Path(given).read_text(encoding="utf-8"))
        with urllib.request.urlopen(f"{given.rstrip('/')}/devices/gpus", timeout=_TIMEOUT_S) as answer:
            return json.load(answer)
    except (OSError, ValueError) as exc:
        raise UsageError(
            f"--registry {given} cannot be read: {exc}", hint="the operator's --provider-configs-url, or a JSON file"
        ) from exc
