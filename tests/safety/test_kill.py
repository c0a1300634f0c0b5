"""The harness is killed at random moments of a real scenario; afterwards nothing of it may be left.

Not a unit test: it starts real clusters. `tox run -e safety`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from harness import seed as seeds
from harness.process import rundir
from harness.toolchain import resolve
from harness.wait import interval
from tests.safety.killing import belonging, ended, gone, started, unreadable

if TYPE_CHECKING:
    import random
    import subprocess
    from pathlib import Path

    import pytest

SCENARIO = "killed-3s"
KILLS = 20
AT_ONCE = 2
"""Two clusters at a time fit two cores and two GiB."""
LATEST_S = 15.0
"""The scenario takes about that long: the moments cover start, gate, fault, heal and judgement."""

PYTEST, CONTROLLER, WORKER, COMMAND = "pytest", "controller", "worker", "harness-run"
"""Who is killed: pytest without workers, xdist's controller, its worker, or `harness run` with all of that below it."""


@dataclass(frozen=True, slots=True)
class Kill:
    """One way to be killed: `number` is sent to `target`, `after_s` seconds from the start."""

    name: str
    target: str
    number: signal.Signals
    after_s: float


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What a kill met and left. `alive`: processes at the moment of the kill, pytest's own among them."""

    kill: Kill
    alive: int
    problems: tuple[str, ...]


def kills(rng: random.Random) -> list[Kill]:
    """Half of them SIGKILL, to each target in turn; the others SIGTERM and SIGINT, which nobody sends to a worker."""
    chosen: list[Kill] = []
    for index in range(KILLS // 2):
        hard = (PYTEST, CONTROLLER, WORKER, COMMAND)[index % 4]
        soft = (PYTEST, CONTROLLER, COMMAND)[index % 3]
        polite = (signal.SIGTERM, signal.SIGINT)[index % 2]
        for target, number in ((hard, signal.SIGKILL), (soft, polite)):
            after_s = rng.uniform(0.0, LATEST_S)
            chosen.append(
                Kill(f"{len(chosen)}: {number.name} to {target} after {after_s:.2f} s", target, number, after_s)
            )
    return chosen


async def carry_out(kill: Kill, directory: Path) -> Aftermath:
    """Start, kill, and look at what is left."""
    runs, out = directory / "r", directory / "out"
    runs.mkdir(parents=True)
    common = ["-k", SCENARIO, f"--out={out}"]
    pytest_ = [sys.executable, "-m", "pytest", "scenarios", "-q", "-p", "no:cacheprovider", *common]
    argv = {
        PYTEST: [*pytest_, "-p", "no:xdist"],
        CONTROLLER: [*pytest_, "-n", "1"],
        WORKER: [*pytest_, "-n", "1"],
        COMMAND: [sys.executable, "-m", "harness.cli.main", "run", "-n", "1", *common],
    }[kill.target]
    environment = {**os.environ, "INVENTORY_HARNESS_RUNS": str(runs), "PYTHONDONTWRITEBYTECODE": "1"}
    with (directory / "log").open("wb") as log:
        process = started(argv, environment, log)
    try:
        await interval(kill.after_s)
        alive = len(belonging(runs))
        send(kill, process)
        problems = [*await ended(process), *await gone(runs), *swept(runs, kill.number), *unreadable(out)]
    finally:
        process.kill()
        process.wait()
    return Aftermath(kill, alive, tuple(problems))


def send(kill: Kill, process: subprocess.Popen[bytes]) -> None:
    """Send the signal: SIGINT to the process group, as a terminal does; the others to the one process."""
    if kill.number is signal.SIGINT:
        os.killpg(process.pid, kill.number)
        return
    children = psutil.Process(process.pid).children() if kill.target == WORKER else []
    victim = children[0] if children else process  # a worker that does not exist yet cannot be killed
    victim.send_signal(kill.number)


def swept(runs: Path, number: signal.Signals) -> list[str]:
    """What a sweep finds that it should not, or leaves: after SIGTERM and SIGINT there is nothing to be swept."""
    result = rundir.sweep(runs)
    problems = [f"sweep had to end process {pid} ({name})" for pid, name in result.processes]
    if number is not signal.SIGKILL:
        problems += [f"{path.name} was not removed by the run itself" for path in result.directories]
    return problems + [f"{path.name} is left" for path in runs.iterdir()]


def test_a_kill_at_any_moment_leaves_nothing_behind(tmp_path_factory: pytest.TempPathFactory) -> None:
    """After SIGKILL, SIGTERM or Ctrl-C no process is left, a sweep leaves no directory, and histories can be read."""
    seed = int(os.environ.get("HARNESS_SAFETY_SEED", "1"))
    resolve()  # outside of the time that is killed in
    base = tmp_path_factory.mktemp("k")

    async def all_of_them() -> list[Aftermath]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(index: int, kill: Kill) -> Aftermath:
            async with gate:
                return await carry_out(kill, base / str(index))

        return await asyncio.gather(*(one(*each) for each in enumerate(kills(seeds.stream(seed, "kill")))))

    aftermaths = asyncio.run(all_of_them())

    assert {a.kill.name: a.problems for a in aftermaths if a.problems} == {}
    assert sum(a.alive > 4 for a in aftermaths) >= KILLS // 3, "too few kills met a whole cluster to say anything"
