"""The reference operator as a process that faults can harm: it runs, answers, and cannot reach any cluster."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from harness.operator.base import OperatorConfig, parse
from harness.operator.process import OperatorProcess
from harness.run.world import RunControl
from harness.wait import Progress, until
from tests.unit.fault.place import world_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from harness.fault.base import World

NOWHERE = """\
apiVersion: v1
kind: Config
current-context: nowhere
clusters: [{name: nowhere, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
users: [{name: nobody, user: {token: none}}]
"""


class Running:
    """The operator, and what was noted of its process."""

    def __init__(self, config: OperatorConfig, *, supervised: bool) -> None:
        self.noted: list[dict[str, Any]] = []
        self.process = OperatorProcess(
            parse("reference"), config, config.kubeconfig.parent, dict(os.environ), self._note, supervised
        )
        self.world: World = world_of(RunControl(self.process))

    def _note(self, **fields: Any) -> None:
        self.noted.append(fields)

    @property
    def events(self) -> list[tuple[str, str]]:
        """What happened to the process, and who did it."""
        return [(event["event"], event["cause"]) for event in self.noted]


async def answers(port: int) -> int:
    """The status of a REST answer on a connection of its own, as soon as there is one."""

    async def told(progress: Progress) -> int | None:
        try:
            async with asyncio.timeout(2.0):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET /v1/inventory HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n")
                line = await reader.readline()
                writer.close()
        except (OSError, TimeoutError) as exc:
            progress.last = repr(exc)
            return None
        return int(line.split()[1]) if line else None

    return await until("an answer", told, deadline_s=20.0)


@asynccontextmanager
async def running(config: OperatorConfig, *, supervised: bool = False) -> AsyncIterator[Running]:
    """An operator that answers, ended with the block."""
    one = Running(config, supervised=supervised)
    await one.process.start()
    try:
        await answers(config.rest_port)
        yield one
    finally:
        for held in one.world.held.values():
            held.close()
        await one.process.stop()
