"""What the control plane is made of: versions, official releases, checks, and Go packages, in one table.

Every address the toolchain ever downloads from stands in this module. Where each checksum is published:

- Kubernetes: a `.sha256` file beside each binary, on the official download host.
- etcd: a `SHA256SUMS` file among the assets of the release.
- kwok: no checksum file among the assets; the release's record at the GitHub API carries a SHA-256 `digest` for
  each asset. A mirror may put a `.sha256` file beside the binary instead.
- kine and K3s: a `sha256sum-ARCH.txt` file among the assets of the release.
- kind: a `.sha256sum` file beside each binary among the assets; CoreDNS: a `.sha256` file beside each archive.

A mirror (`--mirror`, INVENTORY_HARNESS_MIRROR) replaces scheme and host and keeps the path, for example
`http://127.0.0.1:9000/release/v1.34.4/bin/linux/amd64/kube-apiserver`.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection

DEFAULT_KUBERNETES = "v1.34.4"
ETCD = "v3.6.8"
KWOK = "v0.8.0"
KINE = "v0.17.5"
KIND = "v0.30.0"
"""The last that was tried with Docker 20.10 and control groups of version 1."""
COREDNS = "v1.12.1"
"""What kubeadm of Kubernetes 1.34 deploys."""
K3S = "v1.34.4+k3s1"
"""Of the same Kubernetes as the usual one, so that verdicts of the two can be compared."""

KUBERNETES_HOST = "https://dl.k8s.io"
GITHUB = "https://github.com"
GITHUB_API = "https://api.github.com"


@dataclass(frozen=True, slots=True)
class Component:
    """One program of the control plane. `version` starts with "v"."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Unit:
    """Components that are fetched, locked and built together, because they share an archive or a Go module."""

    name: str
    components: tuple[Component, ...]

    @property
    def key(self) -> str:
        """Distinct for each version: two versions of one unit may be brought at the same time."""
        return f"{self.name}-{self.components[0].version}"


NODE_PROGRAMS = ("kubelet", "kubeadm", "kube-proxy", "kube-scheduler")
"""What a real node runs of Kubernetes, beyond what the embedded control plane consists of."""


def optional(kubernetes: str = DEFAULT_KUBERNETES) -> dict[str, Unit]:
    """What only some need, by name.

    kine is for SQL datastores; kubectl holds the model against it; kind makes clusters of containers; node and coredns
    are what a node image holds beyond the control plane; K3s is a backend of its own.
    """
    return {
        "kine": Unit("kine", (Component("kine", KINE),)),
        "kubectl": Unit("kubectl", (Component("kubectl", kubernetes),)),
        "kind": Unit("kind", (Component("kind", KIND),)),
        "node": Unit("node", tuple(Component(name, kubernetes) for name in NODE_PROGRAMS)),
        "coredns": Unit("coredns", (Component("coredns", COREDNS),)),
        "k3s": Unit("k3s", (Component("k3s", K3S),)),
    }


OPTIONAL = optional()
"""The same, for the Kubernetes version that is usual."""


def units(kubernetes: str = DEFAULT_KUBERNETES, also: Collection[str] = ()) -> tuple[Unit, ...]:
    """All of the control plane for one Kubernetes version ("v1.34.4"), and the optional units named in `also`."""
    return (
        Unit(
            "kubernetes",
            (Component("kube-apiserver", kubernetes), Component("kube-controller-manager", kubernetes)),
        ),
        Unit("etcd", (Component("etcd", ETCD), Component("etcdctl", ETCD))),
        Unit("kwok", (Component("kwok", KWOK),)),
        *(unit for name, unit in optional(kubernetes).items() if name in also),
    )


def components(kubernetes: str = DEFAULT_KUBERNETES, also: Collection[str] = ()) -> tuple[Component, ...]:
    """The components of all units, in one row."""
    return tuple(component for unit in units(kubernetes, also) for component in unit.components)


COMPONENTS = components()


def of_kubernetes(component: Component) -> bool:
    """Whether it is a program of the Kubernetes release itself, with that release's version."""
    return component.name.startswith("kube")


