"""One core is busy for ever once persistent storage is on (SURVIVE-2, TRUTH-6, RECOVER-1).

Report 661. Nothing happens but that the watch of volumes ends in order, six times, as API servers end every watch after
some minutes. Then a volume is deleted for 11 s: within TRUTH-6's 10 s that is reported, so whoever goes on with a watch
that has ended is found out. In the 10 s of quiet at the end the operator uses no more processor time than before the
first of it, and after each close as much of everything as after those before.
"""

from __future__ import annotations

import pytest

from harness import PASS, Configuration, Run, Scenario, Storage, StorageClass, Volume, faults, nodes, schedules

CLOSED = (faults.WatchesClosed(resource="persistentvolumes", after_s=1.0, for_s=1.5),) * 6

BUSY = Scenario(
    id="regression/661-volume-watch-closed",
    promises=("SURVIVE-2", "TRUTH-6", "RECOVER-1", "SURVIVE-1"),
    nodes=nodes.simulated(1),
    config=Configuration(storage=("local-path",)),
    storage=Storage(
        classes=(StorageClass("local-path"),),
        volumes=(Volume("bound", "local-path", "30Gi", bound=True), Volume("free", "local-path", "5Gi")),
    ),
    faults=(schedules.Sequence((*CLOSED, faults.VolumeDeleted(volume="free", for_s=11.0)), pause_s=3.5),),
    traffic=None,
    pause_s=3.0,
    quiet_s=10.0,
    proxied=True,
)


@pytest.mark.regression
@pytest.mark.promise(*BUSY.promises)
def test_a_watch_of_volumes_that_ends_is_taken_up_in_quiet(run: Run) -> None:
    """The next watch is asked for once, volumes are followed by it, and nothing goes on working."""
    result = run(BUSY)

    assert result["SURVIVE-2"] is PASS
    assert result["TRUTH-6"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
