"""A stand-in for the K3s program: real etcd or kine, API server and controller manager, and the outside of K3s.

It takes K3s's flags and refuses others, writes token and kubeconfig where K3s does, lets servers and agents join who
have the token, registers a node and keeps its Lease, and leaves a shim and a pod's process behind as K3s does when it
is killed. What it does not have: a kubelet, a container runtime, a network of pods, controllers of K3s's own. No pod
ever runs on it, so it proves nothing about what K3s does, only about what the harness does with K3s.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from harness.cluster.pki import Authority, KeyPair, kubeconfig, write_private
from harness.process.ports import Ports
from harness.process.shim import command
from tests.backends import standinflags
from tests.backends.standinapi import Api, heartbeat
from tests.backends.standinflags import refused

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET = "/api/v1/namespaces/kube-system/secrets"
HOSTS = ("127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "10.43.0.1")
SHARED = ("ca.crt", "sa.pub", "sa.key", "admin.crt", "admin.key", "serving.crt", "serving.key")
DEFAULT_DATA, DEFAULT_KUBECONFIG = "/var/lib/rancher/k3s", "/etc/rancher/k3s/k3s.yaml"


@dataclass(slots=True)
class StandIn:
    """One K3s process. `about`: what the test that made the program wants of it (`tests.backends.programs`)."""

    about: Mapping[str, Any]
    flags: dict[str, list[str]]
    ports: Ports = field(default_factory=Ports)
    children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def one(self, name: str, usual: str = "") -> str:
        """The value of a flag that is given once."""
        return self.flags.get(name, [usual])[-1]

    @property
    def fault(self) -> str:
        """How it is to misbehave; empty when it is not."""
        return str(self.about.get("fault", ""))

    def rooted(self, path: str) -> Path:
        """A path of K3s's own, below the root of what stands for a container."""
        root = os.environ.get("STANDIN_ROOT", "")
        return Path(f"{root}{path}") if root else Path(path)

    @property
    def data(self) -> Path:
        """The data directory."""
        return Path(self.one("data-dir")) if "data-dir" in self.flags else self.rooted(DEFAULT_DATA)

    def place_of(self, url: str) -> str:
        """The URL as it is reached here: names of what stands for containers are ports of loopback."""
        host, port = re.fullmatch(r"https://([^:/]+):(\d+)", url).groups()  # type: ignore[union-attr]
        there = json.loads(os.environ.get("STANDIN_PORTS", "{}")).get(host, port)
        return f"https://127.0.0.1:{there}"

    def token(self) -> str:
        """The cluster's secret, as it was given."""
        file = self.one("token-file")
        found = Path(file).read_text(encoding="utf-8").strip() if file else os.environ.get("K3S_TOKEN", "")
        return found or self.one("token")

    def start(self, name: str, *words: str, **env: str) -> None:
        """A child that dies with us."""
        log = self.data / "log"
        log.mkdir(parents=True, exist_ok=True)
        with (log / f"{name}.log").open("ab") as out:
            argv = command([str(self.about["binaries"][name]), *words])
            self.children[name] = subprocess.Popen(argv, stdout=out, stderr=out, env={**os.environ, **env})

    def watch(self, until: float | None = None) -> None:
        """Return at that moment; end when a child does, with its last words."""
        while until is None or time.monotonic() < until:
            for name, child in self.children.items():
                if child.poll() is not None:
                    said = (self.data / "log" / f"{name}.log").read_text(encoding="utf-8", errors="replace")
                    raise refused(f"{name} exited with {child.returncode}: {said[-600:]}")
            threading.Event().wait(0.1)


def main(about: Mapping[str, Any], words: list[str]) -> None:
    """What the program does with its command line."""
    match words:
        case ["--version"]:
            sys.stdout.write(f"k3s version {about['version']} (0badcafe)\ngo version go1.24.0\n")
        case ["server", *rest]:
            server(StandIn(about, standinflags.read(rest, standinflags.OF_SERVER)))
        case ["agent", *rest]:
            agent(StandIn(about, standinflags.read(rest, standinflags.OF_AGENT)))
        case _:
            raise refused(f"No help topic for '{' '.join(words)}'")


