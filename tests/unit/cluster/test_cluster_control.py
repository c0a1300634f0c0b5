"""The harness's end of a helper's control socket, when the helper is late, odd or gone."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from harness.cluster import control
from harness.cluster.control import ControlSocket
from harness.errors import ClusterError
from harness.wait import interval

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

LATE_S = 0.2


def with_helper(directory: Path, story: Callable[[ControlSocket], Awaitable[Any]]) -> Any:
    """Play the story with a helper that answers each command with its name, some late, and to some not as it should."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            do = json.loads(line)["do"]
            if do == "late":
                await interval(LATE_S)
            if do == "leave":
                break
            writer.write(b"nonsense\n" if do == "odd" else json.dumps({"did": do}).encode() + b"\n")
        writer.close()

    async def play() -> Any:
        path = directory / "control.sock"
        server = await asyncio.start_unix_server(serve, path)
        socket = ControlSocket(path, "the helper")
        try:
            return await story(socket)
        finally:
            socket.close()
            await interval(LATE_S)  # the helper sees the end of its connections
            server.close()

    return asyncio.run(play())


@pytest.mark.parametrize("do", ["odd", "leave"])
def test_an_answer_that_is_none_is_an_error_and_the_next_command_is_answered(tmp_path: Path, do: str) -> None:
    """The error names helper and command, and a new connection is made for the next."""

    async def story(socket: ControlSocket) -> Any:
        with pytest.raises(ClusterError, match=rf"the helper does not answer \({do}\)"):
            await socket.command(do=do)
        return await socket.command(do="ping")

    assert with_helper(tmp_path, story) == {"did": "ping"}


def test_a_late_answer_is_not_taken_for_that_of_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a command that was given up, each further one gets its own answer."""
    monkeypatch.setattr(control, "_TIMEOUT_S", LATE_S / 4)

    async def story(socket: ControlSocket) -> Any:
        with pytest.raises(ClusterError, match=r"does not answer \(late\): TimeoutError"):
            await socket.command(do="late")
        monkeypatch.setattr(control, "_TIMEOUT_S", 10.0)
        return await socket.command(do="ping")

    assert with_helper(tmp_path, story) == {"did": "ping"}


def test_a_command_that_was_broken_off_leaves_no_answer_behind(tmp_path: Path) -> None:
    """A wait that is cut off at its deadline in the middle of a command does not confuse the next."""

    async def story(socket: ControlSocket) -> Any:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(LATE_S / 4):
                await socket.command(do="late")
        return await socket.command(do="ping")

    assert with_helper(tmp_path, story) == {"did": "ping"}


def test_closing_twice_does_no_harm(tmp_path: Path) -> None:
    """A socket that was never used, or is closed already, can be closed."""
    socket = ControlSocket(tmp_path / "control.sock", "the helper")

    socket.close()
    socket.close()
