"""The same scenario on several datastores: compared where that is possible, and never silently where it is not."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from harness.check.verdict import FAIL, PASS, UNKNOWN
from harness.cluster.datastore import KINDS
from reports.campaign import load, load_run, summary
from reports.differential import ORDER, Agreement, Comparison, Final, agreement, in_order
from tests.unit.reports import bundles, stores
from tests.unit.reports.stores import ONE, printed

if TYPE_CHECKING:
    from pathlib import Path


def _compared(out: Path) -> Comparison:
    """The only comparison of a campaign."""
    (found,) = load(out).comparisons
    return found


def _with_card(**attributes: str) -> dict[str, Any]:
    """`ONE` with another GPU in its first node."""
    body = stores.inventory(stores.node("worker-1", cpu="2500m"), stores.node("worker-2"))
    body["nodes"][0]["resources"]["gpu"]["info"] = [{**stores.CARD, **attributes}]
    return body


def test_columns_stand_in_the_harness_s_order() -> None:
    """Every kind of datastore that the harness knows has its place; what it does not know comes behind."""
    assert [kind for kind in ORDER if kind in KINDS] == list(KINDS)
    assert in_order(["zfs", "mysql", "sqlite", "etcd", "mysql", "abc"]) == ["etcd", "sqlite", "mysql", "abc", "zfs"]


def test_a_run_knows_its_scenario_and_its_datastore(stores_dir: Path) -> None:
    """The datastore comes from the verdicts, and behind the scenario's id only where it is not the usual one."""
    runs = {run.id: (run.scenario, run.datastore) for run in load(stores_dir).runs}
    assert runs["chaos/node-cordoned"] == ("chaos/node-cordoned", "etcd")
    assert runs["chaos/node-cordoned@postgres"] == ("chaos/node-cordoned", "postgres")
    assert runs["chaos/leader-moved"] == ("chaos/leader-moved", "etcd3")


@pytest.mark.parametrize(
    ("label", "plan", "kind"),
    [("chaos/x@mysql", None, "mysql"), ("chaos/x", {"datastore": "etcd3"}, "etcd3"), ("chaos/x", None, "etcd")],
)
def test_a_run_without_verdicts_has_a_datastore_too(
    tmp_path: Path, label: str, plan: dict[str, Any] | None, kind: str
) -> None:
    """The plan says it, or else the run's id; where neither does it is the usual one."""
    bundle = tmp_path / label
    bundle.mkdir(parents=True)
    (bundle / "error.json").write_text('{"error": "no port is free"}')
    if plan is not None:
        (bundle / "plan.json").write_text(json.dumps(plan))
    assert (load_run(tmp_path, bundle).scenario, load_run(tmp_path, bundle).datastore) == ("chaos/x", kind)


def test_order_and_notation_make_no_difference(stores_dir: Path) -> None:
    """2500m is 2.5 and 1Gi is 1073741824, in whatever order the nodes are listed."""
    found = {item.scenario: item for item in load(stores_dir).comparisons}
    assert found["chaos/api-server-killed"].agreement == Agreement(same=True)
    assert found["chaos/api-server-killed"].verdict is PASS


def test_different_inventories_are_a_finding(stores_dir: Path) -> None:
    """The difference names node, field and both values, and the campaign as a whole is a FAIL."""
    campaign = load(stores_dir)
    found = {item.scenario: item for item in campaign.comparisons}["chaos/node-cordoned"]
    assert found.agreement.differences == ("node worker-1: cpu.allocated 3 on postgres, 2.5 on etcd",)
    assert found.verdict is FAIL
    assert {run.verdict for run in campaign.runs} == {PASS}
    assert campaign.verdict is FAIL


def test_each_kind_of_difference_is_told(tmp_path: Path) -> None:
    """A node, hardware, storage and what is not in the documented shape: none of them is passed over."""
    other = _with_card(name="h100")
    other["nodes"].append(stores.node("worker-3"))
    other["nodes"][1]["capabilities"]["storage_classes"] = ["beta2"]
    other["nodes"][1]["resources"]["memory"]["quantity"]["allocated"] = 5
    figures = {"capacity": "1Ki", "allocatable": "1Ki", "allocated": "0"}
    other["storage"].append({"quantity": figures, "info": {"class": "beta2", "iops": ""}})
    stores.stored(tmp_path, "chaos/x", "etcd", ONE)
    stores.stored(tmp_path, "chaos/x", "sqlite", other)
    assert list(_compared(tmp_path).agreement.differences) == [
        "node worker-1: gpu.info nvidia/10de/h100/20b5/PCIe/80Gi on sqlite, nvidia/10de/a100/20b5/PCIe/80Gi on etcd",
        "node worker-2: storage.classes beta2 on sqlite, none on etcd",
        "node worker-3: reported on sqlite, not reported on etcd",
        "cluster storage beta2, iops not told: allocatable 1024, allocated 0, capacity 1024: on sqlite, not on etcd",
        "nodes[].resources.memory.quantity.allocated: expected a quantity as a string, found 5: on sqlite, not on etcd",
    ]


