"""What K3s leaves in a machine's network, and its removal: for real, in a network namespace of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from harness.cluster import k3shost, k3sleft
from harness.errors import ClusterError, PlatformError
from harness.process import ports
from tests.backends.programs import ROOT
from tests.backends.test_k3s_server import AS_ROOT

if TYPE_CHECKING:
    from pathlib import Path

STORY = """\
import json, sys
from pathlib import Path
from harness.cluster import k3shost, k3sleft
from harness.process.shim import command
import subprocess
directory, before = Path(sys.argv[1]), sys.argv[2:]
def do(text):
    subprocess.run(command(text.split()), check=True)
def there():
    said = {}
    for table in ("nat", "filter"):
        done = subprocess.run(command(["iptables", "-t", table, "-S"]), check=True, capture_output=True, text=True)
        said[table] = sorted(line for line in done.stdout.splitlines() if not line.startswith("-P"))
    said["links"] = [name for name in k3shost.INTERFACES if k3shost.interface(name)]
    return said
k3shost.PLACES = (str(directory.parent / "made" / "deep"),)
do("iptables -t nat -N THEIRS")
do("iptables -t nat -A PREROUTING -j THEIRS")
for text in before:
    do(text)
first = there()
k3sleft.record(directory)
made = Path(k3shost.PLACES[0]).is_dir()
for text in (
    "ip link add cni0 type bridge", "iptables -t nat -N KUBE-SERVICES", "iptables -t nat -N CNI-HOSTPORT-DNAT",
    "iptables -t nat -A PREROUTING -j KUBE-SERVICES", "iptables -t nat -A KUBE-SERVICES -j CNI-HOSTPORT-DNAT",
    "iptables -t nat -A THEIRS -m comment --comment ours -j KUBE-SERVICES", "iptables -N FLANNEL-FWD",
    "iptables -A FORWARD -j FLANNEL-FWD",
):
    subprocess.run(command(text.split()), check=not before)
between = there()
said = k3sleft.remove(directory)
gone = not Path(k3shost.PLACES[0]).parent.exists()
print(json.dumps([first, between, there(), said, made and gone, (directory / k3sleft.FILE).exists()]))
"""


def told(tmp_path: Path, *before: str) -> list[object]:
    """What the story saw: before K3s, with what K3s leaves, after the removal, and what that said."""
    directory = tmp_path / "0badcafe"
    directory.mkdir()
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", STORY, str(directory), *before],
        capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen: list[object] = json.loads(done.stdout)
    return seen


@AS_ROOT
def test_the_network_is_as_it_was(tmp_path: Path) -> None:
    """The bridge and the chains are gone with the rules that led to them; a chain of others stays with its own rule."""
    first, between, after, said, places, kept = told(tmp_path)

    assert first != between
    assert after == first
    assert said == "of K3s: cni0, rules of iptables"
    assert places
    assert not kept


@AS_ROOT
def test_what_was_there_before_stays(tmp_path: Path) -> None:
    """Another bridge of that name, and chains of another kubelet, are not ours to remove."""
    _first, between, after, said, _places, _kept = told(
        tmp_path, "ip link add cni0 type bridge", "iptables -t nat -N KUBE-SERVICES"
    )

    assert after == between
    assert said == "of K3s: nothing but its mount points"


def test_a_run_without_k3s_has_left_nothing(tmp_path: Path) -> None:
    """As most runs are."""
    assert k3sleft.remove(tmp_path) == ""
    assert k3sleft.sweep(tmp_path) == ""


def test_a_record_that_says_nothing_is_an_error(tmp_path: Path) -> None:
    """It names the file, and nothing is removed on a guess."""
    (tmp_path / k3sleft.FILE).write_text("{}", encoding="utf-8")

    with pytest.raises(ClusterError, match="does not say what K3s found"):
        k3sleft.remove(tmp_path)


def test_control_groups_are_removed_from_within(tmp_path: Path) -> None:
    """The innermost first; one in use is told, and can be removed later."""
    pods = tmp_path / "kubepods"
    (pods / "burstable" / "pod1").mkdir(parents=True)
    (pods / "besteffort").mkdir()
    k3sleft._remove_groups(pods)
    assert not pods.exists()

    (pods / "in-use").mkdir(parents=True)
    (pods / "in-use" / "member").touch()
    with pytest.raises(PlatformError, match="in-use cannot be removed"):
        k3sleft._remove_groups(pods)


def test_a_sweep_waits_for_another_harness_that_has_a_k3s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the machine's network by now may be the other one's."""
    monkeypatch.setattr(ports, "LOCK_DIR", tmp_path / "locks")
    (tmp_path / k3sleft.FILE).write_text("{}", encoding="utf-8")
    lock = k3shost.take()
    assert lock is not None

    with pytest.raises(PlatformError, match="another harness's K3s runs now"):
        k3sleft.sweep(tmp_path)
    os.close(lock)
    with pytest.raises(ClusterError, match="does not say"):
        k3sleft.sweep(tmp_path)
