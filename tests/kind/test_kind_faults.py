"""Every kind of fault of real nodes, for real: no evidence without the harm, and the journal's state undoes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.cluster.capability import CONTAINERS, KUBELET, SERVERS
from harness.fault.needs import NEEDS
from tests.kind.harm import harmed

if TYPE_CHECKING:
    import asyncio

    from harness.cluster.base import Cluster

WITH_OPERATOR = frozenset({"discovery-image-missing"})
"""Without an operator there is nothing to harm; scenarios/kubelet does it."""

OF_MACHINES = sorted(
    kind
    for kind, words in NEEDS.items()
    if {KUBELET, CONTAINERS} & set(words) and SERVERS not in words and kind not in WITH_OPERATOR
)
VARIED = {
    "node-cut-off": [{"away_from": word} for word in ("servers", "peers", "all")],
    "node-pressed": [{"what": word} for word in ("memory", "disk", "processes")],
}
CASES = [
    pytest.param({"kind": kind, **more}, id="-".join([kind, *more.values()]))
    for kind in OF_MACHINES
    for more in VARIED.get(kind, [{}])
]


@pytest.mark.parametrize("body", CASES)
def test_a_fault_bites_and_is_undone(body: dict[str, str], cluster: Cluster, loop: asyncio.Runner) -> None:
    """Only the harm gives evidence; undone by another object from the same state, the nodes are as before."""
    assert harmed(body, cluster, loop)
