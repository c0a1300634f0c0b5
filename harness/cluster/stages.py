"""How kwok plays nodes and pods: the Stage documents it is started with (kwok.x-k8s.io/v1alpha1, kwok 0.8).

A node is initialised once: Ready and the other conditions, addresses. From then on its status is written again every
few seconds, as a kubelet does: an operator may publish a node only at its next change (contract.md, last line of part
A). A pod bound to a node becomes Running with every condition a kubelet sets (PodScheduled among them, since pods bound
directly never meet a scheduler). Ending pods is not kwok's: see `harness.cluster.reaper`. A node that carries the
annotation `harness.cluster.nodes.STILL` is left as it is: a fault speaks for its kubelet.
"""

from __future__ import annotations

from typing import Any

import yaml

_CONDITIONS = """\
{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
  message: {{ .message | Quote }}
  reason: {{ .reason | Quote }}
  status: {{ .status | Quote }}
  type: {{ .type | Quote }}
{{ end }}
"""

_NODE_INITIALIZE = (
    _CONDITIONS
    + """\
addresses:
{{ with NodeIP }}
- address: {{ . | Quote }}
  type: InternalIP
{{ end }}
- address: {{ .metadata.name | Quote }}
  type: Hostname
phase: Running
"""
)

# Only the heartbeat moves; lastTransitionTime stays with the condition it belongs to.
_NODE_STATUS = """\
{{ $now := Now }}
conditions:
{{ range .status.conditions }}
- lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ .lastTransitionTime | Quote }}
  message: {{ .message | Quote }}
  reason: {{ .reason | Quote }}
  status: {{ .status | Quote }}
  type: {{ .type | Quote }}
{{ end }}
"""

_POD_READY = """\
{{ $now := Now }}
conditions:
{{ range $type := (list "PodScheduled" "PodReadyToStartContainers" "Initialized" "ContainersReady" "Ready") }}
- lastTransitionTime: {{ $now | Quote }}
  status: "True"
  type: {{ $type | Quote }}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- image: {{ .image | Quote }}
  name: {{ .name | Quote }}
  ready: true
  restartCount: 0
  started: true
  state:
    running:
      startedAt: {{ $now | Quote }}
{{ end }}
{{ with .spec.initContainers }}
initContainerStatuses:
{{ range . }}
- image: {{ .image | Quote }}
  name: {{ .name | Quote }}
  ready: true
  restartCount: 0
  {{ if eq .restartPolicy "Always" }}
  started: true
  state:
    running:
      startedAt: {{ $now | Quote }}
  {{ else }}
  state:
    terminated:
      exitCode: 0
      finishedAt: {{ $now | Quote }}
      reason: Completed
      startedAt: {{ $now | Quote }}
  {{ end }}
{{ end }}
{{ end }}
{{ with NodeIPWith .spec.nodeName }}
hostIP: {{ . | Quote }}
{{ end }}
{{ $onHost := or .spec.hostNetwork false }}
{{ with PodIPWith .spec.nodeName $onHost .metadata.uid .metadata.name .metadata.namespace }}
podIP: {{ . | Quote }}
podIPs:
- ip: {{ . | Quote }}
{{ end }}
phase: Running
startTime: {{ $now | Quote }}
"""


def _stage(
    name: str, kind: str, when: list[dict[str, Any]], then: dict[str, Any], delay: dict[str, Any] | None = None
) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "resourceRef": {"apiGroup": "v1", "kind": kind},
        "selector": {"matchExpressions": when},
        "next": then,
    }
    if delay is not None:
        spec["delay"] = delay
    return {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": spec}


def _when(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


_READY = '.status.conditions.[] | select( .type == "Ready" ) | .status'


def documents(*, status_period_s: float) -> str:
    """The Stage documents as YAML.

    `status_period_s` is the period of a node's status updates; up to a fifth of jitter is added.
    """
    period_ms = int(status_period_s * 1000)
    stages = [
        _stage("node-initialize", "Node", [_when(_READY, "NotIn", "True")], {"statusTemplate": _NODE_INITIALIZE}),
        _stage(
            "node-heartbeat-with-lease",
            "Node",
            [_when(".status.phase", "In", "Running"), _when(_READY, "In", "True")],
            {"statusTemplate": _NODE_STATUS},
            {"durationMilliseconds": period_ms, "jitterDurationMilliseconds": period_ms + period_ms // 5},
        ),
        _stage(
            "pod-ready",
            "Pod",
            [
                _when(".metadata.deletionTimestamp", "DoesNotExist"),
                _when(".status.phase", "In", "Pending"),
                _when(_READY, "NotIn", "True"),
            ],
            {"statusTemplate": _POD_READY},
        ),
    ]
    return yaml.safe_dump_all(stages, sort_keys=False)
