"""A real relay on loopback: what passes, what is late, what is held back, and what is cut."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cluster.relay import ANY, PASS, Link, Relay, Rule, describe
from harness.wait import Progress, interval, until
from tests.unit.cluster.wire import HANG_S, Wire, ends, none_open, over, quiet, reset


def test_bytes_and_the_end_pass_both_ways() -> None:
    """What one end says the other hears, and an end that has said all can still listen."""

    async def story(wire: Wire) -> None:
        (near_in, near_out), (far_in, far_out) = await wire.connect()
        near_out.write(b"question")
        near_out.write_eof()
        assert await far_in.read() == b"question"
        far_out.write(b"answer")
        far_out.close()
        assert await near_in.read() == b"answer"
        assert (wire.link.accepted, wire.link.refused, wire.link.bytes) == (1, 0, 14)

    over(story)


def test_every_byte_is_late_in_order_and_both_ways() -> None:
    """Each piece takes at least the delay, and so does the answer."""
    delay_s = 0.15

    async def story(wire: Wire) -> None:
        wire.set_rule(Rule(delay_s=delay_s))
        (near_in, near_out), (far_in, far_out) = await wire.connect()
        sent: list[float] = []
        for number in range(5):
            sent.append(time.monotonic())
            near_out.write(bytes([number]))
            await interval(0.03)
        for number in range(5):
            assert await far_in.readexactly(1) == bytes([number])
            assert time.monotonic() - sent[number] >= delay_s
        began = time.monotonic()
        far_out.write(b"answer")
        assert await near_in.readexactly(6) == b"answer"
        assert time.monotonic() - began >= delay_s

    over(story)


def test_what_is_under_way_arrives_once_the_delay_is_lifted() -> None:
    """A byte waits for the rule of now, not for that of when it was sent."""

    async def story(wire: Wire) -> None:
        wire.set_rule(Rule(delay_s=10 * HANG_S))
        (_near_in, near_out), (far_in, _far_out) = await wire.connect()
        near_out.write(b"late")
        assert await quiet(far_in)
        wire.set_rule(PASS)
        assert await far_in.readexactly(4) == b"late"

    over(story)


@pytest.mark.parametrize("size", [10, 6 << 20])
def test_a_stall_holds_everything_back_and_loses_nothing(size: int) -> None:
    """Neither bytes nor the end arrive until it is lifted, and then all of them do, also more than is held back."""
    data = bytes(index % 251 for index in range(size))

    async def story(wire: Wire) -> None:
        (near_in, near_out), (far_in, far_out) = await wire.connect()
        wire.set_rule(Rule(stall=True))
        near_out.write(data)
        near_out.write_eof()
        far_out.write(data)
        far_out.write_eof()
        assert await quiet(far_in)
        assert await quiet(near_in)
        wire.set_rule(PASS)
        heard = await asyncio.gather(far_in.read(), near_in.read())
        assert [said == data for said in heard] == [True, True]

    over(story)


def test_a_stall_does_not_even_tell_of_a_reset() -> None:
    """Whoever is behind a silent link does not learn that the other end is gone until the link speaks again."""

    async def story(wire: Wire) -> None:
        (_near_in, near_out), (far_in, _far_out) = await wire.connect()
        near_out.write(b"last words")
        assert await far_in.readexactly(10) == b"last words"
        wire.set_rule(Rule(stall=True))
        reset(near_out)
        assert await quiet(far_in)
        wire.set_rule(PASS)
        assert await ends(far_in)

    over(story)


def test_a_reset_at_one_end_ends_the_other() -> None:
    """A connection whose one end broke is not left half open."""

    async def story(wire: Wire) -> None:
        (near_in, _near_out), (_far_in, far_out) = await wire.connect()
        reset(far_out)
        assert await ends(near_in)
        await until("the connection to be forgotten", none_open(wire.relay), deadline_s=HANG_S)

    over(story)


def test_a_cut_ends_what_is_open_and_lets_nothing_in() -> None:
    """Both ends of an open connection are told, a new one is closed at once, and after the cut a new one passes."""

    async def story(wire: Wire) -> None:
        (near_in, _near_out), (far_in, _far_out) = await wire.connect()
        wire.set_rule(Rule(cut=True))
        assert await ends(near_in)
        assert await ends(far_in)
        reader, _writer = await wire.dial()
        assert await ends(reader)
        assert (wire.link.accepted, wire.link.refused) == (1, 1)
        while not wire.arrived.empty():
            wire.arrived.get_nowait()
        wire.set_rule(PASS)
        (_near_in, near_out), (far_in, _far_out) = await wire.connect()
        near_out.write(b"again")
        assert await far_in.readexactly(5) == b"again"

    over(story)


def test_a_cut_also_ends_what_is_stalled() -> None:
    """A cut goes before a stall: what is held back is lost."""

    async def story(wire: Wire) -> None:
        (near_in, near_out), (far_in, _far_out) = await wire.connect()
        wire.set_rule(Rule(stall=True))
        near_out.write(b"held")
        assert await quiet(far_in)
        wire.set_rule(Rule(cut=True))
        assert await ends(far_in)
        assert await ends(near_in)

    over(story)


def test_a_rule_for_one_who_dials_is_no_rule_for_others() -> None:
    """The connection of the source that is named is silent, another's passes, and so does either after the lift."""

    async def story(wire: Wire) -> None:
        (_, harmed_out), (harmed_in, _) = await wire.connect("m1")
        (_, other_out), (other_in, _) = await wire.connect("m2")
        wire.set_rule(Rule(stall=True), "m1")
        harmed_out.write(b"one")
        other_out.write(b"two")
        assert await other_in.readexactly(3) == b"two"
        assert await quiet(harmed_in)
        assert wire.relay.command({"do": "stats"})["links"]["it"]["sources"] == ["m1", "m2"]
        wire.set_rule(PASS, "m1")
        assert await harmed_in.readexactly(3) == b"one"

    over(story, by_source=True)


