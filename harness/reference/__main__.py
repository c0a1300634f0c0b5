"""Entry point of `python -m harness.reference`."""

from __future__ import annotations

import sys

from harness.reference.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
