"""`harness gate` from its command line to its exit code, with runs that were told instead of made."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.cli import gate as cli
from harness.cli.collect import Asked, collected
from harness.errors import UsageError
from harness.operator.supervisor import Supervision
from harness.run.choose import choose, named
from harness.toolchain import Toolchain
from tests.unit.bundle.written import SCENARIO, begun, whole
from tests.unit.evidence.test_rejudge import run_main

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.evidence.job import Job

ARGUMENTS = ("gate", "--candidate", "reference+rounds-cpu", "--baseline", "reference")
Outcomes = dict[tuple[str, str], str]
Call = Callable[..., tuple[int, str, str]]


class Runs:
    """Stands for real runs: what each of them leaves is told by side and round; counts what was run."""

    def __init__(self, outcomes: Outcomes) -> None:
        self.outcomes = outcomes
        self.ran: list[str] = []
        self.interrupt_at = ""

    def pool(self, _workers: int, environment: dict[str, str], _tick: object) -> Runs:
        """What the command makes a pool with."""
        assert environment == {"INVENTORY_HARNESS_DATASTORE": "etcd"}
        return self

    def run(self, jobs: Iterable[Job]) -> bool:
        """Leave a bundle for each."""
        for job in jobs:
            if job.name == self.interrupt_at:
                begun(job.directory)
                raise KeyboardInterrupt
            self.ran.append(job.name)
            side, number = job.name.split("/")
            whole(job.directory, dies=self.outcomes.get((side, number), "PASS") == "FAIL")
        return True


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command: exit code, output and errors of these words."""
    return lambda *words: run_main(capsys, monkeypatch, *words)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Callable[[Outcomes], Runs]:
    """Let the command run these in the place of real ones."""

    def install(outcomes: Outcomes) -> Runs:
        made = Runs(outcomes)
        monkeypatch.setattr(cli, "Pool", made.pool)
        return made

    tools = Toolchain({}, {"kube-apiserver": "v1.34.4"}, {}, {})
    monkeypatch.setattr(cli, "bring", lambda *_args, **_more: tools)
    monkeypatch.setattr(cli, "collected", lambda _asked: [(SCENARIO, "etcd")])
    return install


@pytest.mark.parametrize(
    ("outcomes", "code", "word"),
    [
        ({}, 0, "NO WORSE"),
        ({("candidate", "01"): "FAIL", ("candidate", "02"): "FAIL"}, 1, "A REGRESSION"),
        ({("candidate", "02"): "FAIL"}, 2, "CANNOT SAY"),
        ({("baseline", "01"): "FAIL", ("baseline", "02"): "FAIL"}, 0, "NO WORSE"),
    ],
)
def test_the_exit_code_says_what_came_out(
    outcomes: Outcomes, code: int, word: str, runs: Callable[[Outcomes], Runs], tmp_path: Path,
    call: Call,
) -> None:  # fmt: skip
    """0 no worse, 1 a regression with its finding, 2 for what is flaky; and Markdown, JSON and JUnit say the same."""
    runs(outcomes)
    files = {name: tmp_path / f"x.{name}" for name in ("markdown", "json", "junit")}
    words = [word for name, path in files.items() for word in (f"--{name}", str(path))]

    status, out, err = call(*ARGUMENTS, "--times", "2", "--out", str(tmp_path / "o"), *words)

    assert (status, err) == (code, "")
    assert word in out
    body = json.loads(files["json"].read_text(encoding="utf-8"))
    assert body["verdict"].upper() == word
    assert word.lower() in files["markdown"].read_text(encoding="utf-8").splitlines()[0]
    assert f'failures="{1 if code == 1 else 0}"' in files["junit"].read_text(encoding="utf-8")
    if code == 1:
        assert "REGRESSION  chaos/told SURVIVE-1: candidate FAIL, baseline PASS" in out
        assert "exited by itself with code 2" in out
        assert "exited by itself" in files["markdown"].read_text(encoding="utf-8")
    if code == 2:
        assert "flaky: candidate" in out
        assert "1 FAIL and 1 PASS" in files["markdown"].read_text(encoding="utf-8")
    assert (tmp_path / "o" / "candidate" / "01" / "index.html").is_file()


def test_an_interrupted_gate_goes_on_where_it_was(
    runs: Callable[[Outcomes], Runs],
    tmp_path: Path,
    call: Call,
) -> None:
    """What came to its end is not run again, the seed stays, and what was cut off is put aside and run anew."""
    made = runs({})
    made.interrupt_at = "baseline/02"
    out = tmp_path / "o"
    status, _out, _err = call(*ARGUMENTS, "--times", "2", "--out", str(out))
    assert status == 130
    assert made.ran == ["baseline/01", "candidate/01"]
    seed = json.loads((out / "gate.json").read_text(encoding="utf-8"))["seed"]

    made.interrupt_at = ""
    status, said, _err = call(*ARGUMENTS, "--times", "2", "--out", str(out))

    assert status == 0
    assert "2 of 4 runs have been made already" in said
    assert made.ran == ["baseline/01", "candidate/01", "baseline/02", "candidate/02"]
    assert json.loads((out / "comparison.json").read_text(encoding="utf-8"))["seed"] == seed
    assert len(list((out / "jobs").glob("*/cut-off-1"))) == 1


