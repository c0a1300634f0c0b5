"""Everything the harness raises on purpose.

::

    HarnessError                    the harness cannot do what was asked (exit code 3)
    |- UsageError                   a flag, scenario, plan or file given by the user is not acceptable
    |- PlatformError                this machine lacks something: a binary, a capability, room on the disk
    |- ToolchainError               a component of the control plane cannot be found, downloaded or built
    |- ClusterError                 the control plane did not start or died outside of any fault
    |  |- ApiError                  the API server answered with a status that is not success
    |  `- ApiUnavailableError       the API server did not answer at all
    |- OperatorError                the system under test cannot be started at all
    |- FaultError                   a fault could not be injected or undone
    |- HistoryError                 a history or bundle on disk cannot be read
    |- WaitTimeoutError             a condition did not come true before its deadline
    `- DefectError                  the harness itself is broken: an exception that nobody expected

A message says what happened, the value it happened with, and what to do about it. Foreign exceptions are mapped
where they enter. A verdict is never an exception: a broken promise is data (`harness.check.verdict`).
"""

from __future__ import annotations

import traceback
from pathlib import Path


class HarnessError(Exception):
    """The harness cannot do what was asked.

    `what` is the sentence shown to the user; `hint` (optional) is the way out, shown on a line of its own.
    """

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n  hint: {self.hint}" if self.hint else self.what


class UsageError(HarnessError):
    """What the user gave is not acceptable."""


class PlatformError(HarnessError):
    """This machine lacks something the harness needs."""


class ToolchainError(HarnessError):
    """A component of the control plane cannot be had."""


class ClusterError(HarnessError):
    """The control plane did not start, or died outside of any fault."""


class ApiError(ClusterError):
    """The API server answered, and the answer is not success.

    `status` is the HTTP code, `reason` the machine-readable reason of the returned `Status` object ("NotFound", …).
    """

    def __init__(self, what: str, *, status: int, reason: str = "", hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.status = status
        self.reason = reason


class ApiUnavailableError(ClusterError):
    """The API server did not answer at all: refused, reset, or no answer in time."""


class OperatorError(HarnessError):
    """The system under test cannot be started at all."""


class FaultError(HarnessError):
    """A fault could not be injected or undone."""


class HistoryError(HarnessError):
    """A history or bundle on disk cannot be read."""


class WaitTimeoutError(HarnessError):
    """A condition did not come true before its deadline.

    Carries what was awaited, how long, and the last thing that was seen.
    """

    def __init__(self, awaited: str, *, waited_s: float, last: str = "", hint: str = "") -> None:
        seen = f"; last seen: {last}" if last else ""
        super().__init__(f"gave up waiting for {awaited} after {waited_s:.1f} s{seen}", hint=hint)
        self.awaited = awaited
        self.waited_s = waited_s
        self.last = last


class DefectError(HarnessError):
    """The harness itself is broken: an exception that nobody expected, as one sentence with its place."""

    @classmethod
    def of(cls, exc: Exception) -> DefectError:
        """The first exception of a group, or the exception itself, with the last place of ours that it came through."""
        while isinstance(exc, ExceptionGroup):
            exc = exc.exceptions[0]
        frames = traceback.extract_tb(exc.__traceback__)
        ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
        where = [f"{Path(frame.filename).relative_to(_PACKAGE.parent)}:{frame.lineno}" for frame in ours[-1:]]
        said = " ".join([type(exc).__name__, *([f"({exc})"] if str(exc) else []), *(f"at {place}" for place in where)])
        return cls(
            f"a defect of the harness: {said}", hint="please report it with the traceback above or in pytest.log"
        )


_PACKAGE = Path(__file__).resolve().parent
