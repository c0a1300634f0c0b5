from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import faults, schedules
from harness.cluster.configfile import Configuration
from harness.cluster.hardware import GPU_MODELS, NodeProfile
from harness.cluster.nodes import check_name
from harness.cluster.storage import Storage
from harness.errors import UsageError
from harness.fault import composition
from harness.names.naming import name_of_length
from harness.operator.supervisor import Supervision
from harness.scenario import Scenario, named, simulated, two_sizes
from harness.traffic.volumes import Volumes

PATCH = schedules.OperatorCalls("patch", "nodes")
TWICE = schedules.Alternate(faults.LeaderMoved(), schedules.After(PATCH, faults.NodeSilent(node="worker-2")))

RENAMED = faults.NodeRenamed(node="worker-1")


@given(st.integers(1, 253))
def test_a_name_of_any_length_is_a_node_name(length: int) -> None:
    """The name has exactly that many characters, is a DNS subdomain, and none of its labels is over 63."""
    name = name_of_length(length)

    assert len(name) == length
    assert check_name(name) == name
    assert all(1 <= len(label) <= 63 for label in name.split("."))


@pytest.mark.parametrize("length", [-1, 0, 254])
def test_an_impossible_length_is_refused(length: int) -> None:
    """The error names the length and the range."""
    with pytest.raises(UsageError, match=f"{length} characters") as caught:
        name_of_length(length)

    assert caught.value.hint == "1 to 253"


def test_simulated_nodes_are_numbered() -> None:
    """Nodes are counted from one, and a count of none is possible."""
    assert list(simulated(3, prefix="gpu")) == ["gpu-1", "gpu-2", "gpu-3"]
    assert simulated(0) == {}


@pytest.mark.parametrize("count", [-1, 5001])
def test_a_count_of_nodes_out_of_range_is_refused(count: int) -> None:
    """The error names the count."""
    with pytest.raises(UsageError, match=f"{count} nodes are out of range"):
        simulated(count)


@pytest.mark.parametrize("name", ["", "Node", "a_b", "-a", "a-", "a..b", ".a", "a" * 254, "a/b", "a\n"])
def test_a_name_that_kubernetes_refuses_is_refused(name: str) -> None:
    """The error shows the name and says what a node name is."""
    with pytest.raises(UsageError, match="is not a node name") as caught:
        named(name)

    assert "DNS subdomain" in caught.value.hint


def test_the_usual_cluster_has_different_nodes() -> None:
    """Two kinds of GPU and a node without: mixed-up nodes are seen."""
    gpus = {profile.gpu for profile in two_sizes().values()}

    assert gpus == {"a100", "rtx4090", None}


