"""Names of discovery pods."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reference.naming import MOST, PREFIX, discovery_pod_name, longest

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SPACE = "akash-services"
_UID = "bd15b042-1c20-4c24-82f2-78a6b6a31d8f"


def _node_name(text: str) -> str:
    """The DNS subdomain that is left of a text of letters, dashes and dots."""
    return ".".join(label for part in text.split(".") if (label := part.strip("-"))) or "a"


_NODE_NAMES = st.text("ab0-.", max_size=MOST).map(_node_name)
_LONG_NODE_NAMES = st.text("ab0-.", min_size=150, max_size=MOST).map(_node_name)
_NAMESPACES = st.integers(1, 63).map(lambda length: "n" * length)


@pytest.mark.parametrize("length", [1, 25, 26, 63, 165])
def test_names_that_fit_are_the_contracts(length: int) -> None:
    """Up to 165 characters of node name the pod's name is the one of the contract."""
    assert discovery_pod_name("n" * length, _SPACE) == PREFIX + "n" * length


@pytest.mark.parametrize("length", [166, 215, 216, 253])
def test_names_that_do_not_fit_are_shortened(length: int) -> None:
    """A longer node name gives a pod name of exactly the longest that a kubelet runs."""
    assert len(discovery_pod_name("n" * length, _SPACE)) == longest(_SPACE) == 203


@pytest.mark.parametrize("cut", [".", "-", "a-", "a."])
def test_a_cut_behind_a_dot_or_dash_leaves_a_valid_name(cut: str) -> None:
    """Where the cut falls behind a dot or a dash the name is still a DNS subdomain."""
    node = "n" * (longest(_SPACE) - 17 - len(PREFIX) - len(cut)) + cut + "z" * 30
    assert len(PREFIX + node) > longest(_SPACE)
    assert _SUBDOMAIN.fullmatch(discovery_pod_name(node, _SPACE))


@given(_NODE_NAMES | _LONG_NODE_NAMES, _NAMESPACES)
def test_every_node_name_gives_a_valid_pod_name(node: str, namespace: str) -> None:
    """Every name Kubernetes accepts for a Node gives one it accepts for a Pod, with a log directory that can be."""
    name = discovery_pod_name(node, namespace)
    assert len(name) <= MOST
    assert len(f"{namespace}_{name}_{_UID}") <= 255
    assert _SUBDOMAIN.fullmatch(name)


@given(st.lists(_NODE_NAMES | _LONG_NODE_NAMES, unique=True, min_size=2, max_size=6))
def test_different_nodes_have_different_pods(nodes: list[str]) -> None:
    """No two of the sampled node names share a pod name."""
    assert len({discovery_pod_name(node, _SPACE) for node in nodes}) == len(nodes)


def test_nodes_that_differ_in_the_last_character_have_different_pods() -> None:
    """Names of 253 characters that differ only behind the cut are told apart by the hash."""
    assert discovery_pod_name("n" * 252 + "a", _SPACE) != discovery_pod_name("n" * 252 + "b", _SPACE)
