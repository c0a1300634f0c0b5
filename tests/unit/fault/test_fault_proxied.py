"""Faults of the API proxy against its real rules: what they put in force, how they prove it, and what is left after."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

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

_HOMES = {f"harness.fault.{name}" for name in ("access", "watch", "timetravel", "token")}
BY_RULES = sorted(kind for kind in catalog.PROXIED if catalog.KINDS[kind].__module__ in _HOMES)
"""Those that rules of the proxy do; the others the API server does, and the proxy sees (`test_fault_rulers`)."""

LIST_NODES, LIST_PODS = Call("list", "", "nodes"), Call("list", "", "pods")
ANY_PODS, WATCH_PODS = Call("list", "", "pods", version="0"), Call("watch", "", "pods", version="45")
EVENT = b'{"type": "DELETED", "object": {"metadata": {"name": "p", "resourceVersion": "44"}}}\n'
AT_ONCE = {
    "lists-from-the-past": {"age_s": 0.0}, "watches-from-the-past": {"age_s": 0.0}, "token-expired": {"life_s": 0.0},
}  # fmt: skip
LOSING = {"watch-drops-events", "watch-bookmarks-only"}


@dataclass
class Proxy:
    """A cluster that has a proxy's rules, one open watch of pods, and nothing else. `said`: what the watch brought."""

    proxied: bool = True
    rules: Rules = field(default_factory=Rules)
    refused: list[dict[str, Any]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    version: int = 40
    datastore: str = "no etcd"
    said: bytearray = field(default_factory=bytearray)
    watch: WatchStream | None = None

    @property
    def client(self) -> Self:
        """The harness's own access."""
        return self

    @property
    def api_server(self) -> Any:
        """The API server, which says 410 to watches once it was started again."""
        child = SimpleNamespace(running=True)
        return SimpleNamespace(name="kube-apiserver", child=child, stop=self.stop, start=self.start)

    async def get(self, _path: str, *, params: Mapping[str, str]) -> Any:
        """A list of the latest."""
        assert params == {"limit": "1"}
        self.version += 1
        return {"metadata": {"resourceVersion": str(self.version)}}

    async def stop(self) -> None:
        """Away."""
        self.log.append(f"stop with {len(self.rules.active)} rules")

    async def start(self) -> None:
        """Back, and it remembers nothing."""
        self.log.append("start")
        self.refused = [{"verb": "watch", "resource": "pods", "status": 410, "count": 2}]

    def write_token(self, *, life_s: float) -> None:
        """One that is over is refused."""
        self.log.append(f"token for {life_s:g} s")
        self.refused = [{"verb": "list", "resource": "pods", "status": 401, "count": 3}]

    async def ready(self, _deadline_s: float) -> None:
        """At once."""

    def open(self, version: str = "41") -> WatchStream:
        """Open a watch."""
        call = Call("watch", "", "pods", version=version)
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
        if (rule.action.do, rule.match.verb) == ("hang", "watch"):
            assert self.rules.on_call(Call("watch", "", "pods", version="41")) is not None

    async def clear_api_rule(self, rule_id: str) -> None:
        """As the cluster does."""
        self.rules.clear(rule_id)
        self._changed()

    async def api_stats(self) -> Mapping[str, Any]:
        """As the cluster does."""
        return {"rules": self.rules.counts(), "refused": self.refused}


@dataclass
class Operator:
    """Notes what it is told."""

    log: list[str]

    async def kill(self, *, again: bool = True) -> None:
        """It is dead, and no supervisor is to start it."""
        assert not again
        self.log.append("kill")

    async def start(self) -> None:
        """It runs."""
        self.log.append("start operator")


def world(proxy: Proxy) -> Any:
    """As much of a run as these faults see."""
    rng = random.Random(5)  # noqa: S311 - names of rules, not secrets
    return SimpleNamespace(cluster=proxy, rng=rng, operator=Operator(proxy.log))


async def injected(fault: Fault, proxy: Proxy) -> dict[str, Any]:
    """Prepare and inject; the state as it would come out of a journal."""
    state: dict[str, Any] = json.loads(json.dumps(await fault.prepare(world(proxy))))
    await fault.inject(world(proxy), state)
    return state


@pytest.mark.parametrize("kind", BY_RULES)
def test_every_such_fault_bites_and_leaves_nothing(kind: str) -> None:
    """It has evidence once the operator met it; healed twice it leaves no rule, but a debt where events were lost."""

    async def story() -> None:
        fault: Fault = catalog.KINDS[kind](**AT_ONCE.get(kind, {}))
        proxy = Proxy()
        watch = proxy.open()
        state = await injected(fault, proxy)
        assert state["target"]
        lasting = set() if kind == "version-expired" else {rule["id"] for rule in state["rules"]}
        assert set(proxy.rules.active) == lasting
        for call in (LIST_NODES, LIST_PODS, ANY_PODS):
            proxy.rules.on_call(call)
        if watch.done.is_set():
            again = proxy.rules.on_call(WATCH_PODS)
            watch = proxy.open(WATCH_PODS.version)
            watch.repeats = (again, int(WATCH_PODS.version)) if again is not None and again.do == "past" else None
        if not watch.done.is_set():
            watch.feed(EVENT)
        evidence = asyncio.create_task(fault.bitten(world(proxy), state))
        assert any(map(str.isdigit, await asyncio.wait_for(evidence, 5.0)))
        for _ in range(2):
            await fault.heal(world(proxy), state)
            await fault.healed(world(proxy), state)
            assert proxy.rules.active == {}
        assert bool(proxy.rules.debts) is (kind in LOSING)

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
    ("fault", "done"),
    [
        (faults.ApiRefuses(), "status"),
        (faults.ApiTruncates("list", "pods"), "watch-gone"),
        (faults.ApiRefuses("list"), "watch-gone"),
        (faults.ApiRefuses("watch", "pods"), "status"),
    ],
)
def test_the_operator_is_made_to_ask(fault: Fault, done: str) -> None:
    """Open watches end in order; taking one up is answered 410 where lists are harmed, or is harmed itself."""

    async def story() -> None:
        proxy = Proxy()
        watch = proxy.open()
        await injected(fault, proxy)
        assert watch.done.is_set()
        assert proxy.said == b""
        again = proxy.rules.on_call(WATCH_PODS)
        assert again is not None
        assert again.do == done
        assert (proxy.rules.on_call(WATCH_PODS) is None) is (done == "watch-gone")
        assert not proxy.open().done.is_set()

    asyncio.run(story())