def test_an_operator_s_own_shape_is_compared_as_it_is(tmp_path: Path) -> None:
    """What is in the same wrong shape everywhere is the same, in whatever order the nodes come."""
    nodes = [stores.node("worker-1"), stores.node("worker-2")]
    nodes[1]["resources"]["cpu"]["quantity"]["allocated"] = 2
    stores.stored(tmp_path, "chaos/x", "etcd", stores.inventory(*nodes))
    stores.stored(tmp_path, "chaos/x", "sqlite", stores.inventory(*reversed(nodes)))
    assert _compared(tmp_path).agreement == Agreement(same=True)


@pytest.mark.parametrize("field", ["gpu.info", "gpu.info.vendor_id"])
def test_what_one_gate_let_pass_is_compared_nowhere(tmp_path: Path, field: str) -> None:
    """A field excepted on one datastore is left out on all; what is not excepted still differs."""
    ending = {"excepted": [{"field": field, "node": "worker-1", "nodes": 1}]}
    stores.stored(tmp_path, "chaos/x", "etcd", ONE)
    stores.stored(tmp_path, "chaos/x", "sqlite", _with_card(vendor_id="ffff"), ending=ending)
    stores.stored(tmp_path, "chaos/y", "etcd", ONE, ending={"excepted": [{"field": "cpu.info"}]})
    stores.stored(tmp_path, "chaos/y", "sqlite", _with_card(vendor_id="ffff"))
    assert [item.agreement.same for item in load(tmp_path).comparisons] == [True, False]


@pytest.mark.parametrize(
    ("body", "ending", "why"),
    [
        (ONE, {"converged": False}, "it did not converge"),
        (None, {}, "REST never answered with an inventory"),
        ({"raw": "<html>"}, {}, "$: expected a JSON document, found the text '<html>'"),
        ({"nodes": None, "storage": []}, {}, "nodes: expected an array, found null"),
    ],
)
def test_a_run_without_a_final_inventory_is_not_comparable(
    tmp_path: Path, body: dict[str, Any] | None, ending: dict[str, Any], why: str
) -> None:
    """The reason is told, and nobody takes the others' agreement for everybody's."""
    stores.stored(tmp_path, "chaos/x", "etcd", ONE)
    stores.stored(tmp_path, "chaos/x", "sqlite", body, ending=ending)
    stores.stored(tmp_path, "chaos/x", "postgres", ONE)
    found = _compared(tmp_path)
    assert found.agreement == Agreement(same=None, why=f"sqlite: {why}")
    assert found.verdict is UNKNOWN
    assert f"chaos/x: not comparable: sqlite: {why}" in printed(tmp_path)


def test_a_difference_outranks_what_cannot_be_compared(tmp_path: Path) -> None:
    """The first datastore tells nothing; the others are compared with each other."""
    stores.stored(tmp_path, "chaos/x", "etcd", None)
    stores.stored(tmp_path, "chaos/x", "sqlite", ONE)
    stores.stored(tmp_path, "chaos/x", "postgres", _with_card(name="h100"))
    found = _compared(tmp_path)
    assert found.verdict is FAIL
    assert len(found.agreement.differences) == 1
    assert found.agreement.why == "etcd: REST never answered with an inventory"


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("missing", "cannot read the history"),
        ("torn", "the history is torn"),
        ("altered", "checksum does not match"),
        ("lost", "is not in the history"),
        ("odd", "a record that this version cannot read"),
    ],
)
def test_a_history_that_cannot_be_read_is_not_comparable(tmp_path: Path, damage: str, why: str) -> None:
    """Whatever is wrong with the file, the comparison says so instead of failing or passing."""
    stores.stored(tmp_path, "chaos/x", "etcd", ONE)
    bundle = bundles.write_run(tmp_path, "chaos/x@sqlite", promises=bundles.kept("TRUTH-1"), datastore="sqlite")
    path = bundle / "history.jsonl"
    if damage in {"lost", "odd"}:
        story = bundles.Story(bundle, "chaos/x")
        if damage == "odd":
            story.tell(0.9, "report", source="rest")
        story.tell(1.0, "report", source="rest", t0=1.0, outcome="ok", status=200, snapshot="0123456789abcdef")
        story.tell(5.0, "mark", mark="converged", detail="")
        story.end()
    elif damage != "missing":
        stores.ended(bundle, "chaos/x", ONE)
        text = path.read_text()
        path.write_text(text[:-9] if damage == "torn" else text.replace('"outcome":"ok"', '"outcome":"OK"', 1))
    found = _compared(tmp_path).agreement
    assert found.same is None
    assert found.why.startswith("sqlite: ")
    assert why in found.why


