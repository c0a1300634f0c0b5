"""Nodes of kind under names that are not their containers'."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from harness.cluster import kindnames
from harness.cluster.kind import workers
from harness.cluster.kindconfig import KindShape, document
from harness.cluster.nodebox import WORKER, NodeBox, boxes
from harness.cluster.shape import Shape
from harness.errors import UsageError
from harness.names.naming import name_of_length
from tests.unit.cluster.faked import docker

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster.client import KubeClient

FITS, BEYOND = name_of_length(63), name_of_length(64)


def named(shape: KindShape) -> list[str]:
    """The name that kubeadm is told for each node, "" for none."""
    body = yaml.safe_load(document("c", shape, "image"))
    found = []
    for node in body["nodes"]:
        patches = [yaml.safe_load(patch) for patch in node.get("kubeadmConfigPatches", ())]
        kinds = {patch["kind"]: patch["nodeRegistration"]["name"] for patch in patches}
        assert kinds.keys() in ({"InitConfiguration", "JoinConfiguration"}, set())
        (name,) = set(kinds.values()) or {""}
        found.append(name)
    return found


def test_kubeadm_is_told_the_names_that_a_kubelet_can_register() -> None:
    """Of the nodes that may be used; one beyond the limit of a label comes later."""
    assert named(KindShape(names=(FITS,))) == [FITS]
    assert named(KindShape(workers=2)) == ["", "", ""]
    assert named(KindShape(3, 2, names=("0", FITS))) == ["", "", "", "0", FITS]
    assert named(KindShape(workers=2, names=(FITS, BEYOND))) == ["", FITS, ""]


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"workers": 2, "names": ("one",)}, "1 names for 2 nodes"),
        ({"workers": 2, "names": ("one", "one")}, "2 names for 2 nodes"),
        ({"names": (BEYOND,)}, "a kubelet cannot register under more than 63"),
    ],
)
def test_names_that_no_cluster_can_have_are_refused(shape: dict[str, Any], said: str) -> None:
    """Before anything is made."""
    with pytest.raises(UsageError, match=said):
        KindShape(**shape)


def test_a_name_beyond_the_label_is_a_workers() -> None:
    """The control plane's own kubelet has to register by itself."""
    assert workers(1, Shape(machines=1, node_names=(FITS,))) == 0
    assert workers(1, Shape(machines=1, node_names=(BEYOND,))) == 1
    assert workers(1, Shape(machines=2, node_names=(FITS, BEYOND))) == 2


def test_what_is_done_to_a_node_is_done_to_its_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker knows nothing of the node's name."""
    engine = docker(tmp_path, monkeypatch, ps="echo c-worker", container="echo running")
    made = boxes(("c-worker", "c-worker2"), WORKER, "c", (FITS, BEYOND))

    asyncio.run(made[FITS].kill())

    assert [(box.name, box.container) for box in made.values()] == [(FITS, "c-worker"), (BEYOND, "c-worker2")]
    assert engine.asked[-1] == "kill c-worker"
    assert not any(FITS in line for line in engine.asked)


class Api:
    """A Node that kind has registered, and what was asked of the API server."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.made: dict[str, Any] = {}

    async def get(self, path: str, *, params: Any = None) -> Any:
        """The Node, or its pods."""
        assert path.startswith(("/api/v1/nodes/", "/api/v1/pods"))
        if params:
            self.done.append(f"pods of {params['fieldSelector']}")
            return {"items": [{"metadata": {"namespace": "kube-system", "name": "kube-proxy-x"}}]}
        labels = {"kubernetes.io/hostname": "c-worker", "kubernetes.io/os": "linux"}
        return {
            "metadata": {"name": "c-worker", "uid": "1", "labels": labels, "annotations": {"cri": "containerd"}},
            "spec": {"providerID": "kind://docker/c/c-worker", "podCIDR": "10.244.1.0/24"},
            "status": {"conditions": []},
        }

    async def delete(self, path: str, *, grace_s: int | None = None) -> None:
        """Noted."""
        self.done.append(f"delete {path} {grace_s}")

    async def create(self, path: str, body: Any) -> None:
        """Noted."""
        self.done.append(f"create {path} {len(body['metadata']['name'])}")
        self.made = body


def test_a_worker_comes_back_under_a_name_that_no_label_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kubelet is stopped before its Node is gone, and started when the other one is there, with its credentials."""
    engine = docker(
        tmp_path,
        monkeypatch,
        **{"exec_c-control-plane": "echo kubeconfig", "exec_--interactive": f"cat > {tmp_path}/in"},
    )
    api = Api()
    server = NodeBox("c-control-plane", "control-plane", "c", "c-control-plane")

    asyncio.run(kindnames.rejoin(cast("KubeClient", api), server, NodeBox(BEYOND, WORKER, "c", "c-worker")))

    assert api.done == [
        "pods of spec.nodeName=c-worker", "delete /api/v1/namespaces/kube-system/pods/kube-proxy-x 0",
        "delete /api/v1/nodes/c-worker None", "create /api/v1/nodes 64",
    ]  # fmt: skip
    assert api.made == {
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": BEYOND, "labels": {"kubernetes.io/os": "linux"}, "annotations": {"cri": "containerd"}},
        "spec": {"providerID": "kind://docker/c/c-worker"},
    }  # fmt: skip
    assert engine.asked[0].endswith(f"--org system:nodes --client-name=system:node:{BEYOND}")
    assert engine.asked[1] == "exec c-worker systemctl stop kubelet"
    assert engine.asked[2].startswith("exec --interactive c-worker sh -c")
    assert (tmp_path / "in").read_text(encoding="utf-8") == "kubeconfig\n"


@pytest.mark.parametrize("override", ["", " --hostname-override=c-worker"], ids=["first", "again"])
def test_a_kubelets_files_say_its_name_and_that_it_registers_nothing(override: str, tmp_path: Path) -> None:
    """Whatever else kubeadm wrote stays; its old certificate, which is in another's name, is gone."""
    (tmp_path / "systemctl").write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/log\n', encoding="utf-8")
    (tmp_path / "systemctl").chmod(0o755)
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki" / "kubelet-client-current.pem").touch()
    (tmp_path / "pki" / "kubelet.crt").touch()
    (tmp_path / "config.yaml").write_text("kind: KubeletConfiguration\nregisterNode: true\n", encoding="utf-8")
    flags = tmp_path / "kubeadm-flags.env"
    flags.write_text(f'KUBELET_KUBEADM_ARGS="--node-ip=10.0.0.2{override} --node-labels="\n', encoding="utf-8")

    subprocess.run(
        ["sh", "-c", kindnames.JOIN, "join", BEYOND, str(tmp_path), str(tmp_path)],
        input=b"kubeconfig", check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )  # fmt: skip

    assert flags.read_text(encoding="utf-8") == (
        f'KUBELET_KUBEADM_ARGS="--hostname-override={BEYOND} --node-ip=10.0.0.2 --node-labels="\n'
    )
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == "kind: KubeletConfiguration\nregisterNode: false\n"
    assert (tmp_path / "kubelet.conf").read_bytes() == b"kubeconfig"
    assert [path.name for path in (tmp_path / "pki").iterdir()] == ["kubelet.crt"]
    assert (tmp_path / "log").read_text(encoding="utf-8") == "start kubelet\n"
