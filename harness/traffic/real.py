"""Traffic on real nodes: the same operations, so small that any node has room, and such as a kubelet carries out.

Simulated nodes take whatever is bound to them, and traffic itself writes that a pod has ended. A kubelet refuses what
does not fit, pulls images, and writes statuses of its own. So quantities are exchanged one for one (as odd as they
were), the image is one that the node has, and a pod fails because its time is up, not because we say so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness.names.limits import LABEL, runs
from harness.names.naming import at_most

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.traffic.pods import Churn, Op

SMALL: Mapping[str, Mapping[str, str]] = {
    "cpu": {
        "100m": "2m", "250m": "3m", "333m": "7m", "0.5": "0.005", "1": "10m", "1500m": "15m", "1m": "1m", "0.1": "0.004"
    },
    "memory": {
        "64Mi": "4Mi", "100M": "5M", "128Mi": "6Mi", "256Mi": "7Mi", "1Gi": "8Mi", "123456Ki": "4321Ki", "1e8": "5e6"
    },
    "ephemeral-storage": {"1Gi": "1Mi", "500M": "600k", "0": "0"},
}  # fmt: skip
"""What each quantity of traffic becomes, by resource."""

MOST_EACH = 6
"""Pods of ours on one real node: beside its own it has room for them, and starting them takes little of a machine."""

RATE = 3.0
"""Operations a second: a kubelet starts a pod in about a second, and ends one as fast."""

NO_SCHEDULER = "harness.invalid/none"
"""Pods are bound by us; the cluster's scheduler would be faster."""

ENDED = {"spec": {"activeDeadlineSeconds": 1}}
"""The patch that ends a pod: its kubelet kills it, and it is Failed (DeadlineExceeded)."""


def churn(wanted: Churn, nodes: int) -> Churn:
    """As much of it as so many real nodes take, under names that they run; labels of nodes are left alone."""
    live = max(1, min(wanted.live, MOST_EACH * nodes))
    return replace(
        wanted, rate=min(wanted.rate, RATE), live=live, labels=False, named=at_most(wanted.named, runs(LABEL))
    )


def fitted(op: Op, image: str, *, plain: bool = False) -> Op:
    """The operation as it is done on a real node.

    `plain`: of traffic whose pods every operator counts alike; they ask for no CPU, since a whole one has no room.
    """
    if op.op == "finish":  # nothing in a pause image ends by itself
        return replace(op, op="fail")
    if op.op != "create":
        return op
    spec = {
        **op.body["spec"],
        "containers": [_small(container, image, plain=plain) for container in op.body["spec"]["containers"]],
        "schedulerName": NO_SCHEDULER,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
    }
    spec.pop("initContainers", None)  # a pause container never ends, and an init container has to
    return replace(op, body={**op.body, "spec": spec})


def _small(container: Mapping[str, Any], image: str, *, plain: bool) -> dict[str, Any]:
    given = container["resources"]["requests"]
    requests = {name: SMALL[name][value] if name in SMALL else value for name, value in given.items()}
    if plain:
        requests["cpu"] = "0"
    resources = {**container["resources"], "requests": requests}
    return {**container, "image": image, "imagePullPolicy": "IfNotPresent", "resources": resources}