@pytest.mark.parametrize(
    ("given_values", "said"),
    [
        ({"id": ""}, "scenario id ''"),
        ({"id": "chaos//x"}, "scenario id 'chaos//x'"),
        ({"id": "../../etc"}, "scenario id '../../etc'"),
        ({"id": "/etc"}, "scenario id '/etc'"),
        ({"promises": ()}, "judges no promise"),
        ({"nodes": {"UPPER": NodeProfile()}}, "'UPPER'"),
        ({"faults": (faults.ApiServerKilled(for_s=-2.0),)}, "for_s=-2.0"),
        ({"faults": (faults.ConfigChanged(),)}, "config-changed needs a configuration file"),
        (
            {"faults": (faults.ConfigChanged(),), "config": Configuration(inline=True)},
            "config-changed needs a configuration file",
        ),
        (
            {"faults": (faults.ConfigBroken(how="configmap-swap"),), "config": Configuration()},
            "how='configmap-swap' does not go with volume=False",
        ),
        (
            {
                "faults": (faults.Together(faults.ConfigDeleted(), faults.ApiServerHung()),),
                "config": Configuration(volume=True),
            },
            "config-deleted with how='rename' does not go with volume=True",
        ),
        ({"quiet_s": -1.0}, "quiet_s=-1"),
        ({"pause_s": 601.0}, "pause_s=601"),
        ({"observe_s": float("nan")}, "observe_s=nan"),
        ({"gate_deadline_s": 1e9}, "gate_deadline_s=1e+09"),
        ({"objectives": {"TRUTH-1": -5.0}}, "objectives[TRUTH-1]=-5"),
        ({"datastores": ("etcd", "oracle")}, "datastore 'oracle' is not known"),
        ({"datastores": ()}, "no datastore is left"),
        ({"datastores": ("etcd",), "servers": 3}, "no datastore is left"),
        ({"datastores": ("sqlite",), "faults": (faults.MemberKilled(),)}, "no datastore is left"),
        ({"faults": (faults.MemberKilled(), faults.SqlReadOnly())}, "no datastore is left"),
        ({"faults": (faults.Together(faults.Compacted(), faults.SqlReadOnly()),)}, "no datastore is left"),
        ({"faults": (faults.MemberKilled(role="chairman"),)}, "role='chairman'"),
        ({"faults": (faults.NodeSilent(node="worker-9"),)}, "no node is called 'worker-9'"),
        ({"faults": ("api-slow",)}, "'api-slow' is neither a fault nor a schedule"),
        ({"faults": (TWICE,), "datastores": ("sqlite",)}, "no datastore is left"),
        ({"faults": (schedules.Until(faults.WatchFrozen(), schedules.TrafficDone()),), "traffic": None}, "no traffic"),
        ({"faults": (faults.ApiSlow(for_s=500.0), faults.ApiSlow(for_s=500.0))}, "may last 1002 s"),
        ({"servers": 0}, "servers=0"),
        ({"servers": 2}, "servers=2"),
        ({"quota_mib": -1}, "quota_mib=-1"),
        ({"quota_mib": 8193}, "quota_mib=8193"),
        ({"rest_address": "::"}, "rest_address='::' is not possible"),
        (
            {"supervised": True, "faults": (faults.PortTaken(family="ipv6"),)},
            "port-taken with family='ipv6' is in nobody's way on 127.0.0.1",
        ),
        ({"faults": (faults.NodeRenamed(becomes="worker-2"),)}, "node 'worker-2' is to join, and is there already"),
        ({"faults": (faults.NodeRenamed(node="worker-9"),)}, "no node is called 'worker-9'"),
        (
            {"faults": (schedules.Parallel((RENAMED, faults.NodeSilent(node="worker-1"))),)},
            "would harm node worker-1 at the same time",
        ),
        (
            {"faults": (schedules.Parallel((RENAMED, faults.NodeSilent(node="renamed-1"))),)},
            "would harm node renamed-1 at the same time",
        ),
    ],
)
def test_a_bad_value_is_refused_and_named(given_values: dict[str, Any], said: str) -> None:
    """The error names the parameter's value and gives a hint."""
    with pytest.raises(UsageError) as caught:
        Scenario(**{"id": "chaos/x", "promises": ("TRUTH-1",), **given_values})

    assert said in caught.value.what
    assert caught.value.hint


@pytest.mark.parametrize(
    ("given_values", "possible"),
    [
        ({}, ("etcd", "etcd3", "sqlite", "postgres", "mysql")),
        ({"datastores": ("sqlite", "etcd")}, ("sqlite", "etcd")),
        ({"servers": 3}, ("etcd3",)),
        ({"faults": (faults.MemberKilled(),)}, ("etcd3",)),
        ({"faults": (TWICE,)}, ("etcd3",)),
        ({"faults": (faults.SqlReadOnly(), faults.ConnectionsExhausted())}, ("postgres", "mysql")),
        ({"datastores": ("mysql", "etcd", "etcd3"), "faults": (faults.Compacted(),)}, ("etcd", "etcd3")),
        ({"faults": (faults.Together(faults.Compacted(), faults.MemberKilled()),)}, ("etcd3",)),
    ],
)
def test_a_scenario_is_possible_where_all_its_faults_are(
    given_values: dict[str, Any], possible: tuple[str, ...]
) -> None:
    """What was declared is kept in its order, the usual one first, less what a fault or three servers rule out."""
    assert Scenario(**{"id": "chaos/x", "promises": ("TRUTH-1",), **given_values}).possible_on == possible


