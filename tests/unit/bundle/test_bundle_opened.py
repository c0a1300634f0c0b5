"""A bundle is read back whatever became of its harness, and refused when it cannot be trusted."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from harness.bundle.manifest import CHECKSUMS_FILE, FORMAT, seal
from harness.bundle.opened import CUT_OFF, NO_CHECKSUMS, found, opened, read
from harness.errors import HistoryError
from harness.history.record import encode
from tests.unit.bundle.written import OPERATOR, VERSIONS, begun, told, whole

if TYPE_CHECKING:
    from pathlib import Path


def edit(path: Path, old: str, new: str) -> None:
    """Change a file of a bundle, as somebody's hand would."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_whole_bundle_is_read_back(tmp_path: Path) -> None:
    """Name, operator, versions, plan, history and verdicts are there, and there is nothing to note."""
    with opened(whole(tmp_path)) as bundle:
        assert bundle.name == "chaos/told"
        assert bundle.operator == OPERATOR
        assert bundle.versions == VERSIONS
        assert bundle.plan["seed"] == 7
        assert bundle.manifest["toolchain"]["etcd"]["sha256"] == "cd" * 32
        assert (bundle.verdicts or {})["verdict"] == "PASS"
        assert bundle.history.mark("end") is not None
        assert bundle.notes == ()


def test_a_run_that_was_cut_off_is_read_as_far_as_it_went(tmp_path: Path) -> None:
    """A torn last line and missing verdicts are noted; everything before them is there."""
    bundle = begun(tmp_path)
    told(bundle, ends=False)
    path = bundle / "history.jsonl"
    records = path.read_bytes().count(b"\n")
    path.write_bytes(path.read_bytes() + b'{"n":999,"t":10.0,"k":"ma')

    one = read(bundle)

    assert len(one.history.records) == records
    assert one.history.torn
    assert one.verdicts is None
    assert {NO_CHECKSUMS, CUT_OFF} < set(one.notes)
    assert any("last line" in note for note in one.notes)


def test_verdicts_that_were_being_written_are_noted(tmp_path: Path) -> None:
    """A harness that died at that moment leaves half a file, and no checksums yet."""
    bundle = whole(tmp_path)
    (bundle / CHECKSUMS_FILE).unlink()
    path = bundle / "verdicts.json"
    path.write_bytes(path.read_bytes()[:100])

    one = read(bundle)

    assert one.verdicts is None
    assert any("verdicts.json is no JSON" in note for note in one.notes)


def test_a_bundle_of_an_earlier_harness_is_read(tmp_path: Path) -> None:
    """Without bundle.json and checksums the history says all that is needed."""
    bundle = whole(tmp_path)
    (bundle / CHECKSUMS_FILE).unlink()
    (bundle / "bundle.json").unlink()

    one = read(bundle)

    assert one.name == "chaos/told"
    assert one.notes == (NO_CHECKSUMS,)


@pytest.mark.parametrize("name", ["verdicts.json", "plan.json", "journal.jsonl", "logs/operator.stderr.log"])
def test_a_file_that_was_changed_is_refused(tmp_path: Path, name: str) -> None:
    """The error names the file, also where the file is valid by itself."""
    bundle = whole(tmp_path)
    path = bundle / name
    path.write_bytes(path.read_bytes() + b"\n")

    with pytest.raises(HistoryError, match=re.escape(f"{name} is not as it was written")) as caught:
        read(bundle)

    assert caught.value.hint


def test_a_changed_line_is_refused_even_without_checksums_of_files(tmp_path: Path) -> None:
    """Each line of the history has a checksum of its own, and the error gives its number."""
    bundle = whole(tmp_path)
    (bundle / CHECKSUMS_FILE).unlink()
    edit(bundle / "history.jsonl", '"outcome":"ok"', '"outcome":"no"')

    with pytest.raises(HistoryError, match=r"line \d+: checksum does not match"):
        read(bundle)


