"""Harm to the operator's configuration file (CONFIG-1).

A bad file, and none, excuse nothing: the last good configuration stays in force. Each fault ends with the file as it
was before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.cluster.configfile import RENAME, changed, cut_off, text
from harness.errors import FaultError, WaitTimeoutError
from harness.fault.base import (
    BITE_DEADLINE_S,
    NODE,
    OPERATOR,
    State,
    World,
    start_if_left_dead,
    start_operator,
)
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.cluster.configfile import ConfigFile

_STAYS_S = 3.0
"""Who has not ended by then goes on in spite of a bad file: that is known to be possible, and evidence as well."""

_NOWHERE = '[{node_filter: ".*", classes: [nowhere]}]'

BROKEN: Mapping[str, str] = {
    "not-yaml": "version: v1\nexclude: [\n",
    "unknown-key": text(()) + "unheard_of: true\n",
    "bad-regex": text(("worker-(",)),
    "empty-regex": text(("",)),
    "unknown-class": text((), rules=_NOWHERE),
    "wrong-type": "version: v1\nexclude:\n  nodes: 7\n",
    "cut-off": cut_off(text(("^unheard-of$",))),
    "empty": "",
}
"""What a bad file says, by its name. All are errors (contract, part A, "Configuration file") save the empty one, of
which the contract does not say whether it is bad or the default."""


class _FileChanged:
    """What the faults on the file have in common: the evidence, and the undo."""

    __slots__ = ()

    how: str

    async def bitten(self, world: World, state: State) -> str:
        """Whoever reads through the operator's path finds what the fault put there."""
        return await _reads(world, state["text"])

    async def heal(self, world: World, state: State) -> None:
        """Give the file what it said before, in the same way."""
        await _put(world, state["after"], self.how)

    async def healed(self, world: World, state: State) -> None:
        """The file says again what it said before."""
        await _reads(world, state["after"])


@dataclass(frozen=True, slots=True)
class ConfigChanged(_FileChanged):
    """The configuration file excludes the nodes that `exclude` matches, for `for_s` seconds, and then those of before.

    `storage`: the storage classes that it names meanwhile; None: those of before. `how` is one of `configfile.WAYS`.
    `for_good`: it stays changed. `restart_operator`: the operator is killed before the change and started after it;
    that excuses lateness up to RECOVER-1's objective after the heal, so a change back that is to be judged is a fault
    of its own.
    """

    exclude: tuple[str, ...] = ()
    storage: tuple[str, ...] | None = None
    how: str = RENAME
    for_s: float = 8.0
    for_good: bool = False
    restart_operator: bool = False
    kind: ClassVar[str] = "config-changed"

    @property
    def affects(self) -> tuple[str, ...]:
        """Other nodes are to be reported; a restarted operator has nothing to report at first."""
        return (NODE, OPERATOR) if self.restart_operator else (NODE,)

    async def prepare(self, world: World) -> State:
        """What the file says now, what it is to say, and what it says in the end."""
        before = _file(world).read()
        wanted = changed(before or "", exclude=self.exclude, storage=self.storage)
        return _planned(world, wanted, for_good=self.for_good)

    async def inject(self, world: World, state: State) -> None:
        """Change the file; with a restart, while the operator is dead."""
        if self.restart_operator:
            await world.operator.kill(again=False)
        await _put(world, state["text"], self.how)
        if self.restart_operator:
            await start_operator(world, state)

    async def heal(self, world: World, state: State) -> None:
        """Give the file what it is to say in the end, in the same way; start the operator where it was left dead."""
        await _put(world, state["after"], self.how)
        if self.restart_operator:
            await start_if_left_dead(world, state)


@dataclass(frozen=True, slots=True)
class ConfigBroken(_FileChanged):
    """The configuration file is bad for `for_s` seconds, and then good again; `what` is one of `BROKEN`.

    Longer than CONFIG-1's 5 s, so that an operator that looks now and then has met it. `how` is one of
    `configfile.WAYS`; with `in-place` the file is empty for a moment before it is bad, and the last good content may
    then be either.
    """

    what: str = "not-yaml"
    how: str = RENAME
    for_s: float = 7.0
    kind: ClassVar[str] = "config-broken"
    affects: ClassVar[tuple[str, ...]] = ()

    async def prepare(self, world: World) -> State:
        """What the file says now, and what it is to say."""
        return _planned(world, BROKEN[self.what])

    async def inject(self, world: World, state: State) -> None:
        """Change the file."""
        await _put(world, state["text"], self.how)


