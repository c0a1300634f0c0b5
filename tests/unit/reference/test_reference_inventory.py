"""From what is known to what is reported: the state and the pure core, without a cluster."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from harness.reference.behaviour import CORRECT, Behaviour
from harness.reference.config import Config, parse
from harness.reference.defects import DEFECTS
from harness.reference.encode import to_json, to_proto
from harness.reference.hardware import Card, Cpu, Gpu, Hardware, Registry
from harness.reference.inventory import Inventory
from harness.reference.records import PodRecord, decode_node, decode_pod
from harness.reference.state import GRACE_S, State

if TYPE_CHECKING:
    from collections.abc import Callable

_FIGURES = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "500Gi", "nvidia.com/gpu": "2", "pods": "110"}
_REGISTRY = Registry({("10de", "2330"): Gpu("nvidia", "10de", "h100", "2330", "SXM5", "80Gi")})


def _node(name: str = "n", *, uid: str = "u1", ready: str = "True", cordoned: bool = False, **figures: str) -> Any:
    return decode_node(
        {
            "metadata": {"name": name, "uid": uid, "labels": {"mine": "1"}},
            "spec": {"unschedulable": cordoned},
            "status": {
                "capacity": _FIGURES,
                "allocatable": _FIGURES | figures,
                "conditions": [{"type": "Ready", "status": ready}],
            },
        }
    )


def _pod(name: str, cpu: str, *, namespace: str = "a", uid: str = "", node: str = "n", phase: str = "Running") -> Any:
    return decode_pod(
        {
            "metadata": {"name": name, "namespace": namespace, "uid": uid or f"{namespace}-{name}"},
            "spec": {"nodeName": node, "containers": [{"resources": {"requests": {"cpu": cpu, "memory": "1Mi"}}}]},
            "status": {"phase": phase},
        }
    )


def _told(act: Callable[[State], Any], behaviour: Behaviour = CORRECT, now: list[float] | None = None) -> State:
    """A state on which `act` was done; a loop runs meanwhile, because the state sets timers."""
    clock = now or [0.0]
    state = State(behaviour, "akash-services", Config(), monotonic=lambda: clock[0])

    async def scenario() -> None:
        act(state)

    asyncio.run(scenario())
    return state


def _with_hardware(state: State) -> None:
    state.put_node(_node())
    state.put_registry(_REGISTRY)
    state.put_hardware("n", Hardware("u1", (Cpu("0", "v", "m", 16),), (Card("10de", "2330"),)))


def _cpu(state: State, name: str = "n") -> str:
    entry = state.entry(name)
    assert entry is not None
    return entry.cpu.allocated


def test_the_rest_document_is_the_contracts() -> None:
    """A node with a pod and a card becomes exactly the documented JSON."""

    def act(state: State) -> None:
        _with_hardware(state)
        state.put_pod(_pod("p", "51m"))

    entry = _told(act).entry("n")
    assert entry is not None
    zero = {"allocatable": "0", "allocated": "0", "capacity": "0"}
    storage = {"allocatable": "536870912000", "allocated": "0", "capacity": "536870912000"}
    memory = {"allocatable": "68719476736", "allocated": "1048576", "capacity": "68719476736"}
    gpu = {
        "vendor": "nvidia",
        "vendor_id": "10de",
        "name": "h100",
        "model_id": "2330",
        "interface": "SXM5",
        "memory_size": "80Gi",
    }
    assert to_json(Inventory((entry,))) == {
        "nodes": [
            {
                "name": "n",
                "resources": {
                    "cpu": {
                        "quantity": {"allocatable": "16000m", "allocated": "51m", "capacity": "16000m"},
                        "info": [{"id": "0", "vendor": "v", "model": "m", "vcores": 16}],
                    },
                    "memory": {"quantity": memory, "info": None},
                    "gpu": {"quantity": {"allocatable": "2", "allocated": "0", "capacity": "2"}, "info": [gpu]},
                    "ephemeral_storage": storage,
                    "volumes_attached": zero,
                    "volumes_mounted": zero,
                },
                "capabilities": {"storage_classes": []},
            }
        ],
        "storage": [],
    }


def test_rest_and_grpc_tell_the_same() -> None:
    """The gRPC message carries the same figures and info as the REST document."""
    entry = _told(_with_hardware).entry("n")
    assert entry is not None
    message = to_proto(Inventory((entry,))).nodes[0]
    document = to_json(Inventory((entry,)))["nodes"][0]["resources"]
    assert message.resources.cpu.quantity.capacity.string == document["cpu"]["quantity"]["capacity"]
    assert message.resources.ephemeral_storage.allocatable.string == document["ephemeral_storage"]["allocatable"]
    assert [gpu.modelid for gpu in message.resources.gpu.info] == ["2330"]
    assert [cpu.vcores for cpu in message.resources.cpu.info] == [16]


def test_pods_of_one_name_in_two_namespaces_both_count() -> None:
    """Pods are told apart by namespace, name and uid; the saboteur that looks at names only counts one."""

    def act(state: State) -> None:
        _with_hardware(state)
        state.put_pod(_pod("p", "51m", namespace="a"))
        state.put_pod(_pod("p", "52m", namespace="b"))

    assert _cpu(_told(act)) == "103m"
    assert _cpu(_told(act, DEFECTS["same-name-pods"].behaviour)) == "52m"


def test_terminal_pods_hold_nothing() -> None:
    """A pod that has finished or failed no longer counts, and deleting it changes nothing."""

    def act(state: State) -> None:
        _with_hardware(state)
        for phase in ("Running", "Succeeded"):
            state.put_pod(_pod("p", "1", phase=phase))
        state.put_pod(_pod("q", "1", phase="Failed"))
        state.drop_pod(_pod("p", "1", phase="Succeeded"))

    assert _cpu(_told(act)) == "0"
    assert _cpu(_told(act, DEFECTS["negative-allocated"].behaviour)) == "-1000m"
    assert _cpu(_told(act, DEFECTS["counts-terminal-pods"].behaviour)) == "1000m"


def test_only_ready_schedulable_nodes_that_are_not_excluded_are_reported() -> None:
    """NotReady, unknown, cordoned and excluded nodes are not reported."""

    def act(state: State) -> None:
        for name, node in {
            "ok": _node("ok"),
            "unready": _node("unready", ready="False"),
            "unknown": _node("unknown", ready="Unknown"),
            "cordoned": _node("cordoned", cordoned=True),
            "excluded": _node("excluded"),
        }.items():
            state.put_node(node)
            state.put_hardware(name, Hardware("u1", (), ()))
        state.put_config(parse("exclude: {nodes: [^excl]}"))

    state = _told(act)
    assert [name for name in state.nodes if state.entry(name)] == ["ok"]


def test_what_does_not_keep_pods_away_does_not_keep_a_node_out() -> None:
    """A tainted node is reported, and one whose clock is ahead; one without a status is not, and hurts nobody."""
    empty = {"daemonEndpoints": {"kubeletEndpoint": {"Port": 0}}, "nodeInfo": {"kubeletVersion": ""}}
    later = {"lastHeartbeatTime": "2126-01-01T00:00:00Z", "lastTransitionTime": "2126-01-01T00:00:00Z"}
    ready = {"conditions": [{"type": "Ready", "status": "True", **later}]}

    def act(state: State) -> None:
        for name, spec, status in (
            ("empty", {}, empty),
            ("tainted", {"taints": [{"key": "k", "effect": "NoExecute"}]}, ready),
            ("ahead", {}, ready),
        ):
            state.put_node(decode_node({"metadata": {"name": name, "uid": "u1"}, "spec": spec, "status": status}))
            state.put_hardware(name, Hardware("u1", (), ()))

    state = _told(act)
    assert [name for name in state.nodes if state.entry(name)] == ["tainted", "ahead"]


def test_a_node_that_flaps_is_reported_as_soon_as_it_is_back() -> None:
    """What is known of its hardware stays known, so nothing has to be waited for."""

    def act(state: State) -> None:
        _with_hardware(state)
        for _ in range(5):
            state.put_node(_node(ready="False"))
            assert state.entry("n") is None
            state.put_node(_node(cordoned=True))
            assert state.entry("n") is None
            state.put_node(_node())

    entry = _told(act).entry("n")
    assert entry is not None
    assert [gpu.name for gpu in entry.gpu_info] == ["h100"]


def test_a_node_is_held_back_until_its_hardware_is_known_or_was_waited_for() -> None:
    """A node without hardware appears after the grace period, with true figures and without info."""
    now = [100.0]
    state = _told(lambda state: state.put_node(_node()), now=now)
    assert state.entry("n") is None
    now[0] += GRACE_S
    entry = state.entry("n")
    assert entry is not None
    assert (entry.cpu.allocatable, entry.cpu_info, entry.gpu_info) == ("16000m", (), ())


def test_hardware_of_another_node_object_is_not_reported() -> None:
    """A node that was deleted and added again under its name does not inherit the old one's hardware."""

    def act(state: State) -> None:
        _with_hardware(state)
        state.replace_nodes([_node(uid="u2")])

    assert _told(act).entry("n") is None


