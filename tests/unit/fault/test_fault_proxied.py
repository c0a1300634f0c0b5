"""Faults of the API proxy against its real rules: what they put in force, how they prove it, and what is left after."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from harness import faults
from harness.cluster.apicalls import Call
from harness.cluster.apirules import Rules
from harness.cluster.apiwatch import WatchStream
from harness.errors import FaultError, WaitTimeoutError
from harness.fault import base, catalog, rules
from harness.fault.access import taken

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cluster.apirules import ApiRule
    from harness.fault.base import Fault

_HOMES = {"harness.fault.access", "harness.fault.watch"}
BY_RULES = sorted(kind for kind in catalog.PROXIED if catalog.KINDS[kind].__module__ in _HOMES)
"""Those that rules of the proxy do; the others the API server does, and the proxy sees (`test_fault_rulers`)."""

LIST_NODES, LIST_PODS = Call("list", "", "nodes"), Call("list", "", "pods")
EVENT = b'{"type": "DELETED", "object": {"metadata": {"name": "p"}}}\n'


@dataclass
class Proxy:
    """A cluster that has a proxy's rules, one open watch of pods, and nothing else. `said`: what the watch brought."""

    proxied: bool = True
    rules: Rules = field(default_factory=Rules)
    said: bytearray = field(default_factory=bytearray)
    watch: WatchStream | None = None

    def open(self) -> WatchStream:
        """Open a watch."""
        call = Call("watch", "", "pods")
        self.watch = WatchStream(call, self.said.extend, lambda: None, asyncio.get_running_loop().time())
        self.watch.begin(self.rules.on_watch(call))
        return self.watch

    def _changed(self) -> None:
        if self.watch is not None:
            self.watch.ruled(self.rules.on_watch(self.watch.call))

    async def set_api_rule(self, rule: ApiRule) -> None:
        """As the cluster does."""
        self.rules.set(rule)
        self._changed()

    async def clear_api_rule(self, rule_id: str) -> None:
        """As the cluster does."""
        self.rules.clear(rule_id)
        self._changed()

    async def api_stats(self) -> Mapping[str, Any]:
        """As the cluster does."""
        return {"rules": self.rules.counts()}


def world(proxy: Proxy) -> Any:
    """As much of a run as these faults see."""
    return SimpleNamespace(cluster=proxy, rng=random.Random(5))  # noqa: S311 - names of rules, not secrets


async def injected(fault: Fault, proxy: Proxy) -> dict[str, Any]:
    """Prepare and inject; the state as it would come out of a journal."""
    state: dict[str, Any] = json.loads(json.dumps(await fault.prepare(world(proxy))))
    await fault.inject(world(proxy), state)
    return state


@pytest.mark.parametrize("kind", BY_RULES)
def test_every_such_fault_bites_and_leaves_nothing(kind: str) -> None:
    """It has no evidence before the operator met it, some after, and no rule is left when it was healed, twice."""

    async def story() -> None:
        fault: Fault = catalog.KINDS[kind]()
        proxy = Proxy()
        watch = proxy.open()
        state = await injected(fault, proxy)
        assert state["target"]
        assert set(proxy.rules.active) == {rule["id"] for rule in state["rules"]}
        for call in (LIST_NODES, LIST_PODS):
            proxy.rules.on_call(call)
        if not watch.done.is_set():
            watch.feed(EVENT)
        evidence = asyncio.create_task(fault.bitten(world(proxy), state))
        assert (await asyncio.wait_for(evidence, 5.0))[0].isdigit()
        for _ in range(2):
            await fault.heal(world(proxy), state)
            await fault.healed(world(proxy), state)
            assert proxy.rules.active == {}

    asyncio.run(story())


