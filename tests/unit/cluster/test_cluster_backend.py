"""Which backend is meant, what goes with it, and what it can do."""

from __future__ import annotations

import pytest

from harness.cluster import backend, capability
from harness.cluster.backend import ELSEWHERE, EMBEDDED, EXTERNAL, KIND, POD, PROCESS, BackendSpec
from harness.cluster.embeddedbackend import EmbeddedBackend
from harness.errors import UsageError
from harness.fault.catalog import KINDS
from harness.fault.needs import NEEDS, needs
from harness.faults import DiscoveryPodDeleted, NodeCordoned, NodeTainted, RightsRevoked, Together


def test_every_fault_says_what_it_needs() -> None:
    """No kind of fault is without an entry, and none names a capability that nobody knows."""
    assert NEEDS.keys() == KINDS.keys() - {"together"}
    assert {word for words in NEEDS.values() for word in words} <= capability.MEANING.keys()


def test_a_fault_needs_what_its_parameters_ask_for() -> None:
    """Hardware that changes must be simulated, a taint that drives pods away is a drain, and parts add up."""
    assert needs(DiscoveryPodDeleted()) == {capability.SIMULATED_HARDWARE}
    assert needs(DiscoveryPodDeleted(becomes=None)) == frozenset()
    assert needs(NodeTainted()) == {capability.NODE_MARKING}
    assert needs(NodeTainted(effect="NoExecute")) == {capability.NODE_MARKING, capability.NODE_DRAIN}
    both = Together(RightsRevoked("create", "pods"), NodeCordoned())
    assert needs(both) == {capability.RIGHTS, capability.NODE_MARKING}


def test_a_reason_says_the_word_and_what_it_stands_for() -> None:
    """Who reads that something is not applicable need not look anything up."""
    words = capability.missing(("kubelet", "registry", "relay"), frozenset({capability.REGISTRY}))

    assert words == ("relay", "kubelet")
    assert capability.because(words).startswith("needs relay: connections to the datastore")
    assert "kubelet: real kubelets" in capability.because(words)


def test_the_embedded_backend_lacks_what_needs_a_kubelet_and_nothing_else() -> None:
    """Whatever a scenario of simulated nodes may need is there."""
    lacking = capability.MEANING.keys() - EmbeddedBackend().capabilities()

    assert lacking == {"kubelet", "containers", "operator-pod", "running-operator"}


@pytest.mark.parametrize(
    ("text", "settings", "names"),
    [
        ("embedded", {}, ["embedded"]),
        ("kind, embedded,kind", {"node-image": "node:1"}, ["kind", "embedded"]),
        ("external", {"kubeconfig": "f", "context": "c"}, ["external"]),
    ],
)
def test_backends_are_named_once_each(text: str, settings: dict[str, str], names: list[str]) -> None:
    """A setting goes to the backends that it is for."""
    specs = backend.parse_many(text, settings)

    assert [spec.name for spec in specs] == names
    assert specs[0].settings == settings


def test_all_stands_for_those_that_make_their_clusters() -> None:
    """Nobody's cluster is used because somebody said `all`."""
    names = [spec.name for spec in backend.parse_many("all")]

    assert EMBEDDED in names
    assert EXTERNAL not in names


@pytest.mark.parametrize(
    ("text", "settings", "place", "said"),
    [
        ("minikube", {}, "", "--backend 'minikube' is not known"),
        ("embedded", {"node-image": "x"}, "", "--node-image goes with --backend kind only"),
        ("kind", {"kubeconfig": "x"}, "", "--kubeconfig goes with --backend external only"),
        ("kind", {}, "moon", "--operator-in 'moon' is not known"),
    ],
)
def test_what_does_not_go_together_is_refused(text: str, settings: dict[str, str], place: str, said: str) -> None:
    """The error names the option and the value."""
    with pytest.raises(UsageError, match=said):
        backend.parse_many(text, settings, place)


def test_a_spec_is_the_options_that_ask_for_it() -> None:
    """The command that repeats a run names its backend; the usual one goes without saying."""
    assert BackendSpec().options() == []
    spec = BackendSpec(EXTERNAL, {"kubeconfig": "my file", "dry-run": "yes"}, PROCESS)
    assert spec.options() == ["--backend=external", "--kubeconfig=my file", "--dry-run", "--operator-in=process"]
    assert BackendSpec(EXTERNAL, {}, ELSEWHERE).options() == ["--backend=external"]


def test_an_operator_runs_where_the_backend_lets_it() -> None:
    """In a pod where that is possible; where it was asked to be and cannot, the error says where it can."""
    kind = backend.make(BackendSpec(KIND))

    assert backend.operator_place(EmbeddedBackend(), "") == PROCESS
    assert backend.operator_place(kind, "") == POD
    assert backend.operator_place(kind, PROCESS) == PROCESS
    with pytest.raises(UsageError, match="--operator-in pod: on embedded the operator cannot run so"):
        backend.operator_place(EmbeddedBackend(), POD)
    with pytest.raises(UsageError, match="on embedded no operator runs already"):
        backend.operator_place(EmbeddedBackend(), ELSEWHERE)


def test_where_the_operator_runs_decides_what_can_be_done_to_it() -> None:
    """Of the words for its place the one that holds is left; of one that is somebody's nothing can be changed."""
    kind = backend.make(BackendSpec(KIND))

    assert capability.OPERATOR_PROCESS not in backend.effective(kind, POD)
    assert capability.OPERATOR_POD not in backend.effective(kind, PROCESS)
    looking = backend.effective(kind, ELSEWHERE)
    assert looking.isdisjoint({"operator", "rights", "config-file", "operator-process", "operator-pod"})


def test_a_backend_has_the_first_possible_datastore_that_it_knows() -> None:
    """A scenario that is only about SQL has none on kind."""
    kind = backend.make(BackendSpec(KIND))

    assert backend.usual_datastore(kind, ("postgres", "etcd")) == "etcd"
    assert backend.usual_datastore(kind, ("postgres", "mysql")) == ""
