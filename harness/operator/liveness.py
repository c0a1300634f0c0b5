"""The chart's liveness probe, as a kubelet makes it: it asks the REST API, and one failure ends the process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.operator.api import OK, TIMEOUT, Answer, RestReader
from harness.operator.supervisor import DEFAULT_SCALE, INITIAL_DELAY_S, PERIOD_S, TIMEOUT_S, grace_s
from harness.wait import interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.operator.process import OperatorProcess

_SHOWN = 3


def failure(answer: Answer) -> str:
    """Why the chart's script fails over this answer; "" when it passes.

    It fails where no nodes are reported, or one with GPUs and without GPU info. It passes over a refused connection, an
    error, or what is no inventory at all: `curl` and `jq` then print nothing, which counts as a cluster without GPUs.
    Its `curl` has no time limit, so an operator that hangs runs into that of the probe, and fails. The script may also
    pass by chance where many nodes lack GPU info (`grep -q` hangs up on `jq`, under `pipefail`); this never does.
    """
    if answer.outcome == TIMEOUT:
        return f"no answer within {TIMEOUT_S:g} s"
    body = answer.body
    if answer.outcome != OK or not isinstance(body, Mapping) or set(body) == {"raw"}:
        return ""
    nodes = body.get("nodes")
    if not nodes:
        return "no nodes reported"
    if not isinstance(nodes, list) or not all(isinstance(node, Mapping) for node in nodes):
        return ""
    lacking = sorted(str(node.get("name")) for node in nodes if _lacks_gpu_info(node))
    if not lacking:
        return ""
    more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
    return f"GPUs without GPU info on {', '.join(lacking[:_SHOWN])}{more}"


def _lacks_gpu_info(node: Mapping[str, Any]) -> bool:
    capacity, info = _at(node, "resources", "gpu", "quantity", "capacity"), _at(node, "resources", "gpu", "info")
    return capacity != "0" and info is None


def _at(value: Any, *path: str) -> Any:
    """What stands there; None where anything on the way is missing, as in jq."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


@dataclass(slots=True)
class Liveness:
    """The probes of one operator. `note` is called with t0=, t= (monotonic seconds), passed=, why= for each.

    `made`: how many probes have been made, and dealt with.
    """

    process: OperatorProcess
    note: Callable[..., Any]
    scale: float = DEFAULT_SCALE
    made: int = 0

    async def run(self) -> None:
        """Probe for ever. A process is left alone for the initial delay after its start."""
        async with RestReader(self.process.rest_url, TIMEOUT_S) as reader:
            while True:
                child = self.process.child
                if child is not None and time.monotonic() - child.started_at >= INITIAL_DELAY_S * self.scale:
                    await self._probe(reader)
                await interval(PERIOD_S * self.scale)

    async def _probe(self, reader: RestReader) -> None:
        child = self.process.child
        if child is None or not child.running:
            return
        answer = await reader.get(fresh=True)
        why = failure(answer)
        self.note(t0=answer.t0, t=answer.t, passed=not why, why=why)
        if why and self.process.child is child and child.running:
            await self.process.restart(why, grace_s=grace_s(self.scale))
        self.made += 1
