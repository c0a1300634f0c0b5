"""The real binaries of the control plane: found, downloaded or built, and checked either way.

`resolve` returns a `Toolchain`; `release` is the table of versions and addresses; `store` is the cache on disk.
"""

from harness.toolchain.progress import Progress, Report
from harness.toolchain.release import COMPONENTS, DEFAULT_KUBERNETES, OPTIONAL, Component, components
from harness.toolchain.resolve import Outlook, Toolchain, cache_root, outlook, resolve

__all__ = [
    "COMPONENTS",
    "DEFAULT_KUBERNETES",
    "OPTIONAL",
    "Component",
    "Outlook",
    "Progress",
    "Report",
    "Toolchain",
    "cache_root",
    "components",
    "outlook",
    "resolve",
]
