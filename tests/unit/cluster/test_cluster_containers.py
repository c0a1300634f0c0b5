"""Which containers a sweep removes; the daemon is a fake, and so are the errors of the library to it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from harness.cluster import containers
from harness.cluster.containers import DIRECTORY, PLACE, RUN, labels, orphaned, place, sweep_with
from harness.cluster.dockerbox import DockerBox, Order
from harness.errors import ClusterError, PlatformError
from harness.process import rundir

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MARK = "0badcafe"


class DockerError(Exception):
    """Stands for docker.errors.APIError."""

    def __init__(self, status_code: int, explanation: str) -> None:
        super().__init__(explanation)
        self.status_code = status_code
        self.explanation = explanation


class Daemon:
    """Its API: containers by name, with labels; removing one of `refused` raises."""

    def __init__(self, found: Mapping[str, Mapping[str, str] | None], refused: Mapping[str, Exception]) -> None:
        self.found = found
        self.refused = refused
        self.removed: list[str] = []

    def containers(self, *, all: bool, filters: Mapping[str, str]) -> list[dict[str, Any]]:  # noqa: A002 - its name there
        """All of them, ended ones too, that have the label."""
        assert all
        assert filters == {"label": RUN}
        return [{"Id": name * 20, "Names": [f"/{name}"], "Labels": found} for name, found in self.found.items()]

    def remove_container(self, name: str, *, v: bool, force: bool) -> None:
        """Remove one with its volumes."""
        assert v
        assert force
        if name[0] in self.refused:
            raise self.refused[name[0]]
        self.removed.append(name[0])


@pytest.fixture
def _library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two names that are taken from the library; it need not be installed here."""
    errors = ModuleType("docker.errors")
    vars(errors).update(DockerException=DockerError, APIError=DockerError)
    monkeypatch.setitem(sys.modules, "docker", ModuleType("docker"))
    monkeypatch.setitem(sys.modules, "docker.errors", errors)


def test_a_container_is_an_orphan_when_its_runs_directory_is_gone(tmp_path: Path) -> None:
    """While the directory is there, it is not, whoever owns that."""
    live = labels(MARK, tmp_path)

    assert not orphaned(live, here=place())
    assert orphaned(labels(MARK, tmp_path / "gone"), here=place())
    assert orphaned(labels(MARK, tmp_path / "gone" / "too"), here=place())


def test_a_container_of_another_place_is_left_alone(tmp_path: Path) -> None:
    """Where the path means nothing, or none is given, nothing can be said about the run."""
    gone = labels(MARK, tmp_path / "gone")

    assert not orphaned(gone, here="another-machine mnt:[1]")
    assert not orphaned({**gone, PLACE: ""}, here=place())
    assert not orphaned({RUN: MARK}, here=place())
    assert not orphaned({**gone, DIRECTORY: ""}, here=place())


def test_a_directory_that_may_not_be_looked_at_counts_as_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's run directories are closed: that says nothing about the run."""

    def refuse(_path: Path) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "stat", refuse)
    assert not orphaned(labels(MARK, tmp_path / "gone"), here=place())


@pytest.mark.usefixtures("_library")
def test_a_sweep_removes_orphans_and_tells_of_what_it_could_not(tmp_path: Path) -> None:
    """The live one stays; one that went in between is no news; a refusal is told in the daemon's words."""
    gone, live = labels(MARK, tmp_path / "gone"), labels(MARK, tmp_path)
    refused = {
        "c": DockerError(404, "no such container"),
        "d": DockerError(409, "removal is in progress"),
        "e": DockerError(500, "device is busy\nand more"),
    }
    daemon = Daemon({"a": gone, "b": live, "c": gone, "d": gone, "e": gone, "f": None}, refused)

    swept = sweep_with(daemon)

    assert daemon.removed == ["a"]
    assert swept == containers.Swept(("a",), (("e", "device is busy"),))


def test_without_the_library_there_is_nothing_to_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """No import is tried, and nothing is said."""
    monkeypatch.setattr(containers, "installed", lambda: False)

    assert containers.sweep() == containers.Swept()
    assert "pip install" in containers.docker_problem()


@pytest.mark.parametrize(
    ("swept", "says"),
    [
        (containers.Swept(), "nothing to sweep\n"),
        (containers.Swept(("inventory-harness-0badcafe-postgres",)), "removed container inventory-harness-0badcafe"),
    ],
)
def test_harness_sweep_names_what_it_removed(
    swept: containers.Swept, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers count as something that was swept."""
    from harness.cli.sweep import sweep  # noqa: PLC0415 - the command has the name of its module

    monkeypatch.setenv("INVENTORY_HARNESS_RUNS", str(tmp_path))
    monkeypatch.setattr(containers, "sweep", lambda: swept)

    assert CliRunner().invoke(sweep).output.startswith(says)


def test_harness_sweep_fails_when_a_container_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the daemon's words and the command that removes it; what was removed before is told."""
    from harness.cli.sweep import sweep  # noqa: PLC0415 - as above

    monkeypatch.setenv("INVENTORY_HARNESS_RUNS", str(tmp_path))
    monkeypatch.setattr(containers, "sweep", lambda: containers.Swept(("a",), (("e", "device is busy"),)))

    result = CliRunner().invoke(sweep)

    assert result.output == "removed container a\n"
    assert isinstance(result.exception, PlatformError)
    assert "e: device is busy" in result.exception.what
    assert result.exception.hint == "docker rm --force --volumes e"


@pytest.mark.usefixtures("_library")
def test_foreign_errors_are_mapped_with_what_was_being_done() -> None:
    """The library's, the socket's and testcontainers' own become ours; ours pass."""
    for raised in (DockerError(500, "the daemon's words"), OSError("refused"), RuntimeError("not started")):
        with pytest.raises(ClusterError, match=f"Docker did not help: {raised}\n"), containers.mapped("help"):
            raise raised


@pytest.mark.usefixtures("_library")
def test_a_box_that_was_never_made_is_removed_without_docker() -> None:
    """Nothing is asked of a daemon, and every other call says that there is no container."""
    box = DockerBox(Order("image:1", "VARIABLE", "name", 18001, 5432, (), {}, {}))

    box.remove()
    for call in (box.kill, box.again, box.ended):
        with pytest.raises(ClusterError, match="was not started"):
            call()


def test_the_order_of_a_sweep_is_directories_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead run's directory is gone before its container is judged by it."""
    from harness.cli.sweep import sweep  # noqa: PLC0415 - as above

    calls: list[str] = []

    def directories(_parent: Path | None, *, first: Callable[[Path], bool]) -> rundir.Swept:
        assert first(tmp_path)
        calls.append("directories")
        return rundir.Swept((tmp_path,), ())

    def boxes() -> containers.Swept:
        calls.append("containers")
        return containers.Swept()

    monkeypatch.setattr(rundir, "sweep", directories)
    monkeypatch.setattr(containers, "sweep", boxes)

    assert CliRunner().invoke(sweep).output == f"removed {tmp_path}\n"
    assert calls == ["directories", "containers"]