@pytest.mark.parametrize(
    ("given_values", "behind"),
    [
        ({}, False),
        ({"proxied": True}, True),
        ({"faults": (faults.WatchFrozen(),)}, True),
        ({"faults": (schedules.After(PATCH, faults.ApiServerKilled()),)}, True),
        ({"faults": (schedules.After(schedules.RestAnswers(), faults.ApiServerKilled()),)}, False),
        ({"faults": (faults.Together(faults.ServerKilled(), faults.ApiSlow()),), "servers": 3}, True),
        ({"faults": (faults.ApiServerKilled(),)}, False),
    ],
)
def test_the_proxy_is_there_where_it_is_needed(given_values: dict[str, Any], behind: bool) -> None:
    """Because the scenario says so, or because one of its faults cannot be done without."""
    scenario = Scenario(**{"id": "chaos/x", "promises": ("TRUTH-1",), **given_values})

    assert scenario.behind_proxy is behind
    assert scenario.as_json()["behind_proxy"] is behind


def test_a_stored_plan_asks_for_the_proxy_only_where_the_scenario_did() -> None:
    """What its faults have where there is one is no reason to refuse a backend that has none."""
    revoked = Scenario(
        id="chaos/x", promises=("TRUTH-1",), machines=1, faults=(faults.RightsRevoked("create", "pods"),)
    )
    asked = Scenario(id="chaos/x", promises=("TRUTH-1",), machines=1, proxied=True)

    assert Scenario.from_json(revoked.as_json()).needed == revoked.needed
    assert "api-proxy" not in revoked.needed
    assert Scenario.from_json(revoked.as_json()).behind_proxy
    assert Scenario.from_json(asked.as_json()).needed == asked.needed


def test_the_plan_is_json_and_complete() -> None:
    """Everything that a repetition needs comes through JSON: nodes and faults can be made from it again."""
    scenario = Scenario(
        id="chaos/x",
        promises=("TRUTH-1", "RECOVER-1"),
        nodes=two_sizes(),
        faults=(faults.NodeReplaced(node="worker-1"), faults.ApiServerHung(for_s=2.5), TWICE),
        objectives={"TRUTH-1": 7.5},
        supervised=True,
        names=("worker-1",),
    )

    plan = json.loads(json.dumps(scenario.as_json()))

    assert {name: NodeProfile.from_json(body) for name, body in plan["nodes"].items()} == two_sizes()
    assert tuple(composition.from_json(body) for body in plan["faults"]) == scenario.faults
    assert plan["traffic"]["rate"] == 8.0
    assert plan["objectives"] == {"TRUTH-1": 7.5}
    assert plan["min_ops"] == 20
    assert set(plan) == {*Scenario.__dataclass_fields__, "min_ops", "behind_proxy"}


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"liveness": True}, "liveness needs a supervised operator"),
        ({"backoff_scale": 0.0}, "scenario chaos/x: backoff_scale 0 is out of range"),
    ],
)
def test_a_supervisor_that_cannot_be_is_refused(values: dict[str, Any], names: str) -> None:
    """The liveness script restarts what a supervisor starts again, and waits cannot be of no length."""
    with pytest.raises(UsageError, match=names):
        Scenario(id="chaos/x", promises=("TRUTH-1",), **values)


@pytest.mark.parametrize(
    ("asked", "supervision"),
    [
        (Supervision(), (False, False, 0.2)),
        (Supervision(supervised=True), (True, False, 0.2)),
        (Supervision(liveness=True, scale=1.0), (True, True, 1.0)),
    ],
)
def test_a_campaign_may_ask_for_more_than_its_scenarios(
    asked: Supervision, supervision: tuple[bool, bool, float]
) -> None:
    """What is asked for is in the plan; what is not stays as the scenario says."""
    plan = Scenario(id="chaos/x", promises=("TRUTH-1",), backoff_scale=0.2).deployed(asked).as_json()

    assert (plan["supervised"], plan["liveness"], plan["backoff_scale"]) == supervision


