"""One core is busy for ever once persistent storage is on (SURVIVE-2, SURVIVE-1).

Report 661. Nothing happens but that the watch of volumes ends in order, seven times, as API servers end every watch
after some minutes. In the 10 s of quiet at the end the operator uses no more processor time than before the first of
it, and after each close as much of everything as after those before. What becomes of the figures when that watch ends
is for `chaos/storage-volume-watch-closed`.
"""

from __future__ import annotations

import pytest

from harness import PASS, Configuration, Run, Scenario, Storage, StorageClass, Volume, faults, nodes, schedules

CLOSED = (faults.WatchesClosed(resource="persistentvolumes", after_s=1.0, for_s=1.5),) * 7

BUSY = Scenario(
    id="regression/661-volume-watch-closed",
    promises=("SURVIVE-2", "SURVIVE-1"),
    nodes=nodes.simulated(1),
    config=Configuration(storage=("local-path",)),
    storage=Storage(
        classes=(StorageClass("local-path"),),
        volumes=(Volume("bound", "local-path", "30Gi", bound=True), Volume("free", "local-path", "5Gi")),
    ),
    faults=(schedules.Sequence(CLOSED, pause_s=3.5),),
    traffic=None,
    pause_s=3.0,
    quiet_s=10.0,
    proxied=True,
)


@pytest.mark.regression
@pytest.mark.promise(*BUSY.promises)
def test_nothing_goes_on_working_when_the_watch_of_volumes_has_ended(run: Run) -> None:
    """The operator is as quiet as it was before."""
    result = run(BUSY)

    assert result["SURVIVE-2"] is PASS
    assert result["SURVIVE-1"] is PASS
