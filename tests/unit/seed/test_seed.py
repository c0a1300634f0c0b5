from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import seed as seeds
from harness.errors import UsageError

SEEDS = st.integers(0, seeds.MAX_SEED)


@given(SEEDS, st.lists(st.text(max_size=8), max_size=3))
def test_a_stream_repeats(seed: int, path: list[str]) -> None:
    """The same seed and name give the same choices."""
    first, again = seeds.stream(seed, *path), seeds.stream(seed, *path)

    assert [first.random() for _ in range(5)] == [again.random() for _ in range(5)]


@given(SEEDS)
def test_streams_do_not_shift_each_other(seed: int) -> None:
    """How much one stream is used makes no difference to another."""
    untouched = seeds.stream(seed, "nemesis").random()
    traffic = seeds.stream(seed, "traffic")
    for _ in range(100):
        traffic.random()

    assert seeds.stream(seed, "nemesis").random() == untouched
    assert seeds.stream(seed, "traffic").random() != untouched


def test_names_are_kept_apart() -> None:
    """Joining parts of a name never makes two names equal."""
    values = {seeds.derive(1, *path) for path in (("ab", "c"), ("a", "bc"), ("abc",), ("a", "b", "c"))}

    assert len(values) == 4


@given(SEEDS, st.text(min_size=1, max_size=30))
def test_a_derived_seed_is_a_seed(seed: int, name: str) -> None:
    """A scenario's own seed can be given to the command line again."""
    derived = seeds.derive(seed, name)

    assert seeds.check(derived) == derived
    assert derived < 10**9


def test_a_seed_means_the_same_in_every_process() -> None:
    """Hash randomisation of the interpreter makes no difference."""
    script = "from harness import seed; print(seed.derive(42, 'chaos/x'))"
    root = Path(__file__).resolve().parents[3]
    told = subprocess.run([sys.executable, "-c", script], cwd=root, check=True, capture_output=True, text=True).stdout

    assert int(told) == seeds.derive(42, "chaos/x")


@pytest.mark.parametrize("seed", [-1, seeds.MAX_SEED + 1])
def test_a_seed_out_of_range_is_refused(seed: int) -> None:
    """The error names the seed and the range."""
    with pytest.raises(UsageError, match=f"seed {seed} is out of range") as caught:
        seeds.check(seed)

    assert str(seeds.MAX_SEED) in caught.value.hint


def test_fresh_seeds_differ_and_are_short() -> None:
    """A new seed can be typed, and is not always the same."""
    made = {seeds.fresh() for _ in range(20)}

    assert len(made) > 15
    assert all(0 <= seed < 10**9 for seed in made)
