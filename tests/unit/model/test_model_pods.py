"""What whole pods take of a node: the same by two implementations, in any order, and nothing when they are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.model import quantity
from harness.model.inventory import FIELDS, RESOURCES, Truth
from harness.model.resources import effective_requests, is_terminal
from harness.reference.resources import Amounts, pod_requests
from harness.run.observe import trim
from tests.unit.model import objects
from tests.unit.model.pods import Whole, wholes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

NODE = "here"
thorough = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
several = st.lists(wholes(), min_size=1, max_size=8)


def folded(found: Mapping[str, Decimal]) -> tuple[Decimal, ...]:
    """What is reported of requests: cpu, memory, cards, ephemeral storage."""
    return tuple(quantity.total(found.get(part, quantity.ZERO) for part in parts) for parts in RESOURCES.values())


def told(records: Iterable[dict[str, Any]]) -> Truth:
    """What is known after the records."""
    truth = Truth()
    truth.apply(objects.of_node("ADDED", NODE, objects.node(capacity={"cpu": "64"})))
    for record in records:
        truth.apply(record)
    return truth


def added(pods: Iterable[Whole], *, event: str = "ADDED") -> list[dict[str, Any]]:
    """A record for each pod, each with a name of its own."""
    return [
        objects.of_pod(event, f"pod-{number}", one.on(NODE), uid=f"uid-{number}") for number, one in enumerate(pods)
    ]


def allocated(truth: Truth) -> tuple[Decimal, ...]:
    """What is allocated of the node."""
    node = truth.expected_node(NODE)
    assert node is not None
    return tuple(node.values[name] for name in FIELDS if name.endswith(".allocated"))


@thorough
@given(wholes())
def test_two_implementations_agree(pod: Whole) -> None:
    """The model and the reference operator, which share no code, count every pod alike."""
    body = pod.on(NODE)
    cpu, memory, gpu, storage = folded(effective_requests(body))

    assert pod_requests(body["spec"], body["status"]) == Amounts(cpu, memory, gpu, storage)


@thorough
@given(wholes())
def test_what_the_history_keeps_of_a_pod_is_enough(pod: Whole) -> None:
    """Nothing that counts is cut away before a pod is written down."""
    body = pod.on(NODE)
    whole = {**body, "metadata": {"name": "p", "namespace": "ns", "uid": "u", "resourceVersion": "1"}}
    kept = trim("pods", whole)

    assert effective_requests(kept) == effective_requests(whole)
    assert is_terminal(kept) is is_terminal(whole)


@thorough
@given(several)
def test_the_report_is_the_sum_over_the_pods(pods: list[Whole]) -> None:
    """Bound pods that have not ended count, started or not; all others take nothing."""
    counted = [effective_requests(pod.on(NODE)) for pod in pods if pod.bound and not is_terminal(pod.on(NODE))]

    sums = [quantity.total(values) for values in zip(*map(folded, counted), strict=True)] or [quantity.ZERO] * 4
    assert allocated(told(added(pods))) == tuple(sums)


@thorough
@given(several, wholes(), st.data())
def test_a_pod_that_comes_and_goes_changes_nothing(pods: list[Whole], guest: Whole, data: st.DataObject) -> None:
    """Whatever it asks for, however it changes meanwhile, and whatever is there besides."""
    truth = told(added(pods))
    before = allocated(truth)
    changed = data.draw(st.lists(wholes(), max_size=3))

    truth.apply(objects.of_pod("ADDED", "guest", guest.on(NODE), uid="guest"))
    for one in changed:
        truth.apply(objects.of_pod("MODIFIED", "guest", one.on(NODE), uid="guest"))
    truth.apply(objects.of_pod("DELETED", "guest", guest.on(NODE), uid="guest"))

    assert allocated(truth) == before


@thorough
@given(several, st.data())
def test_the_order_of_events_never_matters(pods: list[Whole], data: st.DataObject) -> None:
    """Pods come, change and go in any order among each other; each one's own events stay in order."""
    later = data.draw(st.lists(wholes(), min_size=len(pods), max_size=len(pods)))
    gone = data.draw(st.lists(st.booleans(), min_size=len(pods), max_size=len(pods)))
    rows = [
        [first, second, *([last] if leaves else [])]
        for first, second, last, leaves in zip(
            added(pods), added(later, event="MODIFIED"), added(later, event="DELETED"), gone, strict=True
        )
    ]
    turns = data.draw(st.permutations([number for number, row in enumerate(rows) for _ in row]))
    rest = [iter(row) for row in rows]

    mixed = told([next(rest[number]) for number in turns])

    assert allocated(mixed) == allocated(told([record for row in rows for record in row]))


@thorough
@given(wholes(), st.randoms(use_true_random=False))
def test_regular_containers_have_no_order(pod: Whole, rng: Any) -> None:
    """Regular containers run together, so that only the order of init containers can matter."""
    shuffled = list(pod.spec["containers"])
    rng.shuffle(shuffled)
    other = Whole({**pod.spec, "containers": shuffled}, pod.status, pod.bound)

    assert effective_requests(other.on(NODE)) == effective_requests(pod.on(NODE))


@thorough
@given(wholes())
def test_no_phase_of_a_pod_takes_more_than_is_counted(pod: Whole) -> None:
    """Neither the regular containers with all sidecars, nor any init container with the sidecars before it."""
    spec = {key: value for key, value in pod.spec.items() if key != "resources"}
    body = Whole(spec, {"phase": "Running"}, bound=True).on(NODE)
    found = effective_requests(body)
    sidecars = [one for one in spec.get("initContainers", ()) if one.get("restartPolicy") == "Always"]
    phases = [[*spec["containers"], *sidecars]]
    started: list[Any] = []
    for one in spec.get("initContainers", ()):
        phases.append([*started, one])
        started += [one] if one.get("restartPolicy") == "Always" else []
    base = spec.get("overhead", {})

    for phase in phases:
        names = {name for one in phase for name in one["resources"]["requests"]}
        for name in names:
            asked = [quantity.parse(one["resources"]["requests"].get(name, "0")) for one in phase]
            assert quantity.total([*asked, quantity.parse(base.get(name, "0"))]) <= found[name]