def test_who_dials_while_there_is_a_rule_for_them_meets_it() -> None:
    """A new connection of the source is closed at once; nobody is looked up as long as no rule asks for it."""

    async def story(wire: Wire) -> None:
        await wire.connect("m1")
        assert wire.looks == 0
        wire.set_rule(Rule(cut=True), "stranger")
        reader, _writer = await wire.dial()
        assert await ends(reader)
        assert wire.link.refused == 1
        assert len(wire.relay._open) == 1

    over(story, by_source=True)


def test_one_look_tells_who_dialled_all_of_them() -> None:
    """However many connections are open, a rule for a source costs one look: it must not keep the bytes waiting."""

    async def story(wire: Wire) -> None:
        for number in range(20):
            await wire.connect(f"m{number % 2}")
        wire.set_rule(Rule(cut=True), "m1")
        assert wire.looks == 1
        assert {each.source for each in wire.relay._open} == {"m0", "m1"}

    over(story, by_source=True)


def test_the_rule_of_a_source_goes_before_the_rule_of_all() -> None:
    """A source without a rule of its own has that of all."""
    link = Link("it", 1, [2], by_source=True)
    link.rules = {ANY: Rule(delay_s=1.0), "m1": Rule(stall=True)}

    assert link.rule("m1") == Rule(stall=True)
    assert link.rule("m2") == link.rule(ANY) == Rule(delay_s=1.0)
    assert Link("it", 1, [2]).rule("m1") == PASS


def test_a_link_without_sources_never_asks_who_dials() -> None:
    """A rule for all is enough where it does not matter who dials."""

    async def story(wire: Wire) -> None:
        await wire.connect("m1")
        wire.set_rule(Rule(stall=True), "m1")
        wire.set_rule(Rule(stall=True))
        await wire.connect("m2")
        assert wire.looks == 0

    over(story)


