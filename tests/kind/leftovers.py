"""What a run could leave outside of its directory."""

from __future__ import annotations

from harness.cluster import dockercli, kindmade


def outside(name: str) -> list[str]:
    """Containers and networks of a cluster."""
    boxes = dockercli.call("ps", "--all", "--quiet", "--filter", f"label={kindmade.CLUSTER_LABEL}={name}").split()
    networks = dockercli.call("network", "ls", "--format", "{{.Name}}").split()
    return [*boxes, *(network for network in networks if network == name)]
