"""What a run has made in Docker's engine for a kind cluster, on disk while it is there.

kind labels its containers with the cluster's name and nothing else. Before anything is made, a file in the run's
private directory says which name that is; a sweep that finds it in a dead run's directory removes the containers and
the network. The network carries the labels of `containers` as well, for runs whose directory is gone.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.cluster import containers, dockercli, frozen
from harness.cluster.kindconfig import PREFIX
from harness.errors import ClusterError, PlatformError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE = "kind-cluster.json"
REMOVE_TIMEOUT_S = 600.0
"""Each node has hundreds of processes to end and a gigabyte to delete: a second usually, two minutes at a load of 40.
To give up would leave all of it there."""
CLUSTER_LABEL = "io.x-k8s.kind.cluster"
"""What kind labels a cluster's containers with (kind's documentation of the docker provider)."""


def record(directory: Path, name: str) -> None:
    """Write down that a cluster of that name, and a network of the same name, are about to be made."""
    draft = directory / f"{FILE}.new"
    draft.write_text(json.dumps({"name": name}), encoding="utf-8")
    draft.replace(directory / FILE)


def make_network(name: str, mark: str, directory: Path) -> None:
    """The bridge that the cluster's nodes are on, one for each cluster; raises ClusterError.

    So no other cluster takes the address of a node that is stopped for a while, and cutting a network harms one.
    """
    labels = [f"--label={key}={value}" for key, value in containers.labels(mark, directory).items()]
    dockercli.call("network", "create", "--driver=bridge", *labels, name)


def remove(name: str) -> bool:
    """Remove a cluster's containers with their volumes, and its network; whether there was anything.

    Raises ClusterError when Docker refuses, each time that it is asked.
    """
    removed = _remove_boxes(name)
    network = name in _networks()
    if network:
        dockercli.call("network", "rm", name)
    return removed or network


def _remove_boxes(name: str) -> bool:
    """Remove the containers; an engine gives up on one that does not end when it is killed, and can do it later."""
    there = False
    for more in (True, True, False):
        asked = ("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={CLUSTER_LABEL}={name}")
        boxes = dockercli.call(*asked).split()
        if not boxes:
            break
        there = True
        try:
            dockercli.call("rm", "--force", "--volumes", *boxes, timeout_s=REMOVE_TIMEOUT_S)
        except ClusterError:
            if not more:
                raise
            for box in boxes:
                frozen.thaw(box)
        else:
            break
    return there


def remove_left(directory: Path) -> str:
    """Remove what a dead run had made; says what, "" when it had made nothing. Raises ClusterError, PlatformError."""
    try:
        name = str(json.loads((directory / FILE).read_text(encoding="utf-8"))["name"])
    except FileNotFoundError:
        return ""
    except (ValueError, KeyError, TypeError) as exc:
        raise ClusterError(f"{directory / FILE} does not say which kind cluster was made: {exc!r}") from exc
    dockercli.engine()
    gone = remove(name)
    (directory / FILE).unlink()
    return f"kind cluster {name}" if gone else ""


def sweep() -> tuple[str, ...]:
    """Remove the clusters of runs of this place whose directory is gone; where no Docker answers there are none."""
    try:
        dockercli.engine()
        orphans = dict.fromkeys([*_orphans(containers.place()), *_late()])
    except (PlatformError, ClusterError):
        return ()
    return tuple(f"kind cluster {name}" for name in orphans if remove(name))


def _networks(*filters: str) -> Sequence[str]:
    return dockercli.call("network", "ls", "--format", "{{.Name}}", *filters).split()


def _late() -> Sequence[str]:
    """Clusters of ours without a network, which is made before and removed after all their containers.

    An engine that is busy may make a container after whoever asked for it was killed, and what there was removed.
    """
    form = '{{.Label "' + CLUSTER_LABEL + '"}}'
    there = dockercli.call("ps", "--all", "--filter", f"label={CLUSTER_LABEL}", "--format", form).split()
    networks = _networks() if there else ()
    return [name for name in there if name.startswith(f"{PREFIX}-") and name not in networks]


def _orphans(here: str) -> Sequence[str]:
    found = []
    for name in _networks("--filter", f"label={containers.RUN}"):
        labels = json.loads(dockercli.call("network", "inspect", "--format", "{{json .Labels}}", name)) or {}
        if containers.orphaned(labels, here=here):
            found.append(name)
    return found
