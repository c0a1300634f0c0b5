from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HistoryError
from harness.history.record import KINDS, canonical, decode, encode, snapshot_id

TEXT = st.text(
    st.characters(exclude_categories=()), max_size=20
)  # lone surrogates too: operators answer what they like
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
RECORDS = st.builds(
    lambda n, t, k, body: {"n": n, "t": t, "k": k, "body": body},
    st.integers(0, 10**9), st.floats(0, 1e6), st.sampled_from(sorted(KINDS)), JSON,
)  # fmt: skip


@given(RECORDS)
def test_what_is_encoded_is_decoded(record: dict[str, object]) -> None:
    """Any record comes back as it was, from one line of ASCII."""
    line = encode(record)

    assert decode(line) == record
    assert line.isascii()
    assert "\n" not in line
    assert decode(line + "\n") == record


@given(RECORDS, st.data())
def test_an_altered_line_is_refused(record: dict[str, object], data: st.DataObject) -> None:
    """A line in which one character was exchanged is never taken for a record."""
    line = encode(record)
    place = data.draw(st.integers(0, len(line) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda char: char not in {line[place], "\n"}))

    with pytest.raises(HistoryError):
        decode(line[:place] + other + line[place + 1 :])


@given(RECORDS, st.data())
def test_a_torn_line_is_refused(record: dict[str, object], data: st.DataObject) -> None:
    """A line that was cut off anywhere is never taken for a record."""
    line = encode(record)

    with pytest.raises(HistoryError):
        decode(line[: data.draw(st.integers(0, len(line) - 1))])


def test_a_kind_of_a_newer_harness_is_named() -> None:
    """The error says which kind is unknown and where the file may come from."""
    with pytest.raises(HistoryError, match="unknown kind 'dream'") as caught:
        decode(encode({"n": 0, "t": 0.0, "k": "dream"}))

    assert "newer harness" in caught.value.hint


@given(st.dictionaries(TEXT, JSON, min_size=2, max_size=5))
def test_content_has_one_address(body: dict[str, object]) -> None:
    """The order of keys makes no difference to a snapshot's id."""
    turned = dict(reversed(list(body.items())))

    assert canonical(turned) == canonical(body)
    assert snapshot_id(turned) == snapshot_id(body)
    assert len(snapshot_id(body)) == 16


def test_different_content_has_different_addresses() -> None:
    """A list's order, a type and a missing field all count."""
    bodies: tuple[object, ...] = ([1, 2], [2, 1], ["1", 2], {"a": None}, {}, [])

    assert len({snapshot_id(body) for body in bodies}) == len(bodies)
