"""Examples of the documents that need no cluster are carried out; those of the tutorial are told with their ends."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import yaml

from harness.bundle import archive
from harness.capture.foreign import EVERYTHING
from harness.cli.doctor import doctor
from tests.docs.told import TUTORIAL, commands
from tests.unit.bundle.written import whole
from tests.unit.evidence.test_rejudge import run_main
from tests.unit.test_docs import DOCUMENTS, ROOT, parse
from tests.unit.test_docs import commands as of_document

Kind = tuple[str, ...]

WITHOUT_CLUSTER: set[Kind] = {("rejudge",), ("bundle", "show"), ("bundle", "pack"), ("faults",), ("track-record",)}
"""The commands that read what is there."""

CODES: dict[Kind, int] = {("rejudge",): 1}
"""What they end with on a bundle with a finding; 0 for all others."""


def examples() -> list[tuple[str, ...]]:
    """Each such command of the documents, once."""
    found = [tuple(words) for name in DOCUMENTS for words in of_document(name)]
    kinds = {words for words in found if words[:1] in WITHOUT_CLUSTER or words[:2] in WITHOUT_CLUSTER}
    return sorted(words for words in kinds if "--replayed" not in words)  # that one changes the record


def put(path: Path) -> None:
    """A bundle with a finding where an example has one: a directory, or an archive."""
    if path.name.endswith(archive.SUFFIX):
        archive.pack(whole(path.parent / f"of-{path.name}", dies=True), path)
    elif not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        whole(path.parent / "made", dies=True).rename(path)


@pytest.mark.parametrize("words", examples(), ids=" ".join)
def test_an_example_that_needs_no_cluster_does_what_it_says(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends as it should on a bundle where the example has one; files that it names are written."""
    monkeypatch.chdir(tmp_path)
    placed = [str(tmp_path / word.lstrip("/")) if word.startswith("/") else word for word in words]
    context = parse(placed)
    given = {key: value for key, value in context.params.items() if key in {"paths", "path"}}
    for value in given.values():
        for path in value if isinstance(value, tuple | list) else [value]:
            put(tmp_path / path)
    code, out, err = run_main(capsys, monkeypatch, *placed)

    kind = words[:1] if words[:1] in WITHOUT_CLUSTER else words[:2]
    assert code == CODES.get(kind, 0), out + err
    written = [value for key, value in context.params.items() if key in {"target", "to"} and isinstance(value, Path)]
    assert [path for path in written if not (tmp_path / path).exists()] == []


def test_there_are_such_examples() -> None:
    """The test above is about something."""
    assert {words[0] for words in examples()} >= {"rejudge", "bundle", "faults", "track-record"}


def test_the_tutorial_says_how_each_command_ends() -> None:
    """Each command of the harness has its exit code behind it, but the one that says whether it can run at all."""
    told = [one for one in commands(TUTORIAL) if "harness" in one.words or "pytest" in one.words]

    assert [one.words for one in told if one.code is None] == [f"harness {doctor.name}"]
    assert [one.code for one in told].count(1) >= 4
    for one in told:
        if one.words.startswith("harness"):
            parse(shlex.split(one.words)[1:])


def test_the_rights_of_a_capture_are_those_that_it_uses() -> None:
    """The ClusterRole of docs/capture.md lists all that is listed, and holds no verb that writes."""
    text = (ROOT / "docs" / "capture.md").read_text(encoding="utf-8")
    role = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
    listed = {name for rule in role["rules"] if "list" in rule["verbs"] for name in rule["resources"]}

    assert {one.resource for one in EVERYTHING} <= listed
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list"}
    assert json.dumps(role)
