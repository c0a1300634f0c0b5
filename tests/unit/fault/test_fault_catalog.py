from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import faults
from harness.cluster.datastore import KINDS as DATASTORES
from harness.cluster.hardware import NodeProfile
from harness.errors import UsageError
from harness.fault import base, catalog
from harness.fault.together import parts

if TYPE_CHECKING:
    from harness.fault.base import Fault

WORDS = {
    base.API,
    base.WATCH,
    base.OPERATOR,
    base.REST,
    base.GRPC,
    base.MEMBER,
    base.NODE,
    base.DISCOVERY,
    base.REGISTRY,
    base.LABELLING,
    base.POOLS,
}
NEEDED: dict[str, dict[str, Any]] = {
    "allocatable-changed": {"changes": (("nvidia.com/gpu", "3"), ("cpu", None))},
    "registry-changed": {"names": (("a100", "a100-80g"),), "without": ("amd",)},
    "nodes-join": {"nodes": (("late-1", NodeProfile(gpu="t4", gpus=1)), ("late-2", NodeProfile()))},
    "volume-deleted": {"volume": "before-free"},
    "pool-filled": {"pool": "ssd"},
    "together": {"first": faults.LeaderMoved(), "second": faults.NodesJoin((("late-1", NodeProfile()),))},
}
"""What kinds of fault without a full set of defaults are made with."""

NO_EXCUSE = {
    "datastore-slowed", "space-exhausted", "compacted", "sql-read-only", "api-slow", "watch-duplicates",
    "slow-clients", "idle-connections", "half-open-streams", "huge-headers",
    "registry-broken", "config-broken", "config-deleted", "watch-delayed",
}  # fmt: skip
"""Faults under which an operator is expected to go on as if nothing were."""

BY_DATASTORE = {"leader-lost"}
"""Faults that say what they affect only once they know the datastore."""


def made(kind: str, **values: Any) -> Fault:
    """A fault of the kind."""
    fault: Fault = catalog.KINDS[kind](**{**NEEDED.get(kind, {}), **values})
    return fault


@pytest.mark.parametrize("kind", sorted(set(catalog.KINDS) - {"together"}))
def test_a_fault_survives_json(kind: str) -> None:
    """A fault of each kind, with values that are not the defaults, is the same after a journey through a plan."""
    fault = made(kind, for_s=1.25)

    body = json.loads(json.dumps(catalog.to_json(fault)))

    assert catalog.from_json(body) == fault
    assert body["kind"] == kind
    assert body["for_s"] == 1.25


SIMPLE = st.sampled_from(sorted(set(catalog.KINDS) - {"together"})).map(made)
NESTED = st.recursive(
    SIMPLE,
    lambda part: st.builds(faults.Together, first=part, second=part, after_s=st.floats(0, 30)),
    max_leaves=5,
)


@given(NESTED)
def test_faults_together_survive_json_however_deep(fault: Fault) -> None:
    """A fault made of faults, which may be made of faults themselves, is the same after the journey."""
    assert catalog.from_json(json.loads(json.dumps(catalog.to_json(fault)))) == fault


@given(NESTED)
def test_faults_together_need_what_each_of_them_needs(fault: Fault) -> None:
    """They are possible where every part is, and need a relay when any part does; every part is examined."""
    each = parts(fault)

    assert not any(isinstance(part, faults.Together) for part in each)
    assert set(catalog.possible_on(fault, DATASTORES)) == set(DATASTORES).intersection(
        *(catalog.possible_on(part, DATASTORES) for part in each)
    )
    assert catalog.needs_relay(fault) is any(catalog.needs_relay(part) for part in each)


@pytest.mark.parametrize("kind", sorted(catalog.KINDS))
def test_a_fault_is_possible_on_some_datastore(kind: str) -> None:
    """No kind of fault is impossible everywhere, and the order asked for is kept."""
    possible = catalog.possible_on(made(kind), DATASTORES)

    assert possible
    assert catalog.possible_on(made(kind), reversed(DATASTORES)) == tuple(reversed(possible))


