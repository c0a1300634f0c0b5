"""The parts of an assembly that Docker's engine does: import, change, commit, save."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ci.node_image import archive, overlay, pods
from ci.node_image.overlay import FILES
from ci.node_image.steps import run, step
from harness.cluster import dockercli
from harness.cluster.nodeimage import KEY_LABEL
from harness.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.toolchain import Toolchain

_STEP_TIMEOUT_S = 600.0
NODE_ENTRYPOINT = ("/usr/local/bin/inventory-harness-entrypoint", "/usr/local/bin/entrypoint", "/sbin/init")
STOP_SIGNAL = "SIGRTMIN+3"
"""At which systemd ends; `docker commit` takes it from the container, not from an option."""
BALANCER_CONFIG = "/usr/local/etc/haproxy/haproxy.cfg"
BALANCER_ENTRYPOINT = ("/usr/sbin/haproxy", "-W", "-db", "-n", "4000", "-f", BALANCER_CONFIG)
"""`-W`: a master process, which reads its file again at SIGHUP, as kind expects. `-n` outranks the file that kind
writes, whose 100,000 connections need more descriptors than a container may have everywhere, and HAProxy ends then."""
_HAPROXY = """\
# kind writes the real one before it needs it; this one lets the process run until then.
global
    maxconn 4000
frontend waiting
    mode tcp
    timeout client 5s
    bind *:6443
"""


@dataclass(frozen=True, slots=True)
class Workshop:
    """A container of the base system in which an image is made; `scratch` is ours alone, and gone afterwards."""

    name: str
    scratch: Path

    def exec(self, *command: str) -> str:
        """What a command in it prints."""
        return dockercli.call("exec", self.name, *command, timeout_s=_STEP_TIMEOUT_S)

    def put(self, entries: Sequence[archive.Entry], name: str) -> None:
        """Lay entries over its root."""
        path = self.scratch / f"{name}.tar"
        archive.write(path, entries)
        run(
            ["docker", "cp", "-", f"{self.name}:/"], log=self.scratch / f"{name}.log",
            doing=f"copying {name}", stdin=path,
        )  # fmt: skip

    def commit(self, tag: str, entrypoint: Sequence[str], changes: Sequence[str]) -> None:
        """Make an image of what it is now."""
        quoted = ", ".join(f'"{part}"' for part in entrypoint)
        options = [f"--change=ENTRYPOINT [{quoted}]", "--change=CMD []", *(f"--change={line}" for line in changes)]
        dockercli.call("commit", *options, self.name, tag, timeout_s=_STEP_TIMEOUT_S)


@contextlib.contextmanager
def workshop(base: Path, folder: Path, scratch: Path) -> Iterator[Workshop]:
    """Import the root file system and run a container of it; the container is removed in any case.

    It is named after `folder`, whose lock the caller holds: one of that name was left by a process that was killed.
    It must carry no labels of ours: nodes inherit those of their image, and a sweep would take them for its own.
    """
    name = f"inventory-harness-node-image-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"
    _remove(name)
    with step("importing the root file system"):
        imported = dockercli.call("import", str(base), timeout_s=_STEP_TIMEOUT_S).strip()
    try:
        dockercli.call(
            "run", "--detach", "--name", name, "--network=none", f"--stop-signal={STOP_SIGNAL}", "--tmpfs=/run",
            "--tmpfs=/tmp", "--volume", f"{FILES}:/recipe:ro", imported, "sleep", "infinity",
            timeout_s=_STEP_TIMEOUT_S,
        )  # fmt: skip
        yield Workshop(name, scratch)
    finally:
        _remove(name)
        with contextlib.suppress(ClusterError):  # refused while an image is based on it
            dockercli.call("rmi", imported)


def _remove(name: str) -> None:
    with contextlib.suppress(ClusterError):  # there is none; what failed before is what counts
        dockercli.call("rm", "--force", "--volumes", name)


def assemble(shop: Workshop, tools: Toolchain, module: Path, pause: Path, *, arch: str, tag: str, key: str) -> str:
    """Make the node image and the load balancer's; return the name of the latter.

    The balancer's image has kind's own name for it, taken only where no image of that name is here, or one of ours.
    """
    balancer = overlay.balancer_image(module)
    if not dockercli.image_id(balancer) or label_of(balancer):
        with step(f"making the load balancer {balancer}"):
            shop.put([archive.Entry(BALANCER_CONFIG, content=_HAPROXY.encode())], "balancer")
            shop.commit(balancer, BALANCER_ENTRYPOINT, [f"LABEL {KEY_LABEL}={key}"])
    with step("laying kind's files and the programs over it"):
        shop.put(list(overlay.entries(module, tools)), "overlay")
        shop.exec("bash", "/recipe/setup.sh")
        shop.put([overlay.runtime_spec(shop.exec("ctr", "oci", "spec"))], "spec")
    with step("importing the images of Kubernetes' pods"):
        _import_pods(shop, tools, module, pause, arch=arch)
    with step(f"committing {tag}"):
        # systemd reads from `container` that it is in one (systemd.io/CONTAINER_INTERFACE).
        shop.commit(tag, NODE_ENTRYPOINT, ["ENV container=docker", f"LABEL {KEY_LABEL}={key}"])
    return balancer


def label_of(reference: str) -> str:
    """The key of what an image that is here was assembled from; empty for one that is not ours."""
    form = "{{with index .Config.Labels " + f'"{KEY_LABEL}"' + "}}{{.}}{{end}}"
    return dockercli.call("image", "inspect", "--format", form, reference).strip()


def _import_pods(shop: Workshop, tools: Toolchain, module: Path, pause: Path, *, arch: str) -> None:
    references = pods.wanted(tools.path("kubeadm"), tools.versions["kubelet"])
    packet_filter = shop.scratch / "packet-filter.tar"
    run(
        ["docker", "exec", shop.name, "bash", "/recipe/packet-filter.sh"],
        log=packet_filter, doing="collecting what kube-proxy calls", errors=shop.scratch / "packet-filter.log",
    )  # fmt: skip
    sandbox = overlay.sandbox_image(module)
    images = shop.scratch / "images.tar"
    archive.write_images(
        images, pods.images(references, tools, pause, packet_filter, shop.scratch, sandbox=sandbox), arch=arch
    )
    run(
        ["docker", "exec", "--interactive", shop.name, "bash", "/recipe/import.sh"],
        log=shop.scratch / "import.log", doing="importing the images of Kubernetes' pods", stdin=images,
    )  # fmt: skip
    there = (shop.scratch / "import.log").read_text(encoding="utf-8")
    missing = [name for name in (*references.values(), sandbox) if name not in there]
    if missing:
        raise ClusterError(f"containerd did not take the images {', '.join(missing)}; it said: {there[-400:]}")
