"""What the saboteurs of StreamCluster tell, beside what the correct operator does; without a cluster."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from harness.reference import streams
from harness.reference.behaviour import CORRECT, Behaviour
from harness.reference.defects import DEFECTS
from tests.unit.reference.serving import Serving, see, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

NOTHING_COMES_S = 0.3


@pytest.fixture(autouse=True)
def _nobody_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_open", [])


def _run(check: Callable[[Serving], Coroutine[Any, Any, None]], behaviour: Behaviour) -> None:
    async def scenario() -> None:
        async with serving(behaviour) as operator:
            await check(operator)

    asyncio.run(scenario())


def of(name: str) -> Behaviour:
    """The behaviour of a saboteur."""
    return DEFECTS[name].behaviour


async def names(stream: Any) -> list[str]:
    """The nodes of its next message; none when nothing comes."""
    try:
        async with asyncio.timeout(NOTHING_COMES_S):
            return [node.name for node in (await stream.read()).nodes]
    except TimeoutError:
        return []


def test_the_correct_operator_tells_each_change_to_every_client() -> None:
    """Ten clients are told the inventory at once, and the change; then nothing, because nothing changes."""

    async def check(operator: Serving) -> None:
        await see(operator, "a")
        calls = [operator.stream() for _ in range(10)]
        assert [await names(call) for call in calls] == [["a"]] * 10
        operator.node("b")
        assert [await names(call) for call in calls] == [["a", "b"]] * 10
        assert await names(calls[0]) == []
        for call in calls:
            call.cancel()

    _run(check, CORRECT)


def test_stream_goes_back_tells_the_one_before_again() -> None:
    """The new inventory, the older one, and a second later the new one once more."""

    async def check(operator: Serving) -> None:
        await see(operator, "a")
        stream = operator.stream()
        assert await names(stream) == ["a"]
        operator.node("b")
        assert [node.name for node in (await stream.read()).nodes] == ["a", "b"]
        assert [node.name for node in (await stream.read()).nodes] == ["a"]
        assert [node.name for node in (await stream.read()).nodes] == ["a", "b"]
        stream.cancel()

    _run(check, of("stream-goes-back"))


def test_stream_greets_few_lets_the_fifth_wait_for_a_change() -> None:
    """Four are told at once; the fifth is told of the next change."""

    async def check(operator: Serving) -> None:
        await see(operator, "a")
        for _ in range(4):
            stream = operator.stream()
            assert await names(stream) == ["a"]
            stream.cancel()
        fifth = operator.stream()
        read = asyncio.create_task(fifth.read())
        await asyncio.wait({read}, timeout=NOTHING_COMES_S)
        assert not read.done()
        operator.node("b")
        assert [node.name for node in (await read).nodes] == ["a", "b"]
        fifth.cancel()

    _run(check, of("stream-greets-few"))


def test_stream_tells_few_leaves_the_fifth_with_its_first() -> None:
    """All five are told at once, four of the change; when one of those leaves, the fifth is told of the next."""

    async def check(operator: Serving) -> None:
        await see(operator, "a")
        calls = []
        for _ in range(5):  # one after another, so that they are numbered in that order
            calls.append(operator.stream())
            assert await names(calls[-1]) == ["a"]
        operator.node("b")
        for call in calls[:4]:
            assert await names(call) == ["a", "b"]
        assert streams._open == [1, 2, 3, 4, 5]
        calls[0].cancel()
        async with asyncio.timeout(5):
            while len(streams._open) == 5:
                await asyncio.wait({asyncio.ensure_future(operator.get("/metrics/ready"))})
        operator.node("c")
        assert await names(calls[4]) == ["a", "b", "c"]
        for call in calls[1:]:
            call.cancel()

    _run(check, of("stream-tells-few"))
