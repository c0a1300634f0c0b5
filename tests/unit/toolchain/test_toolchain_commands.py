"""The commands `harness toolchain` and `harness doctor`, and the shim that ties children to the harness."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from click.testing import CliRunner

from harness.cli import doctor as doctor_module
from harness.cli.doctor import CACHE_ROOM, Check, doctor, room, socket_path
from harness.cli.toolchain import toolchain
from harness.errors import PlatformError, ToolchainError
from harness.process.shim import ORPHANED, command, group_command
from harness.toolchain import COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.unit.toolchain.mirror import Mirror


def test_plain_lines_tell_each_step_and_the_result(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal there is one line for each step and at the end one for each component."""
    monkeypatch.setenv("INVENTORY_HARNESS_CACHE", str(tmp_path))
    done = CliRunner().invoke(toolchain, ["--mirror", mirror.url, "--no-build"], catch_exceptions=False)
    lines = done.output.splitlines()
    assert done.exit_code == 0
    assert any(line.startswith("etcd: downloading, 0 s, http://127.0.0.1") for line in lines)
    assert [line.split()[:3] for line in lines[-5:]] == [[c.name, c.version, "download"] for c in COMPONENTS]


def test_json_goes_to_stdout_alone(mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --json standard output is one JSON document; progress goes to standard error."""
    monkeypatch.setenv("INVENTORY_HARNESS_CACHE", str(tmp_path))
    done = CliRunner().invoke(toolchain, ["--mirror", mirror.url, "--no-build", "--json"], catch_exceptions=False)
    rows = json.loads(done.stdout)["components"]
    assert [(row["name"], row["version"]) for row in rows] == [(c.name, c.version) for c in COMPONENTS]
    assert all(Path(row["path"]).is_file() and len(row["sha256"]) == 64 for row in rows)
    assert "downloading" in done.stderr


@pytest.mark.usefixtures("without_go")
def test_what_cannot_be_had_is_left_to_the_caller_as_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command raises the toolchain's own error, which the main command turns into exit status 3."""
    monkeypatch.setenv("INVENTORY_HARNESS_CACHE", str(tmp_path))
    with pytest.raises(ToolchainError, match="cannot get"):
        CliRunner().invoke(toolchain, ["--offline"], catch_exceptions=False)


@pytest.mark.parametrize(("level", "status"), [("ok", 0), ("warn", 0), ("fail", 3)])
def test_doctor_fails_only_for_what_is_needed(monkeypatch: pytest.MonkeyPatch, level: str, status: int) -> None:
    """A failed check makes the exit status 3; a warning does not."""
    monkeypatch.setattr(doctor_module, "examine", lambda _: (Check("memory", level, "seen"),))
    done = CliRunner().invoke(doctor, [], catch_exceptions=False)
    assert done.exit_code == status
    assert f"{level:<4}  memory: seen" in done.output


def test_doctor_looks_at_everything_the_harness_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each need and each component has a line; what is not cached is no failure by itself."""
    monkeypatch.setenv("INVENTORY_HARNESS_CACHE", str(tmp_path / "not" / "yet"))
    found = {check.name: check for check in doctor_module.examine()}
    needs = {"platform", "python", "go", "cache directory", "temporary directory", "unix socket paths", "/proc"}
    needs |= {"parent death signal", "memory", "processor cores", "loopback", "containers"}
    assert needs | {f"{c.name} {c.version}" for c in COMPONENTS} <= set(found)
    assert all(found[f"{c.name} {c.version}"].level in {"ok", "warn"} for c in COMPONENTS)
    assert not (tmp_path / "not").exists()


def test_room_is_measured_where_the_directory_will_be(tmp_path: Path) -> None:
    """The nearest existing directory decides, and too little room is a failure with both numbers."""
    assert room("cache", tmp_path / "a" / "b", 0).level == "ok"
    short = room("cache", tmp_path, CACHE_ROOM << 40)
    assert short.level == "fail"
    assert "GiB are needed" in short.text


def test_a_long_temporary_directory_is_too_long_for_sockets() -> None:
    """The kernel's limit on the names of unix sockets is found before a cluster runs into it."""
    assert socket_path(Path("/tmp")).level == "ok"
    assert socket_path(Path("/" + "x" * 60)).level == "fail"


@pytest.mark.parametrize("wrap", [command, group_command])
def test_a_wrapped_program_keeps_arguments_and_exit_status(
    wrap: Callable[[Sequence[str]], list[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    """Arguments arrive unchanged and the exit status is the program's."""
    argv = wrap(["sh", "-c", 'printf "%s|" "$@"; exit 7', "sh", "a b", "", "-c"])
    assert subprocess.run(argv, start_new_session=True, check=False).returncode == 7
    assert capfd.readouterr().out == "a b||-c|"


def test_a_missing_program_is_named() -> None:
    """A program that does not exist is refused in the parent, by name."""
    with pytest.raises(PlatformError, match="cannot start 'no-such-program'"):
        command(["no-such-program"])


def test_a_child_whose_parent_is_already_gone_does_not_start() -> None:
    """When the expected parent is not the parent, the program is never executed."""
    argv = command(["sh", "-c", "echo started"])
    argv[argv.index(str(os.getpid()))] = "1"
    done = subprocess.run(argv, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (ORPHANED, b"")


def test_a_child_dies_with_its_parent() -> None:
    """SIGKILL of the parent kills the wrapped child."""
    code = (
        "import subprocess; from harness.process.shim import command\n"
        "child = subprocess.Popen(command(['sleep', '300'])); print(child.pid, flush=True); child.wait()"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    _, alive = psutil.wait_procs([child], timeout=10)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
