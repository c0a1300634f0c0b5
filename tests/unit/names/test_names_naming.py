"""What a naming makes of names: valid for their kind, all different, as long as the word says."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cluster.hardware import GPU_MODELS
from harness.cluster.nodes import check_name
from harness.errors import UsageError
from harness.names.limits import of_model
from harness.names.naming import (
    DIGITS,
    FITTING,
    LONGEST,
    SHORTEST,
    USUAL,
    WORDS,
    Naming,
    name_ending_in,
    name_of_length,
    names_alike,
    parse,
)

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
NAMINGS = (st.sampled_from(sorted(WORDS)) | st.integers(1, 253).map(str)).map(parse)
LABELS = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
NODES = st.lists(LABELS, unique=True, max_size=40)
LIMITS = {
    name: of_model(model.vendor, interface=model.interface, memory_size=model.memory_size)
    for name, model in GPU_MODELS.items()
}


def is_subdomain(name: str) -> bool:
    """Whether Kubernetes accepts the name for a Node or a Pod."""
    return len(name) <= 253 and all(DNS_LABEL.fullmatch(label) for label in name.split("."))


@given(st.integers(1, 253), LABELS)
def test_a_name_of_any_length_can_end_in_anything_that_fits(length: int, end: str) -> None:
    """It has that many characters, ends in the label, and is valid; None only where there is no room."""
    name = name_ending_in(end, length)

    if name is None:
        assert length < len(end) or length // 64 != (length - len(end)) // 64 or len(end) > 61
        return
    assert len(name) == length
    assert name.endswith(end)
    assert check_name(name) == name
    assert is_subdomain(name)


@given(st.integers(1, 253))
def test_names_alike_differ_in_the_last_character(length: int) -> None:
    """Both are valid, as long as they have to be, and the same up to the last character."""
    one, other = names_alike(length)

    assert (len(one), len(other)) == (length, length)
    assert one[:-1] == other[:-1]
    assert one != other
    assert is_subdomain(one)
    assert is_subdomain(other)
    assert name_of_length(length)[:-1] == one[:-1]


@given(NAMINGS, NODES, st.data())
def test_nodes_are_named_anew_in_the_same_order(naming: Naming, names: list[str], data: st.DataObject) -> None:
    """Each node gets a valid name that nobody else has or had, those kept none, and the order is the same."""
    keep = data.draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    found = naming.nodes(names, keep=keep)

    assert set(found) == (set() if naming.usual else set(names) - set(keep))
    assert [found[name] for name in sorted(found)] == sorted(set(found.values()))
    assert set(found.values()).isdisjoint(names)
    assert all(is_subdomain(name) for name in found.values())
    assert found == naming.nodes(names[::-1], keep=keep)


@given(NODES.filter(bool), st.integers(4, 253))
def test_nodes_are_as_long_as_the_number_says(names: list[str], length: int) -> None:
    """From four characters on there is room for all of them."""
    assert {len(name) for name in parse(str(length)).nodes(names).values()} == {length}


@given(NODES.filter(bool), st.integers(100, 253))
def test_nodes_leave_room_where_it_is_needed(names: list[str], most: int) -> None:
    """`most` cuts what would be longer."""
    assert {len(name) for name in Naming(LONGEST).nodes(names, most=most).values()} == {most}
    assert {len(name) for name in Naming(FITTING).nodes(names, most=most).values()} == {min(most, 165)}


def test_the_shortest_names_have_one_character_as_long_as_that_is_possible() -> None:
    """Twenty-six nodes have one letter each, and a hundred have two."""
    assert {len(name) for name in Naming(SHORTEST).nodes([f"worker-{n}" for n in range(26)]).values()} == {1}
    assert {len(name) for name in Naming(SHORTEST).nodes([f"worker-{n}" for n in range(100)]).values()} == {2}


def test_digits_look_like_numbers() -> None:
    """Nodes, namespaces, pods and models of that naming are digits and nothing else."""
    naming = Naming(DIGITS)
    made = [
        *naming.nodes(["a", "b"]).values(), *naming.namespaces(("a", "b")), naming.pod("web", 3),
        *naming.models(LIMITS).values(),
    ]  # fmt: skip

    assert [name for name in made if not name.isdecimal()] == []


@given(NAMINGS)
def test_namespaces_are_dns_labels(naming: Naming) -> None:
    """Two namespaces stay two, whatever the naming."""
    names = naming.namespaces(("tenant-a", "tenant-b"))

    assert len(set(names)) == 2
    assert all(DNS_LABEL.fullmatch(name) for name in names)


@given(NAMINGS, st.sampled_from(["web", "plain", "settled"]), st.sets(st.integers(0, 2000), max_size=50))
def test_pods_of_different_numbers_have_different_names(naming: Naming, prefix: str, numbers: set[int]) -> None:
    """Each is valid."""
    names = [naming.pod(prefix, number) for number in numbers]

    assert len(set(names)) == len(numbers)
    assert all(is_subdomain(name) for name in names)


@pytest.mark.parametrize(("word", "lengths"), [(LONGEST, {253}), (FITTING, {253}), (SHORTEST, {1}), ("64", {64})])
def test_pods_are_as_long_as_the_word_says(word: str, lengths: set[int]) -> None:
    """The first ones, of which the shortest have one letter."""
    assert {len(parse(word).pod("web", number)) for number in range(8)} == lengths


@given(NAMINGS)
def test_models_stay_different(naming: Naming) -> None:
    """Every model has a name of its own, and none is called as another one was."""
    names = naming.models(LIMITS)

    assert set(names) == (set() if naming.usual else set(LIMITS))
    assert len(set(names.values())) == len(names)
    assert set(names.values()).isdisjoint(LIMITS)


@pytest.mark.parametrize(("word", "place"), [(FITTING, 0), (LONGEST, -1)])
def test_models_reach_the_limits_of_their_labels(word: str, place: int) -> None:
    """With fitting ones every label can just be, with the longest one label can."""
    names = Naming(word).models(LIMITS)

    assert {name: len(names[name]) for name in names} == {name: LIMITS[name][place].most for name in names}


@pytest.mark.parametrize("text", ["", "long", "0", "254", "-1", "1.5", "USUAL", "\uff16", "6" * 5000])
def test_an_unknown_word_is_refused_with_the_known_ones(text: str) -> None:
    """The error shows the word, and the hint all that would do."""
    with pytest.raises(UsageError, match=r"names .* are unknown") as caught:
        parse(text)

    assert repr(text[:80]) in caught.value.what
    assert all(word in caught.value.hint for word in WORDS)


def test_usual_names_are_no_names_anew() -> None:
    """Without the option nothing is called otherwise."""
    naming = parse(USUAL)

    assert naming.usual
    assert (naming.nodes(["a"]), naming.models(LIMITS), naming.namespaces(("x",))) == ({}, {}, ("x",))
    assert naming.pod("web", 3) == "web-3"
