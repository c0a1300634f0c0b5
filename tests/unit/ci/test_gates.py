"""`python -m ci.gates`: which gates it asks for, what it makes of what they say, and how it goes on."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from ci.gates.__main__ import main, said, show
from ci.gates.wanted import (
    AS_WANTED,
    NOT_RUN,
    OTHERWISE,
    Gates,
    Shown,
    Wanted,
    expression,
    judged,
    not_run,
    of_rows,
    of_the_same,
)  # fmt: skip
from ci.gates.workshop import Workshop, stood_still
from harness.clock import RunClock
from harness.errors import HistoryError, UsageError
from harness.history.writer import HistoryWriter
from harness.run import saboteurs
from harness.run.crew import Crew, Task
from harness.run.saboteurs import Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[3]
ROW = Row(
    "rounds-cpu", "scenarios/conformance/test_inventory.py::test_a[x]", {"TRUTH-3": re.compile("cpu.allocated over")},
    frozenset(), "", may={"TRUTH-4": re.compile("negative")}, name="rounds-cpu-twice",
)  # fmt: skip
(WANTED,) = of_rows([ROW], 11)
(SAME,) = of_the_same(1, 4, "quick")


def compared(promise: str, outcome: str, *, findings: Sequence[str] = (), scenario: str = "a/x") -> dict[str, Any]:
    """An entry of a comparison."""
    sides = {"regression": ("FAIL", "PASS"), "no worse": ("PASS", "PASS"), "cannot say": ("UNKNOWN", "PASS")}
    ours, theirs = sides[outcome]
    return {
        "scenario": scenario, "promise": promise, "outcome": outcome, "candidate": [ours], "baseline": [theirs],
        "findings": list(findings), "reasons": [],
    }  # fmt: skip


def comparison(wanted: Wanted, code: int, *entries: Mapping[str, Any]) -> dict[str, Any]:
    """The comparison.json of that gate."""
    defect = wanted.row.defect if wanted.row is not None else ""
    return {
        "verdict": {0: "no worse", 1: "a regression", 2: "cannot say"}[code],
        "exit_code": code,
        "candidate": {"name": "reference", **({"defect": defect} if defect else {})},
        "baseline": {"name": "reference"},
        "seed": wanted.seed,
        "selection": {"-k": "", "-m": "", "--datastore": "", "--names": "usual", **wanted.scenarios},
        "compared": list(entries),
    }


FOUND = compared("TRUTH-3", "regression", findings=["node worker-1: cpu.allocated over: 4"])
FINE = compared("TRUTH-1", "no worse")


def test_a_saboteur_that_is_found_by_its_promise_is_as_it_should_be() -> None:
    """With the promise that showed it."""
    shown = judged(WANTED, comparison(WANTED, 1, FINE, FOUND), wall_s=2.0, where="/x")

    assert shown == Shown("saboteur-rounds-cpu-twice", AS_WANTED, "a regression", ("TRUTH-3",), 2, 2.0, (), 11, "/x")


@pytest.mark.parametrize(
    ("code", "entries", "wrong"),
    [
        (
            0,
            [FINE, compared("TRUTH-3", "no worse")],
            r"exit code 0, not 1.*no regression on TRUTH-3: TRUTH-3: no worse",
        ),
        (2, [compared("TRUTH-3", "cannot say")], r"candidate UNKNOWN, baseline PASS"),
        (1, [compared("AVAIL-1", "regression"), FOUND], r"^a regression on AVAIL-1 as well$"),
        (1, [compared("AVAIL-1", "regression")], r"no regression on TRUTH-3: they were not compared.*AVAIL-1 as well"),
        (1, [{**FOUND, "findings": ["gpu"]}], r"^TRUTH-3: a finding that is not about it: gpu$"),
        (1, [FOUND, {**FOUND, "scenario": "a/y"}], r"^it compared a/x, a/y, not one scenario$"),
        (2, [], r"it compared nothing, not one scenario"),
    ],
)
def test_what_does_not_find_the_saboteur_for_what_it_does_is_not(
    code: int, entries: list[dict[str, Any]], wrong: str
) -> None:
    """Another exit code, promise, finding or number of scenarios is said."""
    shown = judged(WANTED, comparison(WANTED, code, *entries))

    assert shown.outcome == OTHERWISE
    assert re.search(wrong, "\n".join(shown.wrong), re.DOTALL)


def test_a_promise_that_may_be_broken_as_well_is_no_fault() -> None:
    """As long as it speaks of the defect."""
    may = compared("TRUTH-4", "regression", findings=["allocated is negative"])

    assert judged(WANTED, comparison(WANTED, 1, FOUND, may)).by == ("TRUTH-3", "TRUTH-4")
    assert judged(WANTED, comparison(WANTED, 1, FOUND, may)).outcome == AS_WANTED
    assert judged(WANTED, comparison(WANTED, 1, FOUND, {**may, "findings": ["x"]})).outcome == OTHERWISE


def test_the_reference_against_itself_is_no_worse_and_breaks_nothing() -> None:
    """Anything else is told, and so is what is broken in both, which the gate lets pass."""
    broken = {**FINE, "candidate": ["FAIL"], "baseline": ["FAIL"]}

    assert judged(SAME, comparison(SAME, 0, FINE)).outcome == AS_WANTED
    assert judged(SAME, comparison(SAME, 2, FINE, compared("TRUTH-2", "cannot say"))).wrong == (
        "exit code 2, not 0", "a/x TRUTH-2: cannot say (candidate UNKNOWN, baseline PASS)"
    )  # fmt: skip
    assert judged(SAME, comparison(SAME, 0, broken)).wrong == ("a/x TRUTH-1: the reference breaks it",)
    assert judged(SAME, comparison(SAME, 2)).wrong == ("exit code 2, not 0",)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 12}, "its seed was 12"),
        ({"selection": {"-k": "test_b"}}, "its scenarios were chosen by {'-k': 'test_b'}"),
        ({"selection": 3}, "chosen by nothing"),
        ({"candidate": {"name": "reference"}}, "its operators were {'name': 'reference'} and {'name': 'reference'}"),
        ({"baseline": None}, "its operators were"),
        ({"compared": 1}, "has not the shape of a comparison"),
        ({"compared": [{"promise": "TRUTH-3"}]}, "has not the shape of a comparison"),
    ],
)
def test_what_another_gate_said_is_not_taken_for_this_ones(change: dict[str, Any], told: str) -> None:
    """A directory that was used for something else, or a file that was changed."""
    with pytest.raises(HistoryError, match=re.escape(told)):
        judged(WANTED, {**comparison(WANTED, 1, FOUND), **change}, where="/x")


def test_the_expression_is_of_the_one_test() -> None:
    """Name and parameters in the file; what is no test of a file is refused."""
    assert expression("scenarios/chaos/test_nodes.py::test_a[b/c-d]") == "test_a[b/c-d] and test_nodes.py"
    with pytest.raises(UsageError, match="no test of a file"):
        expression("scenarios/chaos")


def test_every_saboteur_has_a_gate_of_its_own() -> None:
    """With its own directory, defect, and the datastore that it needs."""
    rows = saboteurs.load(ROOT)
    wanted = of_rows(rows, 11)

    assert len({one.name for one in wanted}) == len(rows)
    assert [one.candidate for one in wanted] == [f"reference+{row.defect}" for row in rows]
    assert [one.scenarios.get("--datastore", "") for one in wanted] == [row.datastore for row in rows]


def test_the_command_of_a_gate_says_all_of_it(tmp_path: Path) -> None:
    """Seeds, scenarios, workers and place; only the same operator is allowed to be the same."""
    words = WANTED.argv(tmp_path, 1)
    assert words[words.index("gate") :] == [
        "gate", "--candidate", "reference+rounds-cpu", "--baseline", "reference", "--seed=11", f"--out={tmp_path}",
        "-n", "1", "-k", "test_a[x] and test_inventory.py",
    ]  # fmt: skip
    assert SAME.argv(tmp_path, 3)[-5:] == ["-n", "3", "-m", "quick", "--same"]
    assert [one.seed for one in of_the_same(3, 5, "quick")] == [5, 6, 7]


def test_the_exit_code_says_the_worst() -> None:
    """Not as it should be outranks not run; nothing at all is no success."""
    fine, other, not_there = (Shown("a", one) for one in (AS_WANTED, OTHERWISE, NOT_RUN))

    assert [Gates(shown).exit_code for shown in ((fine,), (fine, not_there), (not_there, other), ())] == [0, 3, 1, 3]


def test_what_is_printed_names_what_was_wrong() -> None:
    """A table, then the reasons, then how many."""
    text = io.StringIO()
    shown = Gates(
        (Shown("saboteur-a", AS_WANTED, "a regression", ("TRUTH-3",), 9, 41.26), not_run(SAME, "too\x1b late"))
    )

    show(shown, Console(file=text, width=120, no_color=True))

    assert re.search(r"saboteur-a │ a regression │ TRUTH-3 +│ 41\.3 s │", text.getvalue())
    assert "same-4: not run: too\\x1b late\n1 of 2 gates said what they should" in text.getvalue()
    assert said(shown.shown[0]).plain == "as it should  saboteur-a  a regression  TRUTH-3  41.3 s"


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A workshop whose gates are a small program each that leaves a comparison; that of seed 13 leaves none."""
    program = "import pathlib,sys; p=pathlib.Path(sys.argv[1]); p.mkdir(parents=True, exist_ok=True); print('made');"
    program += "(p/'comparison.json').write_text(sys.argv[2]) if sys.argv[2] else sys.exit(3)"

    def argv(self: Wanted, out: Path, workers: int) -> list[str]:
        assert workers == (1 if self.row is not None else 4)
        entries = [FOUND] if self.row is not None else [FINE]
        body = comparison(self, 1 if self.row is not None else 0, *entries)
        return [sys.executable, "-c", program, str(out), "" if self.seed == 13 else json.dumps(body)]

    monkeypatch.setattr(Wanted, "argv", argv)
    return Workshop(tmp_path, tmp_path / "out", 4)


