"""The command of the reference operator: options, exit codes, the table of defects, and the discovery server.

Exit codes: 0 after SIGINT or SIGTERM (and for `--defect list`), 1 when it cannot start, 2 after a crash (which ends the
process where it happens, in `harness.reference.service`).
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

from harness.errors import HarnessError
from harness.reference import log, options, probe, service
from harness.reference.defects import DEFECTS, behaviour

if TYPE_CHECKING:
    from collections.abc import Sequence

TOOLS = ("tools", "psutil")
"""What a discovery pod is started with, before `serve`."""


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    log.start()
    try:
        if list(arguments) == ["--defect", "list"]:
            return _list_defects()
        if tuple(arguments[:2]) == TOOLS:
            probe.main(arguments[2:])
            return 0
        asked = options.parse(arguments)
        if asked.defect == "list":
            return _list_defects()
        asyncio.run(service.serve(asked, behaviour(asked.defect)))
    except HarnessError as exc:
        sys.stderr.write(f"Error: {exc}\n")
        return 1
    return 0


def _list_defects() -> int:
    for defect in DEFECTS.values():
        sys.stdout.write(f"{defect.name:36} {','.join(defect.breaks):24} {defect.description}\n")
    return 0
