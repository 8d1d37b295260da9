"""State in mapped files: what is there, what happens when it grows, and when memory or the disk is full."""

from __future__ import annotations

import errno
import gc
import mmap
import os
import threading
import weakref
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest

import thalweg as tw
from thalweg.columnar.allocation import allocating, copied, filled, grown, kept, zeros
from thalweg.columnar.blocks import has_buffers
from thalweg.connectors.memory import MemorySink
from thalweg.errors import ConfigError, ExternalError
from thalweg.protocols.state import ColumnSpec, ColumnsSpec
from thalweg.runtime.options import MemoryOptions, RunOptions
from thalweg.session.memory_options import memory_options
from thalweg.state import filesystem
from thalweg.state.filesystem import MappedMemory
from thalweg.state.memory import KeyedColumns
from thalweg.state.segments import Segments


@pytest.fixture
def memory(tmp_path: Path) -> MappedMemory:
    return MappedMemory(str(tmp_path), smallest=1)


def _column(r: Random, height: int) -> pl.Series:
    """A column of any type."""
    texts = ["", "a", "twelve bytes", "more than twelve", "é" * 30]
    choices: list[tuple[Any, list[Any]]] = [
        (pl.Int8(), [-128, 127, 0]),
        (pl.Int64(), [-(2**63), 2**63 - 1]),
        (pl.UInt64(), [2**64 - 1, 0]),
        (pl.Float64(), [0.0, -0.0, float("nan"), float("inf")]),
        (pl.Boolean(), [True, False]),
        (pl.String(), texts),
        (pl.Binary(), [t.encode() for t in texts]),
        (pl.Date(), [date(1, 1, 1), date(9999, 12, 31)]),
        (pl.Datetime("us", "UTC"), [datetime(2020, 2, 29, 1, 2, 3, 4)]),
        (pl.Decimal(38, 9), [Decimal("-1.000000001"), Decimal("9" * 20)]),
        (pl.List(pl.String()), [[], ["", "more than twelve"], [None]]),
        (pl.List(pl.List(pl.Int32())), [[], [[]], [[1, None], []]]),
        (pl.Struct({"a": pl.String(), "b": pl.List(pl.Boolean())}), [{"a": "x" * 20, "b": [True, None]}]),
        (pl.Null(), [None]),
        (pl.Enum(["a", "b"]), ["a", "b"]),
        (pl.Array(pl.Int16(), 2), [[1, 2], [3, None]]),
    ]
    dtype, values = r.choice(choices)
    found = [None if r.random() < 0.2 else r.choice(values) for _ in range(height)]
    return pl.Series(f"c{r.randrange(10**9)}", found, dtype=dtype, strict=False)


@pytest.mark.parametrize("seed", range(60))
def test_a_frame_in_a_file_is_the_same_frame(memory: MappedMemory, seed: int) -> None:
    r = Random(seed)
    frame = pl.DataFrame([_column(r, height) for height in [r.choice([0, 1, 9, 300])] for _ in range(4)])
    frame = frame[r.randint(0, 3) :]
    with allocating(memory):
        laid = kept(frame)
    assert laid.schema == frame.schema
    assert laid.equals(frame)
    rows = [r.randrange(frame.height) for _ in range(20)] if frame.height else []
    assert laid[rows].equals(frame[rows])
    assert memory.nbytes or not frame.estimated_size() or not any(map(has_buffers, frame.dtypes))


def test_a_frame_in_a_file_has_its_own_bytes_only(memory: MappedMemory) -> None:
    texts = pl.DataFrame({"s": ["x" * 1000 for _ in range(1000)]})
    with allocating(memory):
        few = kept(texts[:2])
    assert few.equals(texts[:2])
    assert memory.nbytes < 3_000


def test_an_array_that_grows_keeps_its_values_and_its_file(memory: MappedMemory) -> None:
    with allocating(memory):
        array = filled((3, 2), -1)
        longer = grown(array, 500_000, 7)
        again = grown(longer, 500_001)
    assert longer[:3].tolist() == [[-1, -1]] * 3
    assert set(longer[3:].ravel().tolist()) == {7}
    assert again[-1].tolist() == [0, 0]
    assert memory.nbytes == again.nbytes, "it was not copied"


def test_a_part_of_an_array_grows_by_itself(memory: MappedMemory) -> None:
    with allocating(memory):
        both = filled((2, 5), 7)
        longer = grown(both[0], 10)
        first = grown(zeros(5)[:3], 4)
    assert longer.tolist() == [7] * 5 + [0] * 5
    assert both[1].tolist() == [7] * 5
    assert first.tolist() == [0] * 4


