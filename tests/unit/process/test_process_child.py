from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from harness.errors import ClusterError, PlatformError
from harness.process import child
from harness.wait import Progress, until
from tests.unit.process.orphan import orphaned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

UP = "import sys, time; print('up', file=sys.stderr); time.sleep(60)"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., child.Child]]:
    """Start a Python script as a child; whatever still runs at the end of the test is killed."""
    started: list[child.Child] = []

    def starter(script: str, **options: object) -> child.Child:
        one = child.start("it", [sys.executable, "-u", "-c", script], log_dir=tmp_path, **options)  # type: ignore[arg-type]
        started.append(one)
        return one

    yield starter
    for one in started:
        one.kill()


async def said(one: child.Child, text: str) -> None:
    """Return when the child has written the text to stderr."""

    async def seen(progress: Progress) -> bool | None:
        progress.last = one.tail()
        return True if text in one.tail() else None

    await until(f"{text!r} on stderr", seen, deadline_s=10.0)


async def became(one: child.Child, state: str) -> None:
    """Return when the kernel calls the child's state so."""

    async def is_so(progress: Progress) -> bool | None:
        progress.last = one.state()
        return True if one.state() == state else None

    await until(f"state {state}", is_so, deadline_s=10.0)


def test_output_goes_to_files_and_the_tail_is_its_end(run: Callable[..., child.Child], tmp_path: Path) -> None:
    """Stdout and stderr are kept apart, and `tail` gives the last lines of stderr."""
    one = run("import sys; print('out'); print(*range(100), sep='\\n', file=sys.stderr); sys.exit(3)")

    assert asyncio.run(one.wait(10.0)) == 3
    assert (tmp_path / "it.stdout.log").read_text(encoding="utf-8") == "out\n"
    assert one.tail(3) == "97\n98\n99"
    assert not one.running


def test_the_environment_is_replaced_wholly(run: Callable[..., child.Child], tmp_path: Path) -> None:
    """A child sees the variables it is given and none of ours."""
    one = run("import os; print(sorted(key for key in os.environ if key != 'LC_CTYPE'))", env={"ONLY": "this"})

    assert asyncio.run(one.wait(10.0)) == 0
    assert (tmp_path / "it.stdout.log").read_text(encoding="utf-8").strip() == "['ONLY']"


def test_wait_gives_up_at_its_deadline(run: Callable[..., child.Child]) -> None:
    """A child that still runs has no exit code."""
    one = run("import time; time.sleep(60)")

    assert asyncio.run(one.wait(0.1)) is None
    assert one.running


def test_a_stopped_child_still_runs_and_can_be_killed(run: Callable[..., child.Child]) -> None:
    """SIGSTOP shows in its state; kill ends it all the same, and its exit code says how."""
    one = run(UP)

    async def story() -> None:
        await said(one, "up")
        one.send(signal.SIGSTOP)
        await became(one, "stopped")
        assert one.running
        one.send(signal.SIGCONT)
        await became(one, "sleeping")
        one.send(signal.SIGSTOP)
        await became(one, "stopped")

    asyncio.run(story())
    one.kill()

    assert one.exit_code == -signal.SIGKILL
    assert one.state() == "gone"


def test_who_ignores_an_interrupt_is_killed(run: Callable[..., child.Child]) -> None:
    """`interrupted` asks first and kills after its deadline."""
    deaf = run(f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {UP}")

    async def story() -> int:
        await said(deaf, "up")
        return await deaf.interrupted(signal.SIGINT, 0.2)

    assert asyncio.run(story()) == -signal.SIGKILL


def test_who_heeds_an_interrupt_ends_by_itself(run: Callable[..., child.Child]) -> None:
    """The exit code is the child's own."""
    polite = run(f"import signal; signal.signal(signal.SIGINT, lambda *_: sys.exit(7)); {UP}")

    async def story() -> int:
        await said(polite, "up")
        return await polite.interrupted(signal.SIGINT, 10.0)

    assert asyncio.run(story()) == 7


def test_children_of_a_child_die_with_its_group(run: Callable[..., child.Child]) -> None:
    """`kill` ends the whole process group."""
    one = run(
        "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print('pid', p.pid, file=sys.stderr); p.wait()"
    )
    asyncio.run(said(one, "pid "))
    grandchild = psutil.Process(int(one.tail().split()[-1]))

    one.kill()

    gone, _ = psutil.wait_procs([grandchild], timeout=5)
    assert gone or grandchild.status() == psutil.STATUS_ZOMBIE


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    """When the process that started it is killed, the kernel kills the child."""
    orphan = orphaned(tmp_path)

    gone, _ = psutil.wait_procs([orphan], timeout=5)
    assert gone or orphan.status() == psutil.STATUS_ZOMBIE


def test_a_child_heeds_sigint_even_if_the_harness_ignores_it(run: Callable[..., child.Child]) -> None:
    """A harness in a script's background ignores SIGINT; what it starts does not."""
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        one = run(UP)
    finally:
        signal.signal(signal.SIGINT, previous)

    async def story() -> int:
        await said(one, "up")
        return await one.interrupted(signal.SIGINT, 10.0)

    assert asyncio.run(story()) == -signal.SIGINT


def test_signals_and_measures_of_the_dead_are_harmless(run: Callable[..., child.Child]) -> None:
    """A child that has ended can be asked and signalled without an error."""
    one = run("pass")
    asyncio.run(one.wait(10.0))

    one.send(signal.SIGTERM)
    one.kill()

    assert (one.exit_code, one.rss_mib(), one.cpu_s(), one.state()) == (0, 0.0, 0.0, "gone")


def test_a_running_child_has_memory(run: Callable[..., child.Child]) -> None:
    """Resident memory is in MiB."""
    one = run(UP)
    asyncio.run(said(one, "up"))

    assert 2 < one.rss_mib() < 200
    assert one.pid != os.getpid()


def test_an_ended_child_is_reported_with_its_last_words(run: Callable[..., child.Child]) -> None:
    """The error holds name, exit code, what was being done, and the end of its output."""
    one = run("import sys; sys.exit('no such flag')")
    asyncio.run(one.wait(10.0))

    with pytest.raises(ClusterError, match=r"it exited with 1 while starting; its last lines:\nno such flag"):
        child.require_running(one, "starting")


def test_of_a_traceback_the_end_is_told(tmp_path: Path) -> None:
    """Its first line, the last calls and the exception, and nothing of what was logged after it."""
    calls = [f'  File "a.py", line {number}, in f' for number in range(20)]
    log = ["starting", "Traceback (most recent call last):", *calls, "ValueError: no class gone", "goodbye"]
    (tmp_path / "log").write_text("\n".join(log), encoding="utf-8")

    told = child.last_words(tmp_path / "log", lines=4).splitlines()

    assert told == [log[1], *calls[-2:], "ValueError: no class gone"]


def test_a_program_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """The error names what was to be started."""
    with pytest.raises(PlatformError, match="/nowhere/etcd"):
        child.start("etcd", ["/nowhere/etcd"], log_dir=tmp_path)


def test_the_tail_of_no_file_is_empty(tmp_path: Path) -> None:
    """A log that was never written has no last lines."""
    assert child.tail(tmp_path / "none", 5) == ""