def test_without_an_operator_that_meets_it_there_is_no_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait ends with what was counted."""
    monkeypatch.setattr(rules, "BITE_DEADLINE_S", 0.2)

    async def story() -> None:
        fault = faults.ApiRefuses("list", "nodes", status=429)
        proxy = Proxy()
        state = await injected(fault, proxy)
        proxy.rules.on_call(LIST_PODS)
        with pytest.raises(WaitTimeoutError, match="met 0 of its kind and acted on 0"):
            await fault.bitten(world(proxy), state)

    asyncio.run(story())


@pytest.mark.parametrize("kind", BY_RULES)
def test_without_a_proxy_it_cannot_be_prepared(kind: str) -> None:
    """The error says what the scenario lacks."""
    with pytest.raises(FaultError, match=f"{kind} needs the API proxy"):
        asyncio.run(catalog.KINDS[kind]().prepare(world(Proxy(proxied=False))))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (faults.ApiRefuses(), 410),
        (faults.ApiTruncates("list", "pods"), 410),
        (faults.ApiRefuses("watch", "pods"), None),
    ],
)
def test_the_operator_is_made_to_ask(fault: Fault, code: int | None) -> None:
    """Open watches end: with 410 where lists are harmed, in order where only watches are; later ones are left alone."""

    async def story() -> None:
        proxy = Proxy()
        watch = proxy.open()
        await injected(fault, proxy)
        assert watch.done.is_set()
        assert (json.loads(proxy.said)["object"]["code"] if proxy.said else None) == code
        assert not proxy.open().done.is_set()

    asyncio.run(story())


def test_what_is_about_other_resources_leaves_watches_alone() -> None:
    """A fault on nodes does not end a watch of pods, nor does one that only delays."""

    async def story() -> None:
        for fault in (faults.ApiHangs("list", "nodes"), faults.ApiSlow(), faults.ApiRefuses("create", "pods")):
            proxy = Proxy()
            watch = proxy.open()
            await injected(fault, proxy)
            assert not watch.done.is_set()

    asyncio.run(story())


def test_an_operator_that_lost_events_is_told_at_the_end() -> None:
    """The watch ends with 410 at the heal, so that it has a reason to list; one that begins later does not."""

    async def story() -> None:
        fault = faults.WatchDropsEvents()
        proxy = Proxy()
        watch = proxy.open()
        state = await injected(fault, proxy)
        watch.feed(EVENT)
        assert proxy.said == b""
        await fault.heal(world(proxy), state)
        assert json.loads(proxy.said)["object"]["code"] == 410
        assert watch.done.is_set()
        assert not proxy.open().done.is_set()

    asyncio.run(story())


def test_two_faults_of_one_kind_do_not_lift_each_other() -> None:
    """Each heals its own rules only."""

    async def story() -> None:
        fault = faults.WatchFrozen()
        proxy = Proxy()
        here = world(proxy)
        states = [await fault.prepare(here) for _ in range(2)]
        for state in states:
            await fault.inject(here, state)
        await fault.heal(here, states[0])
        assert set(proxy.rules.active) == {states[1]["rules"][0]["id"]}

    asyncio.run(story())


@pytest.mark.parametrize(
    ("asked", "affects"),
    [
        (("", ""), (base.API, base.DISCOVERY, base.LABELLING)),
        (("list", "nodes"), (base.API,)),
        (("list", "pods"), (base.API,)),
        (("", "pods"), (base.API, base.DISCOVERY)),
        (("watch", "nodes"), (base.WATCH,)),
        (("create", "pods"), (base.DISCOVERY,)),
        (("connect", "pods"), (base.DISCOVERY,)),
        (("connect", "pods", "exec"), ()),
        (("", "pods", "proxy"), (base.DISCOVERY,)),
        (("list", "namespaces"), ()),
        (("patch", "nodes"), (base.LABELLING,)),
        (("patch", "nodes", "status"), ()),
        (("get", "nodes"), (base.WATCH,)),
    ],
)
def test_refused_requests_excuse_what_they_are_needed_for(asked: tuple[str, ...], affects: tuple[str, ...]) -> None:
    """The cluster is out of sight only where nodes or pods cannot be listed."""
    assert taken(*asked) == affects
