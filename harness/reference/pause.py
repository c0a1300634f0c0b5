"""Pauses and backoff of the reference operator.

The reference operator must not import `harness.wait`, so it has its own one place that lets time pass.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


async def pause(seconds: float, wake: asyncio.Event | None = None) -> bool:
    """Let `seconds` pass, or less when `wake` is set; clears `wake` and returns True when it was."""
    if wake is None:
        wake = asyncio.Event()
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        return False
    wake.clear()
    return True


def backoff(first_s: float = 0.1, most_s: float = 1.0) -> Iterator[float]:
    """Endless pauses: doubling from `first_s` to `most_s`, each shortened by up to 30 % to spread clients."""
    step = first_s
    while True:
        yield step * random.uniform(0.7, 1.0)  # noqa: S311 - jitter, not a secret
        step = min(step * 2, most_s)
