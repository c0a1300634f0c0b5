"""Which operator is under test, and how it is called."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE = "reference"
LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104 - the contract's default, for scenarios that ask for it
ADDRESSES = (LOOPBACK, EVERYWHERE)
"""What an operator is given as --rest-address. We ask it on loopback either way."""

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class OperatorSpec:
    """An operator that can be started as a process.

    `name` is what reports show; `command` comes before `operator inventory …`; `defect` makes the reference operator a
    saboteur; `sha256` identifies a binary (empty for the reference, which is part of the harness).
    """

    name: str
    command: tuple[str, ...]
    defect: str | None = None
    sha256: str = ""
    env: tuple[tuple[str, str], ...] = ()

    def describe(self) -> dict[str, str]:
        """What a summary says about it."""
        known = {"name": self.name, "sha256": self.sha256, "defect": self.defect or ""}
        return {key: value for key, value in known.items() if value}


@dataclass(frozen=True, slots=True)
class OperatorConfig:
    """What one start of the operator is given."""

    kubeconfig: Path
    rest_port: int
    grpc_port: int
    registry_url: str
    namespace: str
    registry_period_s: float = 2.0
    config: Path | None = None
    address: str = LOOPBACK

    def arguments(self) -> list[str]:
        """The flags of contract.md part A."""
        flags = [
            f"--kubeconfig={self.kubeconfig}",
            f"--rest-port={self.rest_port}",
            f"--grpc-port={self.grpc_port}",
            f"--rest-address={self.address}",
            f"--provider-configs-url={self.registry_url}",
            f"--registry-query-period={int(self.registry_period_s * 1000)}ms",
            f"--pod-namespace={self.namespace}",
            "--discovery-image=discovery.invalid/provider:simulated",
        ]
        return flags if self.config is None else [*flags, f"--config={self.config}"]


def parse(text: str, *, defect: str | None = None) -> OperatorSpec:
    """The operator named by `--operator`: `reference`, or the path of a binary.

    Raises UsageError when there is no executable file at that path, or when a defect is asked of a binary.
    """
    if text == REFERENCE:
        env = (("PYTHONPATH", str(_PACKAGE_ROOT)), ("PYTHONDONTWRITEBYTECODE", "1"))
        return OperatorSpec(
            name=REFERENCE if defect is None else f"{REFERENCE}+{defect}",
            command=(sys.executable, "-m", "harness.reference"),
            defect=defect,
            env=env,
        )
    if defect is not None:
        raise UsageError(f"--defect {defect} goes with --operator reference only", hint="drop --defect")
    if text.startswith("image:"):
        raise UsageError(
            f"--operator {text}: images need a backend with a container runtime",
            hint="give the path of the operator's binary",
        )
    path = Path(text).expanduser()
    if not path.is_file():
        raise UsageError(f"--operator {text}: there is no such file", hint="give 'reference' or the path of a binary")
    if not os.access(path, os.X_OK):
        raise UsageError(f"--operator {text}: the file is not executable", hint=f"chmod +x {text}")
    path = path.resolve()
    return OperatorSpec(name=path.name, command=(str(path),), sha256=_sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def environment(spec: OperatorSpec, base: Mapping[str, str]) -> dict[str, str]:
    """The environment of the operator's process: the cluster's minimal one and what the spec adds."""
    return {**base, **dict(spec.env)}
