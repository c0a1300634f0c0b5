"""`harness capture` from its command line to its bundle, against an API server that answers from memory."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import pytest

from harness.bundle.opened import opened
from harness.capture import captured
from harness.check.contract import judge_history
from harness.check.verdict import FAIL, PASS
from harness.evidence import replay
from harness.run import plan as plans
from tests.unit.capture import cluster
from tests.unit.capture.apiserver import CONFIG_MAP, SERVICES, Api, service, serving, written
from tests.unit.evidence.test_rejudge import run_main
from tests.unit.reports.bundles import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STEERING = "\x1b\x07\u202e"
Call = Callable[..., tuple[int, str, str]]
INVENTORY = f"{SERVICES}/operator-inventory:api/proxy/v1/inventory"
NODES, PODS = "/api/v1/nodes", "/api/v1/pods"


@pytest.fixture
def api() -> Api:
    """The user's cluster."""
    return Api()


@pytest.fixture
def call(
    api: Api, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Call]:
    """The command with these words behind what it always needs, on a clock on which nobody waits."""
    seconds = itertools.count()

    async def at_once(_seconds: float) -> None:
        """Nothing is waited for: the next look is three seconds later all the same."""

    monkeypatch.setattr(captured, "interval", at_once)
    monkeypatch.setattr(captured, "now", lambda: 3.0 * next(seconds))
    with serving(api) as url:
        config = written(tmp_path / "kubeconfig", url)
        yield lambda *words, out="c.tar.zst": run_main(
            capsys, monkeypatch, "capture", "--kubeconfig", str(config), "--out", str(tmp_path / out), *words
        )


def test_a_true_inventory_is_told_so(api: Api, call: Call, tmp_path: Path) -> None:
    """Exit code 0; the bundle opens, judges the same, and nothing was asked but to read."""
    code, said, _err = call()

    assert code == 0, said
    assert "the inventory is true" in said
    assert {method for method, _path in api.asked} == {"GET"}
    with opened(tmp_path / "c.tar.zst") as bundle:
        assert judge_history(bundle.history).verdict is PASS
        assert bundle.notes == ()


def test_a_wrong_figure_is_a_row_and_a_finding_that_a_replay_looks_for(api: Api, call: Call, tmp_path: Path) -> None:
    """Exit code 1; figure, node, expected and reported; the plan has the pods that make it."""
    api.objects[INVENTORY] = cluster.inventory(wrong=True)
    code, said, _err = call()

    assert code == 1, said
    (row,) = [line for line in said.splitlines() if "cpu.allocated" in line]
    assert "1.25" in row
    assert "0.25" in row
    with opened(tmp_path / "c.tar.zst") as bundle:
        first = replay.original(bundle)
        scenario = plans.from_json(bundle.plan).scenario
        assert judge_history(bundle.history).verdict is FAIL
    assert {(one.promise, one.aspect, one.kind) for one in first.findings} == {
        ("TRUTH-3", "cpu.allocated", "under"), ("TRUTH-3", "memory.allocated", "under"),
    }  # fmt: skip
    (node,) = {one.object for one in first.findings}
    same = [pod.name for pod in scenario.pods if pod.node == node]
    assert len(same) == 2
    assert len(set(same)) == 1


