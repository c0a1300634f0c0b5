"""What a K3s process leaves on this machine when it ends, and its removal: only of what was not there before it.

Shims of containers live on without containerd, on purpose: an upgrade of K3s must not end pods. They are known by the
run's mount namespace, and the pods' processes by their root, whose layers are in the run's directory. Beyond that there
are network interfaces, rules of the packet filter, control groups and the mount points that were made. Before K3s is
started a file in the run's private directory says which of them were not there; nothing else is ever removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from harness.cluster import k3shost
from harness.errors import ClusterError, PlatformError
from harness.process.shim import command

FILE = "k3s-left.json"
DATA = "k3s"
"""The data directory, in the run's."""

GONE_DEADLINE_S = 10.0
CHAINS = ("KUBE-", "CNI-", "FLANNEL-")
"""What kube-proxy, CNI's port mapping and flannel begin the names of their chains with."""

TABLES = ("nat", "filter", "mangle")
FILTERS = ("iptables", "ip6tables")
_CALL_S = 30.0


@dataclass(frozen=True, slots=True)
class Absent:
    """What was not there before K3s, so that it is K3s's afterwards.

    `interfaces`: of `k3shost.INTERFACES`; `filters`: those of `FILTERS` that had no chain of K3s's kinds; `groups`:
    whether there were no control groups of pods; `made`: directories that were made as mount points, in that order.
    """

    interfaces: tuple[str, ...]
    filters: tuple[str, ...]
    groups: bool
    made: tuple[str, ...] = ()


def record(directory: Path) -> Absent:
    """Look, make the mount points that are missing, and write down what was not there; before K3s is started."""
    absent = Absent(
        tuple(name for name in k3shost.INTERFACES if not k3shost.interface(name)),
        tuple(name for name in FILTERS if _program(name, directory) and not _chains(name, directory)),
        not k3shost.pod_groups(),
        tuple(place for place in k3shost.PLACES if not Path(place).exists()),
    )
    _write(directory, absent)
    made = k3shost.make_places(k3shost.PLACES)
    absent = Absent(absent.interfaces, absent.filters, absent.groups, made)
    _write(directory, absent)
    return absent


