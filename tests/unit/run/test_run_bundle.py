"""What a run leaves on disk, whatever became of it: described first, clean of credentials, sealed last."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from harness.bundle.opened import read
from harness.cluster.datastore import DatastoreSpec
from harness.errors import ClusterError, UsageError
from harness.run import engine
from harness.run import plan as plans
from harness.run.choose import choose
from harness.run.engine import Setup, carry_out, planned
from harness.run.plan import Plan
from harness.scenario import Scenario
from harness.toolchain import Toolchain
from tests.unit.bundle.written import SCENARIO, told

if TYPE_CHECKING:
    from pathlib import Path

NAME = "kube-apiserver"
TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJrdWJlIn0.c2lnbmF0dXJl"


def setup(out: Path, tmp_path: Path, **more: Any) -> Setup:
    """What the runs of a campaign share, with one component in its toolchain."""
    tools = Toolchain({NAME: tmp_path / NAME}, {NAME: "v1.34.4"}, {NAME: "cache"}, {NAME: "ab" * 32})
    return Setup(tools, choose("reference", None), out, 7, **more)


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """In the place of a real run: a told history, and what it is to end with."""
    how: dict[str, Any] = {"dies": True, "error": None}

    async def carry(run: Any) -> None:
        run._describe()
        told(run.bundle, dies=how["dies"], said=f"panic: bad token {TOKEN}")
        (run.bundle / "logs" / "operator.stderr.log").write_text(f"Authorization: Bearer {TOKEN}", encoding="utf-8")
        if how["error"] is not None:
            raise how["error"]

    monkeypatch.setattr(engine._Run, "carry_out", carry)
    return how


def test_a_run_leaves_a_whole_bundle(tmp_path: Path, ended: dict[str, Any]) -> None:
    """It says what it was made with, holds its plan, the state at the finding, and no credential; and it is sealed."""
    assert ended["dies"]

    result = carry_out(Plan(SCENARIO, 11, "sqlite"), setup(tmp_path / "out", tmp_path))

    bundle = read(result.bundle)
    assert bundle.notes == ()
    assert bundle.name == result.scenario == "chaos/told@sqlite"
    assert bundle.manifest["toolchain"][NAME] == {"version": "v1.34.4", "source": "cache", "sha256": "ab" * 32}
    assert plans.from_json(bundle.plan).seed == 11
    (moment,) = json.loads((result.bundle / "state.json").read_text(encoding="utf-8"))["moments"]
    assert moment["promises"] == ["SURVIVE-1"]
    assert [node["metadata"]["name"] for node in moment["nodes"]] == ["late-1"]
    for path in result.bundle.rglob("*"):
        assert not path.is_file() or TOKEN not in path.read_text(encoding="utf-8")


def test_without_findings_there_is_no_state(tmp_path: Path, ended: dict[str, Any]) -> None:
    """Nothing was broken, so there is no moment to look at."""
    ended["dies"] = False

    result = carry_out(Plan(SCENARIO, 7), setup(tmp_path / "out", tmp_path))

    assert not (result.bundle / "state.json").exists()
    assert (result.bundle / "checksums.json").is_file()


def test_a_run_that_broke_off_is_clean_as_well(tmp_path: Path, ended: dict[str, Any]) -> None:
    """The harness's own failure goes on; what there is has no credential, no verdicts and no seal."""
    ended["error"] = ClusterError("etcd died")

    with pytest.raises(ClusterError, match="etcd died"):
        carry_out(Plan(SCENARIO, 7), setup(tmp_path / "out", tmp_path))

    bundle = tmp_path / "out" / "chaos" / "told"
    assert TOKEN not in (bundle / "logs" / "operator.stderr.log").read_text(encoding="utf-8")
    assert not (bundle / "verdicts.json").exists()
    assert read(bundle).verdicts is None


def test_a_scenario_with_a_seed_of_its_own_keeps_it(tmp_path: Path) -> None:
    """A reproducer stands alone: the campaign's seed is for the others."""
    own = Scenario(id="chaos/x", promises=("TRUTH-1",), seed=99)
    other = Scenario(id="chaos/y", promises=("TRUTH-1",))

    assert planned(own, setup(tmp_path, tmp_path)).seed == 99
    assert planned(other, setup(tmp_path, tmp_path)).seed == 7
    with pytest.raises(UsageError, match="seed -1 is out of range"):
        Scenario(id="chaos/x", promises=("TRUTH-1",), seed=-1)


def test_a_plan_goes_where_it_is_sent_if_it_can(tmp_path: Path, ended: dict[str, Any]) -> None:
    """Another datastore takes the place of the plan's; one on which it is not possible is refused."""
    ended["dies"] = False
    here = setup(tmp_path / "out", tmp_path, datastore=DatastoreSpec("sqlite"))

    assert carry_out(Plan(SCENARIO, 7), here).datastore == "sqlite"
    only = Scenario(id="chaos/x", promises=("TRUTH-1",), datastores=("etcd",))
    with pytest.raises(UsageError, match="chaos/x is not possible on sqlite"):
        carry_out(Plan(only, 7), here)
