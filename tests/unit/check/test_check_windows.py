"""Windows, spans, answers and tracks: the parts that checkers are made of."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.check.answers import Answer, parse_snapshots, read_answers
from harness.check.tracks import STREAM_SAMPLE_S, build_track, samples, without_indices
from harness.check.windows import merged, read_windows, without
from harness.model.inventory import ABSENT
from harness.model.reported import parse
from harness.model.timeline import Timeline
from tests.unit.check.story import Story, quiet
from tests.unit.check.story import without as dropping

spans = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda p: (float(min(p)), float(max(p)))))


@given(spans, spans)
def test_taking_holes_out_leaves_exactly_the_rest(
    whole: list[tuple[float, float]], holes: list[tuple[float, float]]
) -> None:
    """A moment (between whole seconds) is left when it was in the span and in no hole."""
    for span in whole:
        left = without(span, merged(holes))
        for tick in range(31):
            moment = tick + 0.5
            inside = span[0] < moment < span[1] and not any(a < moment < b for a, b in holes)
            assert any(a < moment < b for a, b in left) is inside


@given(st.integers(0, 20), st.integers(0, 20), st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2)), max_size=4))
def test_taking_index_ranges_out_leaves_exactly_the_rest(first: int, last: int, steps: list[tuple[int, int]]) -> None:
    """An index is left when it was in the range and in no hole."""
    holes: list[tuple[int, int]] = []
    at = 0
    for skip, length in steps:
        begin = at + skip
        holes.append((begin, begin + length))
        at = begin + length + 2
    left = [i for a, b in without_indices((first, last), holes) for i in range(a, b + 1)]
    assert left == [i for i in range(first, last + 1) if not any(a <= i <= b for a, b in holes)]


def test_windows_last_from_inject_to_healed() -> None:
    """A window has its phases' times; one that was never healed has no end."""
    story = Story()
    story.fault(10.0, 20.0, "api")
    story.fault(30.0, None, "operator", kind="operator-killed")
    windows = read_windows(story.history(), end_s=99.0)
    first, second = windows.faults
    assert (first.inject_s, first.injected_s, first.end_s, first.bit) == (10.0, 10.1, 20.0, True)
    assert second.end_s == math.inf
    assert windows.spans({"api"}, grace_s=5.0) == [(10.0, 25.0)]


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (5.0, "at 5.00 s"),
        (12.31, "at 12.31 s, 2.31 s after inject of api-server-killed"),
        (20.4, "at 20.40 s, 0.40 s after heal of api-server-killed"),
    ],
)
def test_time_is_told_relative_to_the_nearest_fault(t: float, text: str) -> None:
    """The text counts from the latest inject or heal before."""
    story = Story()
    story.fault(10.0, 20.0, "api")
    assert read_windows(story.history(), end_s=99.0).when(t) == text


def test_an_exit_lasts_until_the_next_start() -> None:
    """An exit of its own makes the operator away until it is started again."""
    story = Story()
    story.exits(10.0, again=12.0)
    (gone,) = read_windows(story.history(), end_s=99.0).exits
    assert (gone.t, gone.until_s) == (10.0, 12.0)
    assert read_windows(story.history(), end_s=99.0).spans({"operator"}, grace_s=3.0) == [(10.0, 15.0)]


def test_a_stream_is_sampled_while_it_is_connected() -> None:
    """The last message stands until the next one or an error, and not beyond."""
    listed = [Answer("stream", t, t, "ok", snapshot=key) for t, key in ((1.0, "x"), (2.0, "y"))]
    listed.append(Answer("stream", 3.0, 3.0, "error"))
    sampled = list(samples(listed, 9.0))
    assert [(a.t, a.snapshot) for a in sampled[:2]] == [(1.0, "x"), (1.0 + STREAM_SAMPLE_S, "x")]
    assert 2.9 < sampled[-1].t < 3.0
    assert sampled[-1].snapshot == "y"


def test_parsing_with_memory_gives_the_same_inventories() -> None:
    """Taking unchanged nodes from the snapshot before gives what parsing each snapshot alone gives."""
    story = quiet()
    story.answer("rest", 20.2, {"nodes": [{"name": "a"}], "storage": None})
    story.answer("rest", 20.3, {"raw": "x"})
    history = story.history()
    for key, parsed in parse_snapshots(history, read_answers(history)).items():
        assert (parsed.reported, parsed.problems) == parse(history.snapshots[key])


def test_runs_cover_every_answer_once() -> None:
    """For each node, present has exactly one value at every answer; figures have one where it is present."""
    story = quiet()
    story.answer("rest", 20.2, dropping("b")(story.truth(20.2)))
    history = story.history()
    answers = read_answers(history)
    track = build_track("rest", answers["rest"], parse_snapshots(history, answers), Timeline.build(history))
    for name in ("a", "b"):
        said = [run.value for run in track.runs[name, "present"] for _ in range(run.first, run.last + 1)]
        assert len(said) == len(track.t)
        cores = sum(run.last - run.first + 1 for run in track.runs[name, "cpu.capacity"])
        assert cores == len([value for value in said if value is not ABSENT])
