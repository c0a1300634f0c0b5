"""What an operator is deployed with, as Kubernetes objects: the public chart's facts (contract.md part A), our words.

Everything is data; `harness.operator.container` puts it into a cluster. The rights are those that every cluster of ours
is given (`harness.cluster.access`), for the operator's service account.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.cluster.access import OPERATOR_USER
from harness.cluster.base import POD_NAMESPACE
from harness.operator.supervisor import GRACE_S, INITIAL_DELAY_S, PERIOD_S, TIMEOUT_S

NAME = OPERATOR_USER
CONTAINER = "operator-inventory"
"""An operator looks for its ports in the container of this name in its own pod (contract.md part A, "Process")."""

REST_PORT, GRPC_PORT = 8080, 8081
CONFIG_FILE, SCRIPT_FILE = "config.yaml", "liveness.sh"
_CONFIG_DIR, _SCRIPT_DIR = "/etc/inventory-operator", "/scripts"
_LABELS = {
    "app.kubernetes.io/name": "inventory",
    "app.kubernetes.io/instance": "inventory-service",
    "app.kubernetes.io/component": "operator",
    "app.kubernetes.io/part-of": "provider",
}
PODS = f"/api/v1/namespaces/{POD_NAMESPACE}/pods"
OWN = (
    f"/apis/apps/v1/namespaces/{POD_NAMESPACE}/deployments",
    f"/api/v1/namespaces/{POD_NAMESPACE}/services",
    f"/api/v1/namespaces/{POD_NAMESPACE}/configmaps",
)
"""Where what it is deployed with is put: `deployment`, `service` and `config_map`."""

SELECTOR = ",".join(f"{key}={value}" for key, value in _LABELS.items())
"""Of the operator's pods; discovery pods have another instance."""

SCRIPT = f"""#!/bin/bash
# Fails where no nodes are reported, or one with GPUs and without GPU info; an operator that answers nothing, or no
# inventory, passes. See harness/operator/liveness.py, which makes the same decision.
answer=$(curl --silent http://localhost:{REST_PORT}/v1/inventory)
none=$(jq 'if type == "object" then (.nodes // []) | length == 0 else false end' <<< "$answer" 2> /dev/null)
if [ "$none" = true ]; then
  echo "no nodes reported"
  exit 1
fi
lacking=$(jq -r '[.nodes[] | select(.resources.gpu.quantity.capacity != "0" and .resources.gpu.info == null) | .name]
  | .[:3] | join(", ")' <<< "$answer" 2> /dev/null)
if [ -n "$lacking" ]; then
  echo "GPUs without GPU info on $lacking"
  exit 1
fi
"""


@dataclass(frozen=True, slots=True)
class Deployed:
    """What one deployment of the operator is given.

    `config`: the content of its configuration file, "" for none; `liveness`: whether the chart's script looks after it,
    with its waits times `scale`; `arguments`: more of the operator's own; `node`: where it is to run, "" for anywhere.
    """

    image: str
    discovery_image: str
    registry_url: str
    registry_period_s: float = 2.0
    config: str = ""
    liveness: bool = False
    scale: float = 1.0
    arguments: tuple[str, ...] = ()
    node: str = ""


def account() -> dict[str, Any]:
    """The service account; its rights are bound to it already."""
    return _object("v1", "ServiceAccount")


def config_map(deployed: Deployed) -> dict[str, Any]:
    """The configuration file and the liveness script, as far as there are any."""
    data = {CONFIG_FILE: deployed.config} if deployed.config else {}
    if deployed.liveness:
        data[SCRIPT_FILE] = SCRIPT
    return {**_object("v1", "ConfigMap"), "data": data}


def service() -> dict[str, Any]:
    """Both ports, also of a pod that is not ready: what it answers then is what is examined."""
    return {
        **_object("v1", "Service"),
        "spec": {
            "selector": _LABELS,
            "publishNotReadyAddresses": True,
            "ports": [
                {"name": name, "port": port, "targetPort": name}
                for name, port in (("rest", REST_PORT), ("grpc", GRPC_PORT))
            ],
        },
    }


def deployment(deployed: Deployed, *, replicas: int = 1) -> dict[str, Any]:
    """One operator that is never there twice; its image is pulled only where the node has none of that name."""
    pod: dict[str, Any] = {
        "serviceAccountName": NAME,
        "terminationGracePeriodSeconds": int(GRACE_S),
        "containers": [_container(deployed)],
        "volumes": _volumes(deployed),
    }
    if deployed.node:
        pod["nodeSelector"] = {"kubernetes.io/hostname": deployed.node}
    return {
        **_object("apps/v1", "Deployment"),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": _LABELS},
            "template": {"metadata": {"labels": _LABELS}, "spec": pod},
        },
    }


def _container(deployed: Deployed) -> dict[str, Any]:
    settings = {
        "AP_POD_NAMESPACE": POD_NAMESPACE,
        "AP_DISCOVERY_IMAGE": deployed.discovery_image,
        "AP_PROVIDER_CONFIGS_URL": deployed.registry_url,
        "AP_REGISTRY_QUERY_PERIOD": f"{int(deployed.registry_period_s * 1000)}ms",
        **({"AP_CONFIG": f"{_CONFIG_DIR}/{CONFIG_FILE}"} if deployed.config else {}),
    }
    own = {"name": "AP_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": deployed.image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["provider-services", "operator", "inventory", *deployed.arguments],
        "env": [own, *({"name": name, "value": value} for name, value in settings.items())],
        "ports": [{"name": "rest", "containerPort": REST_PORT}, {"name": "grpc", "containerPort": GRPC_PORT}],
        "volumeMounts": [{"name": one["name"], "mountPath": path} for one, path in _mounts(deployed)],
    }
    if deployed.liveness:
        container["livenessProbe"] = {
            "exec": {"command": ["bash", f"{_SCRIPT_DIR}/{SCRIPT_FILE}"]},
            "initialDelaySeconds": _whole(INITIAL_DELAY_S * deployed.scale),
            "periodSeconds": _whole(PERIOD_S * deployed.scale),
            "timeoutSeconds": _whole(TIMEOUT_S),
            "failureThreshold": 1,
        }
    return container


def _mounts(deployed: Deployed) -> list[tuple[dict[str, Any], str]]:
    """(volume, where it is mounted). As in the chart the whole map is mounted, so that a change arrives by `..data`."""
    parts = [
        (deployed.config, "config", CONFIG_FILE, _CONFIG_DIR),
        (deployed.liveness, "scripts", SCRIPT_FILE, _SCRIPT_DIR),
    ]
    return [
        ({"name": name, "configMap": {"name": NAME, "items": [{"key": file, "path": file}]}}, place)
        for wanted, name, file, place in parts
        if wanted
    ]


def _volumes(deployed: Deployed) -> list[dict[str, Any]]:
    return [volume for volume, _place in _mounts(deployed)]


def _whole(seconds: float) -> int:
    """Probes know whole seconds only, and not less than one."""
    return max(1, round(seconds))


def _object(api_version: str, kind: str) -> dict[str, Any]:
    meta = {"name": NAME, "namespace": POD_NAMESPACE, "labels": _LABELS}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta}
