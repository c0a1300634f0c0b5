"""Which operator is under test, and how it is called."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE, IMAGE, AT = "reference", "image:", "at:"
LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"  # noqa: S104 - the contract's default, for scenarios that ask for it
ADDRESSES = (LOOPBACK, EVERYWHERE)
"""What an operator is given as --rest-address. We ask it on loopback either way."""

SIMULATED_DISCOVERY = "discovery.invalid/provider:simulated"
"""The image of discovery pods that nobody starts: kwok plays them, and the egress answers for them."""

_ADDRESSES = re.compile(r"([\w.\[\]:-]+:\d+),([\w.\[\]:-]+:\d+)")
_IMAGE_NAME = re.compile(r"[a-z0-9][A-Za-z0-9._:/@-]*")
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class OperatorSpec:
    """An operator that can be started: as a process, or as a pod.

    `name` is what reports show; `command` comes before `operator inventory …`; `defect` makes the reference operator a
    saboteur; `sha256` identifies a binary (empty for the reference, which is part of the harness). `image`: the name of
    a container image, or the path of an archive of one; it can only be a pod then, and has no `command`. `rest_url`,
    `grpc_target`: of one that runs already, which is only asked.
    """

    name: str
    command: tuple[str, ...]
    defect: str | None = None
    sha256: str = ""
    env: tuple[tuple[str, str], ...] = ()
    image: str = ""
    rest_url: str = ""
    grpc_target: str = ""

    def describe(self) -> dict[str, str]:
        """What a summary says about it."""
        known = {"name": self.name, "sha256": self.sha256, "defect": self.defect or "", "image": self.image}
        return {key: value for key, value in known.items() if value}


@dataclass(frozen=True, slots=True)
class OperatorConfig:
    """What one start of the operator is given.

    `config`: a path or the text itself, "" for none; `by_environment`: whatever can be given by an environment variable
    is given so, and only the rest by flags.
    """

    kubeconfig: Path
    rest_port: int
    grpc_port: int
    registry_url: str
    namespace: str
    registry_period_s: float = 2.0
    config: str = ""
    by_environment: bool = False
    address: str = LOOPBACK
    discovery_image: str = SIMULATED_DISCOVERY

    def arguments(self) -> list[str]:
        """The flags of contract.md part A; ports are flags always."""
        ports = {"rest-port": str(self.rest_port), "grpc-port": str(self.grpc_port)}
        settings = ports if self.by_environment else {**ports, **self._settings()}
        return [f"--{name}={value}" for name, value in settings.items()]

    def variables(self) -> dict[str, str]:
        """The environment variables that stand for flags."""
        settings = self._settings() if self.by_environment else {}
        return {f"AP_{name.upper().replace('-', '_')}": value for name, value in settings.items()}

    def _settings(self) -> dict[str, str]:
        """Flags that can be environment variables as well."""
        settings = {
            "kubeconfig": str(self.kubeconfig),
            "rest-address": self.address,
            "provider-configs-url": self.registry_url,
            "registry-query-period": f"{int(self.registry_period_s * 1000)}ms",
            "pod-namespace": self.namespace,
            "discovery-image": self.discovery_image,
        }
        return {**settings, "config": self.config} if self.config else settings


class Operator(Protocol):
    """An operator under test, wherever it runs: what runs and faults may ask of it.

    What a `pid` is depends on where it runs: another number is another process, and 0 is none.
    """

    @property
    def supervised(self) -> bool:
        """Whether an exit is followed by a start."""
        ...

    @property
    def log_dir(self) -> Path:
        """Where `operator.stderr.log` is, and perhaps `operator.stdout.log`."""
        ...

    @property
    def rest_port(self) -> int:
        """Its REST port, on loopback."""
        ...

    @property
    def grpc_port(self) -> int:
        """Its gRPC port, on loopback."""
        ...

    @property
    def running(self) -> bool:
        """Whether its process exists now."""
        ...

    @property
    def pid(self) -> int:
        """The process that runs now; 0 when there is none."""
        ...

    @property
    def rest_url(self) -> str:
        """The base URL of its REST API."""
        ...

    @property
    def grpc_target(self) -> str:
        """The address of its gRPC API."""
        ...

    async def start(self) -> None:
        """Start it; raises OperatorError when that is impossible."""
        ...

    async def kill(self, *, again: bool = True) -> None:
        """SIGKILL, noted as the harness's doing; a supervisor starts it again, unless not `again`."""
        ...

    async def interrupt(self, *, again: bool = True) -> int:
        """SIGINT, then SIGKILL when it has not ended; the exit code."""
        ...

    async def terminate(self) -> int:
        """SIGTERM as a kubelet does, then SIGKILL when it has not ended; the exit code."""
        ...

    async def stop(self) -> None:
        """End it for good."""
        ...


def parse(text: str, *, defect: str | None = None) -> OperatorSpec:
    """The operator named by `--operator`: `reference`, a binary's path, `image:` and an image's name or archive.

    Or `at:` and the addresses of one that runs already.

    Raises UsageError when there is no executable file at that path, when a defect is asked of anything but the
    reference, or when there is no such archive.
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
    if text.startswith(AT):
        return _of_address(text.removeprefix(AT))
    if text.startswith(IMAGE):
        return _of_image(text.removeprefix(IMAGE))
    path = Path(text).expanduser()
    if not path.is_file():
        raise UsageError(f"--operator {text}: there is no such file", hint="give 'reference' or the path of a binary")
    if not os.access(path, os.X_OK):
        raise UsageError(f"--operator {text}: the file is not executable", hint=f"chmod +x {text}")
    path = path.resolve()
    return OperatorSpec(name=path.name, command=(str(path),), sha256=_sha256(path))


def _of_address(text: str) -> OperatorSpec:
    """One that runs already: `REST,GRPC`, each as HOST:PORT."""
    found = _ADDRESSES.fullmatch(text)
    if found is None:
        raise UsageError(
            f"--operator {AT}{text}: that is not where an operator's REST and gRPC are",
            hint="at:HOST:PORT,HOST:PORT, such as at:127.0.0.1:8080,127.0.0.1:8081 behind `kubectl port-forward`",
        )
    return OperatorSpec(f"the one at {found[1]}", (), rest_url=f"http://{found[1]}", grpc_target=found[2])


def is_archive(image: str) -> bool:
    """Whether what stands after `image:` is the path of an archive, not an image's name."""
    return image.startswith(("/", "./", "../", "~")) or image.endswith((".tar", ".tar.gz", ".tgz"))


def _of_image(image: str) -> OperatorSpec:
    if is_archive(image):
        path = Path(image).expanduser()
        if not path.is_file():
            raise UsageError(f"--operator {IMAGE}{image}: there is no such file", hint="give a file of `docker save`")
        path = path.resolve()
        return OperatorSpec(path.name, (), sha256=_sha256(path), image=str(path))
    if not _IMAGE_NAME.fullmatch(image):
        raise UsageError(f"--operator {IMAGE}{image}: that is no image's name", hint="for example image:HOST/NAME:TAG")
    return OperatorSpec(image, (), image=image)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def environment(spec: OperatorSpec, base: Mapping[str, str]) -> dict[str, str]:
    """The environment of the operator's process: the cluster's minimal one and what the spec adds."""
    return {**base, **dict(spec.env)}
