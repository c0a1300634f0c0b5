"""The operator as a process, with or without a supervisor that starts it again as a kubelet would."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.errors import OperatorError
from harness.operator.base import OperatorConfig, OperatorSpec, environment
from harness.operator.supervisor import BackOff
from harness.process.child import Child, last_words, start
from harness.wait import interval

if TYPE_CHECKING:
    from pathlib import Path

    from harness.process.cell import Cell

Note = Callable[..., Any]
"""Called with event=, pid=, code=, cause=, detail= for each event of the process."""

END_DEADLINE_S = 5.0


@dataclass(slots=True)
class OperatorProcess:
    """One operator, across its restarts.

    `supervised`: an exit is followed by a start, as in a Deployment, after `backoff`. `cell`: where each process is put
    that is started from now on. Every start and exit is noted with its cause: harness (we did it, or the cell), self,
    liveness (a failed probe), supervisor.
    """

    spec: OperatorSpec
    config: OperatorConfig
    log_dir: Path
    env: Mapping[str, str]
    note: Note
    supervised: bool = False
    backoff: BackOff = field(default_factory=BackOff)
    child: Child | None = None
    cell: Cell | None = None
    _ended_by: dict[int, str] = field(default_factory=dict)
    _left_dead: set[int] = field(default_factory=set)
    _watcher: asyncio.Task[None] | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def running(self) -> bool:
        """Whether the process exists now."""
        return self.child is not None and self.child.running

    @property
    def pid(self) -> int:
        """The process that runs now; 0 when there is none."""
        return self.child.pid if self.child is not None and self.child.running else 0

    @property
    def rest_port(self) -> int:
        """Its REST port."""
        return self.config.rest_port

    @property
    def grpc_port(self) -> int:
        """Its gRPC port."""
        return self.config.grpc_port

    @property
    def rest_url(self) -> str:
        """The base URL of its REST API."""
        return f"http://127.0.0.1:{self.config.rest_port}"

    @property
    def grpc_target(self) -> str:
        """The address of its gRPC API."""
        return f"127.0.0.1:{self.config.grpc_port}"

    async def start(self, *, cause: str = "harness") -> None:
        """Start the process; its exit is watched from then on. A start of ours is one of a new pod."""
        async with self._lock:
            if self.running:
                return
            if cause == "harness":
                self.backoff.forget()
            self.child = self._launch("operator", self.config)
            if self.cell is not None:
                self.cell.enter(self.child.pid)
            self.note(event="started", pid=self.child.pid, cause=cause)
            self._watcher = asyncio.create_task(self._watch(self.child, self.cell))

    def start_another(self, rest_port: int, grpc_port: int) -> Child:
        """Start a second one beside this one, on its own ports; it is not noted, not watched, and not started again."""
        return self._launch("second-operator", replace(self.config, rest_port=rest_port, grpc_port=grpc_port))

    def _launch(self, name: str, config: OperatorConfig) -> Child:
        defect = [f"--defect={self.spec.defect}"] if self.spec.defect else []
        argv = [*self.spec.command, "operator", "inventory", *config.arguments(), *defect]
        return start(name, argv, log_dir=self.log_dir, env=environment(self.spec, {**self.env, **config.variables()}))

    async def kill(self, *, again: bool = True) -> None:
        """SIGKILL, noted as the harness's doing; a supervisor (if any) starts it again, unless not `again`."""
        child = self._require()
        self._note_end(child, "harness", again=again)
        child.kill()
        await self._settle()

    async def interrupt(self, *, again: bool = True) -> int:
        """SIGINT (the one signal that upstream handles), then SIGKILL when it has not ended; the exit code."""
        return await self._end(signal.SIGINT, "harness", again=again)

    async def terminate(self) -> int:
        """SIGTERM, as a kubelet does, then SIGKILL when it has not ended; the exit code."""
        return await self._end(signal.SIGTERM, "harness")

    async def restart(self, why: str, *, grace_s: float) -> int:
        """SIGTERM over a failed liveness probe, SIGKILL after the grace period; the exit code.

        It is for its supervisor to start it again.
        """
        self.note(event="terminating", pid=self._require().pid, cause="liveness", detail=why)
        return await self._end(signal.SIGTERM, "liveness", deadline_s=grace_s)

    async def stop(self) -> None:
        """End it for good, at once (the cluster it would tidy up ends as well); no supervisor starts it again."""
        self.supervised = False
        if self.running:
            await self.kill()
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher

    async def _end(
        self, number: signal.Signals, cause: str, *, again: bool = True, deadline_s: float | None = None
    ) -> int:
        child = self._require()
        self._note_end(child, cause, again=again)
        code = await child.interrupted(number, END_DEADLINE_S if deadline_s is None else deadline_s)
        await self._settle()
        return code

    def _note_end(self, child: Child, cause: str, *, again: bool) -> None:
        self._ended_by[child.pid] = cause
        if not again:
            self._left_dead.add(child.pid)

    async def _settle(self) -> None:
        """Let the watcher note the exit before anything else is noted."""
        if self._watcher is not None and not (self.supervised and self._require().pid not in self._left_dead):
            await self._watcher

    async def _watch(self, child: Child, cell: Cell | None) -> None:
        code: int | None = None
        while code is None:
            code = await child.wait(3600.0)
        cause = self._ended_by.get(child.pid, "self")
        said = cell.blame(code) if cell is not None and cause == "self" else ""
        if said:
            cause = "harness"
        elif cause == "self":
            said = last_words(child.stderr_path)
        self.note(event="exited", pid=child.pid, code=code, cause=cause, detail=said)
        if self.supervised and child.pid not in self._left_dead:
            wait_s = self.backoff.after(time.monotonic())
            await interval(wait_s)
            if not self.running:
                self.note(event="restarting", pid=child.pid, cause="supervisor", backoff_s=wait_s)
                await self.start(cause="supervisor")

    def _require(self) -> Child:
        if self.child is None:
            raise OperatorError("the operator was not started")
        return self.child