def test_a_campaign_takes_no_supervisor_away() -> None:
    """A scenario that needs one keeps it."""
    deployed = Scenario(id="chaos/x", promises=("TRUTH-1",), supervised=True, liveness=True).deployed(Supervision())

    assert (deployed.supervised, deployed.liveness) == (True, True)


def test_a_plan_without_traffic_says_so() -> None:
    """No traffic is null, and no operations are asked for."""
    plan = Scenario(id="conformance/quiet", promises=("TRUTH-1",), traffic=None).as_json()

    assert plan["traffic"] is None
    assert plan["min_ops"] == 0


def test_other_nodes_leave_the_rest_as_it_is() -> None:
    """`with_nodes` changes the nodes of a copy."""
    scenario = Scenario(id="chaos/x", promises=("TRUTH-1",), observe_s=1.0)

    other = scenario.with_nodes(simulated(1))

    assert list(other.nodes) == ["worker-1"]
    assert (other.id, other.observe_s) == ("chaos/x", 1.0)
    assert list(scenario.nodes) == list(two_sizes())


@pytest.mark.parametrize("model", sorted(GPU_MODELS))
def test_every_gpu_model_makes_a_node(model: str) -> None:
    """A profile with any known product is valid and offers its resource."""
    profile = NodeProfile(gpu=model, gpus=2)

    assert profile.capacity()[GPU_MODELS[model].resource] == "2"


@pytest.mark.parametrize(
    ("fault", "names"),
    [
        (faults.ServerKilled(), "server-killed"),
        (faults.SpaceExhausted(), "space-exhausted"),
        (faults.PortTaken(), "port-taken"),
        (faults.OperatorCrashLoops(), "operator-crash-loops"),
        (faults.MemoryLimited(), "memory-limited"),
        (faults.ConfigBadAtStart(), "config-bad-at-start"),
    ],
)
def test_a_fault_finds_what_it_needs(fault: faults.Fault, names: str) -> None:
    """A fault of servers where there is one, or of a size limit where there is none, is refused at once."""
    with pytest.raises(UsageError, match=names):
        Scenario(id="chaos/x", promises=("TRUTH-1",), faults=(fault,))


def test_a_node_may_be_harmed_under_the_name_that_it_gets() -> None:
    """Later faults may name it."""
    renamed = faults.NodeRenamed(node="worker-1", becomes="other")

    scenario = Scenario(id="chaos/x", promises=("TRUTH-1",), faults=(renamed, faults.NodeSilent(node="other")))

    assert scenario.as_json()["faults"][0]["becomes"] == "other"


def test_an_operator_on_every_address_may_find_ipv6_taken() -> None:
    """The plan says where it listens."""
    taken = faults.PortTaken(family="ipv6")

    scenario = Scenario(
        id="chaos/x", promises=("RECOVER-3",), faults=(taken,), supervised=True, rest_address="0.0.0.0"
    )  # fmt: skip

    assert scenario.as_json()["rest_address"] == "0.0.0.0"
    assert Scenario(id="chaos/y", promises=("TRUTH-1",)).as_json()["rest_address"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"config": Configuration(storage=("beta3",))}, "names storage classes"),
        ({"volumes": Volumes(classes=("beta3",))}, "traffic on volumes"),
        ({"faults": (faults.StorageClassDeleted(),)}, "storage-class-deleted needs storage"),
    ],
)
def test_what_needs_storage_is_refused_without(values: dict[str, Any], names: str) -> None:
    """Classes that are named, volumes that come and go, and harm to storage: each has to have some to be about."""
    with pytest.raises(UsageError, match=names):
        Scenario(id="chaos/x", promises=("TRUTH-6",), **values)

    scenario = Scenario(id="chaos/x", promises=("TRUTH-6",), storage=Storage(), **values)
    assert json.loads(json.dumps(scenario.as_json()))["storage"] == {"classes": [], "volumes": [], "ceph": []}


def test_traffic_on_volumes_counts_as_traffic() -> None:
    """Both kinds have to be done for the run to count."""
    scenario = Scenario(id="chaos/x", promises=("TRUTH-6",), storage=Storage(), volumes=Volumes(("a",), least=7))

    assert scenario.as_json()["min_ops"] == 27
