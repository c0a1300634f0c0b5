"""What is laid over the root file system: kind's own files, the programs, and ours."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci.node_image.archive import Entry
from harness.errors import ToolchainError
from harness.process.shim import command
from harness.toolchain.build import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.toolchain import Toolchain

FILES = Path(__file__).parent / "files"
PROGRAMS = ("kubelet", "kubeadm", "kubectl")
"""What runs on a node itself, and not in a pod."""
DOWNLOAD_TIMEOUT_S = 300.0
_BASE = "images/base/files"
_OF_PODS = "/etc/containerd/cri-base.json"
_PRODUCT_HOOK = "/kind/bin/mount-product-files.sh"


def kind_module(go: str) -> Path:
    """The directory of kind's Go module, in the version and with the checksum that the toolchain pins.

    Raises ToolchainError when Go cannot bring it.
    """
    done = subprocess.run(
        command([go, "mod", "download", "-json", "sigs.k8s.io/kind"]),
        cwd=MODULES / "kind", capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S, check=False,
    )  # fmt: skip
    try:
        told: dict[str, Any] = json.loads(done.stdout)
        return Path(told["Dir"])
    except (ValueError, KeyError) as exc:
        said = (done.stdout + done.stderr).strip()[-400:]
        raise ToolchainError(
            f"Go did not bring the module sigs.k8s.io/kind: {said}",
            hint="let Go fetch modules (GOPROXY), or fill its module cache beforehand",
        ) from exc


def balancer_image(module: Path) -> str:
    """The image that kind puts before several control planes, as this version of kind names it."""
    source = module / "pkg/cluster/internal/loadbalancer/const.go"
    found = re.search(r'Image = "([^"]+)"', source.read_text(encoding="utf-8"))
    if found is None:
        raise ToolchainError(f"{source} names no image of a load balancer")
    return found[1].removeprefix("docker.io/")


def sandbox_image(module: Path) -> str:
    """The image that containerd holds a pod's namespaces with, as kind's configuration names it."""
    source = module / _BASE / "etc/containerd/config.toml"
    found = re.search(r'sandbox_image = "([^"]+)"', source.read_text(encoding="utf-8"))
    if found is None:
        raise ToolchainError(f"{source} names no image of a sandbox")
    return found[1]


def entries(module: Path, tools: Toolchain) -> Iterator[Entry]:
    """Everything that is laid over the root file system."""
    base = module / _BASE
    for path in sorted(base.rglob("*")):
        name = path.relative_to(base)
        if path.is_file() and name.parts[0] != "LICENSES":
            script = path.suffix == ".sh" or "bin" in name.parts
            yield Entry(str(name), source=path, mode=0o755 if script else 0o644)
    yield Entry("LICENSES/kind", source=module / "LICENSE")
    for program in PROGRAMS:
        yield Entry(f"usr/bin/{program}", source=tools.path(program), mode=0o755)
    yield Entry("kind/version", content=tools.versions["kubelet"].encode())
    yield Entry("kind/manifests/default-cni.yaml", source=FILES / "default-cni.yaml")
    yield Entry("usr/local/bin/inventory-harness-entrypoint", source=FILES / "entrypoint.sh", mode=0o755)
    yield Entry("usr/local/bin/inventory-harness-network", source=FILES / "network.sh", mode=0o755)
    unit = "etc/systemd/system/inventory-harness-network.service"
    yield Entry(unit, source=FILES / "network.service")


def runtime_spec(printed: str) -> Entry:
    """What containerd starts pods from: its own default as `ctr oci spec` prints it, with kind's hook.

    Raises ToolchainError when that is no runtime specification.
    """
    try:
        spec: dict[str, Any] = json.loads(printed)
        spec["process"].pop("rlimits", None)
    except (ValueError, KeyError, AttributeError) as exc:
        raise ToolchainError(f"`ctr oci spec` printed no runtime specification: {printed[:200]!r}") from exc
    spec.setdefault("hooks", {}).setdefault("createContainer", []).append({"path": _PRODUCT_HOOK})
    return Entry(_OF_PODS, content=json.dumps(spec, indent=1).encode())


def key() -> str:
    """What names our own part in the cache: the bytes of this package."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for path in sorted(p for p in package.rglob("*") if p.suffix in {".py", ".sh", ".service", ".yaml", ".go", ".mod"}):
        digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
