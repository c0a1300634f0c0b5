"""The command `ceph` of the tools pod, run as kwok runs it, and the documents and objects around it."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from harness.cluster.cephtools import TOOLS, TOOLS_FAULTY, CephTools, definition, tools_pod
from harness.cluster.storage import GIB, Ceph, Pool
from harness.errors import ClusterError

if TYPE_CHECKING:
    from pathlib import Path

CEPH = Ceph(pools=(Pool("ssd", max_avail=700 * GIB, stored=300 * GIB), Pool("hdd")))


@pytest.fixture
def tools(tmp_path: Path) -> CephTools:
    """The tools of two clusters, the command installed."""
    made = CephTools(tmp_path, ("rook-ceph", "other"))
    made.install()
    return made


def run(tools: CephTools, *arguments: str, namespace: str = "rook-ceph") -> subprocess.CompletedProcess[str]:
    """The command by its name, in the environment that kwok is given and the document adds to."""
    documents = {item["spec"]["selector"]["matchNamespaces"][0]: item for item in yaml.safe_load_all(tools.documents())}
    (target,) = documents[namespace]["spec"]["execs"]
    more = {item["name"]: item["value"] for item in target["local"]["envs"]}
    env = {**tools.env({"PATH": os.environ["PATH"]}), **more}
    # As Rook's clients do: `timeout` finds the command by the same PATH.
    command = ["timeout", "5", *(arguments or ("ceph", "df", "--format", "json"))]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_it_prints_what_the_harness_says_last(tools: CephTools) -> None:
    """Each cluster has figures of its own; before any were given there are no pools."""
    assert json.loads(run(tools).stdout) == {"pools": []}
    tools.write("rook-ceph", CEPH.df())

    assert json.loads(run(tools).stdout) == CEPH.df() == tools.read("rook-ceph")
    assert json.loads(run(tools, "ceph", "df", "--format=json").stdout) == CEPH.df()
    assert json.loads(run(tools, namespace="other").stdout) == {"pools": []}
    assert tools.met("rook-ceph") == 0


@pytest.mark.parametrize("arguments", [("ceph", "status"), ("ceph",), ("ceph", "df")])
def test_it_knows_nothing_else(tools: CephTools, arguments: tuple[str, ...]) -> None:
    """What the contract does not name is an error, as with a command that does not exist."""
    done = run(tools, *arguments)

    assert (done.returncode, done.stdout) == (22, "")
    assert "not known here" in done.stderr


@pytest.mark.parametrize(
    ("mode", "code", "printed"), [("error", 1, ""), ("garbage", 0, '{"stats": {"total_bytes": 1,'), ("empty", 0, "{}")]
)
def test_it_misbehaves_and_counts_that(tools: CephTools, mode: str, code: int, printed: str) -> None:
    """Every run in such a mode is counted; afterwards it answers as before."""
    tools.write("rook-ceph", CEPH.df(), mode=mode)
    done = [run(tools) for _ in range(2)]

    assert {(item.returncode, item.stdout.strip()) for item in done} == {(code, printed)}
    assert (tools.met("rook-ceph"), tools.met("other")) == (2, 0)
    assert tools.read("rook-ceph") == CEPH.df()
    tools.write("rook-ceph", CEPH.df())
    assert json.loads(run(tools).stdout) == CEPH.df()


def test_it_hangs_beyond_the_time_that_it_is_given(tools: CephTools) -> None:
    """Whoever waits with a limit gives up."""
    tools.write("rook-ceph", CEPH.df(), mode="hang")
    more = {"POOLS": str(tools.directory / "ceph-0")}
    done = subprocess.run(
        ["timeout", "0.3", "ceph", "df", "--format", "json"],
        env={**tools.env({"PATH": os.environ["PATH"]}), **more}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (124, "")
    assert "hang" in TOOLS_FAULTY


def test_a_cluster_that_is_not_there_is_an_error(tools: CephTools) -> None:
    """The error names it and those that are."""
    with pytest.raises(ClusterError, match="'nowhere'"):
        tools.write("nowhere", {})


def test_pools_are_told_in_the_shape_of_ceph() -> None:
    """What is stored and what can be written are whole numbers, and a full pool does not divide by nothing."""
    pools: list[Any] = CEPH.df()["pools"]

    assert [(pool["name"], pool["id"]) for pool in pools] == [("ssd", 1), ("hdd", 2)]
    assert pools[0]["stats"]["max_avail"] == 700 * GIB
    assert pools[0]["stats"]["percent_used"] == pytest.approx(0.3)
    assert Ceph(pools=(Pool("none", max_avail=0),)).df()["pools"][0]["stats"]["percent_used"] == 0


def test_the_objects_are_what_operators_look_for() -> None:
    """The definition is of Rook's resource, and the pod carries Rook's label."""
    body = definition()

    assert body["metadata"]["name"] == f"{body['spec']['names']['plural']}.{body['spec']['group']}"
    assert body["spec"]["group"] == "ceph.rook.io"
    pod = tools_pod("rook-ceph", "worker-1")
    assert pod["metadata"]["labels"] == {"app": TOOLS}
    assert pod["spec"]["nodeName"] == "worker-1"
