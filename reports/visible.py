"""Text for reports: what came from outside made safe to show (`harness.visible`), and figures as people read them."""

from __future__ import annotations

from harness.visible import fenced, line, markdown, shortened, visible

__all__ = ["count", "fenced", "line", "markdown", "measured", "seconds", "shortened", "visible"]


def seconds(value: float | None) -> str:
    """A duration as people read it: "350 ms", "3.2 s", "4 min 05 s"; "-" when there is none."""
    if value is None:
        return "-"
    if abs(value) < 1:
        return f"{value * 1000:.0f} ms"
    if abs(value) < 100:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"


def measured(name: str, value: float) -> str:
    """A named number in the unit its name ends with: "recovery 3.2 s", "worst latency 40 ms", "self exits 2"."""
    if name.endswith("_s"):
        return f"{name[:-2].replace('_', ' ')} {seconds(value)}"
    return f"{name.replace('_', ' ')} {value:g}"


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 finding", "3 findings"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
