"""Today's checkers on stored evidence, and what they say otherwise than those of then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from harness.bundle.archive import pack
from harness.bundle.manifest import seal
from harness.bundle.opened import read
from harness.check.verdict import FAIL, PASS, UNKNOWN
from harness.cli.main import main
from harness.cli.rejudge import code_of
from harness.evidence.rejudge import rejudge
from tests.unit.bundle.written import begun, told, whole

if TYPE_CHECKING:
    from pathlib import Path


def rewritten(bundle: Path, change: Any) -> None:
    """Let another verdict have been stored then."""
    path = bundle / "verdicts.json"
    body = json.loads(path.read_text(encoding="utf-8"))
    change(body)
    path.write_text(json.dumps(body), encoding="utf-8")
    seal(bundle)


def run_main(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the command."""
    monkeypatch.setattr("sys.argv", ["harness", *words])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as caught:
        main()
    out, err = capsys.readouterr()
    return int(caught.value.code or 0), out, err


def test_the_same_checkers_say_the_same(tmp_path: Path) -> None:
    """A bundle that was just judged does not differ."""
    one = rejudge(read(whole(tmp_path, dies=True)))

    assert one.verdict is FAIL
    assert one.before == {"SURVIVE-1": "FAIL", "SHAPE-1": "PASS"}
    assert one.differences == ()


def test_what_is_said_otherwise_is_told(tmp_path: Path) -> None:
    """Another verdict, another number of findings, a promise that is new, and one that is gone: a sentence each."""
    bundle = whole(tmp_path, dies=True)

    def change(body: dict[str, Any]) -> None:
        survive, shape = body["promises"]
        survive["findings"] *= 2
        shape["verdict"] = "UNKNOWN"
        body["promises"] = [survive, shape, {"id": "TRUTH-9", "verdict": "PASS"}]
        body["assumptions"] = [item for item in body["assumptions"] if item["id"] != "RADIUS"]

    rewritten(bundle, change)

    assert rejudge(read(bundle)).differences == (
        "SURVIVE-1: 1 finding now, were 2",
        "SHAPE-1: PASS now, was UNKNOWN",
        "RADIUS: PASS now, was not judged then",
        "TRUTH-9: not judged now, was PASS",
    )


def test_a_run_that_was_cut_off_is_judged_now(tmp_path: Path) -> None:
    """Nothing can differ from what was never said; a PASS is not believed of half a run."""
    bundle = begun(tmp_path)
    told(bundle, ends=False)

    one = rejudge(read(bundle))

    assert one.verdict is UNKNOWN
    assert (one.before, one.differences) == ({}, ())
    assert one.notes


@pytest.mark.parametrize("shape", [{"promises": 5}, {"promises": [5, {}]}, {"promises": [{"id": "SHAPE-1"}]}, {}])
def test_verdicts_of_another_shape_break_nothing(tmp_path: Path, shape: dict[str, Any]) -> None:
    """What was stored is only compared with: whatever it is, the bundle is judged."""
    bundle = whole(tmp_path)
    rewritten(bundle, lambda body: (body.clear(), body.update(shape)))

    assert rejudge(read(bundle)).verdict is PASS


def test_the_command_prints_verdicts_and_ends_as_a_run_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Directory and archive alike; FAIL is 1; the JSON has every bundle."""
    good, bad = whole(tmp_path / "good"), whole(tmp_path / "bad", dies=True)
    packed = pack(bad, tmp_path / "bad.tar.zst")

    code, out, err = run_main(capsys, monkeypatch, "rejudge", str(good))
    assert (code, err) == (0, "")
    assert "PASS" in out
    assert "0 of 1 differ" in out

    code, out, _err = run_main(
        capsys, monkeypatch, "rejudge", str(good), str(packed), "--json", str(tmp_path / "x.json")
    )
    assert code == 1
    assert "SURVIVE-1 FAIL" in out
    assert "exited by itself with code 2" in out
    body = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    assert [one["verdict"] for one in body["bundles"]] == ["PASS", "FAIL"]


def test_one_that_cannot_be_read_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its error is told, the others are judged, and the exit code is not that of a success."""
    good, broken = whole(tmp_path / "a"), whole(tmp_path / "b")
    (broken / "plan.json").write_text("{}", encoding="utf-8")

    code, out, err = run_main(capsys, monkeypatch, "rejudge", str(tmp_path))

    assert code == 3
    assert "plan.json is not as it was written" in err
    assert "1 PASS, 1 not readable" in out
    assert str(good.name) in out


def test_a_hostile_bundle_steers_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Escape sequences and markup in what an operator said are shown, not obeyed."""
    bundle = begun(tmp_path)
    told(bundle, dies=True, said="\x1b]0;owned\x07 [bold]red[/bold] \u202e")

    _code, out, _err = run_main(capsys, monkeypatch, "rejudge", str(bundle))

    assert "\x1b]0" not in out
    assert "\u202e" not in out
    assert "[bold]red[/bold]" in out


def test_the_exit_code_says_the_worst() -> None:
    """As of `harness run`: FAIL over what could not be read over UNKNOWN over PASS."""
    assert code_of([PASS, PASS], unreadable=False) == 0
    assert code_of([PASS, UNKNOWN], unreadable=False) == 2
    assert code_of([PASS, UNKNOWN, FAIL], unreadable=False) == 1
    assert code_of([PASS], unreadable=True) == 3
    assert code_of([FAIL], unreadable=True) == 1
    assert code_of([], unreadable=True) == 3


def test_bundles_are_packed_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A campaign's bundles get an archive each beside them, and an archive says what it holds."""
    bundle = whole(tmp_path, dies=True)

    code, out, _err = run_main(capsys, monkeypatch, "bundle", "pack", str(tmp_path))
    packed = bundle.with_name("told.tar.zst")
    assert (code, out) == (0, f"packed {packed}\n")

    code, out, _err = run_main(capsys, monkeypatch, "bundle", "show", str(packed))
    assert code == 0
    for said in ("chaos/told", "seed       7", "provider-services", "FAIL", "etcd sha256 cdcd", "state.json"):
        assert said in out

    code, _out, err = run_main(capsys, monkeypatch, "bundle", "pack", str(packed))
    assert code == 3
    assert "is an archive already" in err
