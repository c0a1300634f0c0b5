from __future__ import annotations

import asyncio
import json
import socket
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from harness.errors import UsageError
from harness.reference import command, probe
from tests.unit.reference.machines import Device, with_cpus, with_devices, with_memory

if TYPE_CHECKING:
    from pathlib import Path


async def asked(root: Path, *paths: str) -> list[tuple[int, str]]:
    """(status, body) of GETs."""
    runner = web.AppRunner(probe.application(root))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            answers = [await session.get(path) for path in paths]
            return [(answer.status, await answer.text()) for answer in answers]
    finally:
        await runner.cleanup()


def test_every_part_is_served_by_itself_and_together(tmp_path: Path) -> None:
    """`/` has what the parts have, under their names."""
    root = with_memory(with_devices(with_cpus(tmp_path), Device("0000:17:00.0")))
    paths = ("/", "/cpu", "/gpu", "/memory", "/pci")

    answers = asyncio.run(asked(root, *paths))

    assert {status for status, _body in answers} == {200}
    together, *parts = (json.loads(body) for _status, body in answers)
    assert together == {"errors": None, **dict(zip(("cpu", "gpu", "memory", "pci"), parts, strict=True))}
    assert [card["address"] for card in together["gpu"]["cards"]] == ["0000:17:00.0"]


def test_a_part_that_cannot_be_read_is_an_error_of_its_own(tmp_path: Path) -> None:
    """It is a 500 with the reason as text; the other parts are served."""
    answers = asyncio.run(asked(with_devices(tmp_path), "/cpu", "/gpu", "/"))

    (cpu_status, why), (gpu_status, cards), (_status, body) = answers
    together: dict[str, Any] = json.loads(body)
    assert (cpu_status, gpu_status, json.loads(cards)) == (500, 200, {"cards": []})
    assert "cpuinfo" in why
    assert together["errors"] == [why.strip()]
    assert "cpu" not in together


def test_a_part_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`list` needs no server."""
    probe.main(["list", "cpu"], with_cpus(tmp_path))

    assert json.loads(capsys.readouterr().out)["total_cores"] == 2


def test_a_taken_port_is_named() -> None:
    """The error says which port it is."""
    with socket.socket() as holder:
        holder.bind(("0.0.0.0", 0))
        holder.listen()
        port = holder.getsockname()[1]

        with pytest.raises(UsageError, match=f"cannot listen on port {port}"):
            probe.main(["serve", "--api-port", str(port)])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required: command"),
        (["serve", "--api-port=0"], "--api-port 0 is not a port"),
        (["serve", "--api-port=x"], "invalid int value"),
        (["list", "disk"], "invalid choice: 'disk'"),
        (["serve", "--what"], "unrecognized arguments"),
    ],
)
def test_what_it_does_not_know_is_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One clear error, and a non-zero exit."""
    code = command.main(["tools", "psutil", *arguments])

    assert code == 1
    assert said in capsys.readouterr().err
