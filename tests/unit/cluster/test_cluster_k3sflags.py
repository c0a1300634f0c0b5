"""The command lines of K3s: the topology of the public build scripts, and no secret on any of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml

from harness.cluster import k3sflags
from harness.cluster.datastore import ETCD, ETCD3, POSTGRES, SQLITE
from harness.cluster.k3sflags import Asked, agent, kubelet, node_names, ports_of, server
from tests.backends import standinflags

ASKED = Asked(
    "inv-0badcafe-server-1", 8, data_dir="/runs/k3s", kubelet_dir="/runs/kubelet", token_file="/runs/token", port=18001,
    kubeconfig="/runs/admin.kubeconfig", datastore=SQLITE,
)  # fmt: skip


def test_a_server_is_as_the_build_scripts_have_it() -> None:
    """Traefik and network policy off, the pods' network, the directories, and a node monitor that is quick."""
    assert server(ASKED) == [
        "server", "--disable=traefik", "--disable-network-policy", "--flannel-backend=host-gw",
        "--cluster-cidr=10.42.0.0/16", "--https-listen-port=18001",
        "--kube-controller-manager-arg=node-monitor-period=1s",
        "--kube-controller-manager-arg=node-monitor-grace-period=8s", "--write-kubeconfig=/runs/admin.kubeconfig",
        "--write-kubeconfig-mode=600", "--node-name=inv-0badcafe-server-1", "--pause-image=rancher/mirrored-pause:3.6",
        "--token-file=/runs/token", "--data-dir=/runs/k3s", "--kubelet-arg=root-dir=/runs/kubelet",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [ETCD, ETCD3])
def test_the_first_server_begins_etcd_and_the_others_join(kind: str) -> None:
    """Only the first is told to begin a cluster; the others are told where it is."""
    first = replace(ASKED, datastore=kind)
    other = replace(first, node="inv-0badcafe-server-2", join="https://10.0.0.2:6443")

    assert "--cluster-init" in server(first)
    assert "--cluster-init" not in server(other)
    assert "--server=https://10.0.0.2:6443" in server(other)
    assert "--etcd-disable-snapshots" in server(other)


@pytest.mark.parametrize("kind", [SQLITE, POSTGRES])
def test_other_datastores_need_no_flag(kind: str) -> None:
    """SQLite is K3s's own default, and the endpoint of a SQL server holds a password."""
    words = server(replace(ASKED, datastore=kind))

    assert not [word for word in words if "etcd" in word or "cluster-init" in word or "datastore" in word]


def test_another_cni_means_no_flannel() -> None:
    """As the build scripts have it, who apply Calico afterwards."""
    assert "--flannel-backend=none" in server(replace(ASKED, flannel=False))


def test_an_agent_is_told_where_to_join() -> None:
    """And nothing of what only a server knows."""
    asked = Asked("inv-0badcafe-agent-1", 8, join="https://inv-0badcafe-server-1:6443")

    assert agent(asked) == [
        "agent", "--node-name=inv-0badcafe-agent-1", "--pause-image=rancher/mirrored-pause:3.6",
        "--server=https://inv-0badcafe-server-1:6443",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [SQLITE, ETCD, ETCD3, POSTGRES])
def test_k3s_knows_every_flag(kind: str) -> None:
    """The list of its flags is that of its documentation; one that it does not know ends it."""
    asked = replace(ASKED, datastore=kind, registries="/runs/registries.yaml", join="https://127.0.0.1:6443")

    assert standinflags.read(server(asked)[1:], standinflags.OF_SERVER)
    assert standinflags.read(agent(asked)[1:], standinflags.OF_AGENT)
    with pytest.raises(SystemExit):
        standinflags.read(["--no-such-flag=1"], standinflags.OF_SERVER)


def test_the_kubelets_lease_is_renewed_within_the_grace_period() -> None:
    """A kubelet renews its lease every quarter of it; the usual 40 s would lose every node of a grace period of 8 s."""
    body = yaml.safe_load(kubelet())

    assert (body["apiVersion"], body["kind"]) == ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration")
    assert body["nodeLeaseDurationSeconds"] / 4 < ASKED.grace_s / 2


def test_nodes_carry_the_runs_mark() -> None:
    """So that two runs' clusters are told apart, by whoever looks."""
    assert node_names("0badcafe", 3, 1) == (
        ("inv-0badcafe-server-1", "inv-0badcafe-server-2", "inv-0badcafe-server-3"), ("inv-0badcafe-agent-1",),
    )  # fmt: skip


def test_etcds_ports_are_wanted_where_etcd_is() -> None:
    """They cannot be chosen; SQLite needs none."""
    assert set(ports_of(ETCD)) - set(ports_of(SQLITE)) == set(k3sflags.ETCD_PORTS)
    assert 10250 in ports_of(SQLITE)
