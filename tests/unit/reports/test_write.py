"""Writing all reports, and what happens where that is not possible."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import PlatformError
from reports.disk import replace_text
from reports.html import link
from reports.write import write_all
from tests.unit.reports import bundles


def test_all_reports_are_written(campaign_dir: Path) -> None:
    """Summary, JUnit, Markdown, a page for each run and the campaign's page are there, and nothing else is added."""
    before = {path for path in campaign_dir.rglob("*") if path.is_file()}
    written = write_all(campaign_dir)
    after = {path for path in campaign_dir.rglob("*") if path.is_file()}
    assert after - before == set(written)
    names = [path.relative_to(campaign_dir).as_posix() for path in written]
    assert names[:3] == ["summary.json", "junit.xml", "report.md"]
    assert names[-1] == "index.html"
    assert names.count("chaos/port-taken/report.html") == 1
    assert len(names) == 10


def test_writing_again_gives_the_same(campaign_dir: Path) -> None:
    """The reports depend on the evidence alone."""
    first = {path: path.read_text() for path in write_all(campaign_dir)}
    assert {path: path.read_text() for path in write_all(campaign_dir)} == first


def test_the_page_of_a_run_tells_the_whole_story(campaign_dir: Path) -> None:
    """Promise, harm, finding, recovery, seed, command, versions and the operator's last words are on the page."""
    write_all(campaign_dir)
    text = (campaign_dir / "chaos" / "api-server-killed" / "report.html").read_text()
    for said in (
        "reference broke 2 of 8 promises: AVAIL-1, SURVIVE-1.",
        "api server killed for 5 s",
        "what is unknown is not reported as empty",
        "4.2 s",
        "objective 20 s (this scenario&#39;s own)",
        "harness run -k chaos/api-server-killed --seed 7",
        "kube-apiserver",
        "panic: send on closed channel",
        "final heal",
        "its port refuses",
        'href="./history.jsonl"',
        'href="../../index.html"',
    ):
        assert said in text, said


def test_the_page_of_a_run_that_did_not_take_place_says_why(campaign_dir: Path) -> None:
    """The error and its hint are on the page, and it is not called a PASS."""
    write_all(campaign_dir)
    text = (campaign_dir / "chaos" / "port-taken" / "report.html").read_text()
    assert "gave up waiting after 60.0 s" in text
    assert "is the disk full?" in text
    assert "! ERROR" in text


def test_a_full_disk_is_a_clear_error(campaign_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the file and the way out, and no draft is left."""

    def full(self: Path, *_args: object, **_kwargs: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(PlatformError, match=r"summary\.json: No space left on device") as caught:
        write_all(campaign_dir)
    assert "free some space" in caught.value.hint
    assert not list(campaign_dir.glob(".*"))


def test_an_unwritable_place_is_a_clear_error(tmp_path: Path) -> None:
    """A directory that is not there cannot hold a report."""
    with pytest.raises(PlatformError, match="cannot write the report"):
        replace_text(tmp_path / "missing" / "x.json", "{}")


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    """The new text is there, also where it holds what UTF-8 cannot."""
    path = tmp_path / "x.txt"
    path.write_text("old")
    replace_text(path, "new \ud800")
    assert path.read_text() == "new \\ud800"


@pytest.mark.parametrize(
    ("path", "href"),
    [
        ("a b/report.html", "./a%20b/report.html"),
        ("javascript:x/r", "./javascript%3Ax/r"),
        ('"><b>', "./%22%3E%3Cb%3E"),
    ],
)
def test_links_are_relative_and_quoted(path: str, href: str) -> None:
    """No name becomes a scheme, leaves the directory by accident, or ends an attribute."""
    assert link(path) == href


ALLURE_TEST = """
import json, pathlib
from reports import allure
BUNDLE = pathlib.Path({bundle!r})
def test_run():
    allure.attach(json.loads((BUNDLE / "verdicts.json").read_text()), BUNDLE)
"""


def _pytest(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[3]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(directory),
         *arguments, str(directory / "test_run.py")],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip


def test_allure_gets_verdict_and_evidence(tmp_path: Path) -> None:
    """With --alluredir the test has the scenario's title, its promises as labels, and the evidence attached."""
    bundle = bundles.api_server_killed(tmp_path / "out")
    (tmp_path / "test_run.py").write_text(ALLURE_TEST.format(bundle=str(bundle)))
    ended = _pytest(tmp_path, "--alluredir", str(tmp_path / "allure"))
    assert ended.returncode == 0, ended.stdout
    result = json.loads(next((tmp_path / "allure").glob("*-result.json")).read_text())
    assert result["name"] == "chaos/api-server-killed"
    assert {"name": "verdict", "value": "FAIL"} in result["labels"]
    assert {"name": "promise", "value": "AVAIL-1"} in result["labels"]
    assert {"name": "severity", "value": "critical"} in result["labels"]
    assert sorted(item["name"] for item in result["attachments"]) == ["history.jsonl", "report.html", "verdicts.json"]


def test_without_allure_nothing_happens(tmp_path: Path) -> None:
    """Without --alluredir the same call neither fails nor writes anything."""
    bundle = bundles.api_server_killed(tmp_path / "out")
    (tmp_path / "test_run.py").write_text(ALLURE_TEST.format(bundle=str(bundle)))
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    ended = _pytest(tmp_path)
    assert ended.returncode == 0, ended.stdout
    after = {path for path in tmp_path.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert after == before
