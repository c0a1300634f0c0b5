"""The K3s backend without any K3s: what it says of itself, and every way in which it cannot be used."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.cluster import capability, containers, dockershim, k3s, k3sboxes, k3shost, k3sprogram
from harness.cluster.backend import K3S, BackendSpec, make, parse_many
from harness.cluster.datastore import ETCD3, POSTGRES, SQLITE, DatastoreSpec
from harness.cluster.shape import Shape
from harness.errors import ClusterError, PlatformError, UsageError
from harness.toolchain import machine, reach
from tests.backends import programs

if TYPE_CHECKING:
    from collections.abc import Mapping

AMD64, ARM64 = 62, 183


def backend(**settings: str) -> k3s.K3sBackend:
    """The backend with these settings."""
    made = make(BackendSpec(K3S, {name.replace("_", "-"): value for name, value in settings.items()}))
    assert isinstance(made, k3s.K3sBackend)
    return made


def elf(path: Path, number: int) -> Path:
    """A file that begins as a program for that processor."""
    path.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(11) + number.to_bytes(2, "little") + bytes(44))
    path.chmod(0o755)
    return path


def test_the_program_is_one_node_and_containers_are_more(tmp_path: Path) -> None:
    """A machine's network carries one kubelet; three servers, and nodes to delete, are there in containers alone."""
    one, many = backend(k3s=str(programs.program(tmp_path, None))), backend(k3s_image="pinned")

    assert (one.most_nodes, many.most_nodes) == (1, k3sboxes.MOST_AGENTS)
    assert (one.datastores[0], many.datastores[0]) == (SQLITE, SQLITE)
    assert POSTGRES in one.datastores
    assert ETCD3 in many.datastores
    assert many.image == k3sboxes.IMAGE
    for word in (capability.SERVERS, capability.NODE_DELETE, capability.NODE_REJOIN):
        assert word in many.capabilities() - one.capabilities()
    assert {capability.KUBELET, capability.OPERATOR_POD, capability.DATASTORES} <= one.capabilities()


def test_the_image_is_pinned_by_its_digest() -> None:
    """A tag may be moved."""
    name, _, digest = k3sboxes.IMAGE.partition("@sha256:")

    assert name.startswith("rancher/k3s:v1.34.")
    assert len(digest) == 64


def test_the_toolchain_brings_k3s_only_where_nobody_else_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given, or on PATH, or in containers, it is there."""
    program = programs.program(tmp_path / "bin", None)
    monkeypatch.setenv("PATH", str(tmp_path / "none"))

    assert backend().components == ("k3s",)
    assert backend(k3s=str(program)).components == ()
    assert backend(k3s_image="pinned").components == ()
    monkeypatch.setenv("PATH", str(program.parent))
    assert backend().components == ()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"k3s": "/no/such/k3s"}, "there is no such file"),
        ({"k3s": "/bin/sh", "k3s-image": "pinned"}, "not both"),
        ({"k3s-cni": "/no/such/cni.yaml"}, "there is no such file"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: Mapping[str, str], says: str) -> None:
    """Before anything is looked for or started."""
    with pytest.raises(UsageError, match=says):
        make(BackendSpec(K3S, settings))


def test_a_program_that_is_not_executable_is_refused(tmp_path: Path) -> None:
    """As a download is that nobody has told to be a program."""
    file = programs.program(tmp_path, None)
    file.chmod(0o644)

    with pytest.raises(UsageError, match="not executable"):
        make(BackendSpec(K3S, {"k3s": str(file)}))


def test_its_settings_go_with_no_other_backend() -> None:
    """What would be without effect is refused."""
    with pytest.raises(UsageError, match="--k3s-image goes with --backend k3s only"):
        parse_many("embedded", {"k3s-image": "pinned"})


def test_a_program_for_another_processor_is_told(tmp_path: Path) -> None:
    """By its own header: the kernel would only say that it cannot be executed."""
    other = ARM64 if machine.architecture() == "amd64" else AMD64

    with pytest.raises(PlatformError, match="is built for a") as caught:
        k3sprogram.examined(elf(tmp_path / "k3s", other), "given")
    assert k3sprogram.asset_name(machine.architecture()) in caught.value.hint


def test_a_program_for_this_processor_that_is_none_is_told(tmp_path: Path) -> None:
    """A damaged download, or anything else that is no K3s."""
    own = AMD64 if machine.architecture() == "amd64" else ARM64

    with pytest.raises(PlatformError, match="is no K3s that runs here"):
        k3sprogram.examined(elf(tmp_path / "k3s", own), "given")
    with pytest.raises(PlatformError, match="is no K3s that runs here"):
        k3sprogram.examined(Path("/bin/true"), "given")


@pytest.mark.parametrize("version", ["v1.31.9+k3s1", "v0.9.1"])
def test_an_old_version_is_refused(version: str, tmp_path: Path) -> None:
    """With the oldest that will do."""
    with pytest.raises(PlatformError, match=r"which is too old: v1\.32 or newer"):
        k3sprogram.examined(programs.program(tmp_path, None, version=version), "given")


def test_a_version_that_will_do_is_told_with_its_source(tmp_path: Path) -> None:
    """It is in every report."""
    found = k3sprogram.examined(programs.program(tmp_path, None, version="v1.34.4+k3s1"), "PATH")

    assert (found.version, found.source) == ("v1.34.4+k3s1", "PATH")


def test_without_a_program_and_without_a_way_to_one_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, with both ways out."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(reach, "obstacle", lambda _name: "github.com cannot be reached")

    found = backend().obstacles()

    assert "K3s cannot be had here" in found[0].what
    assert "github.com cannot be reached" in found[0].what
    assert "--k3s PATH" in found[0].hint


def test_who_is_not_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubelet cannot do without; containers can."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    first = k3shost.obstacles()[0]

    assert first.what == "K3s must be run as root, and this is user 1000"
    assert "--k3s-image" in first.hint


def test_without_docker_containers_are_no_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words that the datastores' containers have."""
    monkeypatch.setattr(containers, "docker_problem", lambda: "no Docker daemon answers (refused)")

    (found,) = backend(k3s_image="pinned").obstacles()

    assert found.what == "K3s in containers: no Docker daemon answers (refused)"


