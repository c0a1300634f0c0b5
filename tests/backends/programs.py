"""The stand-in as a program on disk, and as what stands for a container of it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ClusterError
from harness.process import rundir
from harness.process.child import Child, start, tail
from harness.toolchain import resolve
from harness.toolchain.release import K3S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cluster.dockerbox import Order
    from harness.toolchain import Toolchain

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("kube-apiserver", "kube-controller-manager", "etcd", "etcdctl", "kine")
IMAGE = "stand-in.invalid/k3s:1"


def toolchain() -> Toolchain:
    """The real binaries that the stand-in starts."""
    return resolve(also=("kine",))


def program(place: Path, tools: Toolchain | None, *, version: str = K3S, fault: str = "") -> Path:
    """An executable `k3s` in that directory. Without the tools it only tells its version."""
    binaries = {name: str(tools.path(name)) for name in NEEDED} if tools is not None else {}
    about = {"version": version, "fault": fault, "binaries": binaries}
    text = (
        f"#!{sys.executable} -B\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        f"from tests.backends.standin import main\nmain({about!r}, sys.argv[1:])\n"
    )
    place.mkdir(parents=True, exist_ok=True)
    path = place / "k3s"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@dataclass(slots=True)
class ProcessNetwork:
    """Stands for a network of Docker's: containers are processes on loopback. It notes what was done to it."""

    name: str
    mark: str
    directory: Path
    done: list[str] = field(default_factory=list)

    def create(self) -> str:
        """Nothing is made."""
        self.done.append("create")
        return "127.0.0.1"

    def remove(self) -> None:
        """Nothing is removed."""
        self.done.append("remove")


@dataclass(slots=True)
class ProcessBox:
    """Stands for a container of K3s: the program as a process, with a root of its own for K3s's paths.

    `ports`: name of a box -> the port of loopback that its API is on, of all boxes of a cluster.
    """

    order: Order
    program: Path
    ports: dict[str, int]
    children: list[Child] = field(default_factory=list)
    refuses: str = ""
    reaped: bool = False
    commands: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """Where it has its files; in the run's directory, with which they go."""
        return Path(self.order.labels["inventory-harness.directory"]) / self.order.name

    def create(self) -> None:
        """Start it."""
        if self.refuses:
            raise ClusterError(self.refuses)
        for here, there in self.order.files.items():
            target = Path(f"{self.root}{there}")
            target.parent.mkdir(parents=True, exist_ok=True)
            if Path(here).is_dir():
                target.symlink_to(here)
            else:
                shutil.copyfile(here, target)
        self.again()

    def again(self) -> None:
        """Start it."""
        self.root.mkdir(exist_ok=True)
        env: Mapping[str, Any] = {
            **self.order.environment, "PATH": os.environ["PATH"], "STANDIN_ROOT": str(self.root),
            "STANDIN_PORTS": json.dumps(self.ports), rundir.ENV_MARK: self.order.labels["inventory-harness.run"],
        }  # fmt: skip
        self.children.append(
            start("k3s", [str(self.program), *self.order.command], log_dir=self.root, env=env, cwd=self.root)
        )

    def kill(self) -> None:
        """Kill it."""
        self.children[-1].kill()

    def ended(self) -> int | None:
        """Its exit code, or None."""
        return self.children[-1].exit_code if self.children else None

    def tail(self, lines: int) -> str:
        """Its last lines."""
        return tail(self.root / "k3s.stderr.log", lines)

    def read(self, path: str) -> bytes | None:
        """A file below its root."""
        file = Path(f"{self.root}{path}")
        return file.read_bytes() if file.exists() else None

    def run(self, *command: str) -> str:
        """Nothing is run; the command is noted, with the file that it names if that is there."""
        self.commands.append(command)
        if not Path(f"{self.root}{command[-1]}").exists():
            raise ClusterError(f"there is no {command[-1]}")
        return ""

    def remove(self) -> None:
        """Kill it; its files go with the run's directory."""
        for child in self.children:
            child.kill()