def test_a_target_that_is_dead_is_passed_over() -> None:
    """The next one is dialled instead, whichever turn it is."""

    async def story(wire: Wire) -> None:
        with socket.create_server(("127.0.0.1", 0)) as gone:
            wire.link.targets.insert(0, gone.getsockname()[1])
        for _ in range(3):
            (_, near_out), (far_in, _) = await wire.connect()
            near_out.write(b"x")
            assert await far_in.readexactly(1) == b"x"
        assert (wire.link.accepted, wire.link.refused) == (3, 0)

    over(story)


def test_without_any_target_a_connection_is_refused() -> None:
    """It is closed at once, and counted."""

    async def story(wire: Wire) -> None:
        wire.link.targets.clear()
        reader, _writer = await wire.dial()
        assert await ends(reader)
        assert (wire.link.accepted, wire.link.refused) == (0, 1)

    over(story)


@pytest.mark.parametrize("drops", [True, False])
def test_a_balanced_link_leads_to_what_is_ready(monkeypatch: pytest.MonkeyPatch, *, drops: bool) -> None:
    """New connections go to the ready target alone; open ones to the other are reset only where the link says so."""
    ready: set[int] = set()

    async def asked(_relay: Relay, _link: Link, port: int) -> bool:
        return port in ready

    monkeypatch.setattr(Relay, "_ready", asked)

    async def story(wire: Wire) -> None:
        async def seen(progress: Progress) -> bool | None:
            progress.last = str(wire.link.ready)
            return wire.link.ready == ready or None

        first, second = wire.link.targets
        ready.add(first)
        await until("the first to be ready", seen, deadline_s=HANG_S)
        (near_in, _), (far_in, far_out) = await wire.connect()
        assert far_out.get_extra_info("sockname")[1] == first
        ready.symmetric_difference_update({first, second})
        await until("the second to be ready", seen, deadline_s=HANG_S)
        for _ in range(3):
            _, (_, far_out) = await wire.connect()
            assert far_out.get_extra_info("sockname")[1] == second
        assert (await ends(near_in) and await ends(far_in)) if drops else await quiet(near_in)

    over(story, servers=2, health="/readyz", drops=drops)


@given(st.lists(st.integers(1, 65535), unique=True, max_size=6), st.data())
def test_the_ready_targets_take_turns(targets: list[int], data: st.DataObject) -> None:
    """Each attempt may try every ready target once, and in as many attempts each is the first once."""
    ready = data.draw(st.sets(st.sampled_from(targets))) if targets else set()
    link = Link("it", 1, targets, health="/readyz", ready=set(ready))

    tried = [link.candidates() for _ in range(len(ready))]

    assert all(sorted(ports) == sorted(ready) for ports in tried)
    assert {ports[0] for ports in tried} == ready
    assert sorted(Link("it", 1, targets, ready=set(ready)).candidates()) == sorted(targets)


def test_links_survive_their_description() -> None:
    """What the relay's process reads is what was described."""
    links = [
        Link("peer-m0", 18001, [18002], by_source=True),
        Link("sql", 18003, [5432], host="10.0.0.1"),
        Link("own", 18004, [18005, 18006], health="/readyz", drops=True),
    ]

    assert [Link(**body) for body in json.loads(describe(links))] == links


def test_commands_are_carried_out_or_refused() -> None:
    """A rule is set, counters are told, and what is not known is named."""

    async def story(wire: Wire) -> None:
        command = wire.relay.command
        rule = {"delay_s": 0.5, "stall": False, "cut": False}
        assert command({"do": "ping"}) == {"ok": True}
        assert command({"do": "rule", "name": "it", "source": "m1", "rule": rule}) == {"ok": True}
        assert wire.link.rule("m1") == Rule(delay_s=0.5)
        assert command({"do": "rule", "name": "no", "source": ANY, "rule": {}}) == {
            "error": "no link 'no' (there are it)"
        }
        assert command({"do": "dance"}) == {"error": "unknown command 'dance'"}
        assert command({"do": "stats"})["links"]["it"] == {
            "accepted": 0, "refused": 0, "bytes": 0, "late": 0, "rules": {"m1": rule}, "open": 0, "sources": [],
            "ready": [],
        }  # fmt: skip

    over(story)