def test_resources_may_come_and_vanish() -> None:
    """A resource the Node lacks is zero, and changed figures replace the old ones."""

    def act(state: State) -> None:
        _with_hardware(state)
        node = _node(cpu="8")
        state.put_node(node)

    entry = _told(act).entry("n")
    stale = _told(act, DEFECTS["allocatable-read-once"].behaviour).entry("n")
    assert entry is not None
    assert stale is not None
    assert (entry.cpu.allocatable, stale.cpu.allocatable) == ("8000m", "16000m")
    bare = decode_node({"metadata": {"name": "n", "uid": "u"}, "status": {"allocatable": {"cpu": "1"}}})
    assert bare.allocatable.gpu == bare.capacity.memory == Decimal(0)


def test_rounding_shows_only_in_the_saboteur() -> None:
    """Fractions of a core add up exactly; the saboteur rounds each pod up."""
    whole = DEFECTS["rounds-cpu"].behaviour.decode_pod(
        {
            "metadata": {"name": "p", "namespace": "a", "uid": "1"},
            "spec": {"nodeName": "n", "containers": [{"resources": {"requests": {"cpu": "51m"}}}]},
        }
    )
    assert whole.requests.cpu == 1
    assert _pod("p", "51m").requests.cpu == Decimal("0.051")


