"""One core busy for ever once persistent storage is on: the watch of volumes ends, and is not taken up (TRUTH-6).

Report 661. Every watch of volumes ends in order, again and again for 6 s, while volumes come and go. Whoever goes on
with a watch that has ended is told nothing more, however busy it is. Within RECOVER-1's 15 s of the end of the harm the
figures follow the volumes again; nothing is reported that never was true, and the process lives.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Configuration, Run, Scenario, Storage, StorageClass, Volume, Volumes, faults, nodes

CLOSED = Scenario(
    id="regression/661-volume-watch-closed",
    promises=("TRUTH-6", "RECOVER-1", "SURVIVE-1"),
    nodes=nodes.simulated(1),
    config=Configuration(storage=("local-path",)),
    storage=Storage(classes=(StorageClass("local-path"),), volumes=(Volume("before", "local-path", bound=True),)),
    volumes=Volumes(classes=("local-path",)),
    faults=(faults.WatchesClosed(resource="persistentvolumes"),),
    traffic=Churn(plain=True),
)


@pytest.mark.regression
@pytest.mark.promise(*CLOSED.promises)
def test_a_watch_of_volumes_that_ends_is_taken_up(run: Run) -> None:
    """What volumes take is followed after their watch has ended."""
    result = run(CLOSED)

    assert result["TRUTH-6"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["SURVIVE-1"] is PASS
