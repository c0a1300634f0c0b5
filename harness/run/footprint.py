"""What the operator asks of the API server, from the API proxy into the history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import ClusterError
from harness.wait import interval

if TYPE_CHECKING:
    from harness.cluster.base import Cluster
    from harness.history.writer import HistoryWriter

PERIOD_S = 1.0
"""How often calls are fetched: what the proxy keeps stays small, and its time is not taken up."""

_TIMES = ("began", "finished")


async def follow(cluster: Cluster, history: HistoryWriter) -> None:
    """Record for ever what has ended since the last time."""
    while True:
        await interval(PERIOD_S)
        await record(cluster, history)


async def record(cluster: Cluster, history: HistoryWriter, *, also_open: bool = False) -> None:
    """Record what has ended since the last time, and if asked for what is open.

    Raises ClusterError when the proxy could not keep all of it.
    """
    answer = await cluster.api_calls(also_open=also_open)
    if answer["lost"]:
        raise ClusterError(f"the API proxy has lost {answer['lost']} records of the operator's calls")
    origin = history.clock.origin
    for call in answer["calls"]:
        fields = {name: value for name, value in call.items() if name not in _TIMES}
        ended = call["finished"]
        history.add(
            "api-call", at=None if ended is None else ended - origin, t0=round(call["began"] - origin, 6), **fields
        )
