"""Names and configuration of kind clusters."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.cluster.kindconfig import KindShape, cluster_name, document, node_names
from harness.errors import UsageError


def test_a_cluster_is_named_by_run_and_worker() -> None:
    """Two workers of one run never have the same cluster."""
    assert cluster_name("0badcafe") == "inv-0badcafe"
    assert cluster_name("0badcafe", "gw3") == "inv-0badcafe-gw3"


@pytest.mark.parametrize("mark", ["Capital", "a_b", "x" * 60])
def test_what_no_host_can_be_called_is_refused(mark: str) -> None:
    """A node's name is its host's name."""
    with pytest.raises(UsageError, match="not a name for a kind cluster"):
        cluster_name(mark)


@given(servers=st.sampled_from([1, 3]), workers=st.integers(0, 20))
def test_every_node_has_a_name_of_its_own_that_a_host_can_have(servers: int, workers: int) -> None:
    """As many names as nodes, none twice, none longer than 63 characters even for the longest cluster name."""
    shape = KindShape(servers, workers)
    planes, others = node_names("x" * 43, shape)

    assert (len(planes), len(others)) == (servers, workers)
    assert len({*planes, *others}) == servers + workers
    assert max(map(len, (*planes, *others))) <= 63


def test_nodes_are_called_as_kind_calls_them() -> None:
    """The first of each role has no number."""
    assert node_names("c", KindShape(3, 2)) == (
        ("c-control-plane", "c-control-plane2", "c-control-plane3"), ("c-worker", "c-worker2"),
    )  # fmt: skip


@pytest.mark.parametrize(("servers", "workers"), [(0, 0), (2, 1), (5, 1), (1, -1), (1, 21)])
def test_a_shape_that_no_cluster_can_have_is_refused(servers: int, workers: int) -> None:
    """An even number of servers, or too many nodes, is a mistake of the caller."""
    with pytest.raises(UsageError, match="a kind cluster with"):
        KindShape(servers, workers)


@given(servers=st.sampled_from([1, 3]), workers=st.integers(0, 5), image=st.sampled_from(["", "repo/node:v1"]))
def test_the_document_has_every_node_with_its_image(servers: int, workers: int, image: str) -> None:
    """An image that was not chosen is left to kind."""
    body = yaml.safe_load(document("c", KindShape(servers, workers), image))

    assert [node["role"] for node in body["nodes"]] == ["control-plane"] * servers + ["worker"] * workers
    assert {node.get("image", "") for node in body["nodes"]} == {image}
    assert body["networking"]["apiServerAddress"] == "127.0.0.1"


def test_silence_counts_as_soon_as_was_asked_for() -> None:
    """The controller's grace period and the length of kubelets' leases follow from one figure."""
    body = yaml.safe_load(document("c", KindShape(grace_s=12.0), ""))
    controllers, kubelet = (yaml.safe_load(patch) for patch in body["kubeadmConfigPatches"])

    assert controllers["controllerManager"]["extraArgs"]["node-monitor-grace-period"] == "12s"
    assert kubelet["nodeLeaseDurationSeconds"] == 12
