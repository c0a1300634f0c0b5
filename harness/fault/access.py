"""Harm to the operator's requests, by the API proxy: refused, reset, not answered, late, cut off, or answered wrongly.

The API server itself is well, and everybody else sees it so. An operator whose watches are open has no reason to ask:
so those of what a fault is about end in order first. Where lists are harmed, whoever takes one up is answered 410 Gone
once, and has to list; where everything is, or watches are, taking it up is harmed itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from harness.cluster.apicalls import CONNECT, CREATE, GET, LIST, PATCH, WATCH
from harness.cluster.apirules import CLOSE, DELAY, GARBAGE, GONE, HANG, RESET, STATUS, TRUNCATE, Action, Match
from harness.fault import base, rules
from harness.fault.base import API, DISCOVERY, LABELLING, OPERATOR, State, World, start_if_left_dead, start_operator

_SEEN = frozenset({"", "nodes", "pods"})
"""The resources without which an operator does not see the cluster; "" is all of them."""

_NEEDED = ("nodes", "pods")


def taken(verb: str, resource: str, subresource: str = "", *, some: bool = False) -> tuple[str, ...]:
    """What an operator cannot do whose requests of that kind fail, as `affects` says it.

    `some`: only those about some namespace or object do, which takes the sight of a whole collection from nobody.
    """
    found: list[str] = []
    if resource in _SEEN and not subresource and not some and verb in {"", LIST}:
        found.append(API)
    if resource in _SEEN and not subresource and not some and verb in {WATCH, GET}:
        found.append(base.WATCH)
    if resource in {"", "pods"} and verb in {"", CREATE, CONNECT} and subresource in {"", "proxy"}:
        found.append(DISCOVERY)
    if resource in {"", "nodes"} and not subresource and verb in {"", PATCH}:
        found.append(LABELLING)
    return tuple(found)


def asking(match: Match) -> list[tuple[Match, Action]]:
    """What makes an operator whose watches are open send such requests: no list without the end of a watch."""
    if match.subresource:
        return []
    watches = replace(match, verb=WATCH)
    if match.verb == LIST:
        return [(watches, Action(GONE))]
    return [(watches, Action(CLOSE, open_only=True))] if match.verb in {"", WATCH} else []


def asked(match: Match) -> str:
    """The requests in words."""
    what = "/".join(part for part in (match.resource or "anything", match.subresource) if part)
    whose = "/".join(part for part in (match.namespace, match.name) if part)
    return f"{match.verb or 'any request for'} {what} {whose}".rstrip()


def _planned(world: World, kind: str, match: Match, action: Action, *, skip: int = 0, calls: int = 0) -> State:
    """The state of a fault on requests, with what makes the operator ask.

    A fault on requests for anything has bitten when nodes and pods were among them: nobody misses a list of namespaces.
    """
    of_all = match.verb in {"", LIST, WATCH} and match == Match(match.verb) and not (skip or calls)
    steps = [(replace(match, resource=resource), action) for resource in (_NEEDED if of_all else ())]
    steps += [(match, action), *asking(match)]
    needed = len(_NEEDED) if of_all else 1
    return rules.planned(world, kind, asked(match), *steps, needed=needed, skip=skip, times=calls)


@dataclass(frozen=True, slots=True)
class ApiRefuses(rules.Ruled):
    """Requests of a kind ("" is any) are answered with `status`, a metav1.Status and, above 0, Retry-After.

    `namespace`, `name`: only those about that namespace, or that object. The first `skip` of them are let pass, and no
    more than `calls` are refused (0: no limit). `restart_operator`: the operator is killed and started again, so that
    it meets this at its start.
    """

    verb: str = ""
    resource: str = ""
    status: int = 503
    retry_after_s: int = 0
    for_s: float = 5.0
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    skip: int = 0
    calls: int = 0
    restart_operator: bool = False
    kind: ClassVar[str] = "api-refuses"

    @property
    def affects(self) -> tuple[str, ...]:
        """What those requests are needed for; a restarted operator has nothing to report at first."""
        some = bool(self.namespace or self.name)
        found = taken(self.verb, self.resource, self.subresource, some=some)
        return (*found, OPERATOR) if self.restart_operator else found

    async def prepare(self, world: World) -> State:
        """The rule, and what makes the operator meet it."""
        match = Match(self.verb, self.resource, self.subresource, self.namespace, self.name)
        action = Action(STATUS, status=self.status, retry_after_s=self.retry_after_s)
        return _planned(world, self.kind, match, action, skip=self.skip, calls=self.calls)

    async def inject(self, world: World, state: State) -> None:
        """Put it in force; restart the operator."""
        if self.restart_operator:
            await world.operator.kill(again=False)
        await rules.put(world, state)
        if self.restart_operator:
            await start_operator(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has refused."""
        return await rules.acted(world, state, f"times {self.status} was answered ({state['target']})")

    async def heal(self, world: World, state: State) -> None:
        """Lift it; start the operator where it was left dead."""
        await rules.lift(world, state)
        if self.restart_operator:
            await start_if_left_dead(world, state)


