"""Docker's engine: each way in which there is none that can be used is one clear error with its own way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.cluster import dockercli
from harness.errors import ClusterError, PlatformError
from tests.unit.cluster.faked import INFO, docker, fake

if TYPE_CHECKING:
    from pathlib import Path


def test_an_engine_tells_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version, interface, where images are, and which control groups it has."""
    docker(tmp_path, monkeypatch)

    found = dockercli.engine()

    assert (found.version, found.api, str(found.root), found.cgroups) == ("20.10.24", "1.41", "/", "1")
    assert dockercli.problem() == ""


def test_without_the_command_docker_has_to_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `docker` on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(PlatformError, match=r"no `docker` on PATH[\s\S]*install Docker"):
        dockercli.engine()


@pytest.mark.parametrize(
    ("says", "told", "way_out"),
    [
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
         "no Docker engine answers: Cannot connect", "start it"),
        ("permission denied while trying to connect to the Docker daemon socket",
         "may not be used by this user: permission denied", "group of Docker's socket"),
    ],
    ids=["no-engine", "no-permission"],
)  # fmt: skip
def test_an_engine_that_cannot_be_asked(
    says: str, told: str, way_out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No engine and no permission are told apart."""
    fake("docker", tmp_path, monkeypatch).answers(version=f'echo "{says}" >&2; exit 1')

    with pytest.raises(PlatformError, match=rf"{told}[\s\S]*{way_out}"):
        dockercli.engine()
    assert told.split(":", maxsplit=1)[0] in dockercli.problem()


@pytest.mark.parametrize("api", ["1.40", "1.9", ""])
def test_an_old_engine_is_refused(api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 1.41 a container has no control group namespace of its own; 1.9 is older than 1.41."""
    answer = f'{{"Version": "19.03.9", "ApiVersion": "{api}"}}'
    fake("docker", tmp_path, monkeypatch).answers(version=f"echo '{answer}'")

    with pytest.raises(PlatformError, match=r"19\.03\.9 speaks API .*, kind needs 1\.41[\s\S]*20\.10 or newer"):
        dockercli.engine()


def test_an_answer_that_is_no_object_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something else is called docker here."""
    fake("docker", tmp_path, monkeypatch).answers(version="echo moo")

    with pytest.raises(PlatformError, match="no JSON object: 'moo'"):
        dockercli.engine()


def test_too_little_room_is_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How much there is, where, how much is needed, and what it is for."""
    docker(tmp_path, monkeypatch)

    with pytest.raises(PlatformError, match=r"not enough room to start a kind cluster: .* GiB free in /, 1048576\.0"):
        dockercli.engine().require_room(1 << 50, "start a kind cluster")
    dockercli.engine().require_room(1, "start a kind cluster")


def test_room_that_is_elsewhere_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine in a virtual machine has a root that is no directory here."""
    docker(tmp_path, monkeypatch, info=f"echo '{INFO.replace('/', '/no/such/place', 1)}'")

    assert dockercli.engine().free_bytes is None
    dockercli.engine().require_room(1 << 50, "start a kind cluster")


def test_a_call_that_fails_says_what_docker_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line, the status and the last words."""
    docker(tmp_path, monkeypatch, network='echo "Error: no such network" >&2; exit 5')

    with pytest.raises(ClusterError, match="`docker network rm x` ended with 5: Error: no such network"):
        dockercli.call("network", "rm", "x")


def test_a_call_without_an_answer_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that hangs does not hang us."""
    docker(tmp_path, monkeypatch, ps="exec tail -f /dev/null")

    with pytest.raises(ClusterError, match="`docker ps` gave no answer within 0 s"):
        dockercli.call("ps", timeout_s=0.3)
