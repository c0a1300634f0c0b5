"""One line on stderr for each thing an administrator would want to know.

Lines are `<time> <level> <logger> <message>`; the markers of contract.md part A ("Process") occur in the messages.
"""

from __future__ import annotations

import logging
import sys

LOG = logging.getLogger("inventory")


def start() -> None:
    """Send all log lines to stderr; called once, by the command."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03d %(levelname)s %(name)s %(message)s", "%H:%M:%S"))
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    LOG.propagate = False
