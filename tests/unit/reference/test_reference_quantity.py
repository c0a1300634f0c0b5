"""Quantities of the reference operator: exact both ways."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.reference.quantity import format_cpu, format_plain, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("3051m", "3.051"),
        ("1.5", "1.5"),
        (".5", "0.5"),
        ("2022Mi", "2120220672"),
        ("1Ei", str(2**60)),
        ("100k", "100000"),
        ("1e3", "1000"),
        ("12E-1", "1.2"),
        ("2E", "2000000000000000000"),
        ("5n", "0.000000005"),
        ("7u", "0.000007"),
        ("-3", "-3"),
        ("0.5Gi", "536870912"),
    ],
)
def test_parses_every_notation(text: str, value: str) -> None:
    """Every notation of the Kubernetes grammar gives its exact value."""
    assert parse(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "1KI", "0x10", "1e", "1.2.3", "NaN", "Infinity", "1mm", "٣"])
def test_refuses_what_is_no_quantity(text: str) -> None:
    """A string outside of the grammar is refused, and the message shows it."""
    with pytest.raises(ValueError, match="not a Kubernetes quantity"):
        parse(text)


@pytest.mark.parametrize(
    ("cores", "text"),
    [("0", "0"), ("3.051", "3051m"), ("16", "16000m"), ("-0.5", "-500m"), ("0.0000005", "500n"), ("0.0005", "500u")],
)
def test_cpu_is_written_in_milli(cores: str, text: str) -> None:
    """Cores are written in milli units, finer only when milli would not be exact."""
    assert format_cpu(Decimal(cores)) == text


@pytest.mark.parametrize(("value", "text"), [("0", "0"), ("2120220672", "2120220672"), ("1.5", "1500m"), ("8", "8")])
def test_bytes_are_written_plainly(value: str, text: str) -> None:
    """Bytes and counts are plain integers, with a suffix only for a fraction."""
    assert format_plain(Decimal(value)) == text


def test_finer_than_nano_is_refused() -> None:
    """A value that no Kubernetes unit can express exactly is never rounded silently."""
    with pytest.raises(ValueError, match="finer than"):
        format_cpu(Decimal("1e-10"))


@given(st.integers(min_value=-(10**24), max_value=10**24))
def test_written_values_read_back_exactly(nanos: int) -> None:
    """Whatever is a whole number of nano units reads back as the very same value, in both notations."""
    value = Decimal(nanos).scaleb(-9)
    assert parse(format_cpu(value)) == value
    assert parse(format_plain(value)) == value