def test_keys_that_come_later_begin_with_initial_values(memory: MappedMemory) -> None:
    columns = {name: ColumnSpec("int64", initial) for name, initial in (("a", 0), ("b", 5), ("c", 0))}
    with allocating(memory):
        state = KeyedColumns(ColumnsSpec("s", {"k": pl.Int64()}, columns))
        for first in range(0, 10_000, 500):
            slots = state.slots(pl.DataFrame({"k": range(first, first + 500)}))
            assert [state.column(n)[slots].tolist() for n in "abc"] == [[0] * 500, [5] * 500, [0] * 500]
            for name in "abc":
                state.column(name)[slots] = 9
    dumped = state.dump()
    assert dumped.height == 10_000
    assert dumped.select("a", "b", "c").unique().rows() == [(9, 9, 9)]


def test_rows_of_an_array_are_copied_into_one_that_stays(memory: MappedMemory) -> None:
    with allocating(memory):
        array = grown(zeros(2), 10)
        array[:] = np.arange(10)
        some, first = copied(array, np.array([7, 0, 7])), copied(array, slice(4))
        array[:] = 0
    assert (some.tolist(), first.tolist()) == ([7, 0, 7], [0, 1, 2, 3])
    assert memory.nbytes == array.nbytes + some.nbytes + first.nbytes


