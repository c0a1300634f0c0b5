"""What real nodes are made of, and kind: brought when it is asked for, from releases or pinned modules."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from harness.errors import ToolchainError
from harness.toolchain import OPTIONAL, resolve
from harness.toolchain.build import MODULES, pin
from harness.toolchain.release import (
    COREDNS,
    DEFAULT_KUBERNETES,
    KIND,
    NODE_PROGRAMS,
    PROBES,
    asset,
    source,
    units,
)
from tests.unit.toolchain.mirror import ARCH, Mirror, binary_path, script

if TYPE_CHECKING:
    from pathlib import Path

    from harness.toolchain import Component

KIND_BINARY = f"/kubernetes-sigs/kind/releases/download/{KIND}/kind-linux-{ARCH}"
COREDNS_TAR = f"/coredns/coredns/releases/download/{COREDNS}/coredns_{COREDNS[1:]}_linux_{ARCH}.tgz"
SAYS = {
    "kubelet": f"Kubernetes {DEFAULT_KUBERNETES}",
    "kubeadm": DEFAULT_KUBERNETES,
    "kube-proxy": f"Kubernetes {DEFAULT_KUBERNETES}",
    "kube-scheduler": f"Kubernetes {DEFAULT_KUBERNETES}",
    "kind": f"kind {KIND} go1.26.0 linux/{ARCH}",
    "coredns": f"CoreDNS-{COREDNS[1:]}\nlinux/{ARCH}, go1.26.0, ",
}
EVERY = [component for name in ("kind", "node", "coredns") for component in OPTIONAL[name].components]


@pytest.fixture
def nodes(mirror: Mirror) -> Mirror:
    """A mirror that has them too, each with the checksum as its project publishes it."""
    for name in NODE_PROGRAMS:
        mirror.put_binary(binary_path(name), script(SAYS[name]))
    kind = script(SAYS["kind"])
    mirror.files[KIND_BINARY] = kind
    mirror.files[f"{KIND_BINARY}.sha256sum"] = f"{hashlib.sha256(kind).hexdigest()}  kind-linux-{ARCH}\n".encode()
    archive = packed("coredns", script(SAYS["coredns"]))
    mirror.files[COREDNS_TAR] = archive
    mirror.files[f"{COREDNS_TAR}.sha256"] = f"{hashlib.sha256(archive).hexdigest()}  coredns.tgz\n".encode()
    return mirror


def packed(name: str, content: bytes) -> bytes:
    """A compressed archive of one program."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o755
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_they_are_brought_from_their_releases(nodes: Mirror, tmp_path: Path) -> None:
    """Each is checked against what its project publishes, and says the version that was wanted."""
    tools = resolve(also=("kind", "node", "coredns"), mirror=nodes.url, cache=tmp_path, no_build=True)

    assert {name: tools.sources[name] for name in SAYS} == dict.fromkeys(SAYS, "download")
    assert (tools.versions["kind"], tools.versions["coredns"]) == (KIND, COREDNS)
    assert {tools.versions[name] for name in NODE_PROGRAMS} == {DEFAULT_KUBERNETES}


@pytest.mark.parametrize("path", [f"{KIND_BINARY}.sha256sum", f"{COREDNS_TAR}.sha256"], ids=["kind", "coredns"])
def test_another_checksum_is_refused(path: str, nodes: Mirror, tmp_path: Path) -> None:
    """What was published is for another file."""
    nodes.files[path] = f"{'f' * 64}  other\n".encode()

    with pytest.raises(ToolchainError, match=f"published is {'f' * 64}"):
        resolve(also=("kind", "node", "coredns"), mirror=nodes.url, cache=tmp_path, no_build=True)


def test_a_run_without_real_nodes_asks_for_none_of_them(nodes: Mirror, tmp_path: Path) -> None:
    """They are optional."""
    tools = resolve(mirror=nodes.url, cache=tmp_path, no_build=True)

    assert not set(SAYS) & set(tools.paths)
    assert not any("kind" in path or "kubelet" in path for path in nodes.asked)


@pytest.mark.parametrize("component", EVERY, ids=lambda component: component.name)
def test_each_can_be_built_in_its_version(component: Component) -> None:
    """A pinned module names it as a Go tool, with checksums, and there is a way to ask the result for its version."""
    pinned = pin(component)
    folder = MODULES / source(component).module_dir

    assert pinned is not None
    assert pinned.version == component.version
    assert source(component).package in (folder / "go.mod").read_text(encoding="utf-8")
    assert f"{source(component).module} {component.version} h1:" in (folder / "go.sum").read_text(encoding="utf-8")
    found = PROBES[component.name].pattern.search(SAYS[component.name])
    assert found is not None
    assert f"v{found[1]}" == component.version


def test_a_nodes_programs_are_of_the_release_of_the_servers() -> None:
    """Whatever version is asked for, a node's programs have it, and are the release's own files."""
    (unit,) = (unit for unit in units("v1.33.9", ("node",)) if unit.name == "node")

    assert [component.name for component in unit.components] == list(NODE_PROGRAMS)
    assert {component.version for component in unit.components} == {"v1.33.9"}
    for component in unit.components:
        assert asset(component, arch="arm64").url.endswith(f"/release/v1.33.9/bin/linux/arm64/{component.name}")
