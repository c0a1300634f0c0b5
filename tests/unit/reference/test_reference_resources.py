"""What pods request, by Kubernetes' rules."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.reference.resources import Amounts, amounts, pod_requests


def _container(cpu: str, *, restart: str = "", **more: str) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "c", "resources": {"requests": {"cpu": cpu, **more}}}
    return container | ({"restartPolicy": restart} if restart else {})


def _cpu(spec: dict[str, Any]) -> Decimal:
    return pod_requests(spec).cpu


def test_regular_containers_add_up() -> None:
    """Requests of regular containers add up, and a container without requests counts nothing."""
    assert _cpu({"containers": [_container("51m"), _container("1"), {"name": "none"}]}) == Decimal("1.051")


def test_the_largest_init_container_counts_when_it_is_larger() -> None:
    """Init containers run one after the other, so the largest counts, and only when it exceeds the regular ones."""
    regular = [_container("1")]
    assert _cpu({"containers": regular, "initContainers": [_container("2"), _container("3")]}) == 3
    assert _cpu({"containers": regular, "initContainers": [_container("500m")]}) == 1


def test_sidecars_follow_the_kep_formula() -> None:
    """A sidecar counts beside the regular containers and beside init containers that start after it (KEP-753)."""
    first_init, sidecar, second_init = _container("5"), _container("1", restart="Always"), _container("6")
    init = [first_init, sidecar, second_init]
    assert _cpu({"containers": [_container("2")], "initContainers": init}) == 7
    assert _cpu({"containers": [_container("9")], "initContainers": init}) == 10
    assert _cpu({"containers": [_container("1")], "initContainers": [first_init, sidecar]}) == 5


def test_pod_level_requests_replace_the_sum() -> None:
    """CPU and memory set for the pod as a whole replace the containers' sums; other resources stay (KEP-2837)."""
    spec = {
        "containers": [_container("3", memory="1Gi", **{"nvidia.com/gpu": "2"})],
        "resources": {"requests": {"cpu": "4"}},
        "overhead": {"cpu": "100m"},
    }
    assert pod_requests(spec) == Amounts(cpu=Decimal("4.1"), memory=Decimal(2**30), gpu=Decimal(2))


def test_memory_volumes_count_once_for_each_volume() -> None:
    """A memory-backed emptyDir with a limit counts once, however many containers there are; others count nothing."""
    spec = {
        "containers": [_container("1"), _container("1")],
        "volumes": [
            {"name": "a", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
            {"name": "b", "emptyDir": {"medium": "Memory"}},
            {"name": "c", "emptyDir": {"sizeLimit": "1Gi"}},
            {"name": "d", "configMap": {"name": "x"}},
        ],
    }
    assert pod_requests(spec).memory == 64 * 2**20


def test_both_gpu_vendors_are_one_resource() -> None:
    """Cards of both vendors on one node add up to one figure."""
    assert amounts({"nvidia.com/gpu": "3", "amd.com/gpu": "1"}).gpu == 4


_SPECS = st.fixed_dictionaries(
    {
        "containers": st.lists(st.integers(0, 9000).map(lambda milli: _container(f"{milli}m")), min_size=1, max_size=4),
        "initContainers": st.lists(
            st.tuples(st.integers(0, 9000), st.sampled_from(["", "Always"])).map(
                lambda pair: _container(f"{pair[0]}m", restart=pair[1])
            ),
            max_size=4,
        ),
    }
)


@given(_SPECS)
def test_a_pod_never_requests_less_than_any_moment_of_it_needs(spec: dict[str, Any]) -> None:
    """The request covers the running phase with all sidecars, and every init container with the sidecars before it."""

    def milli(container: dict[str, Any]) -> Decimal:
        return Decimal(container["resources"]["requests"]["cpu"][:-1]) / 1000

    sidecars = Decimal(0)
    moments = []
    for container in spec["initContainers"]:
        moments.append(sidecars + milli(container))
        if container.get("restartPolicy") == "Always":
            sidecars += milli(container)
    moments.append(sidecars + sum(map(milli, spec["containers"])))
    assert _cpu(spec) == max(moments)