def test_runs_with_other_seeds_are_not_comparable(tmp_path: Path) -> None:
    """Another seed is another plan."""
    stores.stored(tmp_path, "chaos/x", "etcd", ONE)
    stores.stored(tmp_path, "chaos/x", "sqlite", _with_card(name="h100"), seed=8)
    assert _compared(tmp_path).agreement == Agreement(
        same=None, why="the seeds are not the same: 7 on etcd, 8 on sqlite"
    )


def test_a_run_that_did_not_take_place_is_not_comparable(tmp_path: Path) -> None:
    """The harness's own error on one datastore leaves open whether the inventories are the same."""
    stores.stored(tmp_path, "chaos/x", "etcd", ONE)
    failed = tmp_path / "chaos" / "x@sqlite"
    failed.mkdir(parents=True)
    (failed / "error.json").write_text('{"error": "no port is free"}')
    assert _compared(tmp_path).agreement == Agreement(same=None, why="sqlite: it was not judged")
    assert re.search(r"chaos/x +│ ✓ 2.3 s │ ! +│ \? not comparable", printed(tmp_path))


def test_comparing_depends_on_nothing_but_the_inventories() -> None:
    """The function is pure: finals in, agreement out, in the order that they are given in."""
    finals = {"b": Final(ONE), "a": Final(_with_card(name="h100"))}
    (text,) = agreement(finals).differences
    assert text.endswith("a100/20b5/PCIe/80Gi on b")


def test_the_summary_has_the_comparisons(stores_dir: Path) -> None:
    """Programs find verdicts, recovery times, differences, and what was not applicable."""
    body = summary(load(stores_dir))
    entries = {entry["scenario"]: entry for entry in body["differential"]}
    assert entries["chaos/node-cordoned"] == {
        "scenario": "chaos/node-cordoned",
        "datastores": {
            "etcd": {"id": "chaos/node-cordoned", "verdict": "PASS", "recovery_s": 0.84},
            "sqlite": {"id": "chaos/node-cordoned@sqlite", "verdict": "PASS", "recovery_s": 0.91},
            "postgres": {"id": "chaos/node-cordoned@postgres", "verdict": "PASS", "recovery_s": 1.2},
        },
        "same_inventory": False,
        "differences": ["node worker-1: cpu.allocated 3 on postgres, 2.5 on etcd"],
        "why": "",
    }
    alone = entries["chaos/leader-moved"]
    assert (alone["same_inventory"], alone["differences"], alone["why"]) == (None, [], "run on etcd3 only")
    assert {
        "test": "chaos/leader-moved",
        "backend": "embedded",
        "datastore": "etcd",
        "why": "possible on etcd3",
    } in body["not_applicable"]
    assert len(body["not_applicable"]) == 6
    assert body["verdict"] == "FAIL"


def test_the_summary_names_each_datastore_s_version(stores_dir: Path) -> None:
    """With several datastores no run's version stands for all; a run that names none does no harm."""
    bundles.write_run(stores_dir, "chaos/a", promises=bundles.kept("TRUTH-1"))
    versions = summary(load(stores_dir))["versions"]
    assert versions["datastore sqlite"] == "kine v0.17.5 on SQLite 3.40.1"
    assert versions["datastore etcd"] == "etcd v3.6.8, 1 member"
    assert "datastore" not in versions


@pytest.mark.parametrize("text", ["{", "{}", "null", '["x"]', '[{"test": "chaos/x"}]'])
def test_damaged_notes_of_what_was_not_applicable_are_named(tmp_path: Path, text: str) -> None:
    """A file that does not hold what it must is a problem of the campaign, not a silence."""
    bundles.write_run(tmp_path, "chaos/x", promises=bundles.kept("TRUTH-1"))
    (tmp_path / "not-applicable.json").write_text(text)
    campaign = load(tmp_path)
    assert campaign.not_applicable == ()
    assert any("campaign: not-applicable.json" in problem for problem in campaign.problems)