def test_a_missing_line_is_refused(tmp_path: Path) -> None:
    """Lines are numbered: none can be taken out unseen."""
    bundle = whole(tmp_path)
    (bundle / CHECKSUMS_FILE).unlink()
    path = bundle / "history.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:4] + lines[5:]))

    with pytest.raises(HistoryError, match="record 5 where 4 was expected"):
        read(bundle)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """What the list of checksums names must be there."""
    bundle = whole(tmp_path)
    (bundle / "journal.jsonl").unlink()

    with pytest.raises(HistoryError, match=r"journal\.jsonl is missing"):
        read(bundle)


def test_what_reports_and_people_add_is_no_tampering(tmp_path: Path) -> None:
    """Reports and notes beside the evidence leave the bundle as it was."""
    bundle = whole(tmp_path)
    (bundle / "report.html").write_text("<p>", encoding="utf-8")
    (bundle / "my-notes.txt").write_text("look at 12 s", encoding="utf-8")

    assert read(bundle).notes == ()


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (FORMAT + 1, "this harness reads up to"), ("1", "format '1' is none"), (0, "is none"), (None, "is none"),
        (True, "is none"),
    ],
)  # fmt: skip
def test_another_format_is_refused(tmp_path: Path, number: object, said: str) -> None:
    """A later harness's bundle, or a file of that name that is none, gives one error."""
    bundle = whole(tmp_path)
    body = json.loads((bundle / "bundle.json").read_text(encoding="utf-8"))
    (bundle / "bundle.json").write_text(json.dumps({**body, "format": number}), encoding="utf-8")

    with pytest.raises(HistoryError, match=said) as caught:
        read(bundle)

    assert caught.value.hint


def test_a_newer_kind_of_record_is_refused(tmp_path: Path) -> None:
    """A history with records that this harness does not know says so."""
    bundle = begun(tmp_path)
    told(bundle)
    path = bundle / "history.jsonl"
    number = path.read_bytes().count(b"\n")
    with path.open("a", encoding="utf-8") as file:
        file.write(encode({"n": number, "t": 11.0, "k": "prophecy"}) + "\n")

    with pytest.raises(HistoryError, match="unknown kind 'prophecy'") as caught:
        read(bundle)

    assert "newer harness" in caught.value.hint


@pytest.mark.parametrize("make", ["empty", "foreign", "absent", "text"])
def test_what_is_no_bundle_is_refused(tmp_path: Path, make: str) -> None:
    """An empty directory, somebody else's, a path that is not there, and any file: one error each, with a hint."""
    path = tmp_path / "x"
    if make in {"empty", "foreign"}:
        path.mkdir()
    if make == "foreign":
        (path / "README.md").write_text("hello", encoding="utf-8")
    if make == "text":
        path.write_text("hello", encoding="utf-8")

    with pytest.raises(HistoryError) as caught, opened(path):
        pass

    assert str(path) in caught.value.what
    assert caught.value.hint


def test_a_run_that_recorded_nothing_says_why(tmp_path: Path) -> None:
    """Where the harness could not begin, its own error is what there is to say."""
    bundle = begun(tmp_path)
    (bundle / "error.json").write_text('{"error": "etcd did not start"}', encoding="utf-8")

    with pytest.raises(HistoryError, match=r"holds no history\.jsonl.*etcd did not start"):
        read(bundle)


def test_bundles_of_a_campaign_are_found(tmp_path: Path) -> None:
    """Below a campaign's directory each bundle is found once; other directories are passed over."""
    bundle = whole(tmp_path)
    (tmp_path / "junk").mkdir()
    (bundle.parent / f"{bundle.name}.tar.zst").write_bytes(b"")
    (tmp_path / "other.tar.zst").write_bytes(b"")

    assert found([tmp_path]) == [bundle, tmp_path / "other.tar.zst"]
    assert found([bundle]) == [bundle]
    with pytest.raises(HistoryError, match="holds no bundle"):
        found([tmp_path / "junk"])


def test_links_are_no_evidence(tmp_path: Path) -> None:
    """A link among the logs leads anywhere: it is neither read nor listed."""
    bundle = begun(tmp_path)
    told(bundle)
    (tmp_path / "kubeconfig").write_text("token: secret", encoding="utf-8")
    (bundle / "logs" / "operator.stdout.log").symlink_to(tmp_path / "kubeconfig")

    seal(bundle)

    assert "operator.stdout" not in (bundle / CHECKSUMS_FILE).read_text(encoding="utf-8")
