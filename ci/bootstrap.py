"""From a machine with Python, Go, git and the package registries to any way of running the project, by one command.

::

    python3 ci/bootstrap.py NAME [arguments]

NAME is an environment or a label of tox.ini (lint, types, unit, saboteurs, quick, scenarios, bench, …, or `test` for
all that must pass), or `setup` to prepare only. The first call makes `.venv` in the checkout and installs the project
with its `dev` group; later calls use it again as long as pyproject.toml and the interpreter are the same. Everything
is standard library, and Python 3.8 can read the file, so that an old Python gets a sentence and not a syntax error.
"""

from __future__ import annotations

import configparser
import contextlib
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
NEEDED = (3, 11)
PIP = "pip>=25.1"
"""The first pip that installs dependency groups (PEP 735)."""

SETUP = "setup"
NO_CLUSTER = frozenset({"lint", "types", "unit", "doctor", "toolchain", "node-image"})
"""Environments that start no control plane; before all others its binaries are brought, with progress of their own."""

WITH_KINE = frozenset({"test", "saboteurs", "stores", "all-stores", "quick-datastores", "datastores", "backends"})
"""Environments and labels that run on SQL datastores as well."""

WITH_KUBECTL = frozenset({"describe"})
"""Environments that hold the model against kubectl."""

EXIT_UNUSABLE = 3


class BootstrapError(Exception):
    """The machine or the command line does not allow it; the message says what to do."""


def known(tox_ini: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The environments and the labels of a tox.ini, each in the order they stand there."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(tox_ini)
    environments = tuple(name.split(":", 1)[1] for name in parser.sections() if name.startswith("testenv:"))
    rows = parser.get("tox", "labels", fallback="").splitlines()
    labels = tuple(row.split("=", 1)[0].strip() for row in rows if "=" in row)
    return environments, labels


def tox_command(python: Path, name: str, arguments: Sequence[str], tox_ini: str) -> list[str]:
    """The tox call for an environment or a label. Raises BootstrapError for any other name, with the list of names.

    A leading `--`, as tox itself wants it, is dropped: the command would take a second one for an argument of its own.
    """
    if list(arguments[:1]) == ["--"]:
        arguments = arguments[1:]
    environments, labels = known(tox_ini)
    if name in labels:
        select = ["-m", name]
    elif name in environments:
        select = ["-e", name]
    else:
        names = ", ".join([SETUP, *labels, *environments])
        raise BootstrapError(f"nothing is called {name!r}; there are: {names}")
    return [str(python), "-m", "tox", "run", *select, *(["--", *arguments] if arguments else [])]


def python_problem(version: Sequence[int], *, has_venv: bool, has_pip: bool) -> str:
    """What stands in the way of making an environment with this interpreter; empty when nothing does."""
    found = ".".join(str(part) for part in version[:3])
    needed = ".".join(str(part) for part in NEEDED)
    if tuple(version[:2]) < NEEDED:
        return (
            f"Python {needed} or newer is needed, this is {found} ({sys.executable})\n"
            "  on Debian 12 or newer, Ubuntu 24.04 or newer: sudo apt-get install python3 python3-venv\n"
            "  then run this command again with that python3"
        )
    if not (has_venv and has_pip):
        missing = "venv" if not has_venv else "ensurepip"
        minor = ".".join(str(part) for part in version[:2])
        return (
            f"Python {found} ({sys.executable}) has no module {missing!r}, without which no environment can be made\n"
            f"  on Debian and Ubuntu: sudo apt-get install python3-venv (or python{minor}-venv)"
        )
    return ""


def fingerprint(pyproject: bytes, interpreter: str) -> str:
    """What an environment was made from; a different one means that it must be brought up to date."""
    digest = hashlib.sha256(pyproject)
    digest.update(interpreter.encode())
    return digest.hexdigest()


def usable(python: Path) -> bool:
    """Whether an environment's interpreter exists, runs and is new enough (a system upgrade may have taken it away)."""
    test = f"import sys; sys.exit(sys.version_info < {NEEDED!r})"
    return python.exists() and subprocess.run([str(python), "-c", test], check=False).returncode == 0


def prepare(root: Path) -> Path:
    """Make or update `.venv` below `root` and return its interpreter. Raises BootstrapError when a step fails."""
    venv = root / ".venv"
    python, stamp = venv / "bin" / "python", venv / "bootstrap.sha256"
    wanted = fingerprint((root / "pyproject.toml").read_bytes(), f"{sys.version} {root}")
    with locked(root / ".cache" / "bootstrap.lock"):
        works = usable(python)
        if works and stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
            return python
        stamp.unlink(missing_ok=True)
        if not works:
            step("making .venv", [sys.executable, "-m", "venv", "--clear", str(venv)], root)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        step("updating pip", [*pip, "--upgrade", PIP], root)
        step("installing the project and its tools", [*pip, "--editable", ".", "--group", "dev"], root)
        stamp.write_text(wanted, encoding="ascii")
    return python


def step(what: str, argv: Sequence[str], root: Path) -> None:
    """Run one command of the preparation, its output shown. Raises BootstrapError when it fails."""
    say(what)
    done = subprocess.run(list(argv), cwd=root, check=False)
    if done.returncode != 0:
        raise BootstrapError(f"{what} failed with status {done.returncode}: {' '.join(argv)}")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only one that prepares this checkout; the lock ends with the process."""
    import fcntl  # noqa: PLC0415 - not on every platform, and a sentence must come before this does

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="ascii") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another bootstrap of this checkout")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def say(text: str) -> None:
    """One line for the person or the log, before the command it announces."""
    sys.stderr.write(f"bootstrap: {text}\n")
    sys.stderr.flush()


def importable(module: str) -> bool:
    """Whether a module of the standard library is there; distributions split `venv` and `ensurepip` off."""
    import importlib.util  # noqa: PLC0415 - only asked once, on the way to an error

    return importlib.util.find_spec(module) is not None


def become(command: Sequence[str]) -> NoReturn:
    """Replace this process: signals and the exit status are tox's own, and no process stands between."""
    sys.stdout.flush()
    os.execv(command[0], list(command))  # noqa: S606 - no shell is wanted


def run(argv: Sequence[str]) -> int:
    """Prepare, bring the control plane where one will be started, and become tox."""
    name, arguments = (argv[0], argv[1:]) if argv else ("test", [])
    problem = python_problem(sys.version_info[:3], has_venv=importable("venv"), has_pip=importable("ensurepip"))
    if problem:
        raise BootstrapError(problem)
    tox_ini = (ROOT / "tox.ini").read_text(encoding="utf-8")
    command = [] if name == SETUP else tox_command(ROOT / ".venv" / "bin" / "python", name, arguments, tox_ini)
    python = prepare(ROOT)
    if name == SETUP:
        return 0
    os.chdir(ROOT)
    if name not in NO_CLUSTER:
        say("bringing the control plane's binaries")
        also = ["--with", "kine"] if name in WITH_KINE else ["--with", "kubectl"] if name in WITH_KUBECTL else []
        done = subprocess.run([str(python.parent / "harness"), "toolchain", *also], check=False)
        if done.returncode != 0:
            return done.returncode
    become(command)


def main() -> int:
    """Exit status of the command that was run; 3 when it could not be run."""
    try:
        return run(sys.argv[1:])
    except BootstrapError as exc:
        sys.stderr.write(f"bootstrap: error: {exc}\n")
        return EXIT_UNUSABLE


if __name__ == "__main__":
    sys.exit(main())
