"""The root file system: Debian packages, by mmdebstrap."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

from ci.node_image.steps import run
from harness.errors import PlatformError

if TYPE_CHECKING:
    from pathlib import Path

SUITE = "bookworm"
PACKAGES = (
    # the node's own: what kind's entrypoint and the kubelet call
    "systemd", "containerd", "runc", "containernetworking-plugins", "iptables", "nftables", "conntrack", "iproute2",
    "ethtool", "kmod", "mount", "util-linux", "procps", "findutils", "hostname", "ca-certificates", "jq", "curl",
    "bash", "pigz", "libseccomp2",
    # the load balancer before several control planes
    "haproxy",
)  # fmt: skip
_LEAVE_OUT = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*", "/usr/share/info/*")
_KEPT = "/usr/share/doc/*/copyright"


def key() -> str:
    """What names the result in the cache: equal for equal wishes. Debian's own updates within a suite are not in it."""
    return hashlib.sha256(repr((SUITE, PACKAGES, _LEAVE_OUT)).encode()).hexdigest()[:12]


def make(into: Path, *, arch: str, mirror: str, scratch: Path) -> None:
    """Write the root file system as a tar archive.

    `mirror`: a Debian mirror's address; empty: what mmdebstrap chooses. Raises PlatformError without mmdebstrap,
    ToolchainError when it fails.
    """
    if shutil.which("mmdebstrap") is None:
        raise PlatformError(
            "no `mmdebstrap` on PATH, which makes the node image's root file system",
            hint="apt-get install mmdebstrap (on other systems than Debian's the package debian-archive-keyring too)",
        )
    excluded = [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEAVE_OUT]
    command = [
        "mmdebstrap", "--variant=essential", "--format=tar", f"--architectures={arch}",
        f"--include={','.join(PACKAGES)}", '--aptopt=APT::Install-Recommends "false"',
        *excluded, f"--dpkgopt=path-include={_KEPT}", SUITE, str(into), *([mirror] if mirror else []),
    ]  # fmt: skip
    run(command, log=scratch / "mmdebstrap.log", doing=f"making a root file system of Debian {SUITE}")
