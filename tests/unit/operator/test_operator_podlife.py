from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.operator import podlife
from harness.operator.podlife import Lives

CONTAINER = "operator-inventory"


def running(identity: str) -> dict[str, Any]:
    """The state of a container that runs."""
    return {"containerID": identity, "state": {"running": {}}}


def ended(identity: str, code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    """The state of a container that has ended and is not followed by another yet."""
    terminated = {"containerID": identity, "exitCode": code, "reason": reason, "message": message}
    return {"containerID": identity, "state": {"terminated": terminated}}


def pod(name: str = "op-1", *, deleted: bool = False, reason: str = "", **status: Any) -> dict[str, Any]:
    """A pod with one container of that status."""
    meta = {"name": name, **({"deletionTimestamp": "now"} if deleted else {})}
    told = [{"name": CONTAINER, **status}] if status else []
    body = {"phase": "Running", "containerStatuses": told, **({"reason": reason} if reason else {})}
    return {"metadata": meta, "spec": {"nodeName": "worker"}, "status": body}


def events(lives: Lives, *pods: dict[str, Any]) -> list[tuple[str, int, int | None]]:
    """(event, number, code) of all that these looks tell."""
    changes = [change for one in pods for change in lives.look(one, container=CONTAINER)]
    return [(change.event, change.life.number, change.life.code) for change in changes]


def test_a_container_is_told_once() -> None:
    """However often a pod is looked at, a start and an end are told when they are new."""
    lives = Lives()

    told = events(
        lives, pod(), pod(**running("a")), pod(**running("a")), pod(**ended("a", 2)), pod(**ended("a", 2)),
    )  # fmt: skip

    assert told == [("started", 1, None), ("exited", 1, 2)]


def test_a_container_that_came_and_went_between_two_looks_is_told_late() -> None:
    """`lastState` still knows it: its start and its end come before the start of the next."""
    lives = Lives()
    last = {"lastState": ended("b", 137)["state"]}

    told = events(lives, pod(**running("a")), pod(**{**running("c"), **last}))

    assert told == [("started", 1, None), ("started", 2, None), ("exited", 2, -9), ("started", 3, None)]


def test_who_started_a_container_follows_from_its_pod() -> None:
    """The first one of a pod is a deployment's, every later one its kubelet's."""
    lives = Lives()
    looks = [pod(), pod(**running("a")), pod(**running("b")), pod("op-2", **running("c"))]

    starts = [
        (change.life.id, change.new_pod)
        for one in looks for change in lives.look(one, container=CONTAINER) if change.event == "started"
    ]  # fmt: skip

    assert starts == [("a", True), ("b", False), ("c", True)]


@pytest.mark.parametrize(
    ("last", "lost"),
    [
        (pod(**ended("a", 1)), False),
        (pod(deleted=True, **ended("a", 0, "Completed")), True),
        (pod(reason="Evicted", **ended("a", 137)), True),
        (pod(**ended("a", 255, "Unknown")), True),
    ],
    ids=["crash", "deleted", "evicted", "node lost"],
)
def test_an_end_that_was_brought_about_is_no_crash(last: dict[str, Any], *, lost: bool) -> None:
    """A pod that is taken away, or whose node is, did not end by itself."""
    lives = Lives()
    events(lives, pod(**running("a")))

    (change,) = lives.look(last, container=CONTAINER)

    assert change.event == "exited"
    assert change.life.lost is lost


def test_a_pod_that_is_gone_has_no_container_any_more() -> None:
    """Its end is told even when nobody saw it, without a code."""
    lives = Lives()
    events(lives, pod(**running("a")))

    (change,) = lives.look(pod(**running("a")), container=CONTAINER, gone=True)

    assert (change.event, change.life.code, change.life.lost) == ("exited", None, True)
    assert lives.current is None


@given(status=st.integers(0, 255))
def test_an_exit_status_is_that_of_a_process(status: int) -> None:
    """128 and a signal's number stand for that signal; everything else is what the program returned."""
    code = podlife.exit_code(status)

    assert code == (128 - status if 129 <= status <= 192 else status)


@given(data=st.data())
def test_whatever_is_seen_every_life_has_one_start_and_at_most_one_end(data: st.DataObject) -> None:
    """Looks may repeat, skip and come from several pods; numbers count up by one."""
    lives = Lives()
    told: list[tuple[str, int, int | None]] = []
    state = st.sampled_from("abcd").flatmap(
        lambda one: st.sampled_from([running(one), ended(one, 1), ended(one, 0, "Completed")])
    )
    for _look in range(data.draw(st.integers(0, 12))):
        name = data.draw(st.sampled_from(["op-1", "op-2"]))
        told += events(lives, pod(name, **data.draw(state)))

    starts = [number for event, number, _code in told if event == "started"]
    exits = [number for event, number, _code in told if event == "exited"]
    assert starts == list(range(1, len(starts) + 1))
    assert len(exits) == len(set(exits))
    assert all(told.index(("started", number, None)) < index
               for index, (event, number, _code) in enumerate(told) if event == "exited")  # fmt: skip


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}}, "ImagePullBackOff"),
        ({"state": {"waiting": {"reason": "CrashLoopBackOff"}}}, "CrashLoopBackOff"),
        ({"state": {"waiting": {"reason": "CreateContainerError"}}}, "CreateContainerError"),
        ({"state": {"waiting": {"reason": "ContainerCreating"}}}, ""),
        ({"state": {"running": {}}}, ""),
    ],
)
def test_what_hinders_a_pod_is_told(status: dict[str, Any], reason: str) -> None:
    """Reasons that go away by themselves are none."""
    assert podlife.hindrance([pod(**status)], CONTAINER)[0] == reason


def test_a_pod_that_no_node_takes_is_told() -> None:
    """The scheduler's own words are handed on."""
    one = pod()
    one["status"]["conditions"] = [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}
    ]

    assert podlife.hindrance([one], CONTAINER) == ("Unschedulable", "0/1 nodes are available")


def test_how_far_the_pods_are_is_told() -> None:
    """By name, phase and reason; no pod at all is told too."""
    one = pod(state={"waiting": {"reason": "ContainerCreating"}})
    one["status"]["phase"] = "Pending"

    assert podlife.progress([one], CONTAINER) == "op-1 Pending (ContainerCreating)"
    assert podlife.progress([], CONTAINER) == "no pod"
    assert podlife.restarts([pod(restartCount=2), pod("op-2")], CONTAINER) == 2
