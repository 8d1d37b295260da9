"""State in RocksDB: what jobs find there, what is forgotten, what it takes, and when the disk says no."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import thalweg as tw
from thalweg.errors import ConfigError, ExternalError, ThalwegError
from thalweg.protocols.state import ColumnSpec, ColumnsSpec
from thalweg.runtime.options import MemoryOptions, RocksOptions, RunOptions
from thalweg.state.memory import KeyedColumns
from thalweg.state.rocksdb import RocksColumns
from thalweg.state.rocksdb_states import RocksStates
from thalweg.state.rocksdb_store import RocksDirectory, RocksStore, files_max

SPEC = ColumnsSpec(
    "n", {"k": pl.Int64()}, {"n": ColumnSpec("int64"), "t": ColumnSpec("bytes", None)}, is_brief=True
)
TINY = 2000


@pytest.fixture
def states(tmp_path: Path) -> Iterator[RocksStates]:
    made = RocksStates(str(tmp_path), TINY, 1)
    yield made
    made.close()


def add(state: Any, keys: Any, by: int = 1) -> None:
    slots = state.slots(pl.DataFrame({"k": pl.Series(keys, dtype=pl.Int64)}))
    np.add.at(state.column("n"), slots, by)


# Jobs --------------------------------------------------------------------------------------------


class Totals(tw.ProcessFunction):
    n: int = 0
    seen: list[str]
    ratio: float = 0.5

    def on_event(self, row: Any) -> Any:
        self.n += row.v
        self.seen.append(str(row.v))
        self.ratio *= 1.5
        if self.n % 7 == 0:
            self.set_timer(timedelta(seconds=3))
        if self.n % 11 == 0:
            self.n, self.seen, self.ratio = 0, [], 0.5
        yield row.k, self.n, "".join(self.seen[-3:]), self.ratio

    def on_timer(self) -> Any:
        yield self.key.k, -self.n, "timer", self.ratio


class Tens(tw.ColumnFunction):
    n: int = 0

    def on_events(self, rows: pl.DataFrame) -> pl.DataFrame:
        self.n = self.n + rows["v"].to_numpy()
        return rows.select("k", n=pl.Series(self.n))


def rows(count: int = 3000) -> pl.DataFrame:
    numbers = np.random.default_rng(5).integers(0, 500, count)
    keys = [None if n == 3 else f"a key that is long {n}" for n in numbers.tolist()]
    at = [datetime(2026, 1, 1) + timedelta(seconds=s) for s in range(count)]
    return pl.DataFrame({"k": keys, "v": numbers % 13, "ts": at})


def memory_of(backend: str, budget: int = 10 * TINY) -> MemoryOptions | None:
    if backend == "memory":
        return None
    return MemoryOptions(smallest=1, rocksdb=RocksOptions(budget) if backend == "rocksdb" else None)


def session(backend: str, **options: Any) -> tw.Session:
    made = tw.Session(**options)
    made.run_options = RunOptions(memory=memory_of(backend), cut_batches=3)
    made.settings.set("execution.batch-rows", "97")
    return made


def totals(backend: str, parallelism: int) -> list[Any]:
    keyed = (
        session(backend, parallelism=parallelism).from_polars(rows()).assign_watermark("ts", "5s").key_by("k")
    )
    found = keyed.process(Totals(), "k STRING, n BIGINT, seen STRING, ratio DOUBLE").collect(mode="stream")
    return sorted(found.rows(), key=repr)


@pytest.mark.slow
@pytest.mark.parametrize("parallelism", [1, 3])
def test_a_job_gives_the_same_on_all_backends(parallelism: int) -> None:
    found = totals("memory", parallelism)
    assert len(found) > 3000, "some timers were due"
    assert totals("rocksdb", parallelism) == found
    assert totals("filesystem", parallelism) == found


def test_a_function_of_columns_gives_the_same() -> None:
    found = []
    for backend in ("memory", "rocksdb"):
        made = session(backend).from_polars(rows(1000).drop("ts")).key_by("k")
        result = made.process(Tens(), "k STRING, n BIGINT", order="arrival").collect(mode="stream")
        found.append(sorted(result.rows(), key=repr))
    assert found[0] == found[1]
    assert len(found[0]) == 1000


class Lately(tw.ProcessFunction):
    n: int = tw.keep(0, ttl="100 seconds")

    def on_event(self, row: Any) -> Any:
        self.n += 1
        yield row.k, self.n


def test_time_to_live_forgets_keys_on_disk_too() -> None:
    found = []
    for backend in ("memory", "rocksdb"):
        keyed = session(backend).from_polars(rows()).assign_watermark("ts", "5s").key_by("k")
        result = keyed.process(Lately(), "k STRING, n BIGINT").collect(mode="stream")
        found.append(sorted(result.rows(), key=repr))
    assert found[0] == found[1]
    assert max(n for _, n in found[0]) > 1


# Checkpoints -------------------------------------------------------------------------------------


def test_a_checkpoint_of_one_backend_restores_on_the_other(states: RocksStates) -> None:
    ours, theirs = states.new(SPEC), KeyedColumns(SPEC)
    for state in (ours, theirs):
        add(state, range(1000), 7)
        state.column("t")[state.slots(pl.DataFrame({"k": [5]}))] = state.dictionary("t").encode(
            pl.Series([b"five"])
        )
    assert ours.dump().sort("k").equals(theirs.dump().sort("k"))
    back, there = KeyedColumns(SPEC), states.new(SPEC)
    back.load(ours.dump())
    there.load(theirs.dump())
    assert back.dump().equals(theirs.dump())
    assert there.dump().equals(ours.dump())


def test_increments_are_those_of_memory(states: RocksStates) -> None:
    ours, theirs = states.new(SPEC), KeyedColumns(SPEC)
    r = np.random.default_rng(3)
    for state in (ours, theirs):
        add(state, range(500))
        state.track(whole=True)
    for number in range(6):
        changed, gone = r.integers(0, 700, 120), r.choice(500, 20, replace=False)
        both = []
        for state in (ours, theirs):
            add(state, changed, number)
            found = np.unique(state.find(pl.DataFrame({"k": gone})))
            state.free(found[found >= 0])
            add(state, gone[:5], 100)
            both.append(state.changes())
        columns = ["k", "n", "t", *(c for c in both[0].columns if c.startswith("__"))]
        assert both[0].select(columns).sort(columns).equals(both[1].select(columns).sort(columns)), number
        assert ours.count == theirs.count


def test_increments_of_one_backend_are_put_together_on_the_other(states: RocksStates) -> None:
    first = states.new(SPEC)
    first.track(whole=True)
    add(first, range(300))
    other = KeyedColumns(SPEC)
    other.load(first.changes())
    add(first, range(200, 400))
    slots = first.find(pl.DataFrame({"k": [1, 2, 3]}))
    first.free(slots)
    other.load(first.changes())
    assert other.dump().sort("k").equals(first.dump().sort("k"))


class Trips(Totals):
    """Fails once."""

    def __init__(self, tripped: str) -> None:
        self.tripped = tripped

    def on_event(self, row: Any) -> Any:
        if row.ts.minute == 30 and not Path(self.tripped).exists():
            Path(self.tripped).touch()
            raise OSError("the machine is gone")
        return super().on_event(row)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after"), [("memory", "rocksdb"), ("rocksdb", "memory"), ("rocksdb", "rocksdb")]
)
def test_a_job_goes_on_with_another_backend(
    tmp_path: Path, before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[tuple[str, int]] = []
    for kind in (KeyedColumns, RocksColumns):

        def load(self: Any, frame: pl.DataFrame, *, own: Any = kind.load) -> None:
            loaded.append((type(self).__name__, frame.height))
            own(self, frame)

        monkeypatch.setattr(kind, "load", load)
    rows().write_parquet(tmp_path / "rows.parquet")
    result = "k STRING, n BIGINT, seen STRING, ratio DOUBLE"

    def run(backend: str) -> None:
        made = tw.Session(checkpoint_dir=str(tmp_path / "kept"), parallelism=2)
        made.settings.set("restart-strategy.type", "none")
        source = made.read_parquet(tmp_path / "rows.parquet").assign_watermark("ts", "5s")
        keyed = source.key_by("k").process(Trips(str(tmp_path / "tripped")), result)
        keyed.write_parquet(tmp_path / "out")
        options = RunOptions(rows_max=97, checkpoint_batches=3, memory=memory_of(backend))
        made.run("trips", mode="stream", options=options)

    with pytest.raises(ThalwegError):
        run(before)
    assert not loaded
    run(after)
    kind = "RocksColumns" if after == "rocksdb" else "KeyedColumns"
    assert sum(height for name, height in loaded if name == kind) > 300, "it went on from state"
    found = pl.read_parquet(tmp_path / "out" / "*.parquet")
    assert sorted(found.rows(), key=repr) == totals("memory", 2)


# What it takes -----------------------------------------------------------------------------------


def test_rows_that_are_not_in_use_take_no_memory(tmp_path: Path) -> None:
    spec = ColumnsSpec("n", {"k": pl.Int64()}, {"n": ColumnSpec("int64")}, is_brief=True)
    states = RocksStates(str(tmp_path), 4 << 20, 1)
    state, sizes = states.new(spec), []
    for first in range(0, 400_000, 20_000):
        add(state, range(first, first + 20_000))
        sizes.append(state.nbytes)
    assert state.count == 400_000
    assert max(sizes) < 6 << 20, "of the budget half as much again may be held"
    assert max(sizes[10:]) <= 1.2 * max(sizes[:10])
    assert states.file_bytes > 400_000 * 20
    add(state, range(0, 400_000, 1000), 5)
    found = state.dump()
    assert found["n"].sum() == 400_000 + 5 * 400
    states.close()
    assert os.listdir(tmp_path) == []


def test_a_key_that_comes_and_goes_is_never_written(states: RocksStates) -> None:
    state = states.new(SPEC)
    before = states.file_bytes
    for _ in range(50):
        slots = state.slots(pl.DataFrame({"k": range(20)}))
        state.free(slots)
        state.compact()
    assert state.count == 0
    assert states.file_bytes == before


def reading(states: RocksStates, monkeypatch: pytest.MonkeyPatch, budget: int) -> tuple[Any, list[int]]:
    """State, and how many keys each look-up asks the store for."""
    asked: list[int] = []
    get = RocksStore.get

    def counted(self: RocksStore, keys: list[bytes]) -> Any:
        asked.append(len(keys))
        return get(self, keys)

    monkeypatch.setattr(RocksStore, "get", counted)
    spec = ColumnsSpec("n", {"k": pl.Int64()}, {"n": ColumnSpec("int64")}, is_brief=True)
    return RocksColumns(spec, RocksStore(f"{states._directory.path}/x", 1 << 20), budget), asked


def test_keys_in_use_stay_in_use(states: RocksStates, monkeypatch: pytest.MonkeyPatch) -> None:
    state, asked = reading(states, monkeypatch, 100_000)
    add(state, range(5000))
    hot = list(range(100))
    for first in range(0, 5000, 100):
        add(state, [*hot, *range(first, first + 100)])
    add(state, hot)
    asked.clear()
    add(state, hot)
    assert sum(asked) == 0
    state.close()


def test_keys_that_are_asked_for_again_stay_whatever_comes_between(
    states: RocksStates, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, asked = reading(states, monkeypatch, 1_000_000)
    hot = np.arange(state.rows_max * 8 // 10)
    cold = np.arange(len(hot), 50 * len(hot))
    add(state, np.concatenate([hot, cold]))
    random, cold_ones = np.random.default_rng(3), 0
    for turn in range(200):
        if turn == 100:
            asked.clear()
            cold_ones = 0
        rare = random.choice(cold, 100, replace=False)
        add(state, np.concatenate([random.choice(hot, 900), rare]))
        cold_ones += 100
    # where the half goes that was not asked for the longest, most reads are of keys that come again
    assert sum(asked) < 1.2 * cold_ones
    state.close()


@pytest.mark.parametrize("step", [500, 6000])
def test_arrays_are_as_long_as_there_is_room_for(
    states: RocksStates, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    state, _ = reading(states, monkeypatch, 1_000_000)
    assert state.rows_max not in {1 << bits for bits in range(20)}
    add(state, range(step))
    # the next ones fit only when some have gone, and then not into the arrays that there are
    for first in range(step, 3 * state.rows_max, 2 * step):
        add(state, range(first, first + 2 * step))
    random = np.random.default_rng(2)
    for size in (500, 5000, 12_000):
        for _ in range(20):
            # some keys of a batch may go to make room for the others
            add(state, random.choice(2 * state.rows_max, size, replace=False))
    assert state.capacity == state.rows_max
    held = state._bits.nbytes + state._calls.nbytes + state._born.nbytes + state._used._index.nbytes
    assert 900_000 < held + 8 * state.capacity <= 1_000_000
    state.close()


# The disk ----------------------------------------------------------------------------------------


def test_what_a_killed_run_left_is_deleted_by_the_next(tmp_path: Path) -> None:
    left = tmp_path / "thalweg-rocksdb-left"
    left.mkdir()
    (left / "in-use").touch()
    (left / "rows").write_bytes(b"x" * 100)
    running = RocksDirectory(str(tmp_path))
    other = RocksDirectory(str(tmp_path))
    assert not left.exists()
    assert Path(running.path).exists()
    running.close()
    other.close()
    assert os.listdir(tmp_path) == []


def test_rows_that_are_looked_up_by_the_thousand_do_not_fill_the_cache(tmp_path: Path) -> None:
    store = RocksStore(str(tmp_path / "store"), 32 << 20)
    keys = [number.to_bytes(8, "big") for number in range(65_536)]
    store.write(keys, [bytes(200)] * len(keys), [])
    store.flush()
    held = [store.nbytes]
    for first in range(14):
        assert None not in store.get(keys[first::64])
        held.append(store.nbytes)
    # one in seven keeps what it reads
    assert [n for n in range(14) if held[n + 1] > held[n]] == [0, 7]
    store.close()


@pytest.mark.parametrize(
    ("hard", "refuses", "files"), [(4096, False, 1024), (4096, True, 256), (-1, False, 16_384)]
)
def test_a_store_holds_open_a_part_of_the_files_that_the_process_may(
    monkeypatch: pytest.MonkeyPatch, hard: int, *, refuses: bool, files: int
) -> None:
    allowed = [(1024, hard)]

    def allow(_: int, pair: tuple[int, int]) -> None:
        if refuses:
            raise ValueError
        allowed.append(pair)

    monkeypatch.setattr("resource.getrlimit", lambda _: allowed[-1])
    monkeypatch.setattr("resource.setrlimit", allow)
    assert files_max() == files


def test_a_directory_that_is_not_there_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(ExternalError) as raised:
        RocksStates(str(tmp_path / "missing"), 1 << 20, 1)
    assert raised.value.code == "state-cannot-spill"
    assert str(tmp_path) in str(raised.value)
    assert "io.tmp.dirs" in str(raised.value)


def test_a_disk_that_fails_is_an_error_that_says_so(
    states: RocksStates, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = states.new(SPEC)

    class Full:
        def write(self, *_: Any) -> None:
            raise Exception("IO error: No space left on device: While appending to file")

    monkeypatch.setattr(state._store, "_rows", Full())
    add(state, range(1000))
    with pytest.raises(ExternalError) as raised:
        add(state, range(1000, 2000))
    assert raised.value.code == "state-cannot-spill"
    assert "No space left on device" in str(raised.value)
    monkeypatch.undo()


def test_without_the_library_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "rocksdict", None)
    with pytest.raises(ConfigError) as raised:
        RocksStates(str(tmp_path), 1 << 20, 1)
    assert raised.value.code == "dependency-missing"
    assert 'pip install "thalweg[rocksdb]"' in str(raised.value)
