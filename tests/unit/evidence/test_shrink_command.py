"""`harness shrink` from a bundle to a reproducer, with runs that were told instead of made."""

from __future__ import annotations

import ast
import dataclasses
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from harness import faults
from harness.bundle.opened import opened, read
from harness.cli import shrink as cli
from harness.evidence.asking import Asking
from harness.evidence.job import Job
from harness.evidence.replay import original
from harness.evidence.shrink import Spent
from harness.run import plan as plans
from harness.scenario import Scenario, two_sizes
from harness.toolchain import Toolchain
from harness.traffic.pods import Churn
from tests.unit.bundle.written import SCENARIO, whole
from tests.unit.evidence.test_rejudge import run_main

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.evidence.pool import Ended
    from harness.run.plan import Plan

Call = Callable[..., tuple[int, str, str]]
BIG = dataclasses.replace(
    SCENARIO, faults=(faults.NodeCordoned(node="worker-1"), faults.ApiServerKilled()), traffic=Churn(least=1)
)


class Runs:
    """Stands for real runs: those of scenarios that `shows` accepts show it, but for the numbers in `unlucky`."""

    def __init__(self, shows: Callable[[Scenario], bool], unlucky: Iterable[int] = ()) -> None:
        self.shows = shows
        self.unlucky = frozenset(unlucky)
        self.made = 0

    def pool(self, _workers: int, environment: dict[str, str], _tick: object) -> Runs:
        """What the command makes a pool with."""
        assert environment == {"INVENTORY_HARNESS_DATASTORE": ""}
        return self

    def run(self, jobs: Iterable[Job], ended: Ended | None = None) -> bool:
        """Leave a bundle for each until no more are wanted."""
        for job in jobs:
            self.made += 1
            shown = self.shows(job.plan.scenario) and self.made not in self.unlucky
            whole(job.directory, dies=shown, scenario=job.plan.scenario)
            if ended is not None and ended(job):
                return False
        return True


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command: exit code, output and errors of these words."""
    monkeypatch.setattr(cli, "bring", lambda *_args, **_more: Toolchain({}, {}, {}, {}))
    return lambda *words: run_main(capsys, monkeypatch, *words)


def cordoned(scenario: Scenario) -> bool:
    """Shows it while a node is cordoned."""
    return any(isinstance(fault, faults.NodeCordoned) for fault in scenario.faults)


def install(monkeypatch: pytest.MonkeyPatch, runs: Runs) -> Runs:
    """Let the command make these runs."""
    monkeypatch.setattr(cli, "Pool", runs.pool)
    return runs


def test_a_reproducer_is_left(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest scenario as a test that asserts what is broken, the issue, the packed bundle, and what was done."""
    install(monkeypatch, Runs(cordoned))
    bundle = whole(tmp_path / "first", dies=True, scenario=BIG)

    code, out, err = call("shrink", str(bundle), "--operator", "reference", "--out", str(tmp_path / "o"))

    assert (code, err) == (0, "")
    assert "nothing more can be left out" in out
    assert "shown in 3 of 3 runs" in out
    place = tmp_path / "o" / "reproducer"
    text = (place / "test_told.py").read_text(encoding="utf-8")
    ast.parse(text)
    assert 'faults=(faults.NodeCordoned(for_s=0.5, node="worker-1"),)' in text
    assert "seed=7" in text
    assert 'assert result["SURVIVE-1"] is PASS' in text
    assert "harness run test_told.py" in (place / "issue.md").read_text(encoding="utf-8")
    with opened(place / "bundle.tar.zst") as smallest:
        best = plans.from_json(smallest.plan).scenario
    assert list(best.nodes) == ["worker-1"]
    assert best.traffic is None
    assert best.promises == ("SURVIVE-1",)
    body = json.loads((tmp_path / "o" / "shrink.json").read_text(encoding="utf-8"))
    assert body["whole"]
    assert "judged on its broken promises alone" in body["steps"]


