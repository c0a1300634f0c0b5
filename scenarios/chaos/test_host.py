"""The operator's host harms it: stopped, ended by a signal, short of files or of processor time (SURVIVE-1, RECOVER-1).

While it is stopped or starved it may be late, not wrong (TRUTH-1, TRUTH-3), and it must not end over it. On SIGTERM and
SIGINT it ends, and a supervisor starts it again, as a kubelet does. Within RECOVER-1's 15 s after the heal all is true.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("SURVIVE-1", "SHAPE-1", "TRUTH-1", "TRUTH-3", "RECOVER-1")
PLAIN = Churn(plain=True)


def harmed(name: str, fault: faults.Fault, *, supervised: bool = False) -> Scenario:
    """The usual cluster under churn of plain pods, and one harm to the operator's process."""
    return Scenario(id=f"chaos/{name}", promises=PROMISES, faults=(fault,), traffic=PLAIN, supervised=supervised)


CASES = (
    pytest.param(harmed("operator-paused", faults.OperatorPaused()), id="paused"),
    pytest.param(harmed("operator-terminated", faults.OperatorTerminated(), supervised=True), id="terminated"),
    pytest.param(harmed("operator-interrupted", faults.OperatorInterrupted(), supervised=True), id="interrupted"),
    pytest.param(harmed("files-limited", faults.FilesLimited()), id="files-limited"),
    pytest.param(harmed("processor-starved", faults.ProcessorStarved()), id="processor-starved"),
)


@pytest.mark.library
@pytest.mark.parametrize("scenario", CASES)
@pytest.mark.promise(*PROMISES)
def test_harm_to_the_process_is_survived(run: Run, scenario: Scenario) -> None:
    """The operator does not end by itself, says nothing false, and is true again soon after the harm."""
    result = run(scenario)

    assert result["SURVIVE-1"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["TRUTH-3"] is PASS
    assert result["RECOVER-1"] is PASS
