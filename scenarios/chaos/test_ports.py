"""Another program has the operator's ports, one or both, of one family of addresses or of both (RECOVER-3, RECOVER-1).

The operator starts while they are taken, or they are stolen while its supervisor waits to start it again; they are free
4 s later. In test_operator.py, and here where nothing is said, it is the very address, 127.0.0.1; "everywhere" is a
program that listens on all addresses of both families. Where only IPv6 is taken the operator listens on 0.0.0.0, as it
is deployed: one that serves both families by one socket cannot start, one that serves IPv4 can, and either will do.
Within RECOVER-3's 10 s of the release (the reason is in test_operator.py) both listeners serve, and tell the truth.
"""

from __future__ import annotations

import pytest

from harness import PASS, Churn, Run, Scenario, faults

PROMISES = ("RECOVER-3", "RECOVER-1", "TRUTH-1", "SHAPE-1", "SURVIVE-1")
MOMENTS = (("start", "interrupt"), ("restart", "kill"))
WHERE = {"ipv4": "", "ipv6": "-of-ipv6", "both": "-everywhere"}


def taken(port: str, family: str, moment: str, restart: str) -> Scenario:
    """A supervised operator that starts, or is started again, while its ports are taken."""
    named = "both-ports" if port == "both" else f"{port}-port"
    return Scenario(
        id=f"chaos/{named}-taken{WHERE[family]}-at-{moment}",
        promises=PROMISES,
        faults=(faults.PortTaken(port=port, restart=restart, family=family, for_s=4.0),),
        objectives={"RECOVER-3": 10.0},
        supervised=True,
        traffic=Churn(plain=True),
        rest_address="0.0.0.0" if family == "ipv6" else "127.0.0.1",  # noqa: S104 - as it is deployed
    )


IPV4 = tuple(pytest.param(taken("both", "ipv4", *when), id=f"both-at-{when[0]}") for when in MOMENTS)

IPV6 = tuple(
    pytest.param(taken(port, "ipv6", *when), id=f"{port}-at-{when[0]}")
    for port in ("rest", "grpc", "both")
    for when in MOMENTS
)

EVERYWHERE = tuple(
    pytest.param(taken(port, "both", *when), id=f"{port}-at-{when[0]}")
    for port in ("rest", "grpc", "both")
    for when in MOMENTS
)


@pytest.mark.library
@pytest.mark.parametrize("scenario", IPV4)
@pytest.mark.promise(*PROMISES)
def test_two_ports_that_are_taken_at_once_are_served_once_they_are_free(run: Run, scenario: Scenario) -> None:
    """The operator serves on both soon after their release, and what it serves is true."""
    result = run(scenario)

    assert result["RECOVER-3"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.library
@pytest.mark.parametrize("scenario", IPV6)
@pytest.mark.promise(*PROMISES)
def test_ports_that_are_taken_in_ipv6_alone_keep_nobody_from_service(run: Run, scenario: Scenario) -> None:
    """Whether or not the operator needs IPv6, it serves soon after the release, and what it serves is true."""
    result = run(scenario)

    assert result["RECOVER-3"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SURVIVE-1"] is PASS


@pytest.mark.library
@pytest.mark.parametrize("scenario", EVERYWHERE)
@pytest.mark.promise(*PROMISES)
def test_ports_that_are_taken_everywhere_are_served_once_they_are_free(run: Run, scenario: Scenario) -> None:
    """The operator serves soon after the release, and what it serves is true."""
    result = run(scenario)

    assert result["RECOVER-3"] is PASS
    assert result["RECOVER-1"] is PASS
    assert result["TRUTH-1"] is PASS
    assert result["SHAPE-1"] is PASS
    assert result["SURVIVE-1"] is PASS
