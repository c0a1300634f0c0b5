"""When a supervisor starts an operator again, and what may be asked of it."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.operator.supervisor import BackOff, Supervision, check_scale, grace_s, longest_until_probed_s


def crashes(backoff: BackOff, *lived_s: float) -> list[float]:
    """The waits of an operator that lives as long as that after each start."""
    now, waits = 0.0, []
    for lived in lived_s:
        waits.append(backoff.after(now + lived))
        now += lived + waits[-1]
    return waits


def test_the_waits_are_a_kubelets() -> None:
    """Nearly at once, then 10 s, doubled up to 5 min."""
    assert crashes(BackOff(1.0), *[0.5] * 8) == [1.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0]


def test_a_tenth_of_a_kubelets_waits() -> None:
    """Every wait is scaled alike."""
    assert crashes(BackOff(0.1), *[0.5] * 5) == pytest.approx([0.1, 1.0, 2.0, 4.0, 8.0])


@pytest.mark.parametrize(("scale", "lived_s", "wait_s"), [(1.0, 599.0, 20.0), (1.0, 601.0, 1.0), (0.1, 61.0, 0.1)])
def test_what_has_run_for_ten_minutes_is_stable(scale: float, lived_s: float, wait_s: float) -> None:
    """After that long the waits begin anew; before, they go on to grow."""
    assert crashes(BackOff(scale), 0.0, 0.0, lived_s)[-1] == pytest.approx(wait_s)


def test_a_new_pod_has_no_past() -> None:
    """Its first restart is at once."""
    backoff = BackOff(1.0)
    crashes(backoff, 0.0, 0.0, 0.0)

    backoff.forget()

    assert backoff.after(100.0) == 1.0


@given(st.floats(0.01, 1.0), st.lists(st.floats(0.0, 5.0), min_size=2, max_size=12))
def test_waits_only_grow_while_it_crashes(scale: float, lived_s: list[float]) -> None:
    """No wait is shorter than the one before, or longer than five minutes."""
    waits = crashes(BackOff(scale), *lived_s)

    assert all(before <= after for before, after in pairwise(waits))
    assert max(waits) <= 300.0 * scale


@pytest.mark.parametrize("scale", [0.0, 0.04, 1.5, -1.0, math.nan, math.inf])
def test_a_scale_out_of_range_is_refused(scale: float) -> None:
    """The error names the option and the range."""
    with pytest.raises(UsageError, match=r"--backoff-scale .* is out of range") as caught:
        Supervision(scale=scale)

    assert caught.value.hint.startswith("0.05 to 1;")


def test_what_was_asked_for_can_be_asked_for_again() -> None:
    """A command that reproduces a run carries the same options; liveness needs no second one."""
    assert Supervision().options() == []
    assert Supervision(supervised=True).options() == ["--supervised"]
    assert Supervision(supervised=True, liveness=True, scale=0.5).options() == ["--liveness", "--backoff-scale=0.5"]


def test_the_grace_is_never_too_short_to_end_in_order() -> None:
    """The operator's own work is not scaled; a probe comes after the initial delay and at most one period."""
    assert [grace_s(scale) for scale in (0.05, 0.1, 1.0)] == [5.0, 5.0, 30.0]
    assert longest_until_probed_s(check_scale(0.1)) == pytest.approx(27.0)