def test_where_no_container_can_be_privileged_there_is_no_k3s_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker would say so in words of its runtime, for the first container of every scenario."""
    monkeypatch.setattr(containers, "docker_problem", lambda: "")
    monkeypatch.setattr(dockershim, "needed", lambda: True)
    (found,) = backend(k3s_image="pinned").obstacles()
    assert "this machine withholds CAP_SYS_RESOURCE" in found.what

    monkeypatch.setattr(dockershim, "needed", lambda: False)
    assert backend(k3s_image="pinned").obstacles() == ()


def test_another_node_on_the_machine_is_refused(tmp_path: Path) -> None:
    """Two kubelets would take each other's pods for leftovers."""
    k3shost.require_alone((), tmp_path)
    (tmp_path / "memory" / "kubepods").mkdir(parents=True)

    with pytest.raises(PlatformError, match=r"another Kubernetes node is, or was.*memory/kubepods"):
        k3shost.require_alone((), tmp_path)
    with pytest.raises(PlatformError, match="the network interface lo"):
        k3shost.require_alone(("lo",), tmp_path / "none")


def test_a_port_that_is_taken_is_named_with_its_holder() -> None:
    """With what it is for, and who to stop."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PlatformError, match=rf"{port} \(the kubelet\) is taken by .*process {os.getpid()}"):
            k3shost.require_free({port: "the kubelet"})
    k3shost.require_free({port: "the kubelet"})


def test_more_than_one_node_is_no_process_of_k3s() -> None:
    """The error names the way that can."""
    with pytest.raises(ClusterError, match="one server and one node") as caught:
        k3s.require_one(Shape(machines=2))
    assert caught.value.hint == "--k3s-image pinned"


@pytest.mark.parametrize(("shape", "count"), [
    (Shape(), 1), (Shape(datastore=DatastoreSpec(ETCD3)), 3), (Shape(datastore=DatastoreSpec(ETCD3), servers=3), 3),
])  # fmt: skip
def test_three_members_of_etcd_are_three_servers(shape: Shape, count: int) -> None:
    """A server of K3s has one; the embedded backend can have them without."""
    assert k3s.servers(shape) == count


def test_the_mount_namespace_is_made_before_k3s_is_started() -> None:
    """What is at the places, and by which name the run's processes are known in it."""
    words = k3shost.private(["/bin/k3s", "server"], "0badcafe", ("/run/k3s", "/etc/rancher"))

    assert words[:4] == ["unshare", "--mount", "--propagation", "private"]
    assert words[-6:] == ["inv-0badcafe", "/run/k3s", "/etc/rancher", "--", "/bin/k3s", "server"]


def test_mount_points_that_are_missing_are_made_and_told(tmp_path: Path) -> None:
    """The outermost first, so that they can be removed in the other order; what is there is not told."""
    (tmp_path / "there").mkdir()
    places = (str(tmp_path / "there"), str(tmp_path / "a" / "b"))

    assert k3shost.make_places(places) == (str(tmp_path / "a"), str(tmp_path / "a" / "b"))
    assert k3shost.make_places(places) == ()
