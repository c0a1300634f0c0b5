"""Traffic on volumes: what is decided, what is remembered, and how it is carried out."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import seed as seeds
from harness.cluster.storage import CLAIMS, RBD, VOLUMES, Storage, StorageClass
from harness.errors import ApiError, ApiUnavailableError, UsageError
from harness.traffic.volumes import CREATE, DELETE, GROW, RELEASE, Live, VolumeDriver, Volumes, decide, done

CHURN = Volumes(classes=("local-path", "beta3"), live=5)


@given(st.integers(0, 10_000), st.lists(st.sampled_from(("ok", "ok", "ok", "fail", "info")), max_size=120))
def test_only_what_is_there_is_touched(seed: int, phases: list[str]) -> None:
    """Names never come back, no more live at once than allowed, and each operation fits the volume's state."""
    rng, live = seeds.stream(seed, "volumes"), Live()
    made: set[str] = set()
    for phase in phases:
        op = decide(rng, CHURN, live)
        if op.op == CREATE:
            assert op.name not in made
            assert op.storage_class in CHURN.classes
            made.add(op.name)
        elif op.op == RELEASE:
            assert op.name in live.bound
        else:
            assert op.name in live.names - live.deleting
        done(live, op, phase)
        assert len(live.names) <= CHURN.live
        assert live.deleting <= live.bound <= live.names


def test_the_seed_decides() -> None:
    """Two runs of one seed do the same, another seed does something else."""

    def run(seed: int) -> list[Any]:
        rng, live, found = seeds.stream(seed, "volumes"), Live(), []
        for _ in range(60):
            found.append(decide(rng, CHURN, live))
            done(live, found[-1], "ok")
        return found

    assert run(1) == run(1) != run(2)
    assert {op.op for op in run(1)} == {CREATE, GROW, RELEASE, DELETE}


class _Server:
    """Stands for the API server: `answers` are raised in turn, None for none; `asked` is what came."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str]] = []
        self.bodies: list[Any] = []
        self.items: list[dict[str, Any]] = []

    async def create(self, path: str, body: Any) -> None:
        """POST."""
        self.bodies.append(body)
        self._take("create", f"{path}/{body['metadata']['name']}")

    async def patch(self, path: str, _body: Any) -> None:
        """PATCH."""
        self._take("patch", path)

    async def delete(self, path: str) -> None:
        """DELETE."""
        self._take("delete", path)
        self.items = [item for item in self.items if item["metadata"]["name"] != path.rpartition("/")[2]]

    async def get(self, path: str, *, params: Any) -> Any:
        """A list of what traffic has made."""
        assert params == {"labelSelector": "app=traffic"}
        return {"items": self.items if path == VOLUMES else []}

    def _take(self, verb: str, path: str) -> None:
        self.asked.append((verb, path))
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer


STORAGE = Storage(classes=(StorageClass("beta3", provisioner=RBD, pool="ssd", cluster="rook-ceph"),))


def drive(server: _Server, steps: int, *, classes: tuple[str, ...] = ("beta3",)) -> tuple[VolumeDriver, list[Any]]:
    """Some steps; returns the driver and what was noted."""
    noted: list[Any] = []
    driver = VolumeDriver(
        cast("Any", server), Volumes(classes=classes), STORAGE, seeds.stream(3, "volumes"),
        lambda **fields: noted.append(fields),
    )  # fmt: skip

    async def play() -> None:
        for _ in range(steps):
            await driver.step()

    asyncio.run(play())
    return driver, noted


def test_each_operation_is_noted_before_and_after() -> None:
    """With an id of its own, apart from those of pods; the ones that the API server confirmed are counted."""
    driver, noted = drive(_Server(), 30)

    assert driver.ok == 30
    assert [item["phase"] for item in noted] == ["invoke", "ok"] * 30
    assert len({item["id"] for item in noted}) == 30
    assert all(str(item["id"]).startswith("volume-") for item in noted)


def test_volumes_are_of_their_class_s_provisioner() -> None:
    """Those of a class that is not there are local; traffic's can be told by their label."""
    server = _Server()
    drive(server, 10)
    assert all("csi" in body["spec"] for body in server.bodies if body["kind"] == "PersistentVolume")
    assert all(body["metadata"]["labels"] == {"app": "traffic"} for body in server.bodies)

    other = _Server()
    drive(other, 10, classes=("gone",))
    assert all("hostPath" in body["spec"] for body in other.bodies if body["kind"] == "PersistentVolume")


@pytest.mark.parametrize(
    ("answer", "phase"),
    [
        (ApiError("422", status=422), "fail"),
        (ApiError("500", status=500), "info"),
        (ApiUnavailableError("gone"), "info"),
    ],
)
def test_an_operation_that_did_not_succeed_is_not_counted(answer: Exception, phase: str) -> None:
    """It failed, or nobody knows; its volume is left alone from then on."""
    driver, noted = drive(_Server(answer), 1)

    assert (driver.ok, noted[-1]["phase"]) == (0, phase)
    assert driver.live.names == set()


def test_settling_takes_away_what_traffic_made() -> None:
    """Claims and volumes, until none is left."""
    server = _Server()
    server.items = [{"metadata": {"name": "vol-1"}}, {"metadata": {"name": "vol-2"}}]
    driver, _ = drive(server, 0)
    asyncio.run(driver.settle())

    assert {path for verb, path in server.asked if verb == "delete"} == {f"{VOLUMES}/vol-1", f"{VOLUMES}/vol-2"}
    assert not CLAIMS.startswith(VOLUMES)


@pytest.mark.parametrize("wrong", [{"classes": ()}, {"rate": 0.0}, {"rate": 101.0}, {"live": 0}, {"least": 0}])
def test_traffic_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    """The error says what was given and what is possible."""
    with pytest.raises(UsageError, match="out of range"):
        Volumes(**{"classes": ("a",), **wrong})
