"""`harness conformance`: what it prints, its exit codes, and what it refuses before anything is run."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from harness.check.verdict import FAIL, PASS, UNKNOWN
from harness.cli.conformance import OTHERWISE
from harness.cli.conformance_tables import print_tables
from harness.cli.main import cli, main
from harness.cli.run import A_FAIL, AN_UNKNOWN, CANNOT_RUN
from harness.run.conformance import clause_lines, promise_lines
from harness.run.conformance_bundle import files, results
from harness.run.sealed import seal
from harness.run.suite import CONFORMANCE
from tests.unit.check.story import quiet
from tests.unit.run.test_run_conformance import JUDGED, a_run, said
from tests.unit.run.test_run_conformance_bundle import PROMISES, campaign, written, wrong

if TYPE_CHECKING:
    from pathlib import Path


def sealed(tmp_path: Path, *, whitewashed: bool = False, only_right: bool = False) -> Path:
    """A bundle of a right run, and of a wrong one, over whose FAIL somebody may have written PASS."""
    histories = {"right": written(quiet(*PROMISES), "chaos/right")}
    histories |= {} if only_right else {"wrong": written(wrong(), "chaos/wrong")}
    body = results(campaign(tmp_path / "out", **histories), {})
    for promise in [one for run in body["runs"] for one in run["promises"]] if whitewashed else ():
        promise["verdict"] = "PASS"
    seal(tmp_path / "b.zip", files(tmp_path / "out", body, log=tmp_path / "none"))
    return tmp_path / "b.zip"


def invoked(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of `harness conformance` with these words."""
    monkeypatch.setattr(sys, "argv", ["harness", "conformance", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    code = ended.value.code
    assert isinstance(code, int)
    return code


def shown(*runs: dict[str, Any]) -> str:
    """The tables of these runs, on a wide terminal without colours."""
    text = io.StringIO()
    print_tables(promise_lines(runs), clause_lines(runs), Console(file=text, width=240, no_color=True))
    return text.getvalue()


def test_a_row_says_all_of_a_promise() -> None:
    """Id, text, verdict, how many scenarios, how much was examined, and the worst finding with its run."""
    runs = (
        a_run("chaos/x", said("TRUTH-3", FAIL, "node worker-1: cpu.allocated over", examined=7)),
        a_run("chaos/y", said("TRUTH-3", PASS, examined=5)),
        a_run("chaos/z", said("AVAIL-1", UNKNOWN, "too little traffic", examined=0)),
    )
    rows = {row.split()[0]: " ".join(row.replace("│", " ").split()) for row in shown(*runs).splitlines() if row.strip()}

    assert rows["TRUTH-3"].endswith("FAIL 2 (1 FAIL) 12 chaos/x: node worker-1: cpu.allocated over")
    assert rows["AVAIL-1"].endswith("UNKNOWN 1 (1 UNKNOWN) 0 chaos/z: too little traffic")
    assert rows["TRUTH-2"].endswith("UNKNOWN 0 0 no scenario judged it")


def test_a_finding_cannot_steer_the_terminal() -> None:
    """What an operator reported is shown as text, on one line, and not for ever."""
    text = shown(a_run("chaos/x", said("TRUTH-3", FAIL, f"[red]line\nfeed\x1b[2J{'x ' * 400}[/red]")))

    assert "[red]line feed" in text
    assert "\x1b" not in text
    assert 50 < text.count("x ") < 160


def test_clauses_that_are_kept_are_counted_and_others_named() -> None:
    """So are those that no scenario judges."""
    text = shown(a_run("chaos/x", said("TRUTH-5", PASS), clauses=("A-REGISTRY-2", "A-DISCOVERY-3")))

    assert "interface: 2 of " in text
    assert "A-REST-1" in text.partition("no scenario was about ")[2]
    assert "A-REGISTRY-2" not in text


def test_a_clause_that_was_examined_and_is_not_kept_is_named_with_its_text() -> None:
    """Its verdict, what it says, and by which promises."""
    text = shown(a_run("chaos/x", said("TRUTH-5", FAIL, "no"), clauses=("A-REGISTRY-2",)))

    assert "A-REGISTRY-2 FAIL: On an error the old content is kept. (TRUTH-5 in chaos/x)" in text


def test_a_log_is_wide_enough_for_the_table() -> None:
    """Whatever the width of what it is written to."""
    text = io.StringIO()
    print_tables(promise_lines(()), clause_lines(()), Console(file=text, width=40))

    assert "every schedulable Ready node, and no other" in text.getvalue()


def test_a_bundle_is_judged_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table, where it comes from, and an exit code that is that of the run."""
    code = invoked(monkeypatch, "--verify", str(sealed(tmp_path)), "--json", str(tmp_path / "t.json"))
    out = capsys.readouterr().out

    assert code == A_FAIL
    assert "2 runs judged again from their histories: every verdict as stored" in out
    assert "operator: provider-services ab12" in out
    body = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert {one["id"]: one["verdict"] for one in body["promises"]}["TRUTH-3"] == "FAIL"


def test_a_bundle_that_examined_only_some_promises_is_not_green(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that was run is PASS, and most promises were not judged at all."""
    assert set(PROMISES) < set(JUDGED)
    assert invoked(monkeypatch, "--verify", str(sealed(tmp_path, only_right=True))) == AN_UNKNOWN


def test_a_bundle_that_says_something_else_has_an_exit_code_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each verdict that does not follow from its history is named, with both."""
    code = invoked(monkeypatch, "--verify", str(sealed(tmp_path, whitewashed=True)))

    assert code == OTHERWISE
    assert "chaos/wrong: TRUTH-3 is FAIL today, and PASS in the bundle" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and then nothing", b"hello"])
def test_what_is_no_bundle_is_one_error(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is named, no traceback, exit code 3."""
    (tmp_path / "b.zip").write_bytes(content)

    assert invoked(monkeypatch, "--verify", str(tmp_path / "b.zip")) == CANNOT_RUN
    err = capsys.readouterr().err
    assert err.startswith(f"harness: {tmp_path / 'b.zip'}")
    assert "Traceback" not in err


def test_a_place_where_no_bundle_can_be_written_is_refused_before_anything_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody runs a suite for minutes to learn that there is no such directory."""
    words = ("--bundle", str(tmp_path / "none" / "b.zip"), "--out", str(tmp_path / "out"))

    assert invoked(monkeypatch, *words) == CANNOT_RUN
    assert "cannot be written" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def played(out: Path, arguments: list[str], **histories: str) -> int:
    """What a campaign leaves that ran these histories; pytest's exit status."""
    summary = campaign(out, **histories)
    summary |= {"problems": [], "machine": {}, "started": "2026-01-01T00:00:00+00:00"}
    (out / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    (out / "arguments.json").write_text(json.dumps(arguments), encoding="utf-8")
    return int(any(run["verdict"] != "PASS" for run in summary["scenarios"]))


@pytest.mark.parametrize(("right", "code"), [(True, AN_UNKNOWN), (False, A_FAIL)])
def test_a_run_ends_with_a_bundle_that_says_the_same(
    right: bool, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its promises and its exit code are those of the run, and every scenario ran on its own datastore."""
    told = {"right": written(quiet(*PROMISES), "chaos/right")} | (
        {} if right else {"wrong": written(wrong(), "chaos/wrong")}
    )
    module = "harness.cli.conformance"
    monkeypatch.setattr(f"{module}.bring_for", lambda *_words, **_more: None)
    monkeypatch.setattr(f"{module}.follow", lambda words, _suite, out, *_more: played(out, words, **told))
    out, bundle = tmp_path / "campaign", tmp_path / "b.zip"

    assert invoked(monkeypatch, "--out", str(out), "--bundle", str(bundle), "--seed", "7") == code
    said_then = capsys.readouterr().out
    assert invoked(monkeypatch, "--verify", str(bundle)) == code
    said_now = capsys.readouterr().out

    checksum = said_then.rpartition("sha256 ")[2].strip(")\n")
    assert len(checksum) == 64
    assert f"(sha256 {checksum})" in said_now
    words = json.loads((out / "arguments.json").read_text(encoding="utf-8"))
    assert {"--own-datastores", "--seed=7", "promise"} <= set(words)
    assert (out / "conformance.md").read_text(encoding="utf-8").startswith("| promise | text | verdict |")
    assert [word.rpartition("/")[2] for word in words if "/scenarios/" in word] == list(CONFORMANCE)


def test_the_command_explains_itself() -> None:
    """With its exit codes."""
    text = CliRunner().invoke(cli, ["conformance", "--help"]).output

    assert "--verify" in text
    assert "4 a" in " ".join(text.split())
