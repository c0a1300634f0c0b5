"""Faults by the cluster's own means: rights, policies, quotas, accounts, namespaces and turns, without a cluster."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness import faults
from harness.cluster.access import OPERATOR_RULES, OPERATOR_USER
from harness.errors import ClusterError, FaultError, UsageError, WaitTimeoutError
from harness.fault import base, catalog, policy, refused, rights
from harness.fault.policy import DISCOVERY_PODS, NODE_PATCHES, denying
from harness.fault.rights import split
from harness.fault.starved import level, rejected, schema
from tests.unit.fault.rulers import ACCOUNT, NAMESPACE, ROLE, World, start

if TYPE_CHECKING:
    from harness.fault.base import Fault

PODS_403 = ("create", "pods", 403)
CASES = [
    pytest.param(faults.RightsRevoked("list", "nodes"), ("list", "nodes", 403), id="list-nodes"),
    pytest.param(faults.RightsRevoked("", ""), ("create", "pods", 403), id="all"),
    pytest.param(faults.RightsRevoked("get", "pods/proxy"), ("connect", "pods", 403), id="proxy"),
    pytest.param(faults.AdmissionDenies("discovery-pods"), ("create", "pods", 422), id="pods-denied"),
    pytest.param(faults.AdmissionDenies("node-patches"), ("patch", "nodes", 422), id="patches-denied"),
    pytest.param(faults.QuotaExhausted(), PODS_403, id="quota"),
    pytest.param(faults.ServiceAccountMissing(), PODS_403, id="account"),
    pytest.param(faults.OperatorStarved(), ("watch", "pods", 429), id="starved"),
]


def as_world(made: World) -> base.World:
    """The same, as faults take it."""
    return cast("base.World", made)


async def journalled(fault: Fault, made: World) -> dict[str, Any]:
    """The state as it comes back from the journal."""
    state: dict[str, Any] = json.loads(json.dumps(await fault.prepare(as_world(made))))
    return state


def left(made: World) -> dict[str, Any]:
    """What is there, but for what a new object has that the old one had not."""
    found: dict[str, Any] = dict.fromkeys(made.cluster.client.objects, "there")
    return found | {ROLE: copy.deepcopy(made.cluster.client.objects[ROLE])}


@pytest.mark.parametrize(("fault", "met"), CASES)
def test_it_bites_when_the_operator_meets_it_and_leaves_nothing(fault: Fault, met: tuple[str, str, int]) -> None:
    """What the operator met before is no evidence; what it meets then is; healed twice, all is as it was."""
    made = World()
    made.cluster.refuse(*met, count=3)
    before = left(made)

    async def story() -> str:
        state = await journalled(fault, made)
        await fault.inject(as_world(made), state)
        assert left(made) != before
        evidence = asyncio.create_task(fault.bitten(as_world(made), state))
        await asyncio.wait({evidence}, timeout=0.15)
        assert not evidence.done()
        made.cluster.refuse(*met)
        said = await asyncio.wait_for(evidence, 5.0)
        for _ in range(2):
            await fault.heal(as_world(made), state)
            await fault.healed(as_world(made), state)
        return said

    said = asyncio.run(story())

    assert f"answered {met[2]} by the API server 1 times" in said
    assert left(made) == before
    assert made.cluster.rules == {}
    assert made.held == {}


@pytest.mark.parametrize(("fault", "met"), CASES)
def test_an_injection_that_did_nothing_is_undone(fault: Fault, met: tuple[str, str, int]) -> None:
    """A heal after no more than the preparation leaves all as it was."""
    made = World()
    made.cluster.refuse(*met)
    before = left(made)

    async def story() -> None:
        await fault.heal(as_world(made), await journalled(fault, made))

    asyncio.run(story())

    assert left(made) == before


def test_without_an_operator_that_asks_there_is_no_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait ends with what was counted; requests of another kind, or refused otherwise, do not count."""
    monkeypatch.setattr(refused, "BITE_DEADLINE_S", 0.2)
    fault, made = faults.RightsRevoked("create", "pods"), World()

    async def story() -> None:
        state = await journalled(fault, made)
        await fault.inject(as_world(made), state)
        made.cluster.refuse("create", "pods", 409)
        made.cluster.refuse("list", "pods", 403)
        with pytest.raises(WaitTimeoutError, match="0 of its requests were answered 403"):
            await fault.bitten(as_world(made), state)

    asyncio.run(story())