def test_more_repetitions_can_be_asked_for_later(
    runs: Callable[[Outcomes], Runs],
    tmp_path: Path,
    call: Call,
) -> None:
    """A gate that could not say goes on with more rounds."""
    made = runs({})
    out = str(tmp_path / "o")
    call(*ARGUMENTS, "--out", out)

    status, _out, _err = call(*ARGUMENTS, "--times", "3", "--out", out)

    assert status == 0
    assert len(made.ran) == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gate", "--candidate", "reference", "--baseline", "reference"], "its candidate was reference"),
        ([*ARGUMENTS, "-k", "other"], "chosen by"),
        ([*ARGUMENTS, "--seed", "12"], "its seed was 11, not 12"),
        ([*ARGUMENTS, "--names", "longest"], "chosen by"),
    ],
)
def test_another_gate_does_not_go_on_in_the_same_place(
    words: list[str], said: str, runs: Callable[[Outcomes], Runs], tmp_path: Path,
    call: Call,
) -> None:  # fmt: skip
    """The error says what the gate there was; nothing is run."""
    made = runs({})
    out = ["--out", str(tmp_path / "o")]
    call(*ARGUMENTS, "--seed", "11", *out)
    before = list(made.ran)

    status, _out, err = call(*words, "--same", *out)

    assert status == 3
    assert said in err
    assert made.ran == before


def test_one_operator_twice_is_refused(
    tmp_path: Path,
    runs: Callable[[Outcomes], Runs],
    call: Call,
) -> None:
    """By checksum, whatever the files are called; --same allows it."""
    runs({})
    for name in ("a", "b"):
        shutil.copyfile("/bin/true", tmp_path / name)
        (tmp_path / name).chmod(0o755)
    words = ["gate", "--candidate", str(tmp_path / "a"), "--baseline", str(tmp_path / "b")]

    status, _out, err = call(*words, "--out", str(tmp_path / "o"))
    assert status == 3
    assert "candidate and baseline are the same operator (sha256 " in err
    assert not (tmp_path / "o").exists()

    both = ["gate", "--candidate", "reference", "--baseline", "reference", "--out", str(tmp_path / "o")]
    status, _out, err = call(*both)
    assert status == 3
    assert "--same" in err
    status, out, _err = call(*both, "--same")
    assert status == 0
    assert "NO WORSE" in out


def test_a_known_regression_is_let_pass_and_shown(
    runs: Callable[[Outcomes], Runs],
    tmp_path: Path,
    call: Call,
) -> None:
    """With its reason, and entries that nothing needed are named."""
    runs({("candidate", "01"): "FAIL"})
    known = tmp_path / "known.toml"
    known.write_text(
        '[[known]]\nscenario = "chaos/*"\npromise = "SURVIVE-1"\nwhy = "nil map"\n'
        '[[known]]\nscenario = "chaos/*"\npromise = "TRUTH-6"\nwhy = "storage"\n',
        encoding="utf-8",
    )

    status, out, _err = call(*ARGUMENTS, "--known", str(known), "--out", str(tmp_path / "o"))

    assert status == 0
    assert "known: nil map" in out
    assert "known and not needed: chaos/* TRUTH-6" in out


def test_sides_are_named_in_one_word() -> None:
    """A path, the reference, or one of its saboteurs; a file may have a plus in its name."""
    assert named("reference") == ("reference", None)
    assert named("reference+rounds-cpu") == ("reference", "rounds-cpu")
    assert named("./build/a+b") == ("./build/a+b", None)
    with pytest.raises(UsageError, match="nothing-of-it"):
        choose(*named("reference+nothing-of-it"))


def test_scenarios_are_collected_as_a_run_would() -> None:
    """What -k, -m and --datastore leave, each with its datastore; an expression that is none is refused."""

    def ids(**asked: Any) -> list[tuple[str, str]]:
        given = {"expression": "", "marks": "", "datastore": "", "names": "usual", "supervision": Supervision()}
        return [(scenario.id, kind) for scenario, kind in collected(Asked(**{**given, **asked}))]

    assert ids(expression="chaos/deletion-missed") == [("chaos/deletion-missed", "etcd")]
    assert ids(expression="chaos/compacted", datastore="etcd3,etcd") == [
        ("chaos/compacted", "etcd3"), ("chaos/compacted", "etcd"),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="Wrong expression"):
        ids(expression="chaos/ (")
    with pytest.raises(UsageError, match="no scenario matches"):
        ids(expression="nothing-of-the-kind")
    assert not Path("reports/out/plans.json").exists()