@dataclass(frozen=True, slots=True)
class ConfigDeleted(_FileChanged):
    """There is no configuration file for `for_s` seconds, and then it is back, in the way that `how` says.

    In a ConfigMap volume the operator's link leads nowhere and is removed, as when the ConfigMap loses the key.
    """

    how: str = RENAME
    for_s: float = 7.0
    kind: ClassVar[str] = "config-deleted"
    affects: ClassVar[tuple[str, ...]] = ()

    async def prepare(self, world: World) -> State:
        """What the file says now."""
        return _planned(world, None)

    async def inject(self, world: World, state: State) -> None:
        """Remove it."""
        await _put(world, state["text"], self.how)


@dataclass(frozen=True, slots=True)
class ConfigBadAtStart(_FileChanged):
    """The operator is started anew while its configuration file is bad, which it is for `for_s` seconds.

    It has no last good configuration to keep. By the contract (part A, "Process") it exits non-zero and says why; its
    supervisor starts it again, and again, until the file is good. One that stays must not tell what no file has said.
    `what` is one of `BROKEN`, but not the empty one, of which nobody knows whether it is bad.
    """

    what: str = "wrong-type"
    how: str = RENAME
    for_s: float = 5.0
    kind: ClassVar[str] = "config-bad-at-start"
    affects: ClassVar[tuple[str, ...]] = (OPERATOR,)

    async def prepare(self, world: World) -> State:
        """What the file says now, and what it is to say."""
        if not world.operator.supervised:
            raise FaultError(
                "config-bad-at-start needs a supervised operator", hint="give the scenario supervised=True"
            )
        return _planned(world, BROKEN[self.what])

    async def inject(self, world: World, state: State) -> None:
        """Change the file while the operator is dead, and start it."""
        await world.operator.kill(again=False)
        await _put(world, state["text"], self.how)
        await start_operator(world, state)
        state["pid"] = world.operator.pid

    async def bitten(self, world: World, state: State) -> str:
        """The operator has been started while its file is bad."""
        said = await _reads(world, state["text"])
        if "pid" not in state:
            raise FaultError("the operator was not started with the bad file")

        async def ended(progress: Progress) -> bool | None:
            progress.last = "it runs"
            return world.operator.pid != state["pid"] or None

        then = "has ended"
        try:
            await until("the operator to end over its configuration", ended, deadline_s=_STAYS_S)
        except WaitTimeoutError:
            then = f"was still there {_STAYS_S:g} s later"
        return f"{said}; the operator was started with it, and {then}"

    async def heal(self, world: World, state: State) -> None:
        """Give the file what it said before, in the same way; start the operator where it was left dead."""
        await _put(world, state["after"], self.how)
        await start_if_left_dead(world, state)


def _planned(world: World, content: str | None, *, for_good: bool = False) -> State:
    before = _file(world).read()
    if before is None:
        raise FaultError("there is no configuration file to change")
    return {"target": _file(world).path.name, "text": content, "after": content if for_good else before}


def _file(world: World) -> ConfigFile:
    if world.config is None:
        raise FaultError("the operator was given no configuration file", hint="give the scenario a configuration")
    return world.config


async def _put(world: World, content: str | None, how: str) -> None:
    if not _same(_file(world).read(), content):
        await world.set_config(content, how)


async def _reads(world: World, content: str | None) -> str:
    file = _file(world)

    async def seen(progress: Progress) -> str | None:
        found = file.read()
        progress.last = f"it reads {found!r}"
        if not _same(found, content):
            return None
        return f"{file.path.name} is not there" if found is None else f"{file.path.name} reads {found.rstrip()!r}"

    return await until(f"{file.path.name} to have changed", seen, deadline_s=BITE_DEADLINE_S)


def _same(found: str | None, content: str | None) -> bool:
    """Whether both say the same; empty lines at the end say nothing."""
    return (found is None) is (content is None) and (found or "").rstrip("\n") == (content or "").rstrip("\n")
