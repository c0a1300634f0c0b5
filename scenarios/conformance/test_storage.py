"""Local storage is true: classes, volumes in every state, nodes that have a class or not (TRUTH-6; reports 487, 645).

Volumes of `local-path` are created in odd sizes, free and bound, grow, are released and deleted, before and after their
claims. Within TRUTH-6's 10 s each class that the configuration names, that
exists and that carries `akash.network=true` is reported with what the nodes offer and the volumes take, and no other
is; a node has the classes that it is not excluded from, and their labels. Each figure and its reason: docs/storage.md.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Configuration, Run, Scenario, Storage, StorageClass, Volume, Volumes, Without, nodes

PROMISES = ("TRUTH-6", "LABEL-1", "SHAPE-1", "SHAPE-2", "SURVIVE-1")
LOCAL = StorageClass("local-path")
VOLUMES = (
    Volume("before-bound", "local-path", "30Gi", bound=True),
    Volume("before-free", "local-path", "2500M"),
)

ONE_NODE = Scenario(
    id="conformance/storage-one-node",
    promises=PROMISES,
    nodes=nodes.simulated(1),
    config=Configuration(storage=("local-path",)),
    storage=Storage(classes=(LOCAL,), volumes=VOLUMES),
    volumes=Volumes(classes=("local-path",)),
    traffic=Churn(plain=True),
    observe_s=8.0,
)

SEVERAL_NODES = Scenario(
    id="conformance/storage-several-nodes",
    promises=PROMISES,
    config=Configuration(storage=("local-path",)),
    storage=Storage(classes=(LOCAL,), volumes=VOLUMES),
    volumes=Volumes(classes=("local-path",)),
    traffic=Churn(plain=True),
    observe_s=6.0,
)

EXCLUDED = Scenario(
    id="conformance/storage-excluded",
    promises=PROMISES,
    config=Configuration(storage=("fast", "local-path"), without=(Without(("^worker-[12]$",), ("fast",)),)),
    storage=Storage(classes=(LOCAL, StorageClass("fast")), volumes=VOLUMES),
    traffic=Churn(plain=True),
    observe_s=4.0,
)

NOT_OFFERED = Scenario(
    id="conformance/storage-not-offered",
    promises=("TRUTH-6", "SHAPE-1", "SHAPE-2", "SURVIVE-1"),
    nodes=nodes.simulated(1),
    config=Configuration(storage=("local-path", "unlabelled", "missing")),
    storage=Storage(
        classes=(LOCAL, StorageClass("unlabelled", labelled=False), StorageClass("unnamed")),
        volumes=(*VOLUMES, Volume("of-unlabelled", "unlabelled"), Volume("of-unnamed", "unnamed", bound=True)),
    ),
    volumes=Volumes(classes=("local-path", "unlabelled", "unnamed")),
    traffic=Churn(plain=True),
    observe_s=6.0,
)


@pytest.mark.promise(*PROMISES)
@pytest.mark.clause("A-LABELS-6", "A-STORAGE-2")
@pytest.mark.parametrize("scenario", [ONE_NODE, SEVERAL_NODES], ids=["one-node", "several-nodes"])
def test_local_storage_is_what_nodes_offer_and_volumes_take(run: Run, scenario: Scenario) -> None:
    """The figures are right in every answer while volumes come, grow, are released and go."""
    result = run(scenario)

    assert result["TRUTH-6"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SHAPE-2"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.promise(*EXCLUDED.promises)
@pytest.mark.clause("A-CONFIGURATION-8")
def test_a_node_lacks_the_classes_that_it_is_excluded_from(run: Run) -> None:
    """Capabilities and labels of each node name the classes that it has, and no other."""
    result = run(EXCLUDED)

    assert result["TRUTH-6"] is PASS
    assert result["LABEL-1"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SHAPE-2"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.promise(*NOT_OFFERED.promises)
@pytest.mark.clause("A-STORAGE-1")
def test_only_labelled_classes_that_are_named_are_reported(run: Run) -> None:
    """A class without the label, one that nobody names and one that is not there are not reported."""
    result = run(NOT_OFFERED)

    assert result["TRUTH-6"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SHAPE-2"] is PASS
    assert result["SURVIVE-1"] is PASS
