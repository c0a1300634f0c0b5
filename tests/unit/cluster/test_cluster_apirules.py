"""Rules as data: what they match, when it is their turn, and what a refusal says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cluster.apicalls import VERBS, Call
from harness.cluster.apirules import OF_CALLS, OF_WATCHES, Action, Active, ApiRule, Match, Rules, status

WORD = st.sampled_from(["", "a", "b"])
CALLS = st.builds(
    Call, st.sampled_from(VERBS), WORD, resource=WORD, subresource=WORD, namespace=WORD, name=WORD
)  # fmt: skip
MATCHES = st.builds(
    Match, st.sampled_from(["", *VERBS]), resource=WORD, subresource=WORD, namespace=WORD, name=WORD
)  # fmt: skip
ACTIONS = st.builds(
    Action,
    st.sampled_from(sorted(OF_CALLS | OF_WATCHES)),
    status=st.integers(400, 599),
    retry_after_s=st.integers(0, 60),
    delay_s=st.floats(0, 30),
    after_bytes=st.integers(0, 1 << 20),
    after_s=st.floats(0, 30),
    types=st.lists(st.sampled_from(["ADDED", "DELETED"]), max_size=2).map(tuple),
    open_only=st.booleans(),
    version=st.integers(0).map(str),
)
RULES = st.builds(ApiRule, st.text(min_size=1), MATCHES, ACTIONS, st.integers(0, 3), st.integers(0, 3))


@given(RULES)
def test_a_rule_survives_the_journey(rule: ApiRule) -> None:
    """What arrives over the control socket is what was sent."""
    assert ApiRule.from_json(json.loads(json.dumps(rule.as_json()))) == rule


@given(MATCHES, CALLS)
def test_a_match_names_what_must_be_equal(match: Match, call: Call) -> None:
    """What it leaves open matches anything; a watch of a collection may bring what the match picks out."""
    parts = ("verb", "resource", "subresource", "namespace", "name")
    same = {part for part in parts if getattr(match, part) in {"", getattr(call, part)}}

    assert match.of(call) is (same == set(parts))
    assert not match.of(call) or call.verb != "watch" or match.within(call)
    assert match.within(call) is (
        call.verb == "watch"
        and same >= {"verb", "resource", "subresource"}
        and all(part in same or not getattr(call, part) for part in ("namespace", "name"))
    )


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 20))
def test_turns_are_counted(skip: int, times: int, meets: int) -> None:
    """The first are let pass, then it acts, at most so many times."""
    active = Active(ApiRule("it", Match(), Action("reset"), skip=skip, times=times))

    turns = [active.turn() for _ in range(meets)]

    acted = max(0, meets - skip) if not times else min(times, max(0, meets - skip))
    assert turns == [False] * min(skip, meets) + [True] * acted + [False] * (meets - min(skip, meets) - acted)
    assert (active.met, active.acted) == (meets, acted)


def test_rules_act_in_the_order_in_which_they_were_set() -> None:
    """The first that is about a call acts on it; when it has acted its times, the next one does."""
    rules = Rules()
    rules.set(ApiRule("once", Match(), Action("reset"), times=1))
    rules.set(ApiRule("always", Match(resource="nodes"), Action("hang")))
    rules.set(ApiRule("frozen", Match(), Action("watch-freeze")))
    call = Call("list", "", "nodes")

    found = [rules.on_call(call) for _ in range(3)]

    assert [active.rule.id if active else "" for active in found] == ["once", "always", "always"]
    assert rules.on_call(Call("list", "", "pods")) is None
    assert rules.counts()["always"] == {"met": 2, "acted": 2}
    assert [active.rule.id for active in rules.on_watch(Call("watch", "", "pods"))] == ["frozen"]


def test_a_rule_that_is_set_again_begins_anew() -> None:
    """Whoever waited for the old one no longer does, and clearing can be repeated."""
    rules = Rules()
    old = rules.set(ApiRule("it", Match(), Action("hang")))
    new = rules.set(ApiRule("it", Match(), Action("hang")))

    assert (rules.holds(old), rules.holds(new)) == (False, True)
    rules.clear("it")
    rules.clear("it")
    assert not rules.holds(new)


@pytest.mark.parametrize(
    ("code", "reason"),
    [(403, "Forbidden"), (404, "NotFound"), (409, "Conflict"), (410, "Expired"), (429, "TooManyRequests"),
     (500, "InternalError"), (503, "ServiceUnavailable"), (504, "Timeout"), (599, "InternalError")],
)  # fmt: skip
def test_a_refusal_reads_like_the_api_servers(code: int, reason: str) -> None:
    """Code, reason and details are those by which client-go tells errors apart."""
    body = status(code, Call("get", "storage.k8s.io", "storageclasses", name="fast"), retry_after_s=3)

    assert (body["kind"], body["apiVersion"], body["status"]) == ("Status", "v1", "Failure")
    assert (body["code"], body["reason"]) == (code, reason)
    assert body["details"] == {
        "name": "fast", "group": "storage.k8s.io", "kind": "storageclasses", "retryAfterSeconds": 3,
    }  # fmt: skip


def test_what_is_created_and_is_there_already_is_no_conflict() -> None:
    """409 has another reason for a create."""
    assert status(409, Call("create", "", "pods"))["reason"] == "AlreadyExists"
