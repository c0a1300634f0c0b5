"""Whether a component that is not here could be downloaded now, found out without downloading it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import ToolchainError
from harness.toolchain import machine
from harness.toolchain.download import Downloader
from harness.toolchain.resolve import cache_root, mirror_of, outlook
from harness.toolchain.store import Store

if TYPE_CHECKING:
    from harness.toolchain.progress import Progress
    from harness.toolchain.release import Component


def obstacle(name: str) -> str:
    """Why an optional component cannot be had; empty when it is here, or its release's checksum can be read.

    That is a few hundred bytes of the place the component would come from; a host that is out of reach takes three
    seconds at most. Raises as `resolve` does for platform and values.
    """
    (row,) = (row for row in outlook(also=(name,)) if row.component.name == name)
    if row.state != "absent":
        return ""
    return _refusal(row.component)


def _refusal(component: Component) -> str:
    store = Store(cache_root(), machine.architecture())
    try:
        Downloader(store, mirror_of(None), _silent).published(component)
    except ToolchainError as exc:
        return exc.what
    return ""


def _silent(_: Progress) -> None:
    """Nothing long goes on."""
