"""A mirror of the official releases on loopback, holding shell scripts that print a version, and a pretended Go."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.toolchain.machine import architecture
from harness.toolchain.release import DEFAULT_KUBERNETES, ETCD, KINE, KWOK

if TYPE_CHECKING:
    from pathlib import Path

ARCH = architecture()
GATE_S = 30.0
"""A held answer is let go after this long, so that a broken test ends."""

SAYS = {
    "kube-apiserver": f"Kubernetes {DEFAULT_KUBERNETES}",
    "kube-controller-manager": f"Kubernetes {DEFAULT_KUBERNETES}",
    "etcd": f"etcd Version: {ETCD.removeprefix('v')}",
    "etcdctl": f"etcdctl version: {ETCD.removeprefix('v')}",
    "kwok": f"kwok version {KWOK} go1.26.0 (linux/amd64)",
}
KUBECTL_SAYS = f"Client Version: {DEFAULT_KUBERNETES}"
KINE_SAYS = f"kine version {KINE} (4ae5fbc8)"


def script(says: str) -> bytes:
    """A program that prints one line, whatever it is asked."""
    return f"#!/bin/sh\necho '{says}'\n".encode()


def binary_path(name: str, kubernetes: str = DEFAULT_KUBERNETES) -> str:
    """Where a Kubernetes binary is on the mirror."""
    return f"/release/{kubernetes}/bin/linux/{ARCH}/{name}"


ETCD_TAR = f"/etcd-io/etcd/releases/download/{ETCD}/etcd-{ETCD}-linux-{ARCH}.tar.gz"
ETCD_SUMS = f"/etcd-io/etcd/releases/download/{ETCD}/SHA256SUMS"
KWOK_BINARY = f"/kubernetes-sigs/kwok/releases/download/{KWOK}/kwok-linux-{ARCH}"
KWOK_RECORD = f"/repos/kubernetes-sigs/kwok/releases/tags/{KWOK}"
KINE_BINARY = f"/k3s-io/kine/releases/download/{KINE}/kine-{ARCH}"
KINE_SUMS = f"/k3s-io/kine/releases/download/{KINE}/sha256sum-{ARCH}.txt"
KINE_RECORD = f"/repos/k3s-io/kine/releases/tags/{KINE}"


def etcd_archive() -> bytes:
    """The release archive of etcd, with both programs."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in ("etcd", "etcdctl"):
            content = script(SAYS[name])
            entry = tarfile.TarInfo(f"etcd-{ETCD}-linux-{ARCH}/{name}")
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(slots=True)
class Mirror:
    """What is served; `held` paths send half of their body and wait for `gate`, `cut` paths stop there."""

    files: dict[str, bytes]
    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    held: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    gate: threading.Event = field(default_factory=threading.Event)
    half_sent: threading.Event = field(default_factory=threading.Event)

    def put_binary(self, path: str, content: bytes) -> None:
        """Serve a binary with its checksum beside it."""
        self.files[path] = content
        self.files[f"{path}.sha256"] = _sum(content).encode()


def complete_mirror() -> Mirror:
    """Every component of the default versions, kine and kubectl, each with its checksum."""
    mirror = Mirror(files={})
    for name in ("kube-apiserver", "kube-controller-manager"):
        mirror.put_binary(binary_path(name), script(SAYS[name]))
    mirror.put_binary(binary_path("kubectl"), script(KUBECTL_SAYS))
    archive = etcd_archive()
    mirror.files[ETCD_TAR] = archive
    mirror.files[ETCD_SUMS] = f"{'0' * 64}  other.tar.gz\n{_sum(archive)}  {ETCD_TAR.rsplit('/', 1)[-1]}\n".encode()
    kwok = script(SAYS["kwok"])
    mirror.files[KWOK_BINARY] = kwok
    record = f'{{"assets": [{{"name": "kwok-linux-{ARCH}", "digest": "sha256:{_sum(kwok)}"}}]}}'
    mirror.files[KWOK_RECORD] = record.encode()
    kine = script(KINE_SAYS)
    mirror.files[KINE_BINARY] = kine
    mirror.files[KINE_SUMS] = f"{'0' * 64}  kine-other\n{_sum(kine)}  kine-{ARCH}\n".encode()
    return mirror


GO_SCRIPT = """\
#!/bin/sh
# Stands in for Go: answers `env`, and `build` writes programs that print their version.
if [ "$1" = env ]; then echo go@VERSION@; echo @TOOLCHAIN@; exit 0; fi
echo "$PWD $*" >> @LOG@
@BEFORE@
while [ $# -gt 0 ]; do
  case "$1" in
    -o) out="$2"; shift ;;
    */*) packages="$packages $1" ;;
  esac
  shift
done
for package in $packages; do
  case "$package" in
    */cmd/* | */kine) name="${package##*/}" ;;
    */server/v3) name=etcd ;;
    *) name=etcdctl ;;
  esac
  case "$out" in */) file="$out$name" ;; *) file="$out" ;; esac
  cp "@MADE@/$name" "$file"
done
"""


@dataclass(frozen=True, slots=True)
class PretendedGo:
    """A `go` on PATH. `calls` are the builds it was asked for: working directory, then arguments."""

    log: Path

    @property
    def calls(self) -> list[str]:
        """One entry for each `go build`."""
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []


def pretend_go(
    folder: Path, *, version: str = "1.26.0", toolchain: str = "local", before: str = ""
) -> tuple[PretendedGo, dict[str, str]]:
    """Write a pretended Go below `folder`; return it and the environment in which it is found."""
    made = folder / "made"
    made.mkdir(parents=True)
    for name, says in {**SAYS, "kine": KINE_SAYS}.items():
        (made / name).write_bytes(script(says))
    log = folder / "go.log"
    text = GO_SCRIPT
    for key, value in {
        "VERSION": version,
        "TOOLCHAIN": toolchain,
        "LOG": str(log),
        "BEFORE": before,
        "MADE": str(made),
    }.items():
        text = text.replace(f"@{key}@", value)
    go = folder / "go-bin" / "go"
    go.parent.mkdir()
    go.write_text(text, encoding="utf-8")
    go.chmod(0o755)
    path = os.pathsep.join([str(go.parent), "/usr/bin", "/bin"])
    return PretendedGo(log), os.environ | {"PATH": path, "PYTHONPATH": os.pathsep.join(sys.path)}
