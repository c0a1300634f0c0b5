"""Every random choice derives from the run's one seed.

A stream is named by what it decides ("traffic", "nemesis", …), so that adding a choice in one part never shifts the
choices of another, and a run repeated with its seed makes the same choices in the same order.
"""

from __future__ import annotations

import hashlib
import random
import secrets

from harness.errors import UsageError

MAX_SEED = 2**63 - 1


def fresh() -> int:
    """A new seed, short enough to be read out and typed."""
    return secrets.randbelow(10**9)


def check(seed: int) -> int:
    """Return `seed` when it can be used; raises UsageError naming the value otherwise."""
    if not 0 <= seed <= MAX_SEED:
        raise UsageError(f"seed {seed} is out of range", hint=f"give a whole number from 0 to {MAX_SEED}")
    return seed


def stream(seed: int, *path: str) -> random.Random:
    """The random stream of one named decision under `seed`."""
    digest = hashlib.sha256("\x1f".join((str(seed), *path)).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))  # noqa: S311 - repeatable, not secret


def derive(seed: int, *path: str) -> int:
    """A seed of its own for one scenario of a campaign."""
    return stream(seed, "derive", *path).randrange(10**9)
