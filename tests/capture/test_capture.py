"""What is captured of a real cluster is judged rightly, identifies nobody, and shows the same bug when made again.

Not a unit test: it starts real clusters. `tox run -e capture`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.bundle.opened import opened
from tests.capture.user import READS, SECRET_NAME, harness, reading, run, user

if TYPE_CHECKING:
    from pathlib import Path

IDENTIFYING = (SECRET_NAME, "acme", "rack-7", "excluded-9", "db-0", "job-7f9c", "capture-reader", "127.0.0.1:")
WITHOUT_PODS = tuple((group, [one for one in names if one != "pods"], verbs) for group, names, verbs in READS)


def text_of(archive: Path) -> str:
    """All that is written in a bundle."""
    with opened(archive) as bundle:
        return "".join(path.read_text(encoding="utf-8") for path in bundle.directory.rglob("*") if path.is_file())


def test_an_operator_that_is_right_is_called_so_and_is_right_again(tmp_path: Path) -> None:
    """Exit code 0 on the user's cluster, PASS on its shape; a missing right is named, and nothing identifies."""
    out = tmp_path / "true.tar.zst"

    async def captured() -> tuple[tuple[int, str], tuple[int, str]]:
        async with user(tmp_path / "user") as cluster:
            told = await harness(*cluster.arguments(out))
            await reading(cluster.stage, WITHOUT_PODS)
            return told, await harness(*cluster.arguments(tmp_path / "refused.tar.zst"))

    told, refused = run(captured())
    again = run(harness("replay", str(out), "--operator", "reference", "--out", str(tmp_path / "again")))

    assert told[0] == 0, told[1]
    assert "judged: SHAPE-1, SHAPE-2, TRUTH-1, TRUTH-2, TRUTH-3, TRUTH-4, TRUTH-5, TRUTH-6, LABEL-1" in told[1]
    assert refused[0] == 3, refused[1]
    assert "has not the right to list pods" in refused[1]
    assert not (tmp_path / "refused.tar.zst").exists()
    assert again[0] == 0, again[1]
    assert [word for word in IDENTIFYING if word in text_of(out)] == []


@pytest.mark.parametrize("defect", ["rounds-cpu", "same-name-pods", "counts-terminal-pods"])
def test_an_operator_that_is_wrong_is_found_out_and_shows_it_again(tmp_path: Path, defect: str) -> None:
    """Exit code 1 and a row; its plan shows the same finding on the same saboteur, none on the reference operator."""
    out = tmp_path / "wrong.tar.zst"

    async def captured() -> tuple[int, str]:
        async with user(tmp_path / "user", defect=defect) as cluster:
            return await harness(*cluster.arguments(out))

    code, said = run(captured())
    assert code == 1, said
    assert [line for line in said.splitlines() if "cpu.allocated" in line]

    again = run(harness("replay", str(out), "--defect", defect, "--out", str(tmp_path / "again")))
    mended = run(harness("replay", str(out), "--operator", "reference", "--out", str(tmp_path / "mended")))

    assert again[0] == 1, again[1]
    assert "1 of 1 showed it" in again[1]
    assert mended[0] == 0, mended[1]