def server(k3s: StandIn) -> None:
    """`k3s server`."""
    if os.geteuid() != 0:
        raise refused("server must run as root, or with --rootless and/or --disable-agent")
    if "STANDIN_ROOT" not in os.environ:
        _own_places(k3s)
    if k3s.fault == "dies-at-once":
        raise refused("starting kubernetes: preparing server: the stand-in was told to end here")
    token = k3s.token()
    joins = k3s.one("server")
    if joins and not token:
        raise refused("token is required to join a cluster")
    token = token or secrets.token_hex(16)
    shared = k3s.data / "server" / "tls"
    shared.mkdir(parents=True)
    write_private(k3s.data / "server" / "token", f"K10standin::server:{token}\n".encode())
    first = Api(k3s.place_of(joins), token=token).bootstrap(f"{SECRET}/standin", k3s.watch) if joins else {}
    port = int(json.loads(os.environ.get("STANDIN_PORTS", "{}")).get(k3s.one("node-name"), 0)) or int(
        k3s.one("https-listen-port", "6443")
    )
    _credentials(shared, first)
    _kubeconfig(k3s, shared, port)
    store = _datastore(k3s, first)
    if k3s.fault == "dies-half-way":
        raise refused("starting kubernetes: the stand-in was told to end when the datastore was there")
    _api_server(k3s, shared, store, port, token)
    api = Api(f"https://127.0.0.1:{port}", cert=shared / "admin.crt", key=shared / "admin.key")
    if k3s.fault == "never-ready":
        k3s.watch()
    api.ready(k3s.watch)
    _controllers(k3s, shared, port)
    if not joins:
        body = {name: base64.b64encode((shared / name).read_bytes()).decode() for name in SHARED}
        if "--etcd" in store:
            body["etcd"] = base64.b64encode(json.dumps(store["--etcd"]).encode()).decode()
        api.ensure(SECRET, {"metadata": {"name": "standin"}, "data": body})
        applied = sorted(path.name for path in (k3s.data / "server" / "manifests").glob("*.yaml"))
        api.ensure(
            "/api/v1/namespaces/kube-system/configmaps",
            {"metadata": {"name": "standin"}, "data": {"manifests": " ".join(applied)}},
        )
    heartbeat(api, k3s.one("node-name"), k3s.data, k3s.watch, ready=k3s.one("flannel-backend") != "none")


def agent(k3s: StandIn) -> None:
    """`k3s agent`."""
    if not k3s.token():
        raise refused("--token is required")
    if not k3s.one("server"):
        raise refused("--server is required")
    api = Api(k3s.place_of(k3s.one("server")), token=k3s.token())
    api.bootstrap(f"{SECRET}/standin", k3s.watch)
    heartbeat(api, k3s.one("node-name"), k3s.data, k3s.watch, ready=True)


