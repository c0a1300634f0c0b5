"""Rights (RBAC) that are taken from the operator by the cluster's own means, and given back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from harness.cluster.access import OPERATOR_RULES, OPERATOR_USER, RBAC_API
from harness.cluster.apicalls import CONNECT, CREATE, DELETE, GET, LIST, PATCH, WATCH
from harness.cluster.apirules import Match
from harness.errors import ClusterError, FaultError, UsageError
from harness.fault import access, refused, rules
from harness.fault.base import BITE_DEADLINE_S, State, World
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

VERBS = (GET, LIST, WATCH, CREATE, PATCH, DELETE)
RESOURCES = tuple(dict.fromkeys(name for rule in OPERATOR_RULES for name in rule["resources"]))
"""What the operator has rights on, as RBAC names it."""

FORBIDDEN = 403

_ROLE = f"{RBAC_API}/clusterroles/{OPERATOR_USER}"
_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

Rule = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RightsRevoked:
    """The operator's ClusterRole loses a verb ("" is any) on a resource ("" is any), and has it back `for_s` s later.

    Open watches are not asked about, so those of what may not be listed or watched any more are ended, where there is
    an API proxy. Without one the API server's own decision is the evidence.
    """

    verb: str = LIST
    resource: str = "nodes"
    for_s: float = 6.0
    kind: ClassVar[str] = "rights-revoked"

    def __post_init__(self) -> None:
        known = self.verb in {"", *VERBS} and self.resource in {"", *RESOURCES}
        if known and not split(OPERATOR_RULES, self.verb, self.resource)[1]:
            raise UsageError(
                f"{self.kind}: the operator has no right to {self.verb} {self.resource}",
                hint="one of the rights in harness.cluster.access.OPERATOR_RULES",
            )

    @property
    def affects(self) -> tuple[str, ...]:
        """What those rights are needed for."""
        match = self._asked
        return access.taken(match.verb, match.resource, match.subresource)

    @property
    def _asked(self) -> Match:
        """The requests that need the right."""
        resource, _, subresource = self.resource.partition("/")
        return Match(CONNECT if subresource else self.verb, resource, subresource)

    async def prepare(self, world: World) -> State:
        """The rights to be taken, and what makes the operator miss them."""
        role = await world.cluster.client.get(_ROLE)
        before = role.get("rules") or []
        lost = split(before, self.verb, self.resource)[1]
        if not lost:
            raise FaultError(f"{self.kind}: the operator has no such right now", hint="another fault may have taken it")
        match = self._asked
        said = f"the right to {self.verb or 'do anything with'} {self.resource or 'anything'}"
        if not world.cluster.proxied:
            return {"target": said, "rules": [], "lost": lost, "role": before}
        state = await refused.planned(world, self.kind, said, (match, FORBIDDEN), *access.asking(match))
        return {**state, "lost": lost, "role": before}

    async def inject(self, world: World, state: State) -> None:
        """Take them, and end watches once the API server goes by it."""
        role = await world.cluster.client.get(_ROLE)
        kept, _ = split(role.get("rules") or (), self.verb, self.resource)
        await world.cluster.client.patch(_ROLE, {"rules": kept})
        await _decided(world, state, allowed=False)
        await rules.put(world, state)

    async def bitten(self, world: World, state: State) -> str:
        """The API server says that the operator's user may not, and (but for get, which few need) has told it so."""
        said = await _decided(world, state, allowed=False)
        if not world.cluster.proxied or (self.verb == GET and not self._asked.subresource):
            return said
        return f"{said}; {await refused.met(world, state)}"

    async def heal(self, world: World, state: State) -> None:
        """Give them back, and the role its old form unless another fault still holds something back."""
        await rules.lift(world, state)
        now: list[Rule] = (await world.cluster.client.get(_ROLE)).get("rules") or []
        full = [*now, *(rule for rule in state["lost"] if rule not in now)]
        whole = rights_of(full) == rights_of(state["role"])
        await world.cluster.client.patch(_ROLE, {"rules": state["role"] if whole else full})

    async def healed(self, world: World, state: State) -> None:
        """The API server says that the operator's user may."""
        await _decided(world, state, allowed=True)


def split(given: Iterable[Mapping[str, Any]], verb: str, resource: str) -> tuple[list[Rule], list[Rule]]:
    """Rules of a role without a verb on a resource ("" is any), and rules of what they lack then; pure."""
    kept: list[Rule] = []
    lost: list[Rule] = []
    for rule in given:
        meant = [name for name in rule["resources"] if resource in {"", name}]
        others = [name for name in rule["resources"] if name not in meant]
        gone = [name for name in rule["verbs"] if verb in {"", name}]
        left = [name for name in rule["verbs"] if name not in gone]
        kept += [{**rule, "resources": names, "verbs": verbs}
                 for names, verbs in ((others, list(rule["verbs"])), (meant, left)) if names and verbs]  # fmt: skip
        lost += [{**rule, "resources": meant, "verbs": gone}] if meant and gone else []
    return kept, lost


def rights_of(given: Iterable[Mapping[str, Any]]) -> frozenset[tuple[str, str, str]]:
    """What rules of a role amount to: (group, resource, verb); pure."""
    return frozenset(
        (group, name, verb)
        for rule in given
        for group in rule["apiGroups"]
        for name in rule["resources"]
        for verb in rule["verbs"]
    )


async def _decided(world: World, state: State, *, allowed: bool) -> str:
    """Return once the API server decides so about the first of the rights: roles change as a whole."""
    right: Rule = state["lost"][0]
    resource, _, subresource = right["resources"][0].partition("/")
    asked = {
        "group": right["apiGroups"][0],
        "resource": resource,
        "subresource": subresource,
        "verb": right["verbs"][0],
    }
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": OPERATOR_USER, "resourceAttributes": asked},
    }
    what = f"{right['verbs'][0]} {right['resources'][0]}"

    async def seen(progress: Progress) -> str | None:
        try:
            said = (await world.cluster.client.create(_REVIEWS, body))["status"]["allowed"]
        except ClusterError as exc:
            progress.last = exc.what
            return None
        progress.last = f"{OPERATOR_USER} {'may' if said else 'may not'} {what}"
        return progress.last if said is allowed else None

    goal = "be allowed" if allowed else "be denied"
    return await until(f"{OPERATOR_USER} to {goal} to {what}", seen, deadline_s=BITE_DEADLINE_S, interval_s=0.1)
