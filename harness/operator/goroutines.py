"""How many goroutines an operator has, and where most of them began: its own profile, as net/http/pprof writes it.

`GET /debug/pprof/goroutine?debug=1` answers with text: a first line "goroutine profile: total 57", then a block for
each distinct stack, whose first line is "12 @ 0x43b0ae 0x44b2d8 …" (how many goroutines have that stack) and whose
others are "#<tab>0x…<tab>function+0x…<tab><tab>file:line", the innermost call first.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

PATH = "/debug/pprof/goroutine?debug=1"
TIMEOUT_S = 2.0
KEPT = 12
"""Kinds of goroutines that are kept of a profile: a leak is soon among the most frequent."""

_TOTAL = re.compile(r"goroutine profile: total (\d+)\s*$", re.MULTILINE)
_STACK = re.compile(r"(\d+) @( 0x[0-9a-f]+)*")
_CALL = re.compile(r"#\s+0x[0-9a-f]+\s+(\S+?)(?:\+0x[0-9a-f]+)?\s")


@dataclass(frozen=True, slots=True)
class Goroutines:
    """A profile: how many there are, and by the function in which they began the KEPT most frequent kinds."""

    total: int
    began_in: dict[str, int] = field(default_factory=dict)


def parse(text: str) -> Goroutines | None:
    """The profile; None when the text is none."""
    total = _TOTAL.match(text)
    if total is None:
        return None
    counts: Counter[str] = Counter()
    number, outermost = 0, ""
    for line in [*text.splitlines()[1:], ""]:
        if (stack := _STACK.match(line)) is not None:
            number, outermost = int(stack[1]), ""
        elif (call := _CALL.match(line)) is not None:
            outermost = call[1]
        elif number and outermost:
            counts[outermost] += number
            number = 0
    return Goroutines(int(total[1]), dict(counts.most_common(KEPT)))


async def read(session: aiohttp.ClientSession, base_url: str) -> Goroutines | None:
    """The profile as it is now; None when there is no answer, or one that is no profile. Never raises."""
    try:
        async with session.get(base_url + PATH) as response:
            if response.status != 200:
                return None
            return parse((await response.read()).decode(errors="replace"))
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


def session() -> aiohttp.ClientSession:
    """What profiles are read with: a connection of its own, so that no poll waits behind one."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