def _own_places(k3s: StandIn) -> None:
    """What K3s writes where no flag says, which must be in memory and nobody else's; and what outlives it."""
    for place in ("/run/k3s/containerd", "/etc/rancher/node", "/var/lib/cni/networks"):
        Path(place).mkdir(parents=True)  # an error where it was there before
        (Path(place) / "standin").write_text(k3s.one("node-name"), encoding="utf-8")
    kubelet = Path(next(word for word in k3s.flags["kubelet-arg"] if word.startswith("root-dir=")).partition("=")[2])
    volume, root = kubelet / "pods" / "0" / "volumes", k3s.data / "agent" / "containerd" / "snapshots" / "1"
    sleep = k3s.data / "data" / "current" / "bin" / "containerd-shim-runc-v2"
    ctr = sleep.with_name("ctr")
    for path in (volume, root, sleep.parent):
        path.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "standin-volume", str(volume)], check=True)
    shutil.copy(shutil.which("sleep") or "/bin/sleep", sleep)
    shutil.copy(sleep, root / "sleep")
    linked = subprocess.run(["ldd", str(sleep)], check=True, capture_output=True, text=True).stdout
    for library in re.findall(r"(/\S+\.so\S*)", linked):
        (root / library.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, root / library.lstrip("/"))
    # It works only where containerd's socket would be: in the mount namespace.
    said = f'#!/bin/sh\nset -e\nname=$(cat /run/k3s/containerd/standin)\necho "$name $*" >> {k3s.data}/imported\n'
    ctr.write_text(said, encoding="utf-8")
    ctr.chmod(0o755)
    pod = f"mount --bind {root} {root} && exec env -i {shutil.which('chroot')} {root} /sleep 3600"
    clean = {name: value for name, value in os.environ.items() if name != "INVENTORY_HARNESS_RUN"}
    quiet: dict[str, Any] = {"start_new_session": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.Popen([str(sleep), "3600"], env=clean, **quiet)
    subprocess.Popen(["unshare", "--mount", "sh", "-ec", pod], env=clean, **quiet)


def _credentials(shared: Path, first: Mapping[str, bytes]) -> None:
    if first:
        for name in SHARED:
            write_private(shared / name, first[name])
        return
    authority = Authority(shared, "k3s-standin")
    authority.server("serving", hosts=HOSTS)
    authority.client("admin", user="system:admin", groups=("system:masters",))
    pair = authority.signing_key("sa")
    if pair.cert != shared / "sa.pub":
        shutil.copy(pair.cert, shared / "sa.pub")


def _kubeconfig(k3s: StandIn, shared: Path, port: int) -> None:
    """As K3s writes it: in pieces of no particular size, before anything answers."""

    def data(name: str) -> str:
        return base64.b64encode((shared / name).read_bytes()).decode()

    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": data("ca.crt")}
    user = {"client-certificate-data": data("admin.crt"), "client-key-data": data("admin.key")}
    body = {
        "apiVersion": "v1", "kind": "Config", "current-context": "default",
        "clusters": [{"name": "default", "cluster": cluster}], "users": [{"name": "default", "user": user}],
        "contexts": [{"name": "default", "context": {"cluster": "default", "user": "default"}}],
    }  # fmt: skip
    named = k3s.one("write-kubeconfig")
    file = Path(named) if named else k3s.rooted(DEFAULT_KUBECONFIG)
    file.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(body)
    file.touch(mode=int(k3s.one("write-kubeconfig-mode", "600"), 8))
    with file.open("w", encoding="utf-8") as out:
        for half in (text[: len(text) // 3], text[len(text) // 3 :]):
            out.write(half)
            out.flush()
            k3s.watch(time.monotonic() + 0.3)


def _datastore(k3s: StandIn, first: Mapping[str, bytes]) -> dict[str, Any]:
    """{"--etcd-servers": where the API server finds it, "--etcd": how others join it}."""
    database = k3s.data / "server" / "db"
    database.mkdir(parents=True)
    client = k3s.ports.take()
    url = f"http://127.0.0.1:{client}"
    if "cluster-init" in k3s.flags or "etcd" in first:
        name, peer = k3s.one("node-name"), f"http://127.0.0.1:{k3s.ports.take()}"
        members, state, ask = f"{name}={peer}", "new", url
        if first:
            ask, state = json.loads(first["etcd"])["url"], "existing"
            members = _member_added(k3s, ask, name, peer)
        k3s.start(
            "etcd", f"--name={name}", f"--data-dir={database / 'etcd'}", f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}", f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster={members}", f"--initial-cluster-state={state}", "--unsafe-no-fsync",
        )  # fmt: skip
        return {"--etcd-servers": url, "--etcd": {"url": ask}}
    given = os.environ.get("K3S_DATASTORE_ENDPOINT", "")
    endpoint = given or f"sqlite://{database / 'state.db'}?_journal=WAL&cache=shared&_busy_timeout=30000"
    k3s.start("kine", f"--listen-address=127.0.0.1:{client}", "--metrics-bind-address=0", KINE_ENDPOINT=endpoint)
    return {"--etcd-servers": url}


def _member_added(k3s: StandIn, ask: str, name: str, peer: str) -> str:
    """The members of etcd with a new one; while one joins, etcd takes no other."""
    said = ""
    for _ in range(100):
        done = subprocess.run(
            [str(k3s.about["binaries"]["etcdctl"]), f"--endpoints={ask}", "member", "add", name, f"--peer-urls={peer}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        found = re.search(r'^ETCD_INITIAL_CLUSTER="(.*)"', done.stdout, re.MULTILINE)
        if found:
            return found[1]
        said = done.stderr[-300:]
        k3s.watch(time.monotonic() + 0.2)
    raise refused(f"etcd takes no further member: {said}")


def _api_server(k3s: StandIn, shared: Path, store: Mapping[str, Any], port: int, token: str) -> None:
    tokens = write_private(shared / "tokens.csv", f'{token},k3s-join,k3s-join,"system:masters"\n'.encode())
    k3s.start(
        "kube-apiserver", "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--secure-port={port}",
        f"--etcd-servers={store['--etcd-servers']}", f"--tls-cert-file={shared / 'serving.crt'}",
        f"--tls-private-key-file={shared / 'serving.key'}", f"--client-ca-file={shared / 'ca.crt'}",
        f"--cert-dir={shared}", f"--token-auth-file={tokens}", "--service-cluster-ip-range=10.43.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={shared / 'sa.pub'}", f"--service-account-signing-key-file={shared / 'sa.key'}",
        "--authorization-mode=Node,RBAC", "--allow-privileged=true", "--endpoint-reconciler-type=none", GOGC="400",
    )  # fmt: skip


def _controllers(k3s: StandIn, shared: Path, port: int) -> None:
    """They give an API server ten seconds to be ready, and end themselves then: it has to be there before."""
    admin = KeyPair(shared / "admin.crt", shared / "admin.key")
    config = kubeconfig(
        shared / "controller.kubeconfig", server=f"https://127.0.0.1:{port}", ca=shared / "ca.crt", pair=admin,
        user="system:admin",
    )  # fmt: skip
    k3s.start(
        "kube-controller-manager", f"--kubeconfig={config}", "--bind-address=127.0.0.1",
        f"--secure-port={k3s.ports.take()}", f"--cert-dir={shared / 'manager'}", f"--root-ca-file={shared / 'ca.crt'}",
        f"--service-account-private-key-file={shared / 'sa.key'}",
        "--leader-elect-lease-duration=120s", "--leader-elect-renew-deadline=100s",
        *(f"--{word}" for word in k3s.flags.get("kube-controller-manager-arg", ())),
    )  # fmt: skip


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(json.loads(sys.argv[1]), sys.argv[2:])
