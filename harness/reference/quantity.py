"""Kubernetes quantities as exact decimals.

Grammar: k8s.io/apimachinery/pkg/api/resource `Quantity`: a signed decimal with a binary suffix (Ki … Ei), a decimal
suffix (n u m "" k M G T P E) or a decimal exponent (e3, E-2).
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

ZERO = Decimal(0)

_PATTERN = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([KMGTPE]i)|([eE][+-]?\d+)|([numkMGTPE]?))", re.ASCII)
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_FRACTIONS = ((0, ""), (3, "m"), (6, "u"), (9, "n"))


@lru_cache(maxsize=4096)
def parse(text: str) -> Decimal:
    """The exact value of a quantity string; raises ValueError when it is not one."""
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"not a Kubernetes quantity: {text!r}")
    number, binary, exponent, suffix = match.groups()
    value = Decimal(number)
    if binary:
        return value * (1 << _BINARY[binary])
    if exponent:
        return value.scaleb(int(exponent[1:]))
    return value.scaleb(_DECIMAL[suffix])


def _fraction(value: Decimal, fractions: tuple[tuple[int, str], ...]) -> str:
    for places, suffix in fractions:
        scaled = value.scaleb(places)
        if scaled == scaled.to_integral_value():
            return f"{int(scaled)}{suffix}"
    raise ValueError(f"finer than Kubernetes' smallest unit of 1n: {value}")


def format_cpu(cores: Decimal) -> str:
    """Cores in milli units, `3051m`; `0` for none; finer units only when milli would not be exact."""
    return "0" if cores == 0 else _fraction(cores, _FRACTIONS[1:])


def format_plain(value: Decimal) -> str:
    """Bytes or a count as a plain integer; with a fraction (`1500m`) only when an integer would not be exact."""
    return _fraction(value, _FRACTIONS)