_PODS = st.builds(
    _pod,
    st.sampled_from("pqr"),
    st.integers(0, 4000).map(lambda milli: f"{milli}m"),
    namespace=st.sampled_from("ab"),
    uid=st.sampled_from("123"),
    node=st.sampled_from(["n", "m", ""]),
    phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed"]),
)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), _PODS),
        st.tuples(st.just("drop"), _PODS),
        st.tuples(st.just("replace"), st.lists(_PODS, max_size=5, unique_by=lambda p: (p.namespace, p.name, p.uid))),
    ),
    max_size=25,
)


@given(_STEPS)
def test_sums_are_always_those_of_the_pods_that_are_there(steps: list[tuple[str, Any]]) -> None:
    """After any sequence of events and lists, allocated is exactly the sum over the pods that exist, never negative."""
    there: dict[Any, PodRecord] = {}

    def act(state: State) -> None:
        for name in ("n", "m"):
            state.put_node(_node(name))
            state.put_hardware(name, Hardware("u1", (), ()))
        for verb, what in steps:
            if verb == "replace":
                state.replace_pods(what)
                there.clear()
                there.update({(p.namespace, p.name, p.uid): p for p in what})
            elif verb == "put":
                state.put_pod(what)
                there[what.namespace, what.name, what.uid] = what
            else:
                state.drop_pod(what)
                there.pop((what.namespace, what.name, what.uid), None)

    state = _told(act)
    for name in ("n", "m"):
        pods = [pod for pod in there.values() if pod.node == name and not pod.terminal]
        milli = int(sum(pod.requests.cpu for pod in pods) * 1000)
        assert _cpu(state, name) == (f"{milli}m" if milli else "0")
    json.dumps(to_json(Inventory(tuple(entry for entry in map(state.entry, ("m", "n")) if entry))))


def test_every_change_names_the_nodes_it_concerns() -> None:
    """Only nodes that something happened to are computed anew."""

    def act(state: State) -> None:
        state.put_node(_node("n"))
        state.put_node(_node("m"))
        state.take_dirty()
        state.put_pod(_pod("p", "1"))

    assert _told(act).take_dirty() == {"n"}