def test_hardware_and_labels_are_judged_where_they_can_be(api: Api, call: Call, tmp_path: Path) -> None:
    """With discovery pods to ask and a registry, TRUTH-5 and LABEL-1 are judged as well; a wrong label is a row."""
    for name, cards in ((cluster.GPU_NODE, 2), (cluster.PLAIN_NODE, 0)):
        api.lists[PODS] = [*api.lists[PODS], cluster.discovery_pod(name)]
        proxy = f"/api/v1/namespaces/akash-services/pods/{cluster.DISCOVERY}{name}:8081/proxy"
        api.objects |= {f"{proxy}/{part}": body for part, body in cluster.hardware(cards=cards).items()}
    api.objects[INVENTORY] = cluster.informed(cluster.inventory())
    (tmp_path / "gpus.json").write_text(json.dumps(cluster.REGISTRY), encoding="utf-8")
    words = ("--registry", str(tmp_path / "gpus.json"))
    code, said, _err = call(*words)

    assert code == 0, said
    assert "TRUTH-5, TRUTH-6, LABEL-1" in said
    assert "note:" not in said
    labels = api.lists[NODES][0]["metadata"]["labels"]
    api.lists[NODES][0]["metadata"]["labels"] = {**labels, "nvidia.com/gpu.present": "false"}
    try:
        code, said, _err = call(*words, out="wrong.tar.zst")
    finally:
        api.lists[NODES][0]["metadata"]["labels"] = labels
    assert code == 1, said
    assert any("labels" in line and "the Node" in line for line in said.splitlines())


def test_what_identifies_is_in_no_file_of_the_bundle(api: Api, call: Call, tmp_path: Path) -> None:
    """Neither what the cluster is called nor where it is, nor who its user is; nor does the output say it."""
    api.objects[INVENTORY] = cluster.inventory(wrong=True)
    _code, said, _err = call()

    with opened(tmp_path / "c.tar.zst") as bundle:
        text = "".join(path.read_text(encoding="utf-8") for path in bundle.directory.rglob("*.json*"))
    assert len(text) > 5000
    assert [word for word in (cluster.SECRET, "127.0.0.1:", "a-token", str(tmp_path), "10.1.2.3") if word in text] == []
    assert cluster.SECRET not in said


def test_names_made_to_steer_a_terminal_are_shown_not_obeyed(api: Api, call: Call) -> None:
    """What an operator reports, and what an API server that is nobody's friend calls its objects."""
    reported = cluster.inventory(wrong=True)
    reported["nodes"].append({**reported["nodes"][0], "name": HOSTILE})
    reported["storage"].append({**reported["storage"][0], "info": {"class": HOSTILE, "iops": HOSTILE}})
    api.objects[INVENTORY] = reported
    code, said, err = call()

    assert (code, err) == (1, "")
    assert [char for char in said if char in STEERING] == []
    assert "present" in said
    api.lists[SERVICES] = [service(HOSTILE)]
    code, out, err = call(out="other.tar.zst")
    assert code == 3
    assert [char for char in out + err if char in STEERING] == []
    assert "\\x1b[31m" in err


@pytest.mark.parametrize(
    ("silent", "code"), [({2}, 0), ({1}, 3), (range(2, 100), 3)], ids=["once", "first", "for good"]
)
def test_an_operator_may_leave_out_a_look_but_not_the_first_nor_all(
    api: Api, call: Call, silent: Collection[int], code: int
) -> None:
    """One that is slow for a moment is still judged; who does not answer at all is told so."""
    turns = itertools.count(1)
    truth = api.answer

    def at_times(path: str) -> tuple[int, object]:
        return (503, {"message": "busy"}) if path == INVENTORY and next(turns) in silent else truth(path)

    api.answer = at_times  # type: ignore[method-assign]
    got, said, err = call("--patience", "30")

    assert got == code, said + err
    assert ("no look" in said) is (1 not in silent)
    assert ("does not answer" in err) is (code == 3)


def test_a_cluster_that_does_not_stand_still_accuses_nobody(api: Api, call: Call, tmp_path: Path) -> None:
    """A figure that is wrong by something else each time is no finding: exit code 2, and no row."""
    turns = itertools.count(1)
    truth = api.answer

    def restless(path: str) -> tuple[int, object]:
        status, body = truth(path)
        if path == INVENTORY:
            body = json.loads(json.dumps(body))
            body["nodes"][1]["resources"]["cpu"]["quantity"]["allocated"] = str(next(turns))
        return status, body

    api.answer = restless  # type: ignore[method-assign]
    code, said, _err = call("--patience", "30")

    assert code == 2, said
    assert "cpu.allocated" not in said
    assert "1 nodes or classes were changing" in said
    with opened(tmp_path / "c.tar.zst") as bundle:
        assert judge_history(bundle.history).verdict is PASS


