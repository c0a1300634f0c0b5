"""The configuration file."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from harness.errors import UsageError
from harness.reference.config import Config, follow, parse, read
from harness.reference.defects import DEFECTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_GOOD = """
version: v1
cluster_storage: [default, beta2]
exclude:
  nodes: ["^gpu-", "old$"]
  node_storage:
    - node_filter: "^n1$"
      classes: [beta2]
"""


def test_the_documented_file_is_understood() -> None:
    """The documented keys take effect, and an expression may match anywhere in a name."""
    config = parse(_GOOD)
    assert config.cluster_storage == ("default", "beta2")
    assert config.excludes("gpu-1")
    assert config.excludes("very-old")
    assert not config.excludes("my-gpu-1")


def test_nothing_excludes_nothing() -> None:
    """The default configuration allows everything."""
    assert read("") == parse("version: v1") == Config()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense: 1", "unexpected field nonsense"),
        ("exclude: {node: []}", "unexpected field node"),
        ("exclude: {nodes: ['']}", "empty regexp"),
        ("exclude: {nodes: ['(']}", "not a regular expression"),
        ("exclude: {node_storage: [{node_filter: a, classes: [x]}]}", "not in cluster_storage"),
        ("exclude: {node_storage: [{classes: []}]}", "empty regexp"),
        ("version: banana", "invalid version"),
        ("[1]", "not a mapping"),
        ("a: [", "not YAML"),
        ("cluster_storage: 7", "not a list"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    """A configuration that is not acceptable is refused with the field or value that is wrong."""
    with pytest.raises(UsageError, match=message):
        parse(text)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    """A file that cannot be read at start is an error that names it."""
    with pytest.raises(UsageError, match=r"none\.yaml cannot be read"):
        read(str(tmp_path / "none.yaml"))


def test_a_configmap_swap_is_followed_and_a_bad_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A swap of the `..data` link applies the new content, and a bad content keeps the last good one and is logged."""
    monkeypatch.setattr("harness.reference.config._LOOK_S", 0.01)
    logger = logging.getLogger("inventory")
    logger.addHandler(caplog.handler)
    contents = ["version: v1", "exclude: {nodes: ['a']}", "exclude: {bad: 1}", "exclude: {nodes: ['b']}"]
    for number, content in enumerate(contents):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "c.yaml").write_text(content, encoding="utf-8")
    link = tmp_path / "..data"
    link.symlink_to("0")
    (tmp_path / "c.yaml").symlink_to("..data/c.yaml")
    applied: list[Config] = []
    told = asyncio.Event()

    def apply(config: Config) -> None:
        applied.append(config)
        told.set()

    async def scenario() -> None:
        task = asyncio.create_task(follow(str(tmp_path / "c.yaml"), apply))
        async with asyncio.timeout(5):
            await told.wait()
            for number in (1, 2, 3):
                told.clear()
                fresh = tmp_path / "..new"
                fresh.symlink_to(str(number))
                fresh.rename(link)
                if number == 2:
                    while "bad" not in caplog.text:
                        await asyncio.wait({task}, timeout=0.01)
                else:
                    await told.wait()
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(scenario())
    logger.removeHandler(caplog.handler)
    assert applied == [parse(contents[number]) for number in (0, 1, 3)]
    assert "the last good configuration stays" in caplog.text


def test_what_is_gone_or_empty_or_half_written_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is one line of the log, and what the file said before stays; the same content again is applied again."""
    monkeypatch.setattr("harness.reference.config._LOOK_S", 0.01)
    monkeypatch.setattr("harness.reference.config.LOG", logging.getLogger("alone"))
    path = tmp_path / "c.yaml"
    path.write_text(_GOOD, encoding="utf-8")
    applied: list[Config] = []

    async def heard(task: asyncio.Task[None], what: str) -> None:
        async with asyncio.timeout(10):
            while what not in caplog.text:
                await asyncio.wait({task}, timeout=0.01)
        await asyncio.wait({task}, timeout=0.1)

    async def scenario() -> None:
        task = asyncio.create_task(follow(str(path), applied.append))
        path.write_text("", encoding="utf-8")
        await heard(task, "is empty")
        path.write_text('exclude: {nodes: ["a', encoding="utf-8")
        await heard(task, "is not YAML")
        path.unlink()
        await heard(task, "cannot be read")
        path.write_text(_GOOD, encoding="utf-8")
        async with asyncio.timeout(10):
            while not applied:
                await asyncio.wait({task}, timeout=0.01)
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(scenario())
    assert applied == [parse(_GOOD)]
    assert caplog.text.count("the last good configuration stays") == 3


def test_what_was_found_once_is_not_believed_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A content that is gone by the next look is never applied: it may have been half of a file."""
    contents = [_GOOD, "version: v1", _GOOD, _GOOD, _GOOD]
    applied: list[Config] = []
    done = asyncio.Event()

    def read(_source: str) -> Callable[[], str]:
        def text() -> str:
            if len(contents) == 1:
                done.set()
            return contents.pop(0) if len(contents) > 1 else contents[0]

        return text

    async def scenario() -> None:
        monkeypatch.setattr("harness.reference.config._LOOK_S", 0.01)
        task = asyncio.create_task(follow(str(tmp_path / "c.yaml"), applied.append, reader=read))
        async with asyncio.timeout(10):
            await done.wait()
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(scenario())
    assert applied == [parse(_GOOD)]


def test_a_bad_configuration_at_start_is_an_error_that_says_what() -> None:
    """There is no last good one to keep; the saboteur goes on with the default."""
    with pytest.raises(UsageError, match="unexpected field wings"):
        read("wings: 2")
    assert read("wings: 2", on_bad=DEFECTS["config-bad-at-start-excludes-none"].behaviour.on_bad_start) == Config()
