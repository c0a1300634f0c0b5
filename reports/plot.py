"""From a timeline to shapes with coordinates: pixels of the SVG's own view box."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reports.fewer import Axis, fewer, fewer_steps, ticks
from reports.timeline import Lane, Timeline, numbered
from reports.visible import count, line, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.check.windows import FaultWindow

WIDTH_PX, MAX_WIDTH_PX, PX_PER_S = 1000.0, 3000.0, 8.0
STRETCHES_PER_LANE = 70
FAULTS_DRAWN = 60
LABEL_CHARS = 48
FAULTS_NAMED = 16  # more of them would need too many rows for their names
STEPS_DRAWN = 1500
LANE_PX, GAP_PX, FAULT_ROW_PX, PLOT_PX, AXIS_PX, MARK_ROW_PX = 18.0, 8.0, 26.0, 84.0, 30.0, 15.0
CHAR_PX = 6.3  # an average character at 11 px
PIN_PX = 22.0
STATE_WORDS = {
    "striking": "striking", "acting": "harm acting", "unproven": "harm not proven", "healing": "healing",
    "up": "running", "stopped": "not running (by the harness)", "died": "not running (ended by itself)",
    "ok": "ok", "error": "error", "timeout": "no answer in time", "refused": "connection refused", "gap": "not seen",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with its state and its text for the pointer."""

    x: float
    y: float
    w: float
    h: float
    state: str
    title: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row's name, left of the plot, and where it is."""

    name: str
    y: float
    h: float
    note: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """A short text at a place; `anchor` as in SVG."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    href: str = ""


@dataclass(slots=True)
class Plot:
    """Everything that the template draws."""

    width: float
    height: float = 0.0
    rows: list[Row] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    bands: list[Box] = field(default_factory=list)
    marks: list[Label] = field(default_factory=list)
    pins: list[Label] = field(default_factory=list)
    ticks: list[Label] = field(default_factory=list)
    curve: str = ""
    delays: str = ""
    delays_bottom: float = 0.0
    curve_top: float = 0.0
    curve_bottom: float = 0.0
    top: float = 0.0
    bottom: float = 0.0
    description: str = ""


def draw(
    timeline: Timeline,
    stale: Sequence[tuple[float, float]],
    found_s: Sequence[float],
    delays: Sequence[tuple[float, float]] = (),
) -> Plot:
    """Lay out marks, fault windows, lanes, the curve of untrue fields, delays, findings (`found_s`: in list order).

    `delays`: when a change of the truth was, and how many seconds it took to be told.
    """
    width = min(MAX_WIDTH_PX, max(WIDTH_PX, (timeline.end_s - timeline.begin_s) * PX_PER_S))
    axis = Axis(timeline.begin_s, timeline.end_s, width)
    plot = Plot(width=width)
    y = plot.top = _marks(plot, timeline.marks, axis)
    y = _faults(plot, timeline, axis, y)
    for lane in timeline.lanes:
        plot.boxes += _lane(lane, axis, y)
        plot.rows.append(Row(lane.name, y, LANE_PX))
        y += LANE_PX + GAP_PX
    y = _curve(plot, stale, axis, y + 6)
    y = _delays(plot, delays, axis, y + 6)
    y = plot.bottom = _pins(plot, found_s, axis, y)
    plot.ticks = [Label(axis.x(t), y, _tick(t)) for t in ticks(axis)]
    plot.height = y + AXIS_PX
    plot.description = _description(timeline, stale, delays, len(found_s))
    return plot


def _tick(t: float) -> str:
    return f"{t:g} s" if t < 600 else f"{t / 60:g} min"


def _marks(plot: Plot, marks: Sequence[tuple[float, str]], axis: Axis) -> float:
    """Labels in as many rows as they need not to touch; returns where the lanes begin."""
    ends: list[float] = []
    for t, text in sorted(marks):
        x, length = axis.x(t), len(text) * CHAR_PX + 12
        right = x + length > plot.width
        begin, end = (x - length, x) if right else (x, x + length)
        row = next((index for index, used in enumerate(ends) if used <= begin), len(ends))
        ends[row : row + 1] = [max(end, x + 4)]
        plot.marks.append(Label(x, 11 + row * MARK_ROW_PX, text, "end" if right else "start"))
    return len(ends) * MARK_ROW_PX + 10


def _faults(plot: Plot, timeline: Timeline, axis: Axis, top: float) -> float:
    """Fault windows, overlapping ones in rows of their own, each as striking, acting and healing."""
    rows: list[float] = []
    shown = timeline.faults[:FAULTS_DRAWN]
    named = len(shown) <= FAULTS_NAMED
    for window in shown:
        x, end_x = axis.x(window.inject_s), axis.x(window.end_s)
        row = next((index for index, used in enumerate(rows) if used <= x), len(rows))
        room = min(len(_name(window)), LABEL_CHARS) * CHAR_PX + 12 if named else 0
        rows[row : row + 1] = [max(end_x, x + room)]
        plot.boxes += _window(window, timeline, axis, top + row * FAULT_ROW_PX, named=named)
        plot.bands.append(Box(x, top, max(1.0, end_x - x), 0, "band"))
    if shown:
        left = len(timeline.faults) - len(shown)
        height = len(rows) * FAULT_ROW_PX
        plot.rows.append(Row("harm", top, FAULT_ROW_PX - 6, f"{left} more not drawn" if left else ""))
        return top + height + GAP_PX
    return top


def _window(window: FaultWindow, timeline: Timeline, axis: Axis, y: float, *, named: bool) -> Iterator[Box]:
    end_s = min(window.end_s, timeline.end_s)
    heal_s = min(timeline.heals.get(window.id, end_s), end_s)
    injected_s = min(window.injected_s if window.injected_s is not None else heal_s, heal_s)
    bit = {True: "it bit", False: "it did not show that it bit", None: "not injected"}[window.bit]
    title = (
        f"{window.kind}{f' on {window.target}' if window.target else ''}: inject at {window.inject_s:.2f} s, "
        f"{bit} ({injected_s:.2f} s), heal at {heal_s:.2f} s, "
        f"{'never healed' if math.isinf(window.end_s) else f'healed at {window.end_s:.2f} s'}"
        f"{f'; evidence: {window.evidence}' if window.evidence else ''}"
    )
    acting = "acting" if window.bit else "unproven"
    parts = ((window.inject_s, injected_s, "striking"), (injected_s, heal_s, acting), (heal_s, end_s, "healing"))
    for begin, end, state in parts:
        if end > begin:
            yield Box(axis.x(begin), y, _wide(axis, begin, end), FAULT_ROW_PX - 6, state, line(title))
    x, w = axis.x(window.inject_s), _wide(axis, window.inject_s, end_s)
    label = _fit(_name(window), axis.width - x) if named else ""
    yield Box(x, y, w, FAULT_ROW_PX - 6, "outline", line(title), label)


def _wide(axis: Axis, begin_s: float, end_s: float) -> float:
    """How wide a stretch of time is; nothing is too short to be seen."""
    return max(1.5, axis.x(end_s) - axis.x(begin_s))


def _name(window: FaultWindow) -> str:
    return line(f"{window.kind}{'' if window.bit else ' (not proven)'} {window.target}")


def _fit(text: str, room: float) -> str:
    most = min(LABEL_CHARS, max(4, int(room / CHAR_PX) - 2))
    return text if len(text) <= most else text[: most - 1] + "…"


def _lane(lane: Lane, axis: Axis, y: float) -> Iterator[Box]:
    for piece in fewer(lane.stretches, axis, STRETCHES_PER_LANE):
        said = STATE_WORDS.get(piece.state, piece.state)
        times = f"{piece.begin_s:.2f} to {piece.end_s:.2f} s"
        number = f" x {piece.count}" if piece.count > 1 else ""
        title = f"{lane.name}: {said}{number}, {times}{f'; {piece.text[:300]}' if piece.text else ''}"
        w = _wide(axis, piece.begin_s, piece.end_s)
        yield Box(min(axis.x(piece.begin_s), axis.width - 1.5), y, w, LANE_PX, piece.state, line(title))


def _curve(plot: Plot, stale: Sequence[tuple[float, float]], axis: Axis, top: float) -> float:
    """A step curve of how many fields were not true, as one path; returns where it ends."""
    highest = max((value for _, value in stale), default=0.0)
    note = f"at most {highest:g} fields" if highest else "nothing" if stale else "not measured"
    height = PLOT_PX if highest else 1.6 * LANE_PX
    plot.curve_top, plot.curve_bottom = top, top + height
    plot.rows.append(Row("not true", top, height, note))
    if highest > 0:
        path = [f"M{axis.x(stale[0][0]):.1f} {plot.curve_bottom:.1f}"]
        for t, value in fewer_steps(stale, axis.end_s, STEPS_DRAWN):
            path.append(f"H{axis.x(t):.1f}V{plot.curve_bottom - value / highest * height:.1f}")
        path.append(f"H{axis.width:.1f}V{plot.curve_bottom:.1f}Z")
        plot.curve = "".join(path)
    return plot.curve_bottom + GAP_PX


def _delays(plot: Plot, delays: Sequence[tuple[float, float]], axis: Axis, top: float) -> float:
    """A bar for each moment with causes, as high as the longest of them took; returns where the row ends."""
    plot.delays_bottom = top
    longest = max((seconds_ for _, seconds_ in delays), default=0.0)
    if not delays:
        return top
    plot.delays_bottom = top + PLOT_PX
    plot.rows.append(Row("until true", top, PLOT_PX, f"at most {seconds(longest)}"))
    highest: dict[int, float] = {}
    for t, took in delays:
        column = round(axis.x(t))
        highest[column] = max(highest.get(column, 0.0), took)
    scale = PLOT_PX / max(longest, 1e-3)
    plot.delays = "".join(
        f"M{x} {plot.delays_bottom:.1f}V{plot.delays_bottom - max(1.0, took * scale):.1f}"
        for x, took in sorted(highest.items())
    )
    return plot.delays_bottom + GAP_PX


def _pins(plot: Plot, found_s: Sequence[float], axis: Axis, top: float) -> float:
    """Numbered markers that lead to the list of findings; near ones share a marker."""
    if not found_s:
        return top
    plot.rows.append(Row("findings", top, LANE_PX, ""))
    groups: list[tuple[float, list[int]]] = []
    for t, number in numbered(found_s):
        x = min(max(axis.x(t), 10.0), plot.width - 12)
        if groups and x - groups[-1][0] < PIN_PX * (1 + (len(groups[-1][1]) > 1)):
            groups[-1][1].append(number)
        else:
            groups.append((x, [number]))
    for x, numbers in groups:
        first, last = min(numbers), max(numbers)
        text = str(first) if len(numbers) == 1 else f"{first} +{len(numbers) - 1}"
        if len(numbers) > 1 and last - first == len(numbers) - 1:
            text = f"{first}-{last}"
        plot.pins.append(Label(x, top + LANE_PX / 2, text, "middle", f"#finding-{first}"))
    return top + LANE_PX + GAP_PX


def _description(
    timeline: Timeline, stale: Sequence[tuple[float, float]], delays: Sequence[tuple[float, float]], findings: int
) -> str:
    """The plot in words, for those who cannot see it."""
    harm = ", ".join(
        f"{window.kind} from {window.inject_s:.1f} s to "
        f"{'the end' if math.isinf(window.end_s) else f'{window.end_s:.1f} s'}"
        for window in timeline.faults[:10]
    )
    highest = max(stale, key=lambda step: step[1], default=(0.0, 0.0))
    curve = f"At most {highest[1]:g} fields were not true, from {highest[0]:.1f} s on. " if stale else ""
    slowest = max(delays, key=lambda step: step[1], default=(0.0, 0.0))
    if delays:
        curve += f"The longest way from a cause to the truth took {seconds(slowest[1])}, from {slowest[0]:.1f} s on. "
    return (
        f"A run of {seconds(timeline.end_s)}. Harm: {line(harm) or 'none'}. {curve}"
        f"{count(findings, 'finding')}. The table of events below holds the same in words."
    )
