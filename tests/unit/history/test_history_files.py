from __future__ import annotations

import threading
from pathlib import Path

import pytest

from harness.clock import RunClock
from harness.errors import HistoryError, PlatformError
from harness.history import reader
from harness.history.reader import from_records
from harness.history.writer import FILE_NAME, HistoryWriter


def clock(*times: float) -> RunClock:
    """A clock that tells these times one after another."""
    told = iter(times)
    return RunClock(origin=0.0, monotonic=lambda: next(told))


def written(directory: Path, *marks: str) -> Path:
    """A history with a header and some marks."""
    writer = HistoryWriter(directory, RunClock())
    writer.add("run", scenario={}, seed=1, operator={}, versions={}, started="")
    for mark in marks:
        writer.add("mark", mark=mark, detail="")
    writer.close()
    return writer.path


def test_records_come_back_in_order(tmp_path: Path) -> None:
    """Each record has its number, its time and its fields, and is on disk before the file is closed."""
    writer = HistoryWriter(tmp_path, clock(1.5, 2.25))
    assert writer.add("mark", mark="gate", detail="") == 1.5
    assert writer.add("mark", at=0.5, mark="gate-passed", detail="x") == 0.5

    history = reader.read(writer.path)
    writer.close()

    assert [(r["n"], r["t"], r["mark"]) for r in history.records] == [(1, 0.5, "gate-passed"), (0, 1.5, "gate")]
    assert not history.torn


def test_a_snapshot_is_stored_once(tmp_path: Path) -> None:
    """The same content, whatever the order of its keys, is one record and one id."""
    writer = HistoryWriter(tmp_path, RunClock())
    first = writer.snapshot({"nodes": [], "storage": []})
    again = writer.snapshot({"storage": [], "nodes": []})
    other = writer.snapshot({"nodes": None})
    writer.close()

    history = reader.read(writer.path)

    assert first == again != other
    assert history.snapshots == {first: {"nodes": [], "storage": []}, other: {"nodes": None}}
    assert len(list(history.of("snapshot"))) == 2


@pytest.mark.parametrize("left", [1, 20, 60])
def test_a_torn_last_line_is_tolerated(tmp_path: Path, left: int) -> None:
    """What was written before the harness was killed is read, and the tear is told."""
    path = written(tmp_path, "gate", "end")
    whole = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*whole[:-2], whole[-2][:left]]))

    history = reader.read(path)

    assert history.torn
    assert [record["k"] for record in history.records] == ["run", "mark"]


def test_an_altered_line_is_refused_with_its_number(tmp_path: Path) -> None:
    """The error names the file and the line."""
    path = written(tmp_path, "gate", "end")
    path.write_bytes(path.read_bytes().replace(b"gate", b"date"))

    with pytest.raises(HistoryError, match=r"history\.jsonl, line 2: checksum does not match"):
        reader.read(path)


def test_a_missing_line_is_refused_with_its_number(tmp_path: Path) -> None:
    """A record that was taken out leaves a gap in the numbers."""
    path = written(tmp_path, "gate", "end")
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], *lines[2:]]))

    with pytest.raises(HistoryError, match="line 2: record 2 where 1 was expected"):
        reader.read(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(HistoryError, match=r"cannot read the history .*none\.jsonl: No such file"):
        reader.read(tmp_path / "none.jsonl")


def test_an_empty_file_has_no_header(tmp_path: Path) -> None:
    """A run that was killed at once left a history without a record; asking for its header is a clear error."""
    (tmp_path / FILE_NAME).touch()
    history = reader.read(tmp_path / FILE_NAME)

    assert history.records == ()
    with pytest.raises(HistoryError, match="does not begin with a 'run' record"):
        assert history.header


def test_a_history_is_never_overwritten(tmp_path: Path) -> None:
    """A second writer in one directory is refused."""
    written(tmp_path)

    with pytest.raises(PlatformError, match="File exists"):
        HistoryWriter(tmp_path, RunClock())


def test_a_full_disk_is_an_error_each_time(tmp_path: Path) -> None:
    """Every record after the disk is full, and the end of the file, raises the error that names the file."""
    writer = HistoryWriter(tmp_path, RunClock())
    writer._file.close()
    writer._file = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - the writer closes it

    for _ in range(2):
        with pytest.raises(PlatformError, match=r"cannot write the history .*history\.jsonl.*No space left"):
            writer.add("mark", mark="gate", detail="")
    with pytest.raises(PlatformError, match="No space left") as caught:
        writer.close()

    assert "--out" in caught.value.hint


def test_a_closed_history_takes_nothing(tmp_path: Path) -> None:
    """A record after the end is an error, not lost silently."""
    writer = HistoryWriter(tmp_path, RunClock())
    writer.close()

    with pytest.raises(PlatformError, match="closed file"):
        writer.add("mark", mark="end", detail="")


def test_an_unknown_kind_is_never_written(tmp_path: Path) -> None:
    """The error names the kind, and nothing stands in the file."""
    writer = HistoryWriter(tmp_path, RunClock())

    with pytest.raises(HistoryError, match="unknown record kind 'dream'"):
        writer.add("dream")
    writer.close()

    assert writer.path.read_bytes() == b""


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error names the file that cannot be made."""
    with pytest.raises(PlatformError, match=r"none/history\.jsonl: No such file"):
        HistoryWriter(tmp_path / "none", RunClock())


def test_several_threads_write_whole_lines(tmp_path: Path) -> None:
    """Records of four threads are all there, numbered without a gap."""
    writer = HistoryWriter(tmp_path, RunClock())

    def work(name: str) -> None:
        for number in range(100):
            writer.add("op", op=name, id=number)

    threads = [threading.Thread(target=work, args=(str(index),)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()

    assert len(reader.read(writer.path).records) == 400


def test_the_last_mark_of_a_name_counts() -> None:
    """`mark` finds the latest, and None where there is none."""
    history = from_records(
        [{"k": "mark", "t": 1.0, "mark": "gate"}, {"k": "mark", "t": 3.0, "mark": "gate"}, {"k": "op", "t": 2.0}]
    )

    found = history.mark("gate")
    assert found is not None
    assert found["t"] == 3.0
    assert history.mark("end") is None
    assert [record["t"] for record in history.of("mark", "op")] == [1.0, 2.0, 3.0]
