"""What the parts of a control plane that are one process each have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import ClusterError

if TYPE_CHECKING:
    from harness.process.child import Child


class Part:
    """A part that is one process, started once or more; whoever inherits has the fields `name` and `_child`."""

    __slots__ = ()

    name: str
    _child: Child | None

    @property
    def child(self) -> Child:
        """The process; raises ClusterError before the first start."""
        if self._child is None:
            raise ClusterError(f"{self.name} was not started")
        return self._child

    @property
    def started(self) -> bool:
        """Whether it was ever started."""
        return self._child is not None

    async def stop(self) -> None:
        """Kill the process at once (on SIGTERM an API server drains for long); its data stays."""
        self.child.kill()
