"""The operator's profile of what runs in it, in the text form of net/http/pprof (contract.md part A, "REST")."""

from __future__ import annotations

import asyncio
from collections import Counter


def text() -> str:
    """As `/debug/pprof/goroutine?debug=1` writes it; what a goroutine is to Go, a task is here."""
    tasks = asyncio.all_tasks()
    names = Counter(getattr(task.get_coro(), "__qualname__", "unknown") for task in tasks)
    blocks = [f"{number} @ 0x1\n#\t0x1\t{name}+0x0\tharness/reference:1\n" for name, number in names.most_common()]
    return "\n".join([f"goroutine profile: total {len(tasks)}", *blocks])
