"""Clusters of kind: whatever goes wrong is one clear error, and nothing is left."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from harness.cluster import containers, dockercli, dockershim, kernel, kindmade, sweep
from harness.cluster.kindcluster import KindCluster, kind_command, told
from harness.cluster.kindconfig import KindShape
from harness.errors import ClusterError, HarnessError, PlatformError, ToolchainError
from harness.process import rundir
from tests.rundirs import own_runs
from tests.unit.cluster.faked import Faked, docker, fake

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE = "inventory-harness.invalid/node:v1"
LABELLED = "network_ls_--format_{{.Name}}_--filter"
"""The question for networks of ours, as against any."""


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where run directories are."""
    with own_runs(monkeypatch) as place:
        yield place


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faked:
    """A Docker engine with room, where a cluster that was begun has one container and its network."""
    monkeypatch.setattr(kernel, "place", lambda: tmp_path / "kernel")
    monkeypatch.setattr(dockershim, "needed", lambda: False)
    monkeypatch.setattr(kernel, "SETTINGS", ())
    return docker(tmp_path, monkeypatch, ps_="echo c0ffee")


@pytest.fixture
def kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Faked) -> Faked:
    """A kind command; the engine tells of whichever network was made last."""
    network = f"echo bridge; sed -n 's/^network create .* //p' '{engine.log}' | tail -n 1"
    docker(tmp_path, monkeypatch, ps_="echo c0ffee", **{LABELLED: "exit 0", "network_ls": network})
    made = fake("kind", tmp_path, monkeypatch)
    made.answers(create="echo 'ERROR: failed to create cluster: node did not boot' >&2; exit 1")
    return made


def start(runs: Path, *, workers: int = 0) -> KindCluster:
    """Start a cluster, with its run directory below that one."""
    return asyncio.run(KindCluster.start(shape=KindShape(workers=workers, image=IMAGE), parent=runs, worker="gw1"))


def names(asked: list[str], verb: str) -> list[str]:
    """What Docker was asked to do, by the last word of it."""
    return [line.rsplit(" ", 1)[-1] for line in asked if line.startswith(verb)]


def test_a_create_that_fails_half_way_leaves_nothing(runs: Path, engine: Faked, kind: Faked) -> None:
    """Containers, network and run directory are gone, and the error has kind's own words."""
    with pytest.raises(ClusterError, match=r"kind did not create the cluster inv-\w+-gw1 .*[\s\S]*node did not boot"):
        start(runs)

    (network,) = names(engine.asked, "network create")
    assert network.startswith("inv-")
    assert network.endswith("-gw1")
    assert names(engine.asked, "rm --force --volumes") == ["c0ffee"]
    assert names(engine.asked, "network rm") == [network]
    assert list(runs.iterdir()) == []
    assert [line.split(" --config")[0] for line in kind.asked] == [f"create cluster --name {network}"]


@pytest.mark.parametrize(
    ("says", "error", "told"),
    [
        (
            "write /var/lib/docker/x: no space left on device",
            PlatformError,
            r"no room left on the disk[\s\S]*free some",
        ),
        ("unable to apply caps: operation not permitted", ClusterError, "withholds a capability"),
        ('ERROR: failed to pull image "kindest/node"', ClusterError, "ci.node_image"),
    ],
    ids=["no-space", "capability", "registry"],
)
def test_what_kind_says_has_a_way_out_where_there_is_one(
    says: str, error: type[HarnessError], told: str, runs: Path, kind: Faked
) -> None:
    """Known troubles are told by what can be done about them."""
    kind.answers(create=f"echo '{says}' >&2; exit 1")

    with pytest.raises(error, match=told):
        start(runs)

    assert list(runs.iterdir()) == []


def test_of_a_long_output_what_says_something_is_told() -> None:
    """Go's stacks are left out, and so is what came long before."""
    output = "".join(f"[preflight] step {number}\n" for number in range(40)) + (
        "error: error execution phase wait-control-plane: failed while waiting\n\n"
        "github.com/spf13/cobra.(*Command).execute\n\tgithub.com/spf13/cobra@v1.9.1/command.go:1015\n"
        "main.main\n\tk8s.io/kubernetes/cmd/kubeadm/kubeadm.go:25\n"
    )

    lines = told(output).splitlines()

    assert lines[-1] == "error: error execution phase wait-control-plane: failed while waiting"
    assert lines[-2] == "[preflight] step 39"
    assert len(lines) == 15
    assert told("\n\n") == "nothing"


