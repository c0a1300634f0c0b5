from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from harness.model.quantity import QuantityError, add, parse, subtract, text, total

if TYPE_CHECKING:
    from collections.abc import Callable

METRIC = ("", "n", "u", "m", "k", "M", "G", "T", "P", "E")
BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
CAP = 2**63 - 1

python_client: Callable[[str], Decimal] = parse_quantity
nanos = st.integers(-(10**30), 10**30).map(lambda n: Decimal(f"{n}E-9"))


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("0", "0"), ("16", "16"), ("-3", "-3"), ("+3", "3"), ("007", "7"), ("1.5", "1.5"), (".5", "0.5"), ("5.", "5"),
        ("3051m", "3.051"), ("100u", "0.0001"), ("100n", "0.0000001"), ("2k", "2000"), ("2M", "2000000"),
        ("2G", "2E9"), ("2T", "2E12"), ("2P", "2E15"), ("2E", "2E18"), ("-1.5Gi", "-1610612736"),
        ("1Ki", "1024"), ("2022Mi", "2120220672"), ("1Ti", "1099511627776"), ("1Pi", "1125899906842624"),
        ("1Ei", "1152921504606846976"), ("1e3", "1000"), ("1E3", "1000"), ("12e-3", "0.012"), ("1e+6", "1000000"),
        ("18446744073709551615", "18446744073709551615"), ("0.1Ki", "102.4"), ("-0", "0"), ("0e999999", "0"),
    ],
)  # fmt: skip
def test_every_notation_is_read(written: str, number: str) -> None:
    """Each notation of the Kubernetes grammar stands for its exact number."""
    assert parse(written) == Decimal(number)


@pytest.mark.parametrize("value", [0, 5, -7, 2**80])
def test_whole_numbers_stand_for_themselves(value: int) -> None:
    """A quantity written as a bare integer is that integer."""
    assert parse(value) == value


@pytest.mark.parametrize(
    "value",
    ["", " ", "1 ", "\n1", "1\n", "m", "+", ".", "1.2.3", "1ki", "1K", "1mi", "1KiB", "1e", "1Ee3", "0x10", "NaN",
     "Infinity", "1_000", "--1", "1e3Ki", "1,5", "\u0661", "1e99999999999999999999", "9" * 61, "1" * 1000,
     1.5, True, None, [], 10**60],
)  # fmt: skip
def test_anything_else_is_refused_by_name(value: Any) -> None:
    """What is no quantity raises QuantityError, whose message shows the value."""
    with pytest.raises(QuantityError, match="is not a Kubernetes quantity"):
        parse(value)


@pytest.mark.parametrize(
    ("written", "number"),
    [("0.1n", "1E-9"), ("-0.1n", "-1E-9"), ("1.0000000001", "1.000000001"), ("1e-400", "1E-9"),
     ("1e-99999999999999999999", "1E-9")],
)  # fmt: skip
def test_finer_than_a_nano_is_rounded_away_from_zero(written: str, number: str) -> None:
    """As in Go, a quantity finer than one nano becomes the next nano away from zero."""
    assert parse(written) == Decimal(number)


@pytest.mark.parametrize("written", ["8Ei", "16Ei", "9007199254740992Ki"])
def test_binary_quantities_are_capped(written: str) -> None:
    """As in Go, a value with a binary suffix never exceeds 2^63-1."""
    assert parse(written) == CAP
    assert parse(f"-{written}") == -CAP


@given(st.integers(-(10**15), 10**15), st.integers(0, 6), st.sampled_from(METRIC + BINARY))
def test_agrees_with_the_python_client(mantissa: int, places: int, suffix: str) -> None:
    """Within nano precision and under the cap, values equal those of the official Python client.

    Elsewhere the two differ on purpose. The client neither rounds to nanos nor caps binary values; it computes with 28
    digits; it takes "1K" for 1000, which Go refuses; it lets "NaN", "1_000" and surrounding spaces through, as it hands
    the text to Decimal.
    """
    digits = str(abs(mantissa)).rjust(places + 1, "0")
    whole, part = digits[: len(digits) - places], digits[len(digits) - places :]
    written = f"{'-' if mantissa < 0 else ''}{whole}{'.' if part else ''}{part}{suffix}"
    theirs = python_client(written)
    assume(Fraction(theirs) * 10**9 == int(Fraction(theirs) * 10**9))
    assume(suffix not in BINARY or abs(theirs) <= CAP)
    assume(len(theirs.as_tuple().digits) < 28)
    assert parse(written) == theirs


@pytest.mark.parametrize("written", ["1K", "NaN", "1_000", " 1", "1e-10", "8Ei"])
def test_differs_from_the_python_client_where_go_does(written: str) -> None:
    """What the Python client takes although Go refuses it, rounds it or caps it, is not taken over."""
    theirs = python_client(written)
    try:
        ours: Decimal | None = parse(written)
    except QuantityError:
        ours = None
    assert ours is None or ours != theirs


@given(nanos)
def test_text_is_read_back(number: Decimal) -> None:
    """The text of a number of nanos is plain, and parses to the same number."""
    assert parse(text(number)) == number
    assert not set(text(number)) - set("-.0123456789")


@pytest.mark.parametrize(
    ("number", "written"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("0.000", "0"),
        ("2.50", "2.5"),
        ("1E+3", "1000"),
        ("100", "100"),
        ("1E-9", "0.000000001"),
    ],
)
def test_text_is_the_shortest_plain_form(number: str, written: str) -> None:
    """Text has no exponent, no trailing zeros after the point and no negative zero."""
    assert text(Decimal(number)) == written


@given(st.lists(nanos, max_size=20))
def test_sums_are_exact(numbers: list[Decimal]) -> None:
    """A sum equals the sum of whole nanos, however many digits it has, and taking it away again leaves nothing."""
    result = total(numbers)
    assert Fraction(result) == sum(Fraction(number) for number in numbers)
    shuffled = total(reversed(numbers))
    assert shuffled == result
    for number in numbers:
        result = subtract(result, number)
    assert result == add(Decimal(0), Decimal(0))