def remove(directory: Path) -> str:
    """Remove what a K3s of this run has left; says what that was, "" when there was no K3s.

    Call it when K3s itself has ended. Raises ClusterError, or PlatformError, when something cannot be removed; then it
    can be called again.
    """
    try:
        absent = Absent(**json.loads((directory / FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return ""
    except (ValueError, TypeError) as exc:
        raise ClusterError(f"{directory / FILE} does not say what K3s found on this machine: {exc!r}") from exc
    gone = []
    killed = _end(directory)
    if killed:
        gone.append(f"{killed} processes")
    for name in absent.interfaces:
        if k3shost.interface(name):
            _run(["ip", "link", "delete", name])
            gone.append(name)
    gone += [f"rules of {name}" for name in absent.filters if _clear(name, directory)]
    if absent.groups and (groups := k3shost.pod_groups()):
        for root in groups:
            _remove_groups(root)
        gone.append("control groups of pods")
    for place in reversed(absent.made):
        with contextlib.suppress(OSError):  # in use by others by now, or gone
            Path(place).rmdir()
    (directory / FILE).unlink()
    return f"of K3s: {', '.join(gone) or 'nothing but its mount points'}"


def sweep(directory: Path) -> str:
    """The same for a dead run, while no other harness has a K3s here; raises PlatformError when one has."""
    if not (directory / FILE).exists():
        return ""
    lock = k3shost.take()
    if lock is None:
        raise PlatformError(
            f"a K3s of {directory} has left things, and another harness's K3s runs now", hint="sweep when it has ended"
        )
    try:
        return remove(directory)
    finally:
        os.close(lock)


def processes(directory: Path) -> list[psutil.Process]:
    """K3s, shims and processes of pods of the run with this directory."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and _belongs(process, directory.name):
                found.append(process)
        except psutil.Error:
            continue
    return found


def _belongs(process: psutil.Process, mark: str) -> bool:
    try:
        lines = Path(f"/proc/{process.pid}/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # it has ended
        return False
    # (proc_pid_mountinfo(5)) A container's root is an overlay, or a directory, below the run's data directory.
    if any(f" tmpfs {k3shost.source(mark)} " in line for line in lines):
        return True
    roots = [line for line in lines if line.split()[4] == "/"]
    return bool(roots) and f"/{mark}/{DATA}/" in roots[-1]


def _end(directory: Path) -> int:
    """SIGKILL them, the shims first, so that none starts anything or reports an end."""
    found = processes(directory)
    for process in sorted(found, key=lambda one: "containerd-shim" not in " ".join(_words(one))):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGKILL)
    psutil.wait_procs(found, timeout=GONE_DEADLINE_S)
    return len(found)


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _write(directory: Path, absent: Absent) -> None:
    draft = directory / f"{FILE}.new"
    draft.write_text(json.dumps(asdict(absent)), encoding="utf-8")
    draft.replace(directory / FILE)


def _program(name: str, directory: Path) -> str | None:
    """The packet filter's program: this machine's, or the one that K3s brings."""
    bundled = sorted(directory.glob(f"{DATA}/data/*/bin/aux/{name}"))
    return shutil.which(name) or (str(bundled[0]) if bundled else None)


def _rules(name: str, table: str, directory: Path) -> list[list[str]]:
    """The rules of a table as `NAME -S` writes them, in words; none where the kernel has no such table."""
    program = _program(name, directory)
    if program is None:
        return []
    done = _call([program, "-w", "5", "-t", table, "-S"])
    return [line.split() for line in done.stdout.decode(errors="replace").splitlines()] if done.returncode == 0 else []


def _chains(name: str, directory: Path) -> list[tuple[str, str]]:
    """(table, chain) for the chains of K3s's kinds."""
    return [
        (table, words[1])
        for table in TABLES
        for words in _rules(name, table, directory)
        if words[0] == "-N" and words[1].startswith(CHAINS)
    ]


def _clear(name: str, directory: Path) -> bool:
    """Delete the rules that lead to such chains, one by one, and then the chains; whether there were any.

    Nothing is saved and restored: what others change meanwhile stays as they leave it.
    """
    found = _chains(name, directory)
    program = _program(name, directory)
    if not found or program is None:
        return False
    for table in dict.fromkeys(table for table, _chain in found):
        ours = {chain for where, chain in found if where == table}
        for words in _rules(name, table, directory):
            if words[0] == "-A" and words[1] not in ours and ours & set(words):
                _delete(program, table, words)
        for verb in ("-F", "-X"):
            for chain in sorted(ours):
                _run([program, "-w", "5", "-t", table, verb, chain])
    return True


def _delete(program: str, table: str, words: list[str]) -> None:
    """Delete a rule by its own words; comments are quoted in them."""
    _run([program, "-w", "5", "-t", table, "-D", *shlex.split(" ".join(words[1:]))])


def _remove_groups(root: Path) -> None:
    """Remove a control group with those in it, which have no processes any more."""
    for path in sorted((path for path in root.rglob("*") if path.is_dir()), key=lambda one: -len(one.parts)):
        _remove_group(path)
    _remove_group(root)


def _remove_group(path: Path) -> None:
    try:
        path.rmdir()
    except FileNotFoundError:
        return
    except OSError as exc:
        raise PlatformError(
            f"control group {path} cannot be removed: {exc.strerror}", hint="sweep again when its processes have ended"
        ) from exc


def _run(argv: list[str]) -> None:
    done = _call(argv)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() or "nothing"
        raise ClusterError(f"`{' '.join(argv)}` ended with {done.returncode}: {said}")


def _call(argv: list[str]) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(command(argv), capture_output=True, timeout=_CALL_S, check=False)
    except subprocess.TimeoutExpired as exc:
        raise ClusterError(f"`{' '.join(argv)}` gave no answer within {_CALL_S:.0f} s") from exc
