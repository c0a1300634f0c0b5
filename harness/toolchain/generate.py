"""Pins one more Kubernetes version, for maintainers: `python -m harness.toolchain.generate v1.35.4`.

Writes `go.mod` and `go.sum` into `go/kubernetes-1.35`, `go/kubectl-1.35` and `go/kubenode-1.35`. The staging modules
(`k8s.io/api`, …) carry no version in the go.mod of `k8s.io/kubernetes`; each is replaced by its published `v0.35.4`.
Needs Go and its module downloads. One version is kept for each minor: a directory that exists is replaced when `go mod
tidy` has succeeded, and left as it was otherwise.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.errors import HarnessError, ToolchainError, UsageError
from harness.toolchain.build import MODULES
from harness.toolchain.release import Unit, source, units

MODULE = "k8s.io/kubernetes"
PINNED = ("kubernetes", "kubectl", "node")
"""The units that are built from it."""


def go_mod(version: str, upstream: dict[str, object], packages: tuple[str, ...], name: str = "kubernetes") -> str:
    """The text of a pinned module, before `go mod tidy`.

    `upstream` is the go.mod of k8s.io/kubernetes as `go mod edit -json` prints it; `name`: what is built. Raises
    ToolchainError when it does not have the shape of Kubernetes 1.x.
    """
    requires = upstream.get("Require")
    if not isinstance(requires, list) or "Go" not in upstream:
        raise ToolchainError(f"the go.mod of {MODULE} {version} has no requirements or no Go version")
    staged = sorted(entry["Path"] for entry in requires if entry["Version"] == "v0.0.0")
    if not staged:
        raise ToolchainError(f"the go.mod of {MODULE} {version} requires no staging module at v0.0.0")
    published = "v0." + version.split(".", 1)[1]
    lines = [
        f"module inventory-harness.invalid/toolchain/{name}",
        "",
        f"go {upstream['Go']}",
        "",
        f"// The staging modules carry no version of their own in {MODULE} {version}: each is replaced by its",
        f"// published {published}.",
        "",
        "tool (",
        *(f"\t{package}" for package in packages),
        ")",
        "",
        f"require {MODULE} {version}",
        "",
        "replace (",
        *(f"\t{path} => {path} {published}" for path in staged),
        ")",
        "",
    ]
    return "\n".join(lines)


def generate(version: str) -> list[Path]:
    """Pin `version` ("v1.35.4") and return its directories. Raises UsageError and ToolchainError."""
    if not re.fullmatch(r"v1\.\d+\.\d+", version):
        raise UsageError(f"not a released Kubernetes version: {version!r} (expected for example v1.35.4)")
    with tempfile.TemporaryDirectory(prefix="inventory-harness-pin-") as scratch:
        downloaded = json.loads(_go("mod", "download", "-json", f"{MODULE}@{version}", cwd=Path(scratch)))
        upstream = json.loads(_go("mod", "edit", "-json", downloaded["GoMod"], cwd=Path(scratch)))
        pinned = [unit for unit in units(version, PINNED) if unit.name in PINNED]
        return [_pin(unit, version, upstream, Path(scratch) / unit.name) for unit in pinned]


def _pin(unit: Unit, version: str, upstream: dict[str, object], draft: Path) -> Path:
    packages = tuple(source(component).package for component in unit.components)
    draft.mkdir()
    (draft / "go.mod").write_text(go_mod(version, upstream, packages, unit.name), encoding="utf-8")
    _go("mod", "tidy", cwd=draft)
    target = MODULES / source(unit.components[0]).module_dir
    target.mkdir(exist_ok=True)
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(draft / name, target / name)
    return target


def _go(*args: str, cwd: Path) -> str:
    try:
        done = subprocess.run(["go", *args], cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError as exc:
        raise ToolchainError("no `go` on PATH", hint="install Go, at least the version the new module names") from exc
    if done.returncode != 0:
        raise ToolchainError(f"`go {' '.join(args)}` ended with status {done.returncode}: {done.stderr.strip()[-600:]}")
    return done.stdout


def main(argv: list[str]) -> int:
    """Pin the one version given on the command line; exit status 3 when that cannot be done."""
    try:
        if len(argv) != 1:
            raise UsageError("expected one Kubernetes version", hint="python -m harness.toolchain.generate v1.35.4")
        sys.stdout.write("".join(f"{where}\n" for where in generate(argv[0])))
    except HarnessError as exc:
        sys.stderr.write(f"error: {exc}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
