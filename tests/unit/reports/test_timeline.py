"""The timeline of a run, and the few shapes it is drawn with."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import pytest

from harness.check.verdict import judge
from harness.history import reader
from harness.history.reader import from_records
from reports.campaign import load
from reports.fewer import Axis, fewer, fewer_steps, ticks
from reports.html import page
from reports.plot import draw
from reports.timeline import Lane, Stretch, Timeline, build
from tests.unit.reports import bundles

if TYPE_CHECKING:
    from pathlib import Path


def _history(*records: dict[str, Any]) -> Timeline:
    return build(from_records([{"n": n, **record} for n, record in enumerate(records)]))


def _lane(timeline: Timeline, key: str) -> Lane:
    return next(lane for lane in timeline.lanes if lane.key == key)


def _states(lane: Lane) -> list[tuple[float, float, str]]:
    return [(round(s.begin_s, 2), round(s.end_s, 2), s.state) for s in lane.stretches]


@pytest.fixture
def timeline(tmp_path: Path) -> Timeline:
    """The timeline of the run in which the API server is killed."""
    return build(reader.read(bundles.api_server_killed(tmp_path) / "history.jsonl"))


def test_the_operator_is_up_and_down(timeline: Timeline) -> None:
    """The process runs from its start to its exit, is dead by its own doing, and runs again until the end."""
    assert _states(_lane(timeline, "operator")) == [(4.1, 18.4, "up"), (18.4, 19.1, "died"), (19.1, 25.6, "up")]


def test_an_exit_by_the_harness_is_told_from_the_operators_own() -> None:
    """A process that the harness killed is stopped, not died."""
    lane = _lane(
        _history(
            {"t": 1.0, "k": "process", "event": "started", "pid": 1, "cause": "harness"},
            {"t": 2.0, "k": "process", "event": "exited", "pid": 1, "code": -9, "cause": "harness"},
            {"t": 5.0, "k": "mark", "mark": "end"},
        ),
        "operator",
    )
    assert _states(lane) == [(1.0, 2.0, "up"), (2.0, 5.0, "stopped")]
    assert lane.stretches[1].text == "signal 9, by the harness"


def test_a_restart_by_the_liveness_script_is_told() -> None:
    """The process is stopped by its liveness, and the list of events says what the script found."""
    history = _history(
        {"t": 1.0, "k": "process", "event": "started", "pid": 1, "cause": "harness"},
        {"t": 1.5, "k": "probe", "t0": 1.4, "passed": True, "why": ""},
        {"t": 2.0, "k": "probe", "t0": 1.9, "passed": False, "why": "no nodes reported"},
        {
            "t": 2.0,
            "k": "process",
            "event": "terminating",
            "pid": 1,
            "cause": "liveness",
            "detail": "no nodes reported",
        },
        {"t": 2.5, "k": "process", "event": "exited", "pid": 1, "code": 0, "cause": "liveness"},
        {"t": 5.0, "k": "mark", "mark": "end"},
    )

    assert _states(_lane(history, "operator")) == [(1.0, 2.5, "up"), (2.5, 5.0, "stopped")]
    assert [event.text for event in history.events if event.what == "operator"][1:] == [
        "liveness script failed: no nodes reported",
        "told to end: no nodes reported",
        "exited: exit code 0, as its liveness failed",
    ]


def test_answers_in_a_row_are_one_stretch(timeline: Timeline) -> None:
    """What a polled source said is a handful of stretches that end with the run."""
    assert _states(_lane(timeline, "rest")) == [
        (4.1, 4.52, "refused"),
        (4.6, 13.92, "ok"),
        (14.0, 15.92, "error"),
        (16.0, 16.92, "timeout"),
        (17.0, 18.32, "ok"),
        (18.4, 19.42, "refused"),
        (19.5, 25.6, "ok"),
    ]
    assert sum(stretch.count for stretch in _lane(timeline, "rest").stretches) == 229


def test_a_stream_is_ok_while_its_last_message_stands(timeline: Timeline) -> None:
    """Silence after a message is no trouble; the end of the call is."""
    assert _states(_lane(timeline, "stream")) == [(4.7, 18.4, "ok"), (18.4, 18.4, "error"), (19.6, 25.6, "ok")]


def test_faults_carry_their_windows(timeline: Timeline) -> None:
    """A fault has the times of inject, bite, heal and healed."""
    window = timeline.faults[0]
    assert (window.inject_s, window.injected_s, timeline.heals[window.id], window.end_s) == (10.05, 10.2, 15.2, 17.3)
    assert window.bit is True


def test_the_plot_begins_with_the_operator(timeline: Timeline) -> None:
    """The seconds in which only the cluster starts are not drawn."""
    assert timeline.begin_s == pytest.approx(3.9)
    assert timeline.end_s == pytest.approx(25.6)


def test_a_fault_that_was_never_healed_lasts_to_the_end() -> None:
    """Neither a missing heal nor a missing proof breaks the drawing."""
    timeline = _history(
        {"t": 1.0, "k": "fault", "fault": "f", "id": "0-f", "phase": "inject", "target": "x", "affects": []},
        {"t": 4.0, "k": "mark", "mark": "end"},
    )
    plot = draw(timeline, [], [])
    assert [box.state for box in plot.boxes if box.label] == ["outline"]
    assert "never healed" in next(box.title for box in plot.boxes if box.label)


def test_an_empty_history_can_be_drawn() -> None:
    """A run that ended before anything happened has a plot without shapes."""
    plot = draw(_history({"t": 0.0, "k": "run", "scenario": {}}), [], [])
    assert plot.boxes == []
    assert plot.curve == ""


def test_merging_keeps_the_worst_and_the_budget() -> None:
    """However many stretches there are, few are drawn, and one short trouble is never lost."""
    stretches = [Stretch(n * 0.1, n * 0.1 + 0.05, "ok" if n % 2 else "error") for n in range(10_000)]
    stretches[5_000] = Stretch(500.0, 500.01, "timeout")
    found = fewer(stretches, Axis(0.0, 1000.0, 1000.0), 70)
    assert len(found) <= 70
    assert any(piece.state == "timeout" and piece.begin_s <= 500.0 <= piece.end_s for piece in found)
    assert all(before.end_s <= after.begin_s + 1e-6 for before, after in itertools.pairwise(found))


def test_few_stretches_are_left_as_they_are() -> None:
    """Nothing is merged where nothing has to be."""
    stretches = [Stretch(0.0, 1.0, "ok"), Stretch(1.0, 1.001, "error")]
    assert fewer(stretches, Axis(0.0, 1000.0, 1000.0), 70) == stretches


def test_fewer_steps_keep_peaks_and_the_last_value() -> None:
    """A peak of one moment is still as high, and the curve ends where it ended."""
    steps = [(n * 0.01, 1.0) for n in range(100_000)]
    steps[777] = (7.77, 99.0)
    steps.append((1000.0, 5.0))
    found = fewer_steps(steps, 1000.0, 500)
    assert len(found) <= 501
    assert max(value for _, value in found) == pytest.approx(99.0)
    assert found[-1][1] == pytest.approx(5.0)


@pytest.mark.parametrize(("begin", "end"), [(0.0, 0.3), (3.9, 25.6), (0.0, 600.0), (10.0, 90_000.0)])
def test_ticks_are_few_and_within(begin: float, end: float) -> None:
    """The axis has a readable number of ticks, none outside."""
    found = ticks(Axis(begin, end, 1000.0))
    assert 2 <= len(found) <= 15
    assert all(begin - 1e-6 <= t <= end + 1e-6 for t in found)


def test_findings_near_each_other_share_a_marker(timeline: Timeline) -> None:
    """Numbers on markers lead to the first finding they stand for, whatever the order of the list."""
    plot = draw(timeline, [], [12.1, 12.14, 18.4, 5.0, float("nan")])
    assert [(pin.text, pin.href) for pin in plot.pins] == [
        ("5", "#finding-5"),
        ("4", "#finding-4"),
        ("1-2", "#finding-1"),
        ("3", "#finding-3"),
    ]


def test_delays_are_bars_as_high_as_the_longest_of_them(timeline: Timeline) -> None:
    """One bar for each column of pixels, the highest as high as the row, and a note that says how long that was."""
    plot = draw(timeline, [], [], [(10.0, 0.5), (10.001, 4.0), (20.0, 2.0)])
    bars = [[float(part) for part in bar.replace("V", " ").split()] for bar in plot.delays.split("M")[1:]]

    assert len(bars) == 2
    assert [round((bottom - top) / (bars[0][1] - bars[0][2]), 2) for _x, bottom, top in bars] == [1.0, 0.5]
    assert ("until true", "at most 4.0 s") in [(row.name, row.note) for row in plot.rows]
    assert "The longest way from a cause to the truth took 4.0 s, from 10.0 s on." in plot.description
    assert draw(timeline, [], []).delays == ""


def test_a_huge_run_is_drawn_with_few_elements(tmp_path: Path) -> None:
    """Hours of flapping sources, hundreds of faults and thousands of steps stay below 2,000 elements of the plot."""
    steps = [[n * 0.5, float(n % 7)] for n in range(20_000)]
    found = [bundles.finding(f"finding {n}", n * 5.0) for n in range(400)]
    broken = judge("TRUTH-3", examined=1, unit="values", findings=found)
    bundle = bundles.write_run(tmp_path, "chaos/huge", promises=(broken,), stale=steps)
    story = bundles.Story(bundle, "chaos/huge")
    for number in range(1500):
        t = number * 5.0
        for source in ("rest", "query", "stream"):
            story.answers(source, t, t + 0.2, ("ok", "error", "timeout", "refused")[number % 4])
        for path in ("/metrics/health", "/metrics/ready"):
            story.probes(path, t, t + 0.5, "ok" if number % 2 else "error")
        story.tell(t + 1, "process", event="exited" if number % 2 else "started", pid=number, code=1, cause="self")
        story.tell(t + 1, "gap", phase="end" if number % 2 else "begin", resource="nodes", why="x")
        if number % 4 == 0:
            story.fault(str(number), "operator-killed", (t, t + 0.1, t + 1, t + 2))
    story.end()
    run = load(tmp_path).runs[0]
    text = page(run, index="index.html", machine={})
    drawing = text.partition('class="timeline"')[2].partition('class="legend"')[0]
    elements = len(re.findall(r"<[a-z]", drawing))
    assert 500 < elements < 2000
    assert len(text) < 1_000_000


def test_a_damaged_history_costs_only_the_timeline(tmp_path: Path) -> None:
    """The page still has verdicts and findings, and says what is wrong with the history."""
    bundle = bundles.api_server_killed(tmp_path)
    lines = (bundle / "history.jsonl").read_text().splitlines(keepends=True)
    lines[40] = lines[40].replace("ok", "ko", 1)
    (bundle / "history.jsonl").write_text("".join(lines))
    text = page(load(tmp_path).runs[0], index="index.html", machine={})
    assert "There is no timeline" in text
    assert "line 41" in text
    assert "the operator exited by itself with code 2" in text


def test_a_torn_history_is_drawn_and_said_to_be_torn(tmp_path: Path) -> None:
    """A harness killed while writing leaves a page with everything before that."""
    bundle = bundles.api_server_killed(tmp_path)
    path = bundle / "history.jsonl"
    path.write_text(path.read_text()[:-20])
    text = page(load(tmp_path).runs[0], index="index.html", machine={})
    assert "The history is torn" in text
    assert 'class="timeline"' in text
