"""Faults of the discovery API and of the registry: what is told to the helper process, and what counts as evidence."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from harness import faults
from harness.cluster.egress import FAULTY
from harness.cluster.hardware import registry
from harness.cluster.sidecar import REGISTRY_FAULTY
from harness.errors import FaultError
from harness.fault import registry as registry_fault
from harness.fault.base import OPERATOR
from tests.unit.fault.world import Fake, fake

if TYPE_CHECKING:
    from harness.fault.base import Fault

NAMES = (("a100", "a100-80g"),)
PLAIN, RENAMED = registry(), registry(names=dict(NAMES))


@pytest.mark.parametrize("mode", FAULTY)
def test_a_discovery_api_misbehaves_and_answers_again(mode: str) -> None:
    """The mode and its delay are told, a request that met it is the evidence, and the undo may come twice."""
    made = fake()
    fault = faults.DiscoveryBroken(mode=mode, delay_s=4.0, node="n1")

    async def story() -> str:
        state = await fault.prepare(made.world)
        await fault.inject(made.world, state)
        made.cluster.stats["misbehaved"] += 2
        said = await fault.bitten(made.world, state)
        for _ in range(2):
            await fault.heal(made.world, state)
        return said

    assert asyncio.run(story()) == f"2 requests met a discovery API in mode {mode}"
    assert made.cluster.told == [("n1", mode, 4.0), ("n1", "answer", 0.0), ("n1", "answer", 0.0)]
    assert made.api.log == []


@pytest.mark.parametrize("mode", REGISTRY_FAULTY)
def test_a_registry_misbehaves_and_answers_again(mode: str) -> None:
    """A request that met it is the evidence; it excuses nothing, for the old content has to be kept."""
    made = fake()
    fault = faults.RegistryBroken(mode=mode)

    async def story() -> str:
        state = await fault.prepare(made.world)
        await fault.inject(made.world, state)
        made.cluster.asked()
        said = await fault.bitten(made.world, state)
        for _ in range(2):
            await fault.heal(made.world, state)
        return said

    assert asyncio.run(story()) == "the registry was asked 1 times since"
    assert made.cluster.told == [mode, "answer", "answer"]
    assert fault.affects == ()


@pytest.mark.parametrize(
    "fault", [faults.RegistryBroken(mode="wrong", restart_operator=True), faults.DiscoveryBroken(restart_operator=True)]
)
@pytest.mark.parametrize("cut_off", [True, False])
def test_an_operator_is_started_by_the_undo_only_where_it_was_left_dead(fault: Fault, cut_off: bool) -> None:
    """Where the injection was cut off between end and start; one that ends by itself later is not helped up."""
    made = fake()

    async def story() -> None:
        state = await fault.prepare(made.world)
        injected = dict(state)
        await fault.inject(made.world, injected)
        await made.operator.kill()
        for _ in range(2):
            await fault.heal(made.world, state if cut_off else injected)

    asyncio.run(story())

    assert made.api.log == ["kill", "start", "kill", *(["start"] if cut_off else [])]
    assert OPERATOR in fault.affects


async def _flapped(made: Fake, fault: faults.RegistryFlaps, asked: int) -> str:
    state = await fault.prepare(made.world)
    await fault.inject(made.world, state)
    state["met"] = state["asked"] + asked
    return await fault.bitten(made.world, state)


@pytest.mark.parametrize("times", [2, 5])
def test_a_registry_that_flaps_ends_with_what_stays(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Every content differs from the one before, each is recorded as the truth, and the last is the renamed one."""
    monkeypatch.setattr(registry_fault, "_FLAP_S", 0.0)
    made = fake()

    said = asyncio.run(_flapped(made, faults.RegistryFlaps(NAMES, times=times), 3))

    assert made.registries == ([PLAIN, RENAMED] * times)[-times:]
    assert said == f"the registry was asked 3 times while its content changed {times} times"


def test_a_flapping_that_nobody_read_is_no_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """One reading sees one content."""
    monkeypatch.setattr(registry_fault, "_FLAP_S", 0.0)

    with pytest.raises(FaultError, match="asked 1 times while it changed"):
        asyncio.run(_flapped(fake(), faults.RegistryFlaps(NAMES, times=3), 1))


def test_a_flapping_that_was_cut_off_ends_with_what_stays() -> None:
    """The undo gives the last content, from the journal's state, as often as it is asked to."""
    made = fake()
    fault = faults.RegistryFlaps(NAMES)

    async def story() -> None:
        state = await fault.prepare(made.world)
        injecting = asyncio.create_task(fault.inject(made.world, dict(state)))
        await asyncio.wait({injecting}, timeout=0.05)
        injecting.cancel()
        await asyncio.wait({injecting})
        for _ in range(2):
            await fault.heal(made.world, state)

    asyncio.run(story())

    assert made.registries[-2:] == [RENAMED, RENAMED]


def test_a_vendor_goes_and_comes() -> None:
    """Without it there is none of its products; with a change that leaves out nobody, all is as at the start."""
    made = fake()

    async def story() -> None:
        for fault in (faults.RegistryChanged(without=("nvidia",)), faults.RegistryChanged()):
            await fault.inject(made.world, await fault.prepare(made.world))

    asyncio.run(story())

    without, again = made.registries
    assert {vendor["name"] for vendor in without.values()} == {"amd"}
    assert again == PLAIN