class Sums(enum.Enum):
    """How a published checksum is written."""

    PLAIN = "the digest, alone or followed by a file name"
    LIST = "one line for each file: digest, blanks, file name"
    GITHUB = "JSON of a GitHub release; each asset has a `digest`"


@dataclass(frozen=True, slots=True)
class Checksum:
    """One place where the SHA-256 of an asset is published."""

    url: str
    form: Sums


@dataclass(frozen=True, slots=True)
class Asset:
    """One file to download. `checksums` are asked in order until one exists; `member`: path in a tar archive."""

    url: str
    checksums: tuple[Checksum, ...]
    member: str = ""

    @property
    def filename(self) -> str:
        """The last part of the address."""
        return self.url.rsplit("/", 1)[-1]


def asset(component: Component, *, arch: str, mirror: str | None = None) -> Asset:
    """The official release file of a component for linux/`arch` ("amd64", "arm64"), or the same path on `mirror`."""
    version = component.version
    if of_kubernetes(component):
        url = _at(f"{KUBERNETES_HOST}/release/{version}/bin/linux/{arch}/{component.name}", mirror)
        return Asset(url, (Checksum(f"{url}.sha256", Sums.PLAIN),))
    if component.name in {"kind", "coredns", "k3s"}:
        return _of_nodes(component, arch, mirror)
    if component.name == "kwok":
        url = _at(f"{GITHUB}/kubernetes-sigs/kwok/releases/download/{version}/kwok-linux-{arch}", mirror)
        record = _at(f"{GITHUB_API}/repos/kubernetes-sigs/kwok/releases/tags/{version}", mirror)
        return Asset(url, (Checksum(record, Sums.GITHUB), Checksum(f"{url}.sha256", Sums.PLAIN)))
    if component.name == "kine":
        base = _at(f"{GITHUB}/k3s-io/kine/releases/download/{version}", mirror)
        record = _at(f"{GITHUB_API}/repos/k3s-io/kine/releases/tags/{version}", mirror)
        sums = Checksum(f"{base}/sha256sum-{arch}.txt", Sums.LIST)
        return Asset(f"{base}/kine-{arch}", (sums, Checksum(record, Sums.GITHUB)))
    folder = f"etcd-{version}-linux-{arch}"
    base = _at(f"{GITHUB}/etcd-io/etcd/releases/download/{version}", mirror)
    return Asset(
        f"{base}/{folder}.tar.gz",
        (Checksum(f"{base}/SHA256SUMS", Sums.LIST),),
        member=f"{folder}/{component.name}",
    )


def _of_nodes(component: Component, arch: str, mirror: str | None) -> Asset:
    """The release files of kind, of K3s and of CoreDNS."""
    version = component.version
    if component.name == "kind":
        url = _at(f"{GITHUB}/kubernetes-sigs/kind/releases/download/{version}/kind-linux-{arch}", mirror)
        record = _at(f"{GITHUB_API}/repos/kubernetes-sigs/kind/releases/tags/{version}", mirror)
        return Asset(url, (Checksum(f"{url}.sha256sum", Sums.PLAIN), Checksum(record, Sums.GITHUB)))
    if component.name == "k3s":
        base = _at(f"{GITHUB}/k3s-io/k3s/releases/download/{quote(version)}", mirror)
        record = _at(f"{GITHUB_API}/repos/k3s-io/k3s/releases/tags/{quote(version)}", mirror)
        sums = Checksum(f"{base}/sha256sum-{arch}.txt", Sums.LIST)
        name = "k3s" if arch == "amd64" else f"k3s-{arch}"
        return Asset(f"{base}/{name}", (sums, Checksum(record, Sums.GITHUB)))
    folder = f"{GITHUB}/coredns/coredns/releases/download/{version}"
    url = _at(f"{folder}/coredns_{version.removeprefix('v')}_linux_{arch}.tgz", mirror)
    return Asset(url, (Checksum(f"{url}.sha256", Sums.PLAIN),), member="coredns")


def _at(url: str, mirror: str | None) -> str:
    return mirror.rstrip("/") + urlsplit(url).path if mirror else url


@dataclass(frozen=True, slots=True)
class Probe:
    """How a binary is asked for its version: arguments, and a pattern whose first group is it, without a "v"."""

    args: tuple[str, ...]
    pattern: re.Pattern[str]


