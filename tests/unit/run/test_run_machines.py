"""A scenario on real nodes: which take the place of which, and what is said where there are too few."""

from __future__ import annotations

from typing import Any

import pytest

from harness import Churn, Configuration, Scenario, faults
from harness.cluster.base import Ground
from harness.cluster.hardware import NodeProfile
from harness.errors import ClusterError, UsageError
from harness.run import machines
from harness.run.discovered import plausible

SMALL = NodeProfile(cpus=2, memory_mib=4096)


def ground(*names: str) -> Ground:
    """Real nodes of these names."""
    return Ground(simulated=False, nodes=dict.fromkeys(names, SMALL), image="pause:1")


def scenario(count: int, *listed: faults.Fault, **more: Any) -> Scenario:
    """One for real nodes."""
    return Scenario(id="shared/told", promises=("TRUTH-1",), machines=count, faults=listed, **more)


def test_real_nodes_stand_for_those_that_are_named() -> None:
    """In faults and in the configuration; all of the real ones are the scenario's nodes then."""
    told = scenario(
        2, faults.NodeCordoned(node="worker-2"), faults.ConfigChanged(exclude=("^worker-1$",)), config=Configuration()
    )
    made, called = machines.on(told, ground("kind-b", "kind-a", "kind-c"))

    assert called == {"worker-1": "kind-a", "worker-2": "kind-b", "worker-3": "kind-c"}
    assert set(made.nodes) == {"kind-a", "kind-b", "kind-c"}
    assert made.faults[0] == faults.NodeCordoned(node="kind-b")
    assert made.faults[1] == faults.ConfigChanged(exclude=(r"^(?:kind\-a)$",))


def test_traffic_is_as_small_as_real_nodes_need_it() -> None:
    """The rest of the scenario stays."""
    made, _called = machines.on(scenario(1, traffic=Churn(rate=20.0, live=100)), ground("only"))

    assert made.traffic is not None
    assert made.traffic.live == 6
    assert made.promises == ("TRUTH-1",)


def test_real_nodes_are_called_so_where_names_are_what_it_is_about() -> None:
    """As the nodes for which they stand, of which there are as many as it needs; otherwise they have their own."""
    about = Scenario(
        id="shared/told", promises=("NAMES-1",), nodes=dict.fromkeys(("zz", "a-name", "b"), SMALL), machines=2,
        names=("a-name",),
    )  # fmt: skip

    assert machines.names(about, "usual") == ("a-name", "b")
    assert machines.names(scenario(2), "usual") == ()
    assert machines.names(scenario(2), "longest") == ("worker-1", "worker-2")
    assert "node-names" in about.needed
    assert "node-names" not in scenario(2).needed


def test_real_nodes_run_no_pod_with_a_name_beyond_its_log_directory() -> None:
    """Its namespace may have 63 characters; shorter names stay what they are."""
    named = {
        word: machines.on(scenario(1, traffic=Churn(named=word)), ground("only"))[0].traffic
        for word in ("longest", "fitting", "200", "154", "64", "digits", "usual")
    }

    assert {word: traffic.named for word, traffic in named.items() if traffic is not None} == {
        **dict.fromkeys(("longest", "fitting", "200", "154"), "154"),
        **{word: word for word in ("64", "digits", "usual")},
    }


def test_too_few_nodes_are_an_error_that_counts_them() -> None:
    """It names those that there are."""
    with pytest.raises(ClusterError, match="needs 2 real nodes, and may use 1: only"):
        machines.on(scenario(2), ground("only"))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"machines": 4}, "machines=4 is out of range"),
        ({"machines": 1, "faults": (faults.NodeCordoned(node="worker-2"),)}, "a fault names 'worker-2'"),
        ({"machines": 1, "names": ("worker-2",)}, "no real node is called .worker-2."),
        ({"needs": ("magic",)}, "needs 'magic' is not known"),
        ({"needs": ("running-operator",), "machines": 1}, "only looked at"),
    ],
)
def test_what_no_real_nodes_can_be_is_refused_when_it_is_declared(more: dict[str, Any], said: str) -> None:
    """The error names scenario and value."""
    with pytest.raises(UsageError, match=said):
        Scenario(id="shared/told", promises=("TRUTH-1",), **more)


def test_what_a_scenario_needs_follows_from_what_it_is() -> None:
    """Simulated nodes where it is about them, and whatever its faults and fields need."""
    assert scenario(1, traffic=None).needed == ("operator",)
    assert "simulated-nodes" in scenario(0).needed
    assert "simulated-nodes" in scenario(1, traffic=Churn(whole=True)).needed
    assert "simulated-hardware" in scenario(1, faults.DiscoveryPodDeleted()).needed
    looked_at = Scenario(id="a/b", promises=("TRUTH-1",), machines=1, traffic=None, needs=("running-operator",))
    assert looked_at.needed == ("running-operator",)


def test_discovery_that_counts_other_threads_than_the_kubelet_is_told() -> None:
    """Both count what the kernel shows."""
    node = {"status": {"capacity": {"cpu": "2"}}}

    assert plausible(node, {"cpu": {"total_hardware_threads": 2}}) == ""
    assert plausible(node, {"cpu": {"total_hardware_threads": 64}}) == "discovery counts 64 threads, the kubelet 2"
    assert plausible(None, {"cpu": {}}) == ""
