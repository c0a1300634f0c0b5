"""Harm to the operator's requests: refused, not answered, late, cut off or answered with nonsense, by the API proxy.

The API server itself is well, and everybody else sees it so. A fault of `verb` "" or "list" also ends the open watches
of what it is about with 410 Gone, or the operator would have no reason to ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.cluster.apicalls import CONNECT, CREATE, GET, LIST, PATCH, WATCH
from harness.cluster.apirules import CLOSE, DELAY, ERROR, GARBAGE, HANG, STATUS, TRUNCATE, Action, Match
from harness.fault import base, rules
from harness.fault.base import API, DISCOVERY, LABELLING, State, World

_SEEN = frozenset({"", "nodes", "pods"})
"""The resources without which an operator does not see the cluster; "" is all of them."""

_GONE = Action(ERROR, status=410, open_only=True)


def taken(verb: str, resource: str, subresource: str = "") -> tuple[str, ...]:
    """What an operator cannot do whose requests of that kind fail, as `affects` says it."""
    found: list[str] = []
    if resource in _SEEN and not subresource and verb in {"", LIST}:
        found.append(API)
    if resource in _SEEN and not subresource and verb in {WATCH, GET}:
        found.append(base.WATCH)
    if resource in {"", "pods"} and verb in {"", CREATE, CONNECT} and subresource in {"", "proxy"}:
        found.append(DISCOVERY)
    if resource in {"", "nodes"} and not subresource and verb in {"", PATCH}:
        found.append(LABELLING)
    return tuple(found)


def asking(match: Match) -> list[tuple[Match, Action]]:
    """What makes an operator whose watches are open send such requests: no list without the end of a watch."""
    watches = Match(verb=WATCH, resource=match.resource, namespace=match.namespace)
    if match.verb in {"", LIST} and not match.subresource:
        return [(watches, _GONE)]
    return [(watches, Action(CLOSE, open_only=True))] if match.verb == WATCH else []


def asked(verb: str, resource: str, subresource: str = "") -> str:
    """The requests in words."""
    what = "/".join(part for part in (resource or "anything", subresource) if part)
    return f"{verb or 'any request for'} {what}"


def _planned(world: World, kind: str, match: Match, action: Action) -> State:
    """The state of a fault on requests, with what makes the operator ask."""
    said = asked(match.verb, match.resource, match.subresource)
    return rules.planned(world, kind, said, (match, action), *asking(match))


@dataclass(frozen=True, slots=True)
class ApiRefuses:
    """Requests of a kind ("" is any) are answered with `status`, a metav1.Status and, above 0, Retry-After."""

    verb: str = ""
    resource: str = ""
    status: int = 503
    retry_after_s: int = 0
    for_s: float = 5.0
    subresource: str = ""
    kind: ClassVar[str] = "api-refuses"

    @property
    def affects(self) -> tuple[str, ...]:
        """What those requests are needed for."""
        return taken(self.verb, self.resource, self.subresource)

    async def prepare(self, world: World) -> State:
        """The rule, and what makes the operator meet it."""
        match = Match(self.verb, self.resource, self.subresource)
        return _planned(world, self.kind, match, Action(STATUS, status=self.status, retry_after_s=self.retry_after_s))

    async def inject(self, world: World, state: State) -> None:
        """Put it in force."""
        await rules.put(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has refused."""
        return await rules.acted(world, state, f"times {self.status} was answered ({state['target']})")

    async def heal(self, world: World, state: State) -> None:
        """Lift it."""
        await rules.lift(world, state)

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited: the API server was never ill."""


@dataclass(frozen=True, slots=True)
class ApiHangs:
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

    async def inject(self, world: World, state: State) -> None:
        """Put it in force."""
        await rules.put(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has kept a request."""
        return await rules.acted(world, state, f"requests were not answered ({state['target']})")

    async def heal(self, world: World, state: State) -> None:
        """Lift it."""
        await rules.lift(world, state)

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited: the API server was never ill."""


@dataclass(frozen=True, slots=True)
class ApiSlow:
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
        return rules.planned(world, self.kind, asked(self.verb, self.resource), step)

    async def inject(self, world: World, state: State) -> None:
        """Put it in force."""
        await rules.put(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has made a request wait."""
        return await rules.acted(world, state, f"requests were {self.delay_s:g} s late ({state['target']})")

    async def heal(self, world: World, state: State) -> None:
        """Lift it: what waits goes at once."""
        await rules.lift(world, state)

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited: the API server was never ill."""


@dataclass(frozen=True, slots=True)
class ApiTruncates:
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

    async def inject(self, world: World, state: State) -> None:
        """Put it in force."""
        await rules.put(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has cut an answer off."""
        return await rules.acted(world, state, f"answers were cut off ({state['target']})")

    async def heal(self, world: World, state: State) -> None:
        """Lift it."""
        await rules.lift(world, state)

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited: the API server was never ill."""


@dataclass(frozen=True, slots=True)
class ApiGarbage:
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

    async def inject(self, world: World, state: State) -> None:
        """Put it in force."""
        await rules.put(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """The proxy has answered nonsense."""
        return await rules.acted(world, state, f"requests were answered with nonsense ({state['target']})")

    async def heal(self, world: World, state: State) -> None:
        """Lift it."""
        await rules.lift(world, state)

    async def healed(self, world: World, state: State) -> None:
        """Nothing is awaited: the API server was never ill."""
