"""Where names meet limits: held against what the contract's model and the reference operator make of names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cluster.base import POD_NAMESPACE
from harness.cluster.hardware import GpuModel
from harness.model.hardware import GpuInfo, wanted_labels
from harness.names.limits import FITTING, LIMITS, NODE, STORAGE_CLASS, SUBDOMAIN, interesting, of_model
from harness.names.naming import name_of_length
from harness.reference.naming import PREFIX, discovery_pod_name

PRODUCTS = st.builds(
    GpuModel,
    vendor_id=st.sampled_from(["10de", "1002"]),
    product_id=st.just("1"),
    name=st.just("x"),
    product_name=st.just("X"),
    interface=st.sampled_from(["", "PCIe", "SXM2", "SXM5", "OAM"]),
    memory_size=st.sampled_from(["", "8Gi", "192Gi"]),
)


def wanted(product: GpuModel, name: str) -> set[str]:
    """The GPU labels that a node with one such card should carry when the registry calls it so."""
    card = GpuInfo(product.vendor, "10de", name, "1", product.interface, product.memory_size)
    return {key for key in wanted_labels([card]) if ".gpu.vendor." in key}


@pytest.mark.parametrize("kind", sorted(LIMITS))
def test_each_limit_has_its_reason_and_the_last_is_the_names_own(kind: str) -> None:
    """Limits rise, no two are the same, and nothing is beyond the last one."""
    lengths = [limit.most for limit in LIMITS[kind]]

    assert lengths == sorted(set(lengths))
    assert all(limit.reason for limit in LIMITS[kind])
    assert lengths[-1] in {63, SUBDOMAIN}


def test_the_longest_fitting_node_name_is_the_last_with_the_contracts_pod() -> None:
    """With one more character the pod's name would not be the contract's."""
    fits, beyond = name_of_length(FITTING[NODE]), name_of_length(FITTING[NODE] + 1)

    assert discovery_pod_name(fits, POD_NAMESPACE) == PREFIX + fits
    assert discovery_pod_name(beyond, POD_NAMESPACE) != PREFIX + beyond


def test_the_limit_of_a_storage_class_is_its_labels() -> None:
    """One more character, and the label cannot be."""
    most = LIMITS[STORAGE_CLASS][0].most

    assert len(wanted_labels([], ["c" * most])) == 2
    assert len(wanted_labels([], ["c" * (most + 1)])) == 1


@given(PRODUCTS)
def test_at_each_limit_of_a_model_one_label_less_can_be(product: GpuModel) -> None:
    """At a limit its label is wanted, and with one more character it is not; beyond the last there is none."""
    limits = of_model(product.vendor, interface=product.interface, memory_size=product.memory_size)

    for limit in limits:
        at, beyond = wanted(product, "m" * limit.most), wanted(product, "m" * (limit.most + 1))
        assert len(at) > len(beyond)
        assert limit.reason.replace("<model>", "m" * limit.most).removeprefix("the key ") in at
    assert len(wanted(product, "m" * limits[0].most)) == len(wanted(product, "m"))
    assert wanted(product, "m" * (limits[-1].most + 1)) == set()


@given(st.sampled_from(sorted(LIMITS)), st.integers(1, SUBDOMAIN))
def test_interesting_lengths_are_at_and_around_each_limit(kind: str, most: int) -> None:
    """1, each limit, its neighbours and the longest, within the range, each once and in order."""
    found = interesting(LIMITS[kind], most=most)
    near = {limit.most + step for limit in LIMITS[kind] for step in (-1, 0, 1)}

    assert list(found) == sorted(set(found))
    assert set(found) == {length for length in {1, most, *near} if 1 <= length <= most}
