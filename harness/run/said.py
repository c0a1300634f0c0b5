"""What the operator writes to its log, as far as CONFIG-1 and RECOVER-3 need it: that it says something, and when."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.wait import interval

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.history.writer import HistoryWriter

_LOOK_S = 0.25
_MOST_LINES = 3
_MOST_CHARACTERS = 300

_MAY_BE_ABOUT_IT = re.compile(
    r"config|yaml|\berr|fail|invalid|\bbad\b|can(?:no|')t|could(?:n.t| not)|unable|unexpected|unknown|regexp?|warn",
    re.IGNORECASE,
)
"""Words of a line about a bad configuration. Too many rather than too few: what matches is only shown and counted."""

_ERROR = re.compile(
    r"\berr|fail|in use|\bbind|\btaken|can(?:no|')t|could(?:n.t| not)|unable|refus|denied|panic|fatal", re.IGNORECASE
)
"""Words of a line that says that something is wrong with a port, and not that it is listened on."""


async def follow(directory: Path, history: HistoryWriter, ports: Sequence[int]) -> None:
    """Record, for ever, how much the operator has written to its outputs, and what of it may matter.

    That is what may be about the configuration (`said`), and which of `ports` an error has named (`ports`).
    """
    logs = [directory / f"operator.{name}.log" for name in ("stderr", "stdout")]
    read = dict.fromkeys(logs, 0)
    history.add("log", lines=0, said=[], ports=[])
    while True:
        lines = [line for log in logs for line in _new(log, read)]
        if lines:
            history.add("log", lines=len(lines), said=about(lines), ports=naming(lines, ports))
        await interval(_LOOK_S)


def about(lines: list[str]) -> list[str]:
    """The first few lines that may be about the configuration, cut to a readable length."""
    return [line[:_MOST_CHARACTERS] for line in lines if _MAY_BE_ABOUT_IT.search(line)][:_MOST_LINES]


def naming(lines: Sequence[str], ports: Sequence[int]) -> list[int]:
    """Those of the ports that a line with a word of failure in it names, as whole numbers."""
    wrong = [line for line in lines if _ERROR.search(line)]
    return [port for port in ports if any(re.search(rf"(?<!\d){port}(?!\d)", line) for line in wrong)]


def _new(log: Path, read: dict[Path, int]) -> list[str]:
    """The whole lines that were added since the last look."""
    try:
        with log.open("rb") as file:
            file.seek(read[log])
            added = file.read()
    except FileNotFoundError:
        return []
    whole = added[: added.rfind(b"\n") + 1]
    read[log] += len(whole)
    return whole.decode(errors="replace").splitlines()