def test_an_empty_cluster_says_nothing(api: Api, call: Call) -> None:
    """Nothing examined is not true: exit code 2."""
    api.lists |= {NODES: [], PODS: []}
    api.objects[INVENTORY] = {"nodes": [], "storage": []}
    api.objects[CONFIG_MAP] = {"data": {"config.yaml": "version: v1\n"}}

    assert call()[0] == 2


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        ({"refused": {NODES, PODS}}, (), "has not the right to list nodes, nor to list pods"),
        ({"refused": {"/api/v1/persistentvolumes"}}, (), "has not the right to list persistentvolumes"),
        ({"refused": {CONFIG_MAP}}, (), "has not the right to get configmaps in akash-services"),
        ({"refused": {SERVICES}}, (), "has not the right to list services in akash-services"),
        ({"code": 401}, ("--config", "none", "--rest", "http://127.0.0.1:1"), "does not know the user"),
        ({}, ("--context", "nobody"), "has no such context\n  hint: it has here, there"),
        ({}, ("--namespace", "elsewhere", "--config", "none"), "404"),
        ({"lists": {**cluster.LISTS, SERVICES: [service("web")]}}, (), "has no service operator-inventory, but web"),
        ({"objects": {}}, (), "there is no ConfigMap akash-services/operator-inventory"),
        ({"objects": {CONFIG_MAP: {"data": {"a": "", "b": ""}}}}, (), "has no config.yaml, but a, b"),
        ({"objects": {CONFIG_MAP: {"data": {"config.yaml": "exclude: 3"}}}}, (), "is not valid"),
        ({"objects": {CONFIG_MAP: {"data": {"config.yaml": "a: [b"}}}}, (), "is no YAML"),
        ({}, ("--config", "nowhere.yaml"), "--config nowhere.yaml: there is no such file"),
        ({}, ("--config", "none", "--rest", "http://127.0.0.1:1"), "does not answer: GET http://127.0.0.1:1"),
        ({}, ("--config", "none", "--grpc", "127.0.0.1:1"), "does not answer: QueryCluster at 127.0.0.1:1"),
        ({}, ("--registry", "nowhere.json"), "--registry nowhere.json cannot be read"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(
    api: Api, call: Call, tmp_path: Path, change: dict[str, object], words: tuple[str, ...], said: str
) -> None:
    """One clear error, exit code 3, and no file."""
    for name, value in change.items():
        setattr(api, name, value)
    code, _out, err = call(*words)

    assert code == 3
    assert said in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kubeconfig"]


def test_nobody_there_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster that cannot be reached, a kubeconfig that is none, and one that is not there."""
    words = ("capture", "--config", "none", "--rest", "http://127.0.0.1:1", "--out", str(tmp_path / "c.tar.zst"))
    config = written(tmp_path / "kubeconfig", "http://127.0.0.1:1")
    (tmp_path / "broken").write_text("a: [", encoding="utf-8")
    told = (
        (config, "no answer of the API server"),
        (tmp_path / "broken", "cannot be used"),
        (tmp_path / "no", "no such"),
    )
    for path, said in told:
        code, _out, err = run_main(capsys, monkeypatch, *words, "--kubeconfig", str(path))

        assert code == 3
        assert said in err


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("kubeconfig", "it is an archive"),
        ("no/c.tar.zst", "there is no directory"),
        ("there.tar.zst", "exists already"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_asked(
    api: Api, call: Call, tmp_path: Path, out: str, said: str
) -> None:
    """Nothing is overwritten, and the cluster is not asked."""
    (tmp_path / "there.tar.zst").write_text("mine", encoding="utf-8")
    code, _out, err = call(out=out)

    assert code == 3
    assert said in err
    assert api.asked == []
    assert (tmp_path / "there.tar.zst").read_text(encoding="utf-8") == "mine"
