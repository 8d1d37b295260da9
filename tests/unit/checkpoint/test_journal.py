"""A journal gives again what was written, whatever breaks off a run, and notices what is damaged."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from thalweg.checkpoint.journal import Journal
from thalweg.errors import CheckpointError, StoreError


def written(directory: Path, fence: int, values: range) -> Journal:
    journal = Journal(str(directory), fence)
    for value in values:
        journal.append({"value": value}, pl.DataFrame({"a": [value]}) if value % 3 else None)
    journal.sync()
    return journal


def read(directory: Path, fence: int, start: int = 0) -> list[int]:
    journal = Journal(str(directory), fence)
    found = list(journal.records(start))
    assert [r.number for r in found] == list(range(start, start + len(found)))
    for record in found:
        frame = None if record.data["value"] % 3 == 0 else pl.DataFrame({"a": [record.data["value"]]})
        assert (record.frame is None) == (frame is None)
        assert frame is None or frame.equals(record.frame)
    journal.close()
    return [r.data["value"] for r in found]


def test_runs_follow_one_another(tmp_path: Path) -> None:
    for fence, values in ((1, range(5)), (2, range(5, 6)), (3, range(0)), (5, range(6, 9))):
        written(tmp_path, fence, values).close()
    assert read(tmp_path, 6) == list(range(9))
    assert read(tmp_path, 7, 4) == list(range(4, 9))
    assert read(tmp_path, 8, 9) == []


def test_what_a_crash_tears_is_left_out(tmp_path: Path) -> None:
    written(tmp_path, 1, range(4)).close()
    (segment,) = tmp_path.glob("segment-*")
    whole = segment.read_bytes()
    ends = _ends(whole)
    for size in range(0, len(whole), 7):
        segment.write_bytes(whole[:size])
        for name in tmp_path.glob("index-*"):
            name.unlink()
        (tmp_path / "index-000001").write_text(json.dumps({"segments": [], "end": 0}))
        assert read(tmp_path, 2) == list(range(sum(end <= size for end in ends)))


def _ends(whole: bytes) -> list[int]:
    ends, at = [], 0
    while at < len(whole):
        at += 48 + int.from_bytes(whole[at + 8 : at + 12], "little")
        at += int.from_bytes(whole[ends[-1] + 12 if ends else 12 :][:4], "little")
        ends.append(at)
    return ends


def test_damage_is_noticed_before_a_row_of_it_is_used(tmp_path: Path) -> None:
    written(tmp_path, 1, range(6)).close()
    Journal(str(tmp_path), 2).close()
    (segment,) = tmp_path.glob("segment-*")
    whole = segment.read_bytes()
    for at in range(0, len(whole), 11):
        segment.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(CheckpointError) as caught:
            read(tmp_path, 3 + at)
        assert caught.value.code == "checkpoint-damaged"
    segment.unlink()
    with pytest.raises(CheckpointError):
        read(tmp_path, 3 + len(whole))


def test_damage_within_what_no_run_has_sealed_is_noticed_where_others_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thalweg.checkpoint.journal.SEGMENT_BYTES", 1)
    written(tmp_path, 1, range(4)).close()
    segments = sorted(tmp_path.glob("segment-*"))
    assert len(segments) == 4
    data = segments[1].read_bytes()
    segments[1].write_bytes(data[:-1])
    with pytest.raises(CheckpointError) as caught:
        Journal(str(tmp_path), 2)
    assert caught.value.code == "checkpoint-damaged"


def test_a_run_that_was_overtaken_adds_nothing(tmp_path: Path) -> None:
    old = written(tmp_path, 1, range(3))
    new = written(tmp_path, 2, range(3, 5))
    old.append({"value": 99}, None)
    old.sync()
    assert read(tmp_path, 3) == list(range(5))
    old.close()
    new.close()


def test_a_lineage_begins_at_the_end_of_what_was_there(tmp_path: Path) -> None:
    first = written(tmp_path, 1, range(0))
    assert first.start(1) == 0
    first.close()
    written(tmp_path, 2, range(4)).close()
    again = Journal(str(tmp_path), 3)
    assert (again.start(1), again.start(2)) == (0, 4)
    again.close()


def test_what_is_not_needed_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thalweg.checkpoint.journal.SEGMENT_BYTES", 1)
    written(tmp_path, 1, range(4)).close()
    journal = written(tmp_path, 2, range(4, 8))
    journal.prune(6)
    assert [p.name for p in sorted(tmp_path.glob("segment-*"))] == [
        "segment-000002-000003",
        "segment-000002-000004",
    ]
    journal.append({"value": 9}, None)
    journal.prune(9)
    journal.close()
    with pytest.raises(CheckpointError) as caught:
        read(tmp_path, 3, 5)
    assert caught.value.code == "journal-missing"
    assert read(tmp_path, 4, 8) == [9]
    later = Journal(str(tmp_path), 5)
    later.prune(9)
    later.close()
    assert list(tmp_path.glob("segment-*")) == []
    assert read(tmp_path, 6, 9) == []
    last = written(tmp_path, 7, range(9, 11))
    assert last.end == 11
    last.close()


@pytest.mark.parametrize("call", ["append", "sync"])
def test_a_failing_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    journal = written(tmp_path, 1, range(2))
    journal.append({"value": 6}, None)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("thalweg.checkpoint.journal.os.fsync", fail)
    monkeypatch.setattr("thalweg.checkpoint.journal.SEGMENT_BYTES", 1)
    with pytest.raises(StoreError) as caught:
        journal.append({"value": 3}, None) if call == "append" else journal.sync()
    assert caught.value.found == "No space left on device"
    assert journal.end == 3
    monkeypatch.undo()
    # the system may have dropped what it could not write: another sync would say that all is well
    for again in (journal.sync, lambda: journal.append({"value": 3}, None)):
        with pytest.raises(StoreError):
            again()
    journal.close()
    assert read(tmp_path, 2) == [0, 1, 6]
