"""The images that kubeadm asks for, each a static program on nothing; only kube-proxy needs more than itself."""

from __future__ import annotations

import os
import subprocess
import tarfile
from typing import TYPE_CHECKING

from ci.node_image import archive
from ci.node_image.archive import Entry, Image
from ci.node_image.steps import run
from harness.errors import ToolchainError
from harness.process.shim import command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from harness.toolchain import Toolchain

PAUSE = "registry.k8s.io/pause"
_ASK_TIMEOUT_S = 60.0


def wanted(kubeadm: Path, version: str) -> dict[str, str]:
    """Program -> full reference, for every image that kubeadm needs at this version of Kubernetes."""
    done = subprocess.run(
        command([str(kubeadm), "config", "images", "list", "--kubernetes-version", version]),
        capture_output=True, text=True, timeout=_ASK_TIMEOUT_S, check=False,
    )  # fmt: skip
    found = {line.rpartition(":")[0].rsplit("/", 1)[-1]: line for line in done.stdout.split()}
    if done.returncode != 0 or "kube-apiserver" not in found:
        raise ToolchainError(f"`kubeadm config images list` gave no images: {(done.stdout + done.stderr)[-300:]}")
    return found


def build_pause(go: str, source: Path, scratch: Path, *, arch: str) -> Path:
    """The program that holds a pod's namespaces."""
    out = scratch / "pause"
    env = {**os.environ, "CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": arch, "GOFLAGS": "", "GOWORK": "off"}
    run(
        [go, "build", "-C", str(source), "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", str(out), "."],
        log=scratch / "pause.log", doing="building pause", env=env,
    )  # fmt: skip
    return out


def images(
    references: Mapping[str, str], tools: Toolchain, pause: Path, packet_filter: Path, scratch: Path, *, sandbox: str
) -> Iterator[Image]:
    """One image for each reference. `packet_filter`: a tar of what kube-proxy calls; `sandbox`: containerd's pause."""
    for program, reference in references.items():
        layer = scratch / f"{program}.tar"
        if program == "pause":
            archive.write(layer, [Entry("pause", source=pause, mode=0o755)])
            yield Image(tuple(sorted({reference, sandbox})), layer, ("/pause",))
            continue
        path = f"usr/local/bin/{program}"
        entry = Entry(path, source=tools.path(program), mode=0o755)
        if program == "kube-proxy":
            archive.write(layer, [entry])
            _append(layer, packet_filter)
        else:
            archive.write(layer, [entry])
        yield Image((reference,), layer, (f"/{path}",))


def _append(layer: Path, more: Path) -> None:
    """Add the members of a tar to a tar."""
    with tarfile.open(layer, "a", format=tarfile.GNU_FORMAT) as into, tarfile.open(more) as source:
        for member in source:
            into.addfile(member, source.extractfile(member) if member.isreg() else None)