def test_files_go_with_what_is_in_them(memory: MappedMemory, tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with allocating(memory):
        for _ in range(1_000):
            zeros(1_000)
            kept(pl.DataFrame({"a": [1, 2]}))
    gc.collect()
    assert memory.nbytes == 0
    assert list(tmp_path.iterdir()) == [], "they have no names"
    assert len(os.listdir("/proc/self/fd")) < before + 200


def test_small_arrays_and_frames_stay_on_the_heap(tmp_path: Path) -> None:
    memory = MappedMemory(str(tmp_path))
    with allocating(memory):
        small, large = zeros(100), zeros(200_000)
        kept(pl.DataFrame({"a": range(1_000)}))
    assert memory.nbytes == large.nbytes
    assert memory.longer(small, 1_000_000) is None


def test_pages_leave_the_process_when_it_holds_more_than_the_budget(tmp_path: Path) -> None:
    memory = MappedMemory(str(tmp_path), budget=32 << 20)
    with allocating(memory):
        array = zeros(8 << 20)
        array[:] = np.arange(len(array))
        held = filesystem._resident()
        memory.trim()
        now = filesystem._resident()
    assert held is not None
    assert now is not None
    assert held.mapped - now.mapped > array.nbytes // 2
    assert memory.dropped > 0
    assert int(array.sum()) == len(array) * (len(array) - 1) // 2, "nothing is lost"


def test_nobody_watches_memory_that_is_not_used_any_more(tmp_path: Path) -> None:
    memory = MappedMemory(str(tmp_path), budget=1 << 30)
    memory.watch()
    gone = weakref.ref(memory)
    del memory
    (thread,) = (t for t in threading.enumerate() if t.name == "thalweg-memory")
    thread.join(10)
    assert gone() is None
    assert not thread.is_alive()


def test_nothing_leaves_the_process_below_the_budget(tmp_path: Path) -> None:
    memory = MappedMemory(str(tmp_path), budget=1 << 30)
    with allocating(memory):
        zeros(1 << 20)[:] = 1
        memory.trim()
    assert memory.dropped == 0


def test_where_the_system_does_not_say_what_it_holds_nothing_leaves_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = MappedMemory(str(tmp_path), budget=1 << 20)
    with allocating(memory):
        array = zeros(8 << 20)
        array[:] = 1
        with monkeypatch.context() as patch:
            patch.setattr(filesystem, "_STATM", str(tmp_path / "nothing"))
            memory.trim()
        assert memory.dropped == 0
        memory.trim()
        assert memory.dropped > 0


def test_a_disk_that_is_full_is_an_error_that_says_so(
    memory: MappedMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(os, "pwrite", full)
    with allocating(memory):
        for ask in (lambda: zeros(10), lambda: kept(pl.DataFrame({"a": [1]}))):
            with pytest.raises(ExternalError) as error:
                ask()
            assert error.value.code == "state-cannot-spill"
            assert "No space left" in str(error.value)


def test_the_room_of_an_array_is_reserved(memory: MappedMemory) -> None:
    with allocating(memory):
        array = zeros(1 << 17)
        known = memory._mapped[array.__array_interface__["data"][0]]
    # blocks of 512 bytes; an array nobody has written to has them nevertheless
    assert os.fstat(known.file._descriptor).st_blocks * 512 >= array.nbytes


def test_rows_that_are_kept_are_written_to_files_once_they_are_many(memory: MappedMemory) -> None:
    with allocating(memory):
        rows = Segments({"a": pl.Int64()})
        for first in range(0, 60_000, 1_000):
            rows.append(pl.DataFrame({"a": range(first, first + 1_000)}))
        assert memory.nbytes > 30_000 * 8
        rows.keep(np.arange(0, 60_000, 2))
    assert rows.rows(np.array([29_999, 0, 1]))["a"].to_list() == [59_998, 0, 2]


def _counts(options: RunOptions) -> list[tuple[Any, ...]]:
    session = tw.Session(parallelism=2)
    session.run_options = options
    rows = session.from_polars(pl.DataFrame({"k": [n % 997 for n in range(20_000)]}))
    counted = rows.group_by("k").agg(n=tw.count())
    return sorted(counted.collect(mode="stream").rows())


def test_a_job_keeps_its_state_in_files_and_gives_the_same_answer(tmp_path: Path) -> None:
    mapped = MemoryOptions(str(tmp_path), budget=1 << 20, smallest=1)
    assert _counts(RunOptions(memory=mapped)) == _counts(RunOptions())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("memory", "by_operators"), [("64MiB", True), (None, False)])
def test_a_batch_with_a_budget_is_run_by_operators_where_it_keeps_anything(
    memory: str | None, by_operators: bool
) -> None:
    session = tw.Session(parallelism=2, memory=memory)
    rows = session.from_polars(pl.DataFrame({"k": [3, 1, 3, 2], "n": [1, 2, 3, 4]}))
    sums = rows.group_by("k").agg(n=tw.sum("n"))
    for made, keeps in ((sums, True), (sums.sort("k"), True), (rows.filter(tw.col("n") > 2), False)):
        sink = MemorySink(is_parallel=False)
        session.write_sink(made.plan, sink)
        ran = session.run("job", mode="batch")
        assert ran.mode == "batch"
        assert (ran.run is not None) == (by_operators and keeps)
        if ran.run is not None:
            assert ran.run.memory is not None
        if made is not sums:
            assert sink.table().rows() == ([(1, 2), (2, 4), (3, 4)] if keeps else [(3, 3), (2, 4)])
        else:
            assert sorted(sink.table().rows()) == [(1, 2), (2, 4), (3, 4)]


def test_what_operators_cannot_run_is_a_batch_without_them() -> None:
    """Sessions need rows that stay as they are; in a batch all rows do."""
    begin = datetime(2024, 1, 1)
    session = tw.Session(parallelism=1, memory="64MiB")
    rows = pl.DataFrame({"k": [3, 1, 3, 2], "ts": [begin + timedelta(seconds=s) for s in (1, 2, 3, 60)]})
    session.create_view("t", session.from_polars(rows).assign_watermark("ts"))
    session.execute_sql("CREATE VIEW newest AS SELECT k, MAX(ts) AS ts FROM t GROUP BY k")
    text = """SELECT COUNT(*) AS n FROM TABLE(SESSION(TABLE newest, DESCRIPTOR(ts), INTERVAL '10' SECOND))
        GROUP BY window_start, window_end"""
    sink = MemorySink(is_parallel=False)
    session.write_sink(session.sql(text).plan, sink)
    ran = session.run("job", mode="batch")
    assert ran.run is None
    assert sorted(sink.table().rows()) == [(1,), (2,)]


def test_edges_have_a_share_of_the_budget() -> None:
    given = {"taskmanager.memory.managed.size": 64 << 20}
    assert memory_options(given.get)["edge_bytes_max"] == 2 << 20
    assert memory_options({}.get) == {}


def test_a_budget_needs_a_backend_that_can_keep_to_it() -> None:
    session = tw.Session(memory="512MiB", options={"state.backend.type": "hashmap"})
    with pytest.raises(ConfigError, match="cannot keep to a budget"):
        session.from_polars(pl.DataFrame({"a": [1]})).collect(mode="stream")
    small = tw.Session(memory="1k")
    with pytest.raises(ConfigError, match="more memory"):
        small.from_polars(pl.DataFrame({"a": [1]})).to_polars()


@pytest.mark.parametrize(
    ("text", "size"),
    [("512MiB", 512 << 20), ("512m", 512 << 20), ("2 gb", 2 << 30), ("20000000", 20_000_000)],
)
def test_memory_is_written_as_flink_writes_it(text: str, size: int) -> None:
    session = tw.Session(memory=text)
    assert session.settings.get("taskmanager.memory.managed.size") == size


def test_memory_that_is_no_amount_is_refused() -> None:
    with pytest.raises(ConfigError, match="no value"):
        tw.Session(memory="much")


def test_pages_of_the_machine_are_known() -> None:
    held = filesystem._resident()
    assert held is not None
    assert held.other > mmap.PAGESIZE