@dataclass(frozen=True, slots=True)
class ApiHangs(rules.Ruled):
    """Requests of a kind are not answered for `for_s` seconds; those that still wait then are."""

    verb: str = LIST
    resource: str = "nodes"
    for_s: float = 6.0
    kind: ClassVar[str] = "api-hangs"

    @property
    def affects(self) -> tuple[str, ...]:
        """What those requests are needed for."""
        return taken(self.verb, self.resource)

    async def prepare(self, world: World) -> State:
        """The rule, and what makes the operator meet it."""
        return _planned(world, self.kind, Match(self.verb, self.resource), Action(HANG))

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has kept a request."""
        return await rules.acted(world, state, f"requests were not answered ({state['target']})")


@dataclass(frozen=True, slots=True)
class ApiResets(rules.Ruled):
    """Requests of a kind get no answer: their connections are reset, for `for_s` seconds."""

    verb: str = LIST
    resource: str = "nodes"
    for_s: float = 5.0
    kind: ClassVar[str] = "api-resets"

    @property
    def affects(self) -> tuple[str, ...]:
        """What those requests are needed for."""
        return taken(self.verb, self.resource)

    async def prepare(self, world: World) -> State:
        """The rule, and what makes the operator meet it."""
        return _planned(world, self.kind, Match(self.verb, self.resource), Action(RESET))

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has reset a connection."""
        return await rules.acted(world, state, f"connections were reset ({state['target']})")


@dataclass(frozen=True, slots=True)
class ApiSlow(rules.Ruled):
    """Requests are passed on `delay_s` later. Open watches go on, so it excuses nothing."""

    delay_s: float = 2.0
    for_s: float = 8.0
    verb: str = ""
    resource: str = ""
    kind: ClassVar[str] = "api-slow"
    affects: ClassVar[tuple[str, ...]] = ()

    async def prepare(self, world: World) -> State:
        """The rule."""
        step = (Match(self.verb, self.resource), Action(DELAY, delay_s=self.delay_s))
        return rules.planned(world, self.kind, asked(step[0]), step)

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has made a request wait."""
        return await rules.acted(world, state, f"requests were {self.delay_s:g} s late ({state['target']})")


@dataclass(frozen=True, slots=True)
class ApiTruncates(rules.Ruled):
    """Of each answer of a kind only the first `after_bytes` bytes arrive; then the connection ends."""

    verb: str = LIST
    resource: str = "pods"
    after_bytes: int = 500
    for_s: float = 5.0
    kind: ClassVar[str] = "api-truncates"

    @property
    def affects(self) -> tuple[str, ...]:
        """What those requests are needed for."""
        return taken(self.verb, self.resource)

    async def prepare(self, world: World) -> State:
        """The rule, and what makes the operator meet it."""
        match = Match(self.verb, self.resource)
        return _planned(world, self.kind, match, Action(TRUNCATE, after_bytes=self.after_bytes))

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has cut an answer off."""
        return await rules.acted(world, state, f"answers were cut off ({state['target']})")


@dataclass(frozen=True, slots=True)
class ApiGarbage(rules.Ruled):
    """Requests of a kind are answered 200 with a body that begins as a list does and is no JSON."""

    verb: str = LIST
    resource: str = "nodes"
    for_s: float = 5.0
    kind: ClassVar[str] = "api-garbage"

    @property
    def affects(self) -> tuple[str, ...]:
        """What those requests are needed for."""
        return taken(self.verb, self.resource)

    async def prepare(self, world: World) -> State:
        """The rule, and what makes the operator meet it."""
        return _planned(world, self.kind, Match(self.verb, self.resource), Action(GARBAGE))

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has answered nonsense."""
        return await rules.acted(world, state, f"requests were answered with nonsense ({state['target']})")
