"""The machine's operating system and processor, in Go's words."""

from __future__ import annotations

import os
import sys

from harness.errors import PlatformError

ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def architecture() -> str:
    """Return "amd64" or "arm64".

    Raises PlatformError on anything but Linux on one of these two: the harness relies on Linux's parent death
    signal, and Kubernetes publishes its control plane for Linux only.
    """
    machine = os.uname().machine if hasattr(os, "uname") else "unknown processor"
    arch = ARCHITECTURES.get(machine.lower())
    if not sys.platform.startswith("linux") or arch is None:
        raise PlatformError(
            f"unsupported platform {sys.platform}/{machine}: the harness runs on linux/amd64 and linux/arm64",
            hint="run it on such a machine, in a Linux virtual machine, or in a container",
        )
    return arch
