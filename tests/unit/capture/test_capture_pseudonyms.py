"""Names are replaced by others that break what the real ones break."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from harness.capture.pseudonyms import KEPT, Pseudonyms

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?){0,3}", fullmatch=True)


def shape(name: str) -> str:
    """Letters and digits as one of each."""
    return re.sub(r"[a-z]", "a", re.sub(r"[A-Z]", "A", re.sub(r"\d", "0", name)))


@given(st.lists(NAMES, min_size=1, max_size=30, unique=True))
def test_a_pseudonym_has_length_and_shape_and_is_the_same_every_time(names: list[str]) -> None:
    """Dots, dashes, digits and lengths stay where they were, and one name has one pseudonym."""
    kept = Pseudonyms()
    made = {name: kept.name(name) for name in names}

    assert all(shape(other) == shape(name) for name, other in made.items())
    assert {name: kept.name(name) for name in reversed(names)} == made
    long = [name for name in names if len(name) > 12]
    assert len({made[name] for name in long}) == len(long)


def test_two_names_that_begin_alike_still_do() -> None:
    """What cuts long names takes one for the other, as it did with the real ones."""
    kept = Pseudonyms()
    one, other = (kept.name(f"payments-worker.rack-12.{end}") for end in ("alpha", "omega"))

    assert one[:-5] == other[:-5]
    assert one != other
    assert "payments" not in one


def test_what_is_called_the_same_everywhere_keeps_its_name() -> None:
    """Names that every cluster has say nothing of one."""
    assert {Pseudonyms().name(name) for name in KEPT} == KEPT


def test_who_has_no_key_learns_nothing() -> None:
    """Another capture of the same cluster has other pseudonyms and other uids, and no key is shown."""
    one, other = Pseudonyms(), Pseudonyms()

    assert one.name("a-name-that-is-long") != other.name("a-name-that-is-long")
    assert one.uid("u") != other.uid("u")
    assert one.uid("u") == one.uid("u")
    assert one.key.hex() not in repr(one)


def test_ten_digits_are_enough_for_ten_digits() -> None:
    """Ten names of one digit get ten different ones; nothing is drawn for ever."""
    kept = Pseudonyms()

    assert len({kept.name(str(digit)) for digit in range(10)}) == 10
    assert len({kept.name(letter) for letter in "abcdefghijklmnopqrstuvwxyz"}) == 26