PROBES = {
    "kube-apiserver": Probe(("--version",), re.compile(r"^Kubernetes v(\S+)", re.MULTILINE)),
    "kube-controller-manager": Probe(("--version",), re.compile(r"^Kubernetes v(\S+)", re.MULTILINE)),
    "kube-scheduler": Probe(("--version",), re.compile(r"^Kubernetes v(\S+)", re.MULTILINE)),
    "kube-proxy": Probe(("--version",), re.compile(r"^Kubernetes v(\S+)", re.MULTILINE)),
    "kubelet": Probe(("--version",), re.compile(r"^Kubernetes v(\S+)", re.MULTILINE)),
    "kubeadm": Probe(("version", "--output", "short"), re.compile(r"^v(\S+)", re.MULTILINE)),
    "kubectl": Probe(("version", "--client"), re.compile(r"^Client Version: v(\S+)", re.MULTILINE)),
    "kind": Probe(("version",), re.compile(r"^kind v(\S+)", re.MULTILINE)),
    "coredns": Probe(("-version",), re.compile(r"^CoreDNS-(\S+)", re.MULTILINE)),
    "etcd": Probe(("--version",), re.compile(r"^etcd Version: v?(\S+)", re.MULTILINE)),
    "etcdctl": Probe(("version",), re.compile(r"^etcdctl version: v?(\S+)", re.MULTILINE)),
    "kwok": Probe(("--version",), re.compile(r"^kwok version v?(\S+)", re.MULTILINE)),
    "kine": Probe(("--version",), re.compile(r"^kine version v?([^\s(]+)", re.MULTILINE)),
    "k3s": Probe(("--version",), re.compile(r"^k3s version v?([^\s(]+)", re.MULTILINE)),
}


@dataclass(frozen=True, slots=True)
class Source:
    """The pinned Go module a component is built from: directory under `go/`, package, and the module to look up."""

    module_dir: str
    package: str
    module: str


MAIN_MODULES = {
    "kine": "github.com/k3s-io/kine",
    "kind": "sigs.k8s.io/kind",
    "coredns": "github.com/coredns/coredns",
}
"""Modules whose root package is the program."""


def source(component: Component) -> Source:
    """Where a component is built from; the directory need not exist (see `build.obstacle`)."""
    if of_kubernetes(component):
        # Some need modules that the servers do not, which would make their pinned module larger.
        kind = {"kubectl": "kubectl", **dict.fromkeys(NODE_PROGRAMS, "kubenode")}.get(component.name, "kubernetes")
        minor = ".".join(component.version.removeprefix("v").split(".")[:2])
        return Source(f"{kind}-{minor}", f"k8s.io/kubernetes/cmd/{component.name}", "k8s.io/kubernetes")
    if component.name == "kwok":
        return Source("kwok", "sigs.k8s.io/kwok/cmd/kwok", "sigs.k8s.io/kwok")
    if component.name == "k3s":  # no module of ours: it carries programs of other projects, and is not built here
        return Source("k3s", "github.com/k3s-io/k3s/cmd/k3s", "github.com/k3s-io/k3s")
    if component.name in MAIN_MODULES:
        return Source(component.name, MAIN_MODULES[component.name], MAIN_MODULES[component.name])
    kind = "server" if component.name == "etcd" else "etcdctl"
    return Source(component.name, f"go.etcd.io/etcd/{kind}/v3", f"go.etcd.io/etcd/{kind}/v3")


def ldflags(component: Component) -> str:
    """Linker flags. Kubernetes and kine take their versions from here; etcd and kwok have theirs in the source."""
    flags = "-s -w"
    if of_kubernetes(component):
        major, minor, _ = component.version.removeprefix("v").split(".", 2)
        package = "k8s.io/component-base/version"
        flags += (
            f" -X {package}.gitVersion={component.version} -X {package}.gitMajor={major}"
            f" -X {package}.gitMinor={minor} -X {package}.gitTreeState=clean"
        )
    if component.name == "kine":
        flags += f" -X github.com/k3s-io/kine/pkg/version.Version={component.version}"
    return flags
