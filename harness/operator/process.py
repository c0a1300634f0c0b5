"""The operator as a process, with or without a supervisor that starts it again as a kubelet would."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import OperatorError
from harness.operator.base import OperatorConfig, OperatorSpec, environment
from harness.process.child import Child, last_words, start
from harness.wait import interval

if TYPE_CHECKING:
    from pathlib import Path

Note = Callable[..., Any]
"""Called with event=, pid=, code=, cause=, detail= for each event of the process."""

RESTART_BACKOFF_S = (0.5, 1.0, 2.0, 4.0)
"""A kubelet starts a container again at once, then backs off 10, 20, 40 s … to 5 min; a tenth keeps runs short."""

END_DEADLINE_S = 5.0


@dataclass(slots=True)
class OperatorProcess:
    """One operator, across its restarts.

    `supervised`: an exit is followed by a start, as in a Deployment. Every start and exit is noted with its cause:
    harness (we did it) or self.
    """

    spec: OperatorSpec
    config: OperatorConfig
    log_dir: Path
    env: Mapping[str, str]
    note: Note
    supervised: bool = False
    child: Child | None = None
    restarts: int = 0
    _ended_by_us: set[int] = field(default_factory=set)
    _watcher: asyncio.Task[None] | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def running(self) -> bool:
        """Whether the process exists now."""
        return self.child is not None and self.child.running

    @property
    def rest_url(self) -> str:
        """The base URL of its REST API."""
        return f"http://127.0.0.1:{self.config.rest_port}"

    @property
    def grpc_target(self) -> str:
        """The address of its gRPC API."""
        return f"127.0.0.1:{self.config.grpc_port}"

    async def start(self, *, cause: str = "harness") -> None:
        """Start the process; its exit is watched from then on."""
        async with self._lock:
            if self.running:
                return
            defect = [f"--defect={self.spec.defect}"] if self.spec.defect else []
            argv = [*self.spec.command, "operator", "inventory", *self.config.arguments(), *defect]
            self.child = start("operator", argv, log_dir=self.log_dir, env=environment(self.spec, self.env))
            self.note(event="started", pid=self.child.pid, cause=cause)
            self._watcher = asyncio.create_task(self._watch(self.child))

    async def kill(self) -> None:
        """SIGKILL, noted as the harness's doing; a supervisor (if any) starts it again."""
        child = self._require()
        self._ended_by_us.add(child.pid)
        child.kill()
        await self._settle()

    async def interrupt(self) -> int:
        """SIGINT (the one signal that upstream handles), then SIGKILL when it has not ended; the exit code."""
        return await self._end(signal.SIGINT)

    async def terminate(self) -> int:
        """SIGTERM, as a kubelet does, then SIGKILL when it has not ended; the exit code."""
        return await self._end(signal.SIGTERM)

    async def stop(self) -> None:
        """End it for good, at once (the cluster it would tidy up ends as well); no supervisor starts it again."""
        self.supervised = False
        if self.running:
            await self.kill()
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher

    async def _end(self, number: signal.Signals) -> int:
        child = self._require()
        self._ended_by_us.add(child.pid)
        code = await child.interrupted(number, END_DEADLINE_S)
        await self._settle()
        return code

    async def _settle(self) -> None:
        """Let the watcher note the exit before anything else is noted."""
        if self._watcher is not None and not self.supervised:
            await self._watcher

    async def _watch(self, child: Child) -> None:
        code: int | None = None
        while code is None:
            code = await child.wait(3600.0)
        cause = "harness" if child.pid in self._ended_by_us else "self"
        said = last_words(child.stderr_path) if cause == "self" else ""
        self.note(event="exited", pid=child.pid, code=code, cause=cause, detail=said)
        if self.supervised:
            await interval(RESTART_BACKOFF_S[min(self.restarts, len(RESTART_BACKOFF_S) - 1)])
            self.restarts += 1
            if not self.running:
                self.note(event="restarting", pid=child.pid, cause="supervisor")
                await self.start(cause="supervisor")

    def _require(self) -> Child:
        if self.child is None:
            raise OperatorError("the operator was not started")
        return self.child
