"""How often a repeated run shows what the stored one showed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from harness.bundle import PLAN_FILE
from harness.bundle.manifest import CHECKSUMS_FILE, seal
from harness.bundle.opened import read
from harness.check.verdict import FAIL, PASS, UNKNOWN
from harness.cli import replay as cli
from harness.cluster.embeddedbackend import EmbeddedBackend
from harness.errors import PlatformError, UsageError
from harness.evidence.replay import counts, operator_of, original, repetition, reproduced
from harness.toolchain import Toolchain
from tests.unit.bundle.written import OPERATOR, SCENARIO, whole
from tests.unit.evidence.test_pool import jobs
from tests.unit.evidence.test_rejudge import run_main

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.evidence.job import Job


def test_what_is_repeated_is_read_from_the_bundle(tmp_path: Path) -> None:
    """Plan, operator, findings and what was harmed."""
    first = original(read(whole(tmp_path, dies=True)))

    assert first.plan.scenario == SCENARIO
    assert (first.plan.seed, first.plan.kubernetes) == (7, "v1.34.4")
    assert first.operator == OPERATOR
    assert [str(one) for one in first.findings] == ["SURVIVE-1: operator process panic: nil map"]
    assert first.choices == (("0-node-cordoned", "node-cordoned", "worker-1"),)


def test_a_promise_without_finding_is_not_looked_for(tmp_path: Path) -> None:
    """The error says of what there is one."""
    with pytest.raises(UsageError, match="no finding of SHAPE-1") as caught:
        original(read(whole(tmp_path, dies=True)), ["SHAPE-1"])

    assert "SURVIVE-1" in caught.value.hint


@pytest.mark.parametrize(
    ("stored", "given", "expected"),
    [
        ({"name": "reference"}, (None, None), ("reference", None)),
        ({"name": "reference+rounds-cpu", "defect": "rounds-cpu"}, (None, None), ("reference", "rounds-cpu")),
        ({"name": "reference+rounds-cpu", "defect": "rounds-cpu"}, ("reference", None), ("reference", None)),
        ({"name": "reference"}, (None, "rounds-cpu"), ("reference", "rounds-cpu")),
        (OPERATOR, ("./mine", None), ("./mine", None)),
    ],
)
def test_the_operator_is_the_stored_one_unless_another_is_given(
    stored: dict[str, str], given: tuple[str | None, str | None], expected: tuple[str, str | None]
) -> None:
    """The reference and its saboteurs are part of the harness; a binary has to be given."""
    assert operator_of(stored, *given) == expected


@pytest.mark.parametrize("stored", [OPERATOR, {}])
def test_a_binary_that_the_bundle_does_not_hold_is_asked_for(stored: dict[str, str]) -> None:
    """One error that says which one it was, and how to give it."""
    with pytest.raises(UsageError, match=stored.get("name", "an operator")) as caught:
        operator_of(stored, None, None)

    assert "--operator" in caught.value.hint


def made(job: Job, how: str) -> None:
    """What the process of a job would have left."""
    if how != "absent":
        whole(job.directory, dies=how != "passes", said="panic: send on closed channel" if how == "other" else "")


def test_repetitions_are_counted(tmp_path: Path) -> None:
    """The same finding, another one of the same promise, none, and a run that could not be: each is told apart."""
    first = original(read(whole(tmp_path / "first", dies=True)))
    listed = jobs(tmp_path / "again", 5)
    for job, how in zip(listed, ("same", "same", "other", "passes", "absent"), strict=True):
        made(job, how)

    runs = [repetition(job, first) for job in listed]

    assert [run.verdict for run in runs] == [FAIL, FAIL, FAIL, PASS, UNKNOWN]
    assert [bool(run.error) for run in runs] == [False] * 4 + [True]
    (count,) = counts(first, runs)
    assert (count.promise, count.same, count.alike, count.broken) == ("SURVIVE-1", 2, 2, 3)
    assert reproduced(runs) == 2
    assert all(run.same_choices for run in runs[:4])
    assert runs[0].as_json()["shown"] == {"SURVIVE-1": "same"}
    assert runs[2].as_json()["shown"] == {"SURVIVE-1": "no"}


def test_a_bundle_without_findings_reproduces_nothing(tmp_path: Path) -> None:
    """Nothing was looked for, so nothing is claimed."""
    first = original(read(whole(tmp_path / "first")))
    (job,) = jobs(tmp_path / "again", 1)
    made(job, "passes")

    runs = [repetition(job, first)]

    assert counts(first, runs) == ()
    assert reproduced(runs) == 0


class FakePool:
    """Leaves what real runs would: every other one shows the finding."""

    def __init__(self, workers: int, environment: dict[str, str], _tick: object) -> None:
        assert workers == 3
        assert environment == {"INVENTORY_HARNESS_DATASTORE": "etcd"}

    def run(self, listed: Iterable[Job]) -> bool:
        """Make the bundles."""
        for number, job in enumerate(listed):
            made(job, "passes" if number % 2 else "same")
        return True


def test_the_command_counts_and_ends_as_a_run_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many of how many showed it stands on the screen and in the JSON, and a FAIL is 1."""
    bundle = whole(tmp_path / "first", dies=True)
    monkeypatch.setattr(cli, "bring", lambda *_args, **_more: Toolchain({}, {}, {}, {}))
    monkeypatch.setattr(cli, "Pool", FakePool)

    code, out, err = run_main(
        capsys, monkeypatch, "replay", str(bundle), "--operator", "reference", "--times", "4", "-n", "3",
        "--out", str(tmp_path / "again"), "--json", str(tmp_path / "x.json"),
    )  # fmt: skip

    assert (code, err) == (1, "")
    for said in ("chaos/told, seed 7, on operator reference", "another operator", "2 of 4 showed it", "2 FAIL, 2 PASS"):
        assert said in out
    body = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert (body["times"], body["reproduced"]) == (4, 2)
    assert body["promises"] == [{"id": "SURVIVE-1", "same": 2, "alike": 2, "broken": 2}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "which it does not hold"),
        (["--operator", "reference", "--datastore", "oracle"], "oracle"),
        (["--operator", "reference", "--datastore", "all"], "repeated on one"),
        (["--operator", "reference", "--promise", "TRUTH-1"], "no finding of TRUTH-1"),
        (["--operator", "/nothing/there"], "there is no such file"),
    ],
)
def test_what_cannot_be_repeated_is_said_before_anything_is_made(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One error with a way out, exit code 3, and no directory."""
    bundle = whole(tmp_path / "first", dies=True)

    code, _out, err = run_main(capsys, monkeypatch, "replay", str(bundle), "--out", str(tmp_path / "again"), *words)

    assert code == 3
    assert said in err
    assert "hint" in err
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("command", ["replay", "shrink"])
@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("moon", "the plan's backend 'moon' is not known"),
        ("external", "was run on a cluster that was there already"),
        ("kind", "is not applicable on kind: needs simulated-nodes"),
        ("embedded", "no such thing here"),
    ],
)
def test_a_plan_for_a_backend_that_is_not_there_is_refused_at_once(
    command: str, named: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """One error with a way out, exit code 3, no directory, and nothing is brought or begun."""
    bundle = whole(tmp_path / "first", dies=True)
    plan = json.loads((bundle / PLAN_FILE).read_text(encoding="utf-8"))
    (bundle / PLAN_FILE).write_text(json.dumps({**plan, "backend": named}), encoding="utf-8")
    (bundle / CHECKSUMS_FILE).unlink()
    seal(bundle)
    lacking = (PlatformError("no such thing here", hint="bring it"),)
    monkeypatch.setattr(EmbeddedBackend, "obstacles", lambda _self: lacking)

    code, _out, err = run_main(
        capsys, monkeypatch, command, str(bundle), "--operator", "reference", "--out", str(tmp_path / "again")
    )

    assert code == 3
    assert said in err
    assert "hint" in err
    assert not (tmp_path / "again").exists()
