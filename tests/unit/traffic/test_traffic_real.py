"""Traffic on real nodes: as odd as elsewhere, so small that it fits, and such as a kubelet carries out."""

from __future__ import annotations

from harness import seed as seeds
from harness.cluster.hardware import NodeProfile
from harness.traffic import real
from harness.traffic.pods import CPUS, MEMORIES, STORAGES, Churn, Op, Pods, decide, placed, plain_pod

PROFILES = {"node-a": NodeProfile(cpus=2, memory_mib=4096)}


def test_every_quantity_of_traffic_has_a_small_one() -> None:
    """None is passed on as it is, and none loses its notation's oddness to another."""
    assert set(real.SMALL["cpu"]) == set(CPUS)
    assert set(MEMORIES) <= set(real.SMALL["memory"])
    assert set(real.SMALL["ephemeral-storage"]) == set(STORAGES)
    assert all(len(set(table.values())) == len(table) for table in real.SMALL.values())


def test_what_is_decided_is_made_fit_for_a_kubelet() -> None:
    """Images that are there, no init container that would never end, nobody's scheduler, no pod that ends by itself."""
    rng, pods = seeds.stream(7), Pods()
    seen: set[str] = set()
    for _step in range(300):
        op = real.fitted(decide(rng, Churn(labels=False), pods, PROFILES), "pause:1")
        seen.add(op.op)
        if op.op != "create":
            continue
        placed(pods, op)
        spec = op.body["spec"]
        assert "initContainers" not in spec
        assert spec["schedulerName"] == real.NO_SCHEDULER
        assert {container["image"] for container in spec["containers"]} == {"pause:1"}

    assert seen == {"create", "fail", "delete"}


def test_plain_pods_ask_for_no_part_of_a_cpu() -> None:
    """A whole CPU is more than a small node has to spare, and a part of one is not what every operator counts alike."""
    made = plain_pod(seeds.stream(1), Churn(plain=True), ("plain", 1), "node-a")

    op = real.fitted(made, "pause:1", plain=True)

    requests = op.body["spec"]["containers"][0]["resources"]["requests"]
    assert (requests["cpu"], sorted(requests)) == ("0", ["cpu", "ephemeral-storage", "memory"])
    placed(Pods(), op)


def test_what_is_no_creation_stays_as_it_is() -> None:
    """A deletion is one anywhere."""
    assert real.fitted(Op("delete", "x", "tenant-a"), "pause:1") == Op("delete", "x", "tenant-a")


def test_there_is_as_much_traffic_as_nodes_take() -> None:
    """A few pods for each node, at a kubelet's pace, and no labels on anybody's nodes."""
    small, large = real.churn(Churn(), 1), real.churn(Churn(rate=1.0, live=4), 3)

    assert (small.live, small.rate, small.labels) == (real.MOST_EACH, real.RATE, False)
    assert (large.live, large.rate) == (4, 1.0)