def test_what_is_not_shown_again_is_not_shrunk(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three runs of the stored plan, none of which shows it: that is said, and nothing is made up."""
    runs = install(monkeypatch, Runs(lambda _scenario: False))
    bundle = whole(tmp_path / "first", dies=True, scenario=BIG)

    code, out, _err = call("shrink", str(bundle), "--operator", "reference", "--out", str(tmp_path / "o"))

    assert code == 2
    assert "not shown in 3 runs" in out
    assert runs.made == 3
    assert not (tmp_path / "o" / "reproducer").exists()


def test_a_bundle_without_finding_is_refused(tmp_path: Path, call: Call) -> None:
    """There is nothing to keep; no directory is made."""
    code, _out, err = call(
        "shrink", str(whole(tmp_path / "first")), "--operator", "reference", "--out", str(tmp_path / "o")
    )

    assert code == 3
    assert "has no finding: its verdict is PASS" in err
    assert not (tmp_path / "o").exists()


def test_runs_are_bounded(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """When they are spent, the smallest so far is confirmed and written, and not called the least."""
    runs = install(monkeypatch, Runs(cordoned))
    bundle = whole(tmp_path / "first", dies=True, scenario=BIG)

    code, out, _err = call(
        "shrink", str(bundle), "--operator", "reference", "--out", str(tmp_path / "o"), "--runs", "6", "--confirm", "2"
    )

    assert code == 0
    assert "the runs or the time were spent" in out
    assert runs.made <= 8


def test_a_finding_of_chance_gets_more_tries(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """What shows in two of three runs is tried thrice before it is given up."""
    install(monkeypatch, Runs(cordoned, unlucky=(1, 4, 7, 10, 13)))
    bundle = whole(tmp_path / "first", dies=True, scenario=BIG)

    code, out, _err = call(
        "shrink", str(bundle), "--operator", "reference", "--out", str(tmp_path / "o"), "--runs", "400"
    )

    assert code == 0
    assert "a scenario has 3 tries" in out
    with opened(tmp_path / "o" / "reproducer" / "bundle.tar.zst") as smallest:
        assert len(plans.from_json(smallest.plan).scenario.nodes) == 1


@pytest.mark.parametrize(("shown", "number"), [(3, 1), (2, 3), (1, 5), (0, 5)])
def test_as_many_tries_as_chance_asks_for(shown: int, number: int) -> None:
    """Enough that one in twenty is missed, and no more than five."""
    assert cli.tries(shown, 3) == number


def asking(tmp_path: Path, runs: Runs, *, most: int = 50, until: float = 1e12) -> Asking:
    """Asks these runs for the finding of the told bundle."""
    first = original(read(whole(tmp_path / "first", dies=True)))

    def job(name: str, plan: Plan) -> Job:
        return Job(name, tmp_path / "o", plan, "reference", None, "v1.34.4")

    return Asking(first, runs, job, most, until)  # type: ignore[arg-type]


def test_nothing_is_asked_twice(tmp_path: Path) -> None:
    """What was shown is known, and what was not is not tried again."""
    runs = Runs(cordoned)
    ask = asking(tmp_path, runs)
    without = dataclasses.replace(SCENARIO, faults=())

    assert ask([without, SCENARIO]) == 1
    assert ask([without]) is None
    made = runs.made
    assert ask([without, SCENARIO]) == 1
    assert ask([without]) is None
    assert runs.made == made


def test_a_search_ends_with_its_runs_or_its_time(tmp_path: Path) -> None:
    """Spent is raised before another run is begun."""
    runs = Runs(lambda _scenario: False)
    ask = asking(tmp_path, runs, most=1)
    assert ask([SCENARIO]) is None
    with pytest.raises(Spent):
        ask([dataclasses.replace(SCENARIO, nodes=two_sizes(), faults=())])
    assert runs.made == 1

    late = asking(tmp_path / "late", Runs(cordoned), until=time.monotonic() - 1)
    with pytest.raises(Spent):
        late([SCENARIO])


def test_a_run_that_cannot_be_believed_shows_nothing(tmp_path: Path) -> None:
    """A finding in a run with a doubt that the first one did not have may be the harness's own doing."""
    ask = asking(tmp_path, Runs(cordoned))
    (run,) = ask.times(SCENARIO, 1)

    assert ask.shows(run)
    assert not ask.shows(dataclasses.replace(run, doubts=("RADIUS",)))
    assert not ask.shows(dataclasses.replace(run, error="no room on the disk"))
    ask.first = dataclasses.replace(ask.first, doubts=("RADIUS",))
    assert ask.shows(dataclasses.replace(run, doubts=("RADIUS",)))