def test_gates_are_carried_out_and_not_again(workshop: Workshop) -> None:
    """What came of each is told as it ends, is known afterwards, and one that said nothing is not."""
    (broken,) = of_the_same(1, 13, "quick")
    wanted = [WANTED, SAME, broken]

    shown = {one.name: one for one in workshop.run(wanted)}

    assert [shown[one.name].outcome for one in wanted] == [AS_WANTED, AS_WANTED, NOT_RUN]
    assert shown["same-13"].wrong == ("exit code 3: made",)
    assert workshop.before(wanted) == {WANTED.name: shown[WANTED.name], SAME.name: shown[SAME.name]}
    assert shown[WANTED.name].wall_s is not None


def test_another_gates_place_is_refused(workshop: Workshop) -> None:
    """What lies there is neither taken nor overwritten."""
    list(workshop.run([WANTED]))
    (other,) = of_rows([ROW], 12)

    with pytest.raises(HistoryError, match="its seed was 11"):
        workshop.before([other])


def test_what_a_busy_machine_has_spoilt_is_told(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate that did not say what it should names how long its harness had no processor, and what to do."""
    bundle = workshop.place(WANTED) / "candidate" / "01" / "a" / "x"
    bundle.mkdir(parents=True)
    writer = HistoryWriter(bundle, RunClock(origin=0.0, monotonic=lambda: 0.0))
    for at, phase, more in ((7.5, "begin", {"since": 4.0}), (7.5, "end", {})):
        writer.add("gap", at=at, phase=phase, resource="harness", why="the harness stood still", **more)
    writer.close()
    assert stood_still(workshop.place(WANTED)) == 3.5

    (fine,) = workshop.run([WANTED])
    monkeypatch.setattr("tests.unit.ci.test_gates.FOUND", FINE)
    (spoilt,) = workshop.run([WANTED])

    assert fine.wrong == ()
    assert spoilt.outcome == OTHERWISE
    assert "the harness stood still for 3.5 s; remove" in spoilt.wrong[-1]


def test_an_interrupt_ends_what_runs(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left of a gate that was begun."""
    swept: list[bool] = []
    monkeypatch.setattr("harness.run.crew.sweep", lambda: swept.append(True))
    begun: list[Task[Wanted]] = []
    monkeypatch.setattr(Wanted, "argv", lambda *_: [sys.executable, "-c", "import signal; signal.pause()"])

    def interrupt(crew: Crew[Wanted]) -> None:
        begun.extend(crew.running)
        raise KeyboardInterrupt

    monkeypatch.setattr(Crew, "_look", interrupt)
    with pytest.raises(KeyboardInterrupt):
        next(workshop.run([WANTED]))

    assert swept == [True]
    assert [one.process.poll() for one in begun] == [-15]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-k", "no-such-thing"], "no saboteur matches no-such-thing"),
        (["--no-saboteurs"], "no gate was asked for"),
        (["--no-saboteurs", "-k", "rounds-cpu"], "-k rounds-cpu: it chooses among saboteurs"),
        (["--seed", "-1"], "seed -1 is out of range"),
        (["--first-seed", str(2**63 - 1), "--same", "1"], "is out of range"),
        (["--same", "x"], "'x' is not a valid integer"),
        (["--same", "1", "-m", ""], "-m: no marks"),
        (["--json", "/no/such/place/x.json"], "there is no such directory"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_at_once(
    words: list[str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One message that names the value, and exit code 3."""
    monkeypatch.setattr(sys, "argv", ["gates", "--out", str(tmp_path / "out"), *words])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 3
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
