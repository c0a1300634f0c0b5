"""Faults on storage against objects in memory and the real files of the Ceph tools."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from harness import faults
from harness.cluster.cephtools import CephTools
from harness.cluster.storage import CLASSES, GIB, VOLUMES, Ceph, Pool, StorageClass, Volume
from harness.errors import ApiError, FaultError, WaitTimeoutError
from harness.fault import storage as subject
from harness.history import reader
from harness.model.inventory import Truth
from harness.run.observe import LiveTruth
from tests.unit.fault.place import injected, undone, world_of

if TYPE_CHECKING:
    from pathlib import Path

    from harness.history.writer import HistoryWriter
    from harness.run.world import RunWorld

CEPH = Ceph(pools=(Pool("ssd", max_avail=700 * GIB, stored=10 * GIB),))


class Api:
    """Objects by path, as the API server keeps them; the tools' command prints what their file says."""

    def __init__(self, tools: CephTools) -> None:
        self.tools = tools
        self.objects: dict[str, Any] = {}
        for path, body in (
            (CLASSES, StorageClass("local-path").body()),
            (VOLUMES, Volume("free", "local-path").body()),
            (VOLUMES, Volume("taken", "local-path").body() | {}),
        ):
            self.put(path, body)
        self.objects[f"{VOLUMES}/taken"]["spec"]["claimRef"] = {"name": "taken"}

    def put(self, path: str, body: Any) -> None:
        """An object that is there, with what an API server adds."""
        meta = {**body["metadata"], "uid": f"uid-{len(self.objects)}", "resourceVersion": "7"}
        name = f"{path}/{meta['name']}"
        self.objects[name] = {**json.loads(json.dumps(body)), "metadata": meta, "status": {"phase": "Available"}}

    async def get(self, path: str) -> Any:
        """GET."""
        if path not in self.objects:
            raise ApiError(f"GET {path}: 404", status=404)
        return self.objects[path]

    async def delete(self, path: str) -> None:
        """DELETE."""
        self.objects.pop(path, None)

    async def ensure(self, path: str, body: Any) -> None:
        """POST, where there is none."""
        assert set(body["metadata"]) <= {"name", "labels", "annotations"}
        assert "status" not in body
        if f"{path}/{body['metadata']['name']}" not in self.objects:
            self.put(path, body)

    async def patch(self, path: str, body: Any) -> None:
        """PATCH of labels."""
        labels = {**self.objects[path]["metadata"]["labels"], **body["metadata"]["labels"]}
        self.objects[path]["metadata"]["labels"] = {key: value for key, value in labels.items() if value is not None}

    async def execute(self, namespace: str, *_words: Any) -> str:
        """The command, when it answers."""
        return json.dumps(self.tools.read(namespace))


class Cluster:
    """The client and the tools."""

    def __init__(self, directory: Path) -> None:
        self.ceph = CephTools(directory, ("rook-ceph",))
        self.ceph.install()
        self.ceph.write("rook-ceph", CEPH.df())
        self.client = Api(self.ceph)


@pytest.fixture
def world(tmp_path: Path, history: HistoryWriter, monkeypatch: pytest.MonkeyPatch) -> RunWorld:
    """A world with storage, in which evidence is not awaited for long."""
    monkeypatch.setattr(subject, "BITE_DEADLINE_S", 0.3)
    made = cast("RunWorld", world_of(None))
    made.cluster, made.live = cast("Any", Cluster(tmp_path)), LiveTruth(history)
    return made


@pytest.mark.parametrize(
    ("fault", "path"),
    [
        (faults.StorageClassDeleted(), f"{CLASSES}/local-path"),
        (faults.StorageClassUnlabelled(), f"{CLASSES}/local-path"),
        (faults.VolumeDeleted(volume="free"), f"{VOLUMES}/free"),
    ],
)
def test_an_object_goes_or_changes_and_is_as_before(world: RunWorld, fault: faults.Fault, path: str) -> None:
    """There is no evidence before the harm; afterwards all but what the API server gives is the same."""
    api = cast("Api", world.cluster.client)
    before = json.loads(json.dumps(api.objects[path]))

    async def go() -> str:
        state = await fault.prepare(world)
        with pytest.raises(WaitTimeoutError):
            await fault.bitten(world, state)
        state, said = await injected(fault, world)
        await undone(fault, world, json.loads(json.dumps(state)))
        return said

    said = asyncio.run(go())
    after = api.objects[path]
    assert "is not there" in said or "has no label" in said
    assert {key: value for key, value in after.items() if key != "metadata"} == {
        key: value for key, value in before.items() if key != "metadata"
    }
    assert after["metadata"].get("labels") == before["metadata"].get("labels")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (faults.StorageClassDeleted(storage_class="gone"), "there is no gone"),
        (faults.StorageClassUnlabelled(storage_class="gone"), "there is no gone"),
        (faults.VolumeDeleted(volume="taken"), "taken is bound"),
        (faults.PoolFilled(pool="hdd"), "no pool 'hdd'"),
        (faults.PoolFilled(pool="ssd", gib=701), "no pool 'ssd' has room"),
    ],
)
def test_a_target_that_cannot_be_harmed_is_refused(world: RunWorld, fault: faults.Fault, said: str) -> None:
    """Before anything is done, with its name."""
    with pytest.raises(FaultError, match=said):
        asyncio.run(fault.prepare(world))


def test_a_pool_fills_and_the_truth_knows_it(world: RunWorld, history: HistoryWriter) -> None:
    """What is stored cannot be written any more, and it is recorded when it is told and when it is told no more."""
    fault = faults.PoolFilled(pool="ssd", gib=100)

    async def go() -> None:
        state, _said = await injected(fault, world)
        assert (await fault.prepare(world))["before"]["pools"][0]["stats"]["max_avail"] == 600 * GIB
        await undone(fault, world, state)

    asyncio.run(go())
    told = [record["body"]["pools"][0]["stats"] for record in reader.read(history.path).of("pools")]
    assert [(stats["max_avail"], stats["stored"]) for stats in told] == [
        (600 * GIB, 110 * GIB), (700 * GIB, 10 * GIB),
    ]  # fmt: skip
    assert isinstance(world.live.truth, Truth)


def test_broken_tools_have_bitten_once_somebody_ran_them(world: RunWorld, tmp_path: Path) -> None:
    """What they told before is what they tell afterwards, and nothing of it is recorded as changed."""
    fault = faults.CephToolsBroken(mode="error")

    async def go() -> str:
        state = await fault.prepare(world)
        await fault.inject(world, state)
        with pytest.raises(WaitTimeoutError):
            await fault.bitten(world, state)
        (tmp_path / "ceph-0.met").write_text(".\n.\n", encoding="utf-8")
        said = await fault.bitten(world, state)
        await undone(fault, world, state)
        return said

    assert "run 2 times and misbehaved (error)" in asyncio.run(go())
    assert world.cluster.ceph.read("rook-ceph") == CEPH.df()
    assert (tmp_path / "ceph-0.mode").read_text(encoding="utf-8") == "answer"
