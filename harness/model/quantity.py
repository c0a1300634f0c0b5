"""Kubernetes quantities, exactly.

The grammar is the one written above `Quantity` in k8s.io/apimachinery/pkg/api/resource/quantity.go::

    quantity ::= [+-] digits [. digits] suffix        ("5.", ".5" are numbers as well)
    suffix   ::= n u m "" k M G T P E  |  Ki Mi Gi Ti Pi Ei  |  e<exponent>  |  E<exponent>

As there, what is finer than one nano is rounded away from zero to the next nano, and a value with a binary suffix is
capped at 2^63-1. Unlike there, text without a digit ("", "m", "+"), which the Go scanner lets through as zero
against its own grammar, is refused.
"""

from __future__ import annotations

import decimal
import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ZERO = Decimal(0)

_GRAMMAR = re.compile(
    r"(?P<sign>[+-]?)(?:(?P<whole>[0-9]+)\.?(?P<part>[0-9]*)|\.(?P<only>[0-9]+))"
    r"(?:(?P<binary>[KMGTPE])i|(?P<metric>[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]+))?"
)
_METRIC = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"K": 10, "M": 20, "G": 30, "T": 40, "P": 50, "E": 60}
_FINEST = -9
_CAP = Decimal(2**63 - 1)

# Far above every figure of a cluster (2^63 has 19 digits), and small enough that no text can make the harness compute
# with numbers of a million digits.
_MAX_DIGITS = 60
_MAX_TEXT = 200

# Sums must be exact: the default context would round to 28 digits. Within _MAX_DIGITS this one never has to.
_EXACT = decimal.Context(
    prec=4 * _MAX_DIGITS,
    traps=[decimal.Inexact, decimal.InvalidOperation, decimal.Overflow, decimal.DivisionByZero],
)


class QuantityError(ValueError):
    """A value is not a Kubernetes quantity; the message names it."""


def parse(value: object) -> Decimal:
    """The exact number that a quantity (a string or a whole number) stands for; raises QuantityError naming the value.

    A whole number (as YAML and JSON allow for quantities) stands for itself. A float or a boolean is refused.
    """
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return _parse_text(str(value)) if abs(value) < 10**_MAX_DIGITS else _refuse(hex(value), "it is too large")
    return _refuse(value, f"it is a {type(value).__name__}, not a string or a whole number")


@lru_cache(maxsize=16384)
def _parse_text(text: str) -> Decimal:
    if len(text) > _MAX_TEXT:
        return _refuse(f"{text[:40]}… ({len(text)} characters)", "it is too long")
    match = _GRAMMAR.fullmatch(text)
    if match is None:
        return _refuse(text, "write a number with an optional suffix, such as 250m, 1.5, 4Gi or 1e3")
    part = match["part"] or match["only"] or ""
    mantissa = int((match["whole"] or "") + part)
    exponent = -len(part)
    if match["binary"]:
        mantissa <<= _BINARY[match["binary"]]
    elif match["metric"]:
        exponent += _METRIC[match["metric"]]
    elif match["exponent"]:
        exponent += int(match["exponent"])
    if mantissa and len(str(mantissa)) + exponent > _MAX_DIGITS:
        return _refuse(text, f"it has more than {_MAX_DIGITS} digits")
    amount = _rounded(mantissa, exponent)
    if match["binary"]:
        amount = min(amount, _CAP)
    return amount.copy_negate() if match["sign"] == "-" and amount else amount


def _rounded(mantissa: int, exponent: int) -> Decimal:
    """`mantissa` * 10^`exponent`, rounded up to whole nanos."""
    if not mantissa:
        return ZERO
    excess = _FINEST - exponent
    if excess > 0:
        # Beyond the number's own digits every division gives 1 nano; 10^(a huge excess) is never computed.
        excess = min(excess, len(str(mantissa)))
        mantissa, exponent = -(-mantissa // 10**excess), _FINEST
    return Decimal(mantissa).scaleb(exponent, _EXACT)


def _refuse(value: object, why: str) -> Decimal:
    raise QuantityError(f"{value!r} is not a Kubernetes quantity: {why}")


def add(left: Decimal, right: Decimal) -> Decimal:
    """The exact sum."""
    return _EXACT.add(left, right)


def subtract(left: Decimal, right: Decimal) -> Decimal:
    """The exact difference."""
    return _EXACT.subtract(left, right)


def total(values: Iterable[Decimal]) -> Decimal:
    """The exact sum of all; zero for none."""
    result = ZERO
    for value in values:
        result = _EXACT.add(result, value)
    return result


def text(d: Decimal) -> str:
    """The plain decimal text, without exponent, suffix or needless zeros: "0.25", "4294967296".

    `parse(text(d)) == d` for whole nanos, which is what `parse` and the sums give.
    """
    plain = format(d, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in {"-0", ""} else plain