@pytest.mark.parametrize(
    ("fault", "possible"),
    [
        (faults.ApiServerKilled(), ("etcd", "etcd3", "sqlite", "postgres", "mysql")),
        (faults.DatastoreStopped(), ("etcd", "etcd3", "sqlite", "postgres", "mysql")),
        (faults.LeaderLost(), ("etcd", "etcd3", "sqlite", "postgres", "mysql")),
        (faults.Compacted(), ("etcd", "etcd3")),
        (faults.SpaceExhausted(), ("etcd", "etcd3")),
        (faults.MemberKilled(), ("etcd3",)),
        (faults.QuorumLost(), ("etcd3",)),
        (faults.ServerPaused(), ("etcd3",)),
        (faults.SqlReadOnly(), ("postgres", "mysql")),
        (faults.ConnectionsExhausted(), ("postgres", "mysql")),
        (faults.Together(faults.Compacted(), faults.MemberKilled()), ("etcd3",)),
        (faults.Together(faults.SqlReadOnly(), faults.MemberKilled()), ()),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_a_fault_is_possible_where_there_is_what_it_harms(fault: Fault, possible: tuple[str, ...]) -> None:
    """Members are in etcd of three, sizes and revisions in etcd, connections in a SQL server."""
    assert catalog.possible_on(fault, DATASTORES) == possible


def test_only_what_delays_or_silences_a_network_needs_a_relay() -> None:
    """Everything else is done to processes and databases."""
    assert {kind for kind in catalog.KINDS if catalog.needs_relay(made(kind))} == {
        "datastore-slowed", "member-slowed", "member-partitioned"
    }  # fmt: skip
    assert catalog.needs_relay(faults.Together(faults.NodeSilent(), faults.DatastoreSlowed()))


def test_what_is_done_to_the_configuration_file_needs_one() -> None:
    """Those are the faults of `harness.fault.config`."""
    homes = {kind.kind for kind in catalog.KINDS.values() if kind.__module__ == "harness.fault.config"}

    assert homes == catalog.OF_CONFIGURED


def test_what_is_done_to_requests_and_watches_needs_the_proxy() -> None:
    """So does what the operator is refused by the API server itself: the proxy sees that it has met it."""
    homes = {
        f"harness.fault.{name}" for name in ("access", "watch", "timetravel", "token", "rights", "policy", "starved")
    }
    found = {kind.kind for kind in catalog.KINDS.values() if kind.__module__ in homes}

    assert found - {"namespace-recreated"} == catalog.PROXIED
    assert {kind for kind in catalog.KINDS if catalog.needs_proxy(made(kind))} == catalog.PROXIED
    assert catalog.needs_proxy(faults.Together(faults.NodeSilent(), faults.WatchFrozen()))


def test_only_what_is_done_to_a_token_needs_one() -> None:
    """Everywhere else the operator comes with a certificate."""
    assert {kind for kind in catalog.KINDS if catalog.needs_token(made(kind))} == {"token-expired"}
    assert catalog.needs_token(faults.Together(faults.NodeSilent(), faults.TokenExpired()))


@pytest.mark.parametrize("kind", sorted(catalog.KINDS))
def test_a_fault_says_what_it_affects_in_known_words(kind: str) -> None:
    """Every word of `affects` is one that checkers know, and there is at least one where the fault excuses anything."""
    affects = made(kind).affects

    assert bool(affects) is (kind not in NO_EXCUSE | BY_DATASTORE)
    assert set(affects) <= WORDS


@pytest.mark.parametrize("kind", sorted(catalog.KINDS))
def test_a_fault_is_frozen_and_public(kind: str) -> None:
    """Faults are data that nobody changes, and scenarios reach each by name."""
    fault: Any = made(kind)

    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(fault, dataclasses.fields(fault)[0].name, 3.0)
    assert type(fault).__name__ in faults.__all__


def test_the_public_names_are_the_catalog() -> None:
    """`harness.faults` offers each kind once, the type of all, and nothing else."""
    assert sorted(faults.__all__) == sorted(["Fault", *(kind.__name__ for kind in catalog.KINDS.values())])


def test_broken_discovery_excuses_the_operator_only_when_it_is_restarted() -> None:
    """An operator that was not touched has to go on reporting."""
    assert made("discovery-broken").affects == (base.DISCOVERY,)
    assert base.OPERATOR in made("discovery-broken", restart_operator=True).affects


def test_a_long_delay_of_events_excuses_that_the_latest_is_not_known() -> None:
    """A short one does not."""
    assert made("watch-delayed", delay_s=2.0).affects == ()
    assert made("watch-delayed", delay_s=6.0).affects == (base.WATCH,)


def test_a_refused_start_is_one() -> None:
    """An operator that is started anew to meet the refusals has nothing to report at first."""
    assert made("api-refuses", verb="list", resource="nodes", restart_operator=True).affects == (
        base.API, base.OPERATOR,
    )  # fmt: skip


TWO = catalog.to_json(faults.Together(faults.LeaderMoved(), faults.LeaderMoved()))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"kind": "meteor"}, "unknown fault 'meteor'"),
        ({}, "unknown fault None"),
        ({"kind": "node-silent", "colour": "red"}, "node-silent has no parameter 'colour'"),
        ({"kind": "node-silent", "for_s": -1}, "for_s=-1 is out of range"),
        ({"kind": "node-silent", "for_s": 601}, "for_s=601 is out of range"),
        ({"kind": "node-silent", "for_s": float("nan")}, "for_s=nan is out of range"),
        ({"kind": "node-silent", "for_s": "long"}, "for_s='long' is out of range"),
        ({"kind": "node-silent", "for_s": None}, "for_s=None is out of range"),
        ({"kind": "node-silent", "for_s": True}, "for_s=True is out of range"),
        ({"kind": "allocatable-changed"}, "missing 1 required positional argument: 'changes'"),
        ({"kind": "node-replaced", "becomes": {"profile": {"wings": 2}}}, "'wings', which is not known"),
        ({"kind": "node-replaced", "becomes": {"profile": {"gpu": "voodoo", "gpus": 1}}}, "unknown GPU model 'voodoo'"),
        ({"kind": "discovery-broken", "mode": "sulk"}, "mode='sulk' is unknown"),
        ({"kind": "discovery-broken", "mode": "late"}, "mode='late' without a delay is no fault"),
        ({"kind": "discovery-broken", "mode": "late", "delay_s": 31}, "delay_s=31 is out of range"),
        ({"kind": "registry-broken", "mode": "garbage"}, "mode='garbage' is unknown"),
        ({"kind": "registry-flaps", "times": 1}, "times=1 is out of range"),
        ({"kind": "registry-flaps", "times": 61}, "times=61 is out of range"),
        ({"kind": "registry-flaps", "times": 2.5}, "times=2.5 is out of range"),
        ({"kind": "registry-flaps", "times": True}, "times=True is out of range"),
        ({"kind": "discovery-pod-ends", "how": "peacefully"}, "how='peacefully' is unknown"),
        ({"kind": "port-taken", "port": "http"}, "port='http' is unknown"),
        ({"kind": "port-taken", "restart": "gently"}, "restart='gently' is unknown"),
        ({"kind": "port-taken", "family": "ipv5"}, "family='ipv5' is unknown"),
        ({"kind": "node-renamed", "becomes": "Upper"}, "'Upper' (5 characters) is not a node name"),
        ({"kind": "node-renamed", "becomes": 7}, "fault node-renamed: "),
        ({"kind": "discovery-pod-rejected", "reason": "Mood"}, "reason='Mood' is unknown"),
        ({"kind": "config-bad-at-start", "what": "empty"}, "what='empty' is unknown"),
        ({"kind": "config-bad-at-start", "how": "gently"}, "how='gently' is unknown"),
        ({"kind": "memory-limited", "share": 0.0}, "share=0.0 is out of range"),
        ({"kind": "slow-clients", "how": "sulk"}, "how='sulk' is unknown"),
        ({"kind": "slow-clients", "count": 0}, "count=0 is out of range"),
        ({"kind": "idle-connections", "count": 5001}, "count=5001 is out of range"),
        ({"kind": "half-open-streams", "count": 1.5}, "count=1.5 is out of range"),
        ({"kind": "huge-headers", "size_kib": True}, "size_kib=True is out of range"),
        ({"kind": "processor-starved", "share": 0.0}, "share=0.0 is out of range"),
        ({"kind": "processor-starved", "share": "all"}, "share='all' is out of range"),
        ({"kind": "datastore-slowed", "delay_s": -0.1}, "delay_s=-0.1 is out of range"),
        ({"kind": "datastore-slowed", "delay_s": 30.5}, "delay_s=30.5 is out of range"),
        ({"kind": "member-slowed", "delay_s": "some"}, "delay_s='some' is out of range"),
        ({"kind": "member-slowed", "delay_s": True}, "delay_s=True is out of range"),
        ({"kind": "member-slowed", "delay_s": float("nan")}, "delay_s=nan is out of range"),
        ({"kind": "member-killed", "role": "chairman"}, "role='chairman' is unknown"),
        ({"kind": "member-paused", "role": "Leader"}, "role='Leader' is unknown"),
        ({"kind": "member-partitioned", "role": ""}, "role='' is unknown"),
        ({"kind": "member-slowed", "role": None}, "role=None is unknown"),
        ({"kind": "server-killed", "which": "server-4"}, "which='server-4' is unknown"),
        ({"kind": "server-paused", "which": "follower"}, "which='follower' is unknown"),
        ({"kind": "node-tainted", "effect": "NoSleep"}, "effect='NoSleep' is unknown"),
        ({"kind": "node-flaps", "what": "wings"}, "what='wings' is unknown"),
        ({"kind": "node-flaps", "times": 101}, "times=101 is out of range"),
        ({"kind": "node-flaps", "times": 0}, "node-flaps: times=0 is out of range"),
        ({"kind": "node-flaps", "times": 2.5}, "times=2.5 is out of range"),
        ({"kind": "node-flaps", "times": True}, "times=True is out of range"),
        ({"kind": "node-flaps", "every_s": -1}, "every_s=-1 is out of range"),
        ({"kind": "node-flaps", "every_s": "often"}, "every_s='often' is out of range"),
        ({"kind": "clock-ahead", "ahead_s": -1}, "clock-ahead: ahead_s=-1 is out of range"),
        ({"kind": "clock-ahead", "ahead_s": float("nan")}, "ahead_s=nan is out of range"),
        ({"kind": "nodes-deleted", "count": 0}, "nodes-deleted: count=0 is out of range"),
        ({"kind": "nodes-deleted", "count": "all"}, "count='all' is out of range"),
        ({"kind": "nodes-deleted", "count": 2.5}, "count=2.5 is out of range"),
        ({"kind": "config-changed", "how": "gently"}, "how='gently' is unknown"),
        ({"kind": "config-broken", "what": "a bit"}, "what='a bit' is unknown"),
        ({"kind": "config-deleted", "how": ""}, "how='' is unknown"),
        ({"kind": "api-refuses", "verb": "steal"}, "verb='steal' is unknown"),
        ({"kind": "api-refuses", "status": 200}, "status=200 is out of range"),
        ({"kind": "api-refuses", "status": 503.5}, "status=503.5 is out of range"),
        ({"kind": "api-refuses", "retry_after_s": -1}, "retry_after_s=-1 is out of range"),
        ({"kind": "api-truncates", "after_bytes": True}, "after_bytes=True is out of range"),
        ({"kind": "watch-error", "code": 600}, "code=600 is out of range"),
        ({"kind": "watch-delayed", "delay_s": 31}, "delay_s=31 is out of range"),
        ({"kind": "lists-from-the-past", "age_s": -1}, "age_s=-1 is out of range"),
        ({"kind": "api-refuses", "calls": -1}, "calls=-1 is out of range"),
        ({"kind": "api-refuses", "skip": 1.5}, "skip=1.5 is out of range"),
        ({"kind": "together"}, "missing 2 required positional arguments: 'first' and 'second'"),
        ({**TWO, "after_s": -1}, "after_s=-1 is out of range"),
        ({**TWO, "after_s": 31}, "after_s=31 is out of range"),
        ({**TWO, "for_s": 3}, "together has no parameter 'for_s'"),
        ({**TWO, "first": {"fault": {"kind": "meteor"}}}, "unknown fault 'meteor'"),
        ({**TWO, "second": {"fault": {"kind": "leader-moved", "for_s": -1}}}, "leader-moved: for_s=-1 is out of range"),
        ({**TWO, "second": {"fault": {"kind": "member-killed", "role": "x"}}}, "role='x' is unknown"),
        ({**TWO, "first": "leader-moved"}, "first='leader-moved' is no fault"),
        ({**TWO, "first": {"fault": "leader-moved"}}, "first={'fault': 'leader-moved'} is no fault"),
        ({**TWO, "second": None}, "second=None is no fault"),
    ],
)
def test_a_bad_plan_is_refused_with_the_value(body: dict[str, Any], said: str) -> None:
    """The error names the value that cannot be used."""
    with pytest.raises(UsageError) as caught:
        catalog.from_json(body)

    assert said in caught.value.what
    assert caught.value.hint or "GPU" in caught.value.what


def test_an_unknown_fault_is_answered_with_the_known_ones() -> None:
    """The hint lists every kind."""
    with pytest.raises(UsageError) as caught:
        catalog.from_json({"kind": "meteor"})

    assert all(kind in caught.value.hint for kind in catalog.KINDS)