def test_refusals_of_anything_are_seen_once_nodes_and_pods_were_refused() -> None:
    """A list of namespaces that is refused is no evidence, nor are nodes without pods."""

    async def story() -> None:
        fault = faults.ApiRefuses(status=429)
        proxy = Proxy()
        state = await injected(fault, proxy)
        for call in (Call("list", "", "namespaces"), LIST_NODES):
            assert proxy.rules.on_call(call) is not None
        evidence = asyncio.create_task(fault.bitten(world(proxy), state))
        assert not (await asyncio.wait([evidence], timeout=0.3))[0]
        proxy.rules.on_call(LIST_PODS)
        assert (await evidence).startswith("1 and 1 times 429 was answered")

    asyncio.run(story())


def test_single_calls_of_an_operator_that_starts_are_refused() -> None:
    """The second and third patch of one node, and no other; the operator starts when the rule is in force."""

    async def story() -> None:
        fault = faults.ApiRefuses("patch", "nodes", name="a", skip=1, calls=2, restart_operator=True)
        proxy = Proxy()
        state = await injected(fault, proxy)
        assert proxy.log == ["kill", "start operator"]
        patches = [proxy.rules.on_call(Call("patch", "", "nodes", name=name)) for name in "abaaa"]
        assert [active is not None for active in patches] == [False, False, True, True, False]
        assert (await fault.bitten(world(proxy), state)).startswith("2 times 503 was answered (patch nodes a)")
        await fault.heal(world(proxy), state)
        await fault.heal(world(proxy), {**state, "_": 0, "started": False})
        assert proxy.log == ["kill", "start operator", "start operator"]

    asyncio.run(story())


def test_the_api_server_is_away_while_watches_are_kept() -> None:
    """It is killed and started with the rules in force, and what it had refused before is no evidence."""

    async def story() -> None:
        proxy = Proxy(refused=[{"verb": "watch", "resource": "pods", "status": 410, "count": 1}])
        fault = faults.VersionExpired()
        state = await injected(fault, proxy)
        assert proxy.log == ["stop with 2 rules", "start"]
        assert await fault.bitten(world(proxy), state) == "the API server answered 410 to watches: 1 of pods"

    asyncio.run(story())


def test_a_token_runs_out_while_the_operator_runs() -> None:
    """It is written before the start, and watches end from its end on; at the heal there is a fresh one."""

    async def story() -> None:
        proxy = Proxy()
        fault = faults.TokenExpired(life_s=0.1)
        state = await injected(fault, proxy)
        assert proxy.log == ["kill", "token for 0.1 s", "start operator"]
        assert [active.do for active in proxy.rules.active.values()] == ["watch-close"]
        assert await fault.bitten(world(proxy), state) == "3 requests were answered 401 by the API server"
        await fault.heal(world(proxy), state)
        assert proxy.log[3:] == ["token for 3600 s"]

    asyncio.run(story())


def test_what_is_about_other_resources_leaves_watches_alone() -> None:
    """A fault on nodes does not end a watch of pods, nor does one that only delays."""

    async def story() -> None:
        others = faults.ApiRefuses("patch", "nodes", name="n")
        for fault in (faults.ApiHangs("list", "nodes"), faults.ApiSlow(), faults.ApiRefuses("create", "pods"), others):
            proxy = Proxy()
            watch = proxy.open()
            await injected(fault, proxy)
            assert not watch.done.is_set()

    asyncio.run(story())


def test_an_operator_that_lost_events_is_told_at_the_end() -> None:
    """The watch ends in order at the heal, and is answered 410 once, when it is taken up; a later one goes on."""

    async def story() -> None:
        fault = faults.WatchDropsEvents()
        proxy = Proxy()
        watch = proxy.open()
        state = await injected(fault, proxy)
        watch.feed(EVENT)
        await fault.heal(world(proxy), state)
        assert proxy.said == b""
        assert watch.done.is_set()
        told = [proxy.rules.on_call(WATCH_PODS) for _ in range(2)]
        assert [active and active.do for active in told] == ["watch-gone", None]
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


def test_requests_about_some_object_leave_the_collection_in_sight() -> None:
    """Nothing is excused but hardware, which is asked for pod by pod."""
    assert taken("list", "nodes", some=True) == ()
    assert taken("", "pods", some=True) == (base.DISCOVERY,)


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