def test_a_kind_that_does_not_come_to_an_end_is_ended(
    runs: Path, engine: Faked, kind: Faked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deadline holds for the whole create, and what it began is removed."""
    monkeypatch.setattr("harness.cluster.kindcluster.CREATE_DEADLINE_S", 0.3)
    monkeypatch.setattr(dockercli, "image_id", lambda _reference: "sha256:0")
    kind.answers(create="echo waiting >&2; exec tail -f /dev/null")

    with pytest.raises(ClusterError, match=r"did not create the cluster .* within 0 s; it says:\nwaiting"):
        start(runs)

    assert names(engine.asked, "rm --force --volumes") == ["c0ffee"]


def test_without_room_nothing_is_made(runs: Path, engine: Faked, kind: Faked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each node needs its own."""
    monkeypatch.setattr("harness.cluster.kindcluster.ROOM_PER_NODE", 1 << 50)

    with pytest.raises(PlatformError, match="not enough room to start a kind cluster"):
        start(runs, workers=2)

    assert kind.asked == []
    assert names(engine.asked, "network create") == []


def test_without_kind_the_toolchain_is_named(runs: Path, engine: Faked) -> None:
    """No `kind` on PATH and none in the toolchain."""
    del engine

    with pytest.raises(ToolchainError, match=r"no `kind` on PATH[\s\S]*harness toolchain --with kind"):
        start(runs)
    with pytest.raises(ToolchainError):
        kind_command(None)


def test_a_sweep_removes_the_cluster_of_a_dead_run(runs: Path, engine: Faked, kind: Faked) -> None:
    """The file in the run's directory says its name; the directory goes after it."""
    del kind
    dead = runs / "0badcafe"
    dead.mkdir(parents=True)
    (dead / "owner").write_text("", encoding="ascii")
    kindmade.record(dead, "inv-0badcafe")

    swept = sweep.sweep(runs)

    assert swept.clusters == ("kind cluster inv-0badcafe",)
    assert names(engine.asked, "rm --force --volumes") == ["c0ffee"]
    assert not dead.exists()


def test_where_docker_refuses_the_directory_stays(
    runs: Path, tmp_path: Path, kind: Faked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is all that tells which cluster it was."""
    del kind
    docker(tmp_path, monkeypatch, ps_="echo c0ffee", network="exit 0", rm="echo busy >&2; exit 1")
    dead = runs / "0badcafe"
    dead.mkdir(parents=True)
    (dead / "owner").write_text("", encoding="ascii")
    kindmade.record(dead, "inv-0badcafe")

    swept = sweep.sweep(runs)

    assert swept.clusters == ()
    assert [(path, "busy" in why) for path, why in swept.kept] == [(dead, True)]
    assert (dead / kindmade.FILE).exists()


def test_a_network_tells_of_a_run_whose_directory_is_gone(
    tmp_path: Path, engine: Faked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A live run's network, and one of another machine, are left alone."""
    mine = containers.labels("0badcafe", tmp_path / "gone")
    alive = containers.labels("cafe0bad", tmp_path)
    foreign = {**mine, containers.PLACE: "elsewhere mnt:[1]"}
    docker(
        tmp_path, monkeypatch,
        network_ls="printf 'inv-0badcafe\\ninv-cafe0bad\\ninv-foreign\\n'",
        **{
            f"network_inspect_--format_{{{{json_.Labels}}}}_{name}": f"echo '{json.dumps(labels)}'"
            for name, labels in (("inv-0badcafe", mine), ("inv-cafe0bad", alive), ("inv-foreign", foreign))
        },
    )  # fmt: skip

    assert kindmade.sweep() == ("kind cluster inv-0badcafe",)

    assert names(engine.asked, "network rm") == ["inv-0badcafe"]


def test_a_container_that_was_made_too_late_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cluster has no network any more; one that has it, and what is not ours, is left alone."""
    engine = docker(
        tmp_path, monkeypatch,
        **{"ps_--all_--filter": "printf 'inv-late\\ninv-live\\nsomebody\\n'", "ps_": "echo c0ffee",
           LABELLED: "exit 0", "network_ls": "printf 'bridge\\ninv-live\\n'"},
    )  # fmt: skip

    assert kindmade.sweep() == ("kind cluster inv-late",)

    assert names(engine.asked, "rm --force --volumes") == ["c0ffee"]
    assert names(engine.asked, "network rm") == []


def test_a_live_run_keeps_its_cluster(runs: Path, engine: Faked) -> None:
    """A directory whose owner lives is not looked into."""
    owned = rundir.make(runs)
    kindmade.record(owned.path, "inv-live")

    assert sweep.sweep(runs).clusters == ()

    assert names(engine.asked, "rm --force --volumes") == []
    owned.remove()
