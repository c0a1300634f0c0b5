"""Several pieces of work at once, whose errors stay the errors that the rest of the harness knows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


async def all_of(*work: Coroutine[Any, Any, object]) -> None:
    """Return when all of the work is done; the first that fails ends the rest, and its error is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except ExceptionGroup as exc:
        first = exc.exceptions[0]
        raise first from first.__cause__  # its own cause, not the group