@pytest.mark.parametrize("kind", ["admission-denies", "operator-starved", "quota-exhausted"])
def test_without_a_proxy_it_cannot_be_prepared(kind: str) -> None:
    """Nobody could tell what the operator met."""
    made = World()
    made.cluster.proxied = False

    with pytest.raises(FaultError, match=f"{kind} needs the API proxy"):
        asyncio.run(catalog.KINDS[kind]().prepare(as_world(made)))


def test_rights_can_be_revoked_without_a_proxy() -> None:
    """What the API server says that the operator may is evidence enough; no rule of a proxy is asked for."""
    made = World()
    made.cluster.proxied = False
    fault = faults.RightsRevoked("list", "pods")

    async def story() -> tuple[dict[str, Any], str]:
        state = await journalled(fault, made)
        await fault.inject(as_world(made), state)
        return state, await fault.bitten(as_world(made), state)

    state, said = asyncio.run(story())
    assert state["rules"] == []
    assert "list" in said
    assert "answered" not in said


def pairs(rules: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """(resource, verb) of every right."""
    return {(name, verb) for rule in rules for name in rule["resources"] for verb in rule["verbs"]}


@pytest.mark.parametrize(
    ("verb", "resource", "lost"),
    [
        ("list", "nodes", {("nodes", "list")}),
        ("get", "pods/proxy", {("pods/proxy", "get")}),
        ("watch", "namespaces", {("namespaces", "watch")}),
        ("", "nodes", {("nodes", verb) for verb in ("get", "list", "watch", "patch")}),
        ("delete", "", {("pods", "delete")}),
        ("patch", "pods", set()),
    ],
)
def test_a_role_loses_what_is_named_and_nothing_else(verb: str, resource: str, lost: set[tuple[str, str]]) -> None:
    """What is kept and what is lost are together what was there, and the rules that came in are as they were."""
    given = copy.deepcopy(OPERATOR_RULES)

    kept, gone = split(given, verb, resource)

    assert pairs(gone) == lost
    assert pairs(kept) == pairs(OPERATOR_RULES) - lost
    assert given == OPERATOR_RULES
    assert all(rule["resources"] and rule["verbs"] for rule in (*kept, *gone))


def test_two_rights_are_taken_and_given_back_apart() -> None:
    """What one fault gives back does not give back what another holds."""
    first, second, made = faults.RightsRevoked("list", "nodes"), faults.RightsRevoked("watch", "nodes"), World()

    async def story() -> None:
        one, two = await journalled(first, made), await journalled(second, made)
        await first.inject(as_world(made), one)
        await second.inject(as_world(made), two)
        await second.heal(as_world(made), two)
        assert pairs(OPERATOR_RULES) - pairs(made.cluster.client.objects[ROLE]["rules"]) == {("nodes", "list")}
        await first.heal(as_world(made), one)

    asyncio.run(story())

    assert made.cluster.client.objects[ROLE]["rules"] == OPERATOR_RULES


@pytest.mark.parametrize(
    ("verb", "resource", "ends"),
    [
        ("list", "pods", ["watch-gone"]),
        ("watch", "pods", ["watch-close"]),
        ("", "", ["watch-close"]),
        ("patch", "nodes", []),
    ],
)
def test_watches_end_where_they_would_hide_it(verb: str, resource: str, ends: list[str]) -> None:
    """An open watch is not asked about, so it is ended in order; where lists are forbidden, taking it up meets 410."""
    fault, made = faults.RightsRevoked(verb, resource), World()

    async def story() -> None:
        await fault.inject(as_world(made), await journalled(fault, made))

    asyncio.run(story())

    assert [rule.action.do for rule in made.cluster.rules.values()] == ends


@pytest.mark.parametrize(
    ("verb", "resource", "affects"),
    [
        ("list", "nodes", (base.API,)),
        ("watch", "pods", (base.WATCH,)),
        ("get", "nodes", (base.WATCH,)),
        ("patch", "nodes", (base.LABELLING,)),
        ("create", "pods", (base.DISCOVERY,)),
        ("get", "pods/proxy", (base.DISCOVERY,)),
        ("delete", "pods", ()),
        ("list", "namespaces", ()),
        ("", "", (base.API, base.DISCOVERY, base.LABELLING)),
    ],
)
def test_a_right_excuses_what_it_is_needed_for(verb: str, resource: str, affects: tuple[str, ...]) -> None:
    """Nothing more is excused than the right was for."""
    assert faults.RightsRevoked(verb, resource).affects == affects


def test_a_right_to_get_need_not_be_met() -> None:
    """Few operators get what they watch: that the API server says no is the evidence."""
    fault, made = faults.RightsRevoked("get", "nodes"), World()

    async def story() -> str:
        state = await journalled(fault, made)
        await fault.inject(as_world(made), state)
        return await fault.bitten(as_world(made), state)

    assert asyncio.run(story()) == f"{OPERATOR_USER} may not get nodes"


def test_a_right_that_nobody_has_is_refused() -> None:
    """A verb and a resource that are known, and no right together, are said to be none."""
    with pytest.raises(UsageError, match="no right to patch pods"):
        faults.RightsRevoked("patch", "pods")
    with pytest.raises(UsageError, match="verb='rule' is unknown"):
        catalog.check(faults.RightsRevoked("rule", "nodes"))


def test_a_right_that_is_taken_already_cannot_be_taken() -> None:
    """The fault says so instead of giving back later what another fault holds."""
    made = World()
    made.cluster.client.objects[ROLE] = {"rules": []}

    with pytest.raises(FaultError, match="no such right now"):
        asyncio.run(faults.RightsRevoked().prepare(as_world(made)))


def test_a_right_is_not_back_before_the_api_server_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A role that was not changed back is not healed."""
    monkeypatch.setattr(rights, "BITE_DEADLINE_S", 0.2)
    fault, made = faults.RightsRevoked(), World()

    async def story() -> None:
        state = await journalled(fault, made)
        await fault.inject(as_world(made), state)
        with pytest.raises(WaitTimeoutError, match="may not list nodes"):
            await fault.healed(as_world(made), state)

    asyncio.run(story())


def test_a_policy_is_about_new_discovery_pods_or_the_operators_patches() -> None:
    """Nobody's other pods are refused, and nobody else's updates of nodes."""
    pods, patches = denying("p", DISCOVERY_PODS)["spec"], denying("p", NODE_PATCHES)["spec"]

    assert pods["matchConstraints"]["objectSelector"]["matchLabels"]["app.kubernetes.io/name"] == "inventory"
    assert pods["matchConstraints"]["resourceRules"][0]["operations"] == ["CREATE"]
    assert "matchConditions" not in pods
    assert patches["matchConditions"][0]["expression"] == f"request.userInfo.username == '{OPERATOR_USER}'"
    assert patches["matchConstraints"]["resourceRules"][0]["resources"] == ["nodes"]


def test_the_operators_patches_are_asked_about_in_its_name() -> None:
    """The dry run is impersonated, or the policy would not concern it."""
    fault, made = faults.AdmissionDenies("node-patches"), World()

    async def story() -> None:
        await fault.inject(as_world(made), await journalled(fault, made))

    asyncio.run(story())

    assert made.cluster.client.asked == [("PATCH", OPERATOR_USER)]


def test_a_quota_leaves_no_room() -> None:
    """It is as large as what there is; pods that have ended hold none of it."""
    fault, made = faults.QuotaExhausted(), World()
    made.cluster.client.pods = [{"status": {"phase": phase}} for phase in ("Running", "Running", "Failed")]

    async def story() -> str:
        state = await journalled(fault, made)
        await fault.inject(as_world(made), state)
        made.cluster.refuse(*PODS_403)
        return await fault.bitten(as_world(made), state)

    said = asyncio.run(story())

    assert said.startswith("2 of 2 pods are used; a dry run is refused: ")
    assert "exceeded quota" in said


def test_what_is_refused_for_another_reason_is_no_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing account is not an exhausted quota."""
    monkeypatch.setattr(policy, "BITE_DEADLINE_S", 0.2)
    fault, made = faults.QuotaExhausted(), World()
    made.cluster.client.pods = [{"status": {"phase": "Running"}}]

    async def story() -> None:
        state = await journalled(fault, made)
        del made.cluster.client.objects[ACCOUNT]
        with pytest.raises(WaitTimeoutError, match="error looking up service account"):
            await fault.inject(as_world(made), state)

    asyncio.run(story())


def test_a_namespace_goes_and_comes_with_its_accounts() -> None:
    """Evidence is that it is gone; a heal in the midst of it waits until it is, and makes it anew, once."""
    fault, made = faults.NamespaceRecreated(node="n1"), World()

    async def story() -> str:
        state = await journalled(fault, made)
        await fault.inject(as_world(made), state)
        said = await fault.bitten(as_world(made), state)
        assert NAMESPACE not in made.cluster.client.objects
        for _ in range(2):
            await fault.heal(as_world(made), state)
            await fault.healed(as_world(made), state)
        return said

    said = asyncio.run(story())

    assert said == "the API server answers 404 for the namespace (uid first)"
    assert set(made.cluster.client.objects) == set(start())
    assert made.cluster.client.objects[NAMESPACE]["metadata"]["uid"] == "another"
    assert made.hardware == {"n1": fault.becomes}


def test_a_namespace_that_is_going_is_made_when_it_is_gone() -> None:
    """A heal that comes right after the deletion does not take the old one for the new."""
    fault, made = faults.NamespaceRecreated(node="n1"), World()

    async def story() -> None:
        state = await journalled(fault, made)
        await fault.inject(as_world(made), state)
        await fault.heal(as_world(made), state)

    asyncio.run(story())

    assert made.cluster.client.objects[NAMESPACE]["metadata"]["uid"] == "another"


def test_a_level_without_shares_is_only_for_the_operator() -> None:
    """It has no seats, borrows none, queues nothing, and whatever the operator's user asks belongs to it."""
    limited = level()["spec"]["limited"]
    (rule,) = schema()["spec"]["rules"]

    assert (limited["nominalConcurrencyShares"], limited["borrowingLimitPercent"]) == (0, 0)
    assert limited["limitResponse"] == {"type": "Reject"}
    assert [item["user"]["name"] for item in rule["subjects"]] == [OPERATOR_USER]
    assert rule["resourceRules"][0]["verbs"] == rule["nonResourceRules"][0]["verbs"] == ["*"]


def test_rejections_are_those_of_the_flow_schema() -> None:
    """Every reason counts, and no other schema."""
    name = "apiserver_flowcontrol_rejected_requests_total"
    counts = (("harness-starved", "a", "2"), ("harness-starved", "b", "1e+01"), ("other", "a", "5"))
    lines = [f'{name}{{flow_schema="{one}",reason="{reason}"}} {count}' for one, reason, count in counts]

    assert rejected("\n".join(["# HELP", *lines, ""])) == 12
    assert rejected("") == 0


def test_throttling_that_the_api_server_does_not_count_is_no_evidence() -> None:
    """A 429 may come from elsewhere."""
    fault, made = faults.OperatorStarved(), World()

    async def story() -> None:
        state = await journalled(fault, made)
        await fault.inject(as_world(made), state)
        made.cluster.refuse("list", "pods", 429)
        made.cluster.client.rejected = 0
        await fault.heal(as_world(made), state)
        await fault.bitten(as_world(made), state)

    with pytest.raises(ClusterError, match="has rejected nothing"):
        asyncio.run(story())
