"""Each kind of fault on a real cluster with a real operator. Not unit tests: `tox run -e faults`.

A story in phases: prepared, it has changed nothing and gives no evidence; injected, it does; and when all that the
harness had in memory is gone, the journal is enough to undo it, and the world is as before.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

import pytest

from harness import seed as seeds
from harness.clock import RunClock
from harness.errors import ClusterError
from harness.fault import catalog, evidence
from harness.fault.journal import FILE_NAME, Entry, Journal, pending
from harness.history.writer import HistoryWriter
from harness.run import Setup
from harness.run.choose import choose
from harness.run.engine import GATE_QUIET_S
from harness.run.nemesis import NO_PROOF
from harness.run.stage import staged
from harness.wait import Progress, at_most, until
from tests.faults.cases import CASES, SIMULATED, Case
from tests.faults.look import Look, changed, look

if TYPE_CHECKING:
    from pathlib import Path

    from harness.run.stage import Stage
    from harness.run.world import RunWorld
    from harness.toolchain import Toolchain

SEED = 1
NO_EVIDENCE_S = 2.0
"""How long evidence is awaited that must not come."""

AS_BEFORE_S = 15.0
"""Pods that were evicted, taints of the controllers': what the cluster itself may need until it is as before."""


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("kind", SIMULATED)
def test_a_fault_bites_and_is_undone_from_the_journal(kind: str, toolchain: Toolchain, tmp_path: Path) -> None:
    """There is no evidence before the harm and there is after it; the journal alone is enough to undo it."""
    case = CASES[kind]
    # One fault at a time: the cluster is as the scenario wants it, with all that its other faults need.
    setup = Setup(toolchain, choose("reference", None), tmp_path, SEED)

    asyncio.run(_story(case, setup, tmp_path))


async def _story(case: Case, setup: Setup, bundle: Path) -> None:
    (bundle / "logs").mkdir()
    history = HistoryWriter(bundle, RunClock())
    try:
        async with staged(case.scenario, setup, history, bundle / "logs", lambda _phase: None) as stage:
            await stage.agree(case.scenario.gate_deadline_s, GATE_QUIET_S, "the operator's first true inventory")
            before = await look(stage)
            drivers = [one for one in (stage.driver(), stage.volume_driver()) if one is not None]
            traffic = [stage.spawn(one.run()) for one in drivers]
            await _without_the_harm(case, stage, before)
            said = await _bites(case, stage.world, Journal(bundle))
            history.add("mark", mark="bitten", detail=said)
            after_death = _dies(stage)
            await _healed_from(bundle, after_death)
            for one in drivers:
                one.stop()
            await asyncio.gather(*traffic)
            await _as_before(case, stage, before)
    finally:
        history.close()


async def _without_the_harm(case: Case, stage: Stage, before: Look) -> None:
    state = await case.fault.prepare(stage.world)
    assert changed(before, await look(stage), but=frozenset()) == {}
    with at_most(NO_EVIDENCE_S), pytest.raises(NO_PROOF):
        await case.fault.bitten(stage.world, state)


async def _bites(case: Case, world: RunWorld, journal: Journal) -> str:
    state = await case.fault.prepare(world)
    journal.open(Entry("0", case.fault.kind, catalog.to_json(case.fault), state))
    await case.fault.inject(world, state)
    return await case.fault.bitten(world, state)


def _dies(stage: Stage) -> RunWorld:
    """What a harness that begins anew has: the cluster, and nothing of what the dead one kept open."""
    for held in stage.world.held.values():
        held.close()
    return dataclasses.replace(stage.world, held={}, rng=seeds.stream(SEED, "after"))


async def _healed_from(bundle: Path, world: RunWorld) -> None:
    (entry,) = pending(bundle / FILE_NAME)
    fault = catalog.from_json(entry.plan)
    for _ in range(2):
        await fault.heal(world, entry.state)
    await fault.healed(world, entry.state)
    assert world.held == {}


async def _as_before(case: Case, stage: Stage, before: Look) -> None:
    quiet_s = case.scenario.quiet_s
    await stage.agree(stage.objective_s + quiet_s, quiet_s, "the inventory to be true and stay true")

    async def same(progress: Progress) -> bool | None:
        try:
            # An operator makes its discovery pods anew at times, and those of a node that is gone go with it.
            differing = changed(before, await look(stage), but=case.lasting | {"pods"})
        except ClusterError as exc:
            progress.last = exc.what
            return None
        progress.last = str(differing)
        return not differing or None

    await until("the world to be as before", same, deadline_s=AS_BEFORE_S, interval_s=0.2)
    await evidence.write_accepted(stage.cluster)
