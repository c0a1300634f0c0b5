"""Harm to the SQL server behind kine: no connections for it, or no writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.cluster.kine import KineStore
from harness.errors import ClusterError, FaultError
from harness.fault import evidence
from harness.fault.base import API, State, World
from harness.fault.crowd import new_key

if TYPE_CHECKING:
    from harness.cluster.sqlserver import SqlServer

_READY_DEADLINE_S = 60.0


def sql(world: World) -> SqlServer:
    """The SQL server behind the cluster; raises FaultError when there is none."""
    store = world.cluster.datastore
    if not isinstance(store, KineStore) or store.sql is None:
        raise FaultError(
            f"the datastore is {store.source}, and the fault needs a SQL server",
            hint="run it with --datastore postgres or mysql",
        )
    return store.sql


@dataclass(frozen=True, slots=True)
class ConnectionsExhausted:
    """kine's sessions at the SQL server are ended and it gets no new ones, as from a server that is full."""

    for_s: float = 5.0
    kind: ClassVar[str] = "connections-exhausted"
    affects: ClassVar[tuple[str, ...]] = (API,)

    async def prepare(self, world: World) -> State:
        """Which server."""
        return {"target": sql(world).name, "key": new_key(self.kind)}

    async def inject(self, world: World, state: State) -> None:
        """Take every connection."""
        if (held := await sql(world).exhaust()) is not None:
            world.held[state["key"]] = held

    async def bitten(self, world: World, state: State) -> str:
        """The API server says it is not ready without its datastore."""
        del state
        return await evidence.unready(world.cluster)

    async def heal(self, world: World, state: State) -> None:
        """Give the connections back; what is held open ends, in the process that holds it."""
        await sql(world).admit()
        if (held := world.held.pop(state["key"], None)) is not None:
            held.close()

    async def healed(self, world: World, state: State) -> None:
        """The API server says it is ready."""
        del state
        await world.cluster.ready(_READY_DEADLINE_S)


_LATEST = "SELECT max(id) FROM kine"


@dataclass(frozen=True, slots=True)
class SqlReadOnly:
    """The SQL server takes no writes for `for_s` seconds, as a replica does that was not promoted."""

    for_s: float = 5.0
    kind: ClassVar[str] = "sql-read-only"
    affects: ClassVar[tuple[str, ...]] = ()

    async def prepare(self, world: World) -> State:
        """Which server."""
        return {"target": sql(world).name}

    async def inject(self, world: World, state: State) -> None:
        """Make it read-only."""
        del state
        await sql(world).set_read_only(True)

    async def bitten(self, world: World, state: State) -> str:
        """A write through the API server leaves no row.

        What the API server answers is no evidence: kine 0.17 calls a creation done that it could not store.
        """
        del state
        before = await sql(world).query(_LATEST)
        try:
            await evidence.write(world.cluster)
            said = "and it was called done"
        except ClusterError as exc:
            said = f"and it was refused: {exc.what}"
        after = await sql(world).query(_LATEST)
        if before != after:
            raise FaultError(f"the SQL server still takes writes: row {after[0][0]} after row {before[0][0]}")
        return f"a write left no row after {before[0][0]}, {said}"

    async def heal(self, world: World, state: State) -> None:
        """Let it be written again."""
        del state
        await sql(world).set_read_only(False)

    async def healed(self, world: World, state: State) -> None:
        """A write goes through again."""
        del state
        await evidence.write_accepted(world.cluster)
