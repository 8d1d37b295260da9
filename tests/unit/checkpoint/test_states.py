"""Increments in files: put together they are the state, however often they are joined, split and restored."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import numpy as np
import polars as pl
import pytest

from thalweg.checkpoint import data_files, encoding, states
from thalweg.checkpoint.history import History
from thalweg.checkpoint.increments import composed, of_task, surviving
from thalweg.checkpoint.manifest import Manifest, StateEntry
from thalweg.checkpoint.snapshot import InMemory, JobSnapshot, StateRows, TaskSnapshot, gather
from thalweg.checkpoint.states import WrittenStates, to_join
from thalweg.checkpoint.store import DirectoryStore
from thalweg.columnar import allocation
from thalweg.columnar.allocation import allocating
from thalweg.errors import CheckpointError, StoreError
from thalweg.job.job import Job, Stage
from thalweg.protocols.increments import GONE, ROW, TASK, Identity
from thalweg.protocols.operator import OperatorSpec
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, MultimapSpec, RowsSpec, StateSpec
from thalweg.runtime.restore import new_state, states_of
from thalweg.state.filesystem import MappedMemory
from thalweg.testing.tables import difference, table_of

KEY = ("stage", "step", "state")
COLUMNS = ColumnsSpec("c", {"k": pl.Int64(), "s": pl.String()}, {"n": ColumnSpec("int64")})
ROWS = RowsSpec("r", {"k": pl.Int64(), "s": pl.String(), "at": pl.Int64()}, "at", ("k",))
TAKEN_BACK = MultimapSpec("m", {"k": pl.Int64(), "s": pl.String()}, ("k",), partition=("k",))
ADDED = MultimapSpec("a", {"k": pl.Int64(), "s": pl.String()}, ("k",), is_updating=False, partition=("k",))
SPECS = pytest.mark.parametrize("spec", [COLUMNS, ROWS, TAKEN_BACK, ADDED], ids=lambda s: s.name)


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(DirectoryStore(str(tmp_path)), "job")


def rows(r: Random) -> pl.DataFrame:
    found = [(r.randrange(400), r.choice(["a", None, "a text of more than twelve bytes"])) for _ in range(40)]
    return pl.DataFrame(found, schema={"k": pl.Int64(), "s": pl.String()}, orient="row")


def change(spec: StateSpec, state: Any, r: Random) -> None:
    """Some rows come, some go."""
    come(spec, state, rows(r), r)
    go(spec, state, r)


def come(spec: StateSpec, state: Any, frame: pl.DataFrame, r: Random) -> None:
    if isinstance(spec, ColumnsSpec):
        state.column("n")[state.slots(frame)] += 1
    elif isinstance(spec, RowsSpec):
        state.add(frame.with_columns(at=pl.lit(r.randrange(30), pl.Int64())))
    else:
        state.add(frame, state.slots(frame.select("k")), np.empty(0, np.int64))


def go(spec: StateSpec, state: Any, r: Random) -> None:
    if isinstance(spec, RowsSpec):
        if r.random() < 0.7:
            state.take(r.choice(state.groups()))
        return
    live = state.live()
    state.free(live[np.array([r.random() < 0.1 for _ in live], np.bool_)])


def taken(spec: StateSpec, state: Any, *, is_whole: bool, task: int = 0, tasks: int = 1) -> StateRows:
    """What a checkpoint takes of the state of a task."""
    frame = of_task(state.changes(), spec.identity, task)
    return StateRows(((InMemory(frame),),), spec.identity, tasks, state.count, is_whole)


def read(history: History, entry: StateEntry) -> pl.DataFrame:
    """The whole state; put together part by part it is the same."""
    files = [[partial(history.piece, (file,)) for file in piece] for piece in entry.pieces]
    return put_together(entry.identity, [history.piece(piece) for piece in entry.pieces], files)


def put_together(
    identity: Identity,
    frames: list[pl.DataFrame],
    parts: list[list[Callable[[], pl.DataFrame]]] | None = None,
) -> pl.DataFrame:
    whole = composed(identity, frames)
    found = pl.concat(surviving(identity, parts or [[partial(f.clone)] for f in frames]), how="diagonal")
    assert difference(table_of(found.select(whole.columns)), table_of(whole)) is None
    return whole


def check_same(spec: StateSpec, found: pl.DataFrame, state: Any) -> None:
    dump = state.dump()
    assert difference(table_of(found.select(dump.columns)), table_of(dump)) is None
    other = new_state(spec)
    other.load(found)
    assert difference(table_of(other.dump()), table_of(dump)) is None


@SPECS
@pytest.mark.sampled(4)
@pytest.mark.parametrize("file_bytes", [500, 1 << 20])
@pytest.mark.parametrize("memory", [None, MappedMemory(smallest=1)], ids=["heap", "files"])
@pytest.mark.parametrize("seed", range(2))
def test_files_make_the_state(
    history: History, spec: StateSpec, file_bytes: int, memory: MappedMemory | None, seed: int
) -> None:
    """Small files: increments are split by partition, and joined partition by partition.

    Where state lies in files, increments are taken some rows at a time.
    """
    with ExitStack() as stack:
        stack.enter_context(allocating(memory))
        for module, name, value in ((allocation, "_STEP", 7), (encoding, "_STEP", 7)):
            stack.enter_context(mock.patch.object(module, name, value))
        stack.enter_context(mock.patch.object(states, "FILE_BYTES", file_bytes))
        _make_files(history, spec, file_bytes, seed)


def _make_files(history: History, spec: StateSpec, file_bytes: int, seed: int) -> None:
    r, state, written = Random(seed), new_state(spec), WrittenStates(history)
    state.track(whole=True)
    joined = 0
    with mock.patch.object(
        encoding.split_up, "__kwdefaults__", {"within": (0, 255), "file_bytes": file_bytes}
    ):
        for number in range(40):
            change(spec, state, r)
            written.owe({KEY: taken(spec, state, is_whole=not number)})
            (entry,) = written.write([KEY])
            written.complete([entry], [f.sha256 for p in entry.pieces for f in p])
            check_same(spec, read(history, entry), state)
            joined += any(len(p) for p in entry.pieces) and len(entry.pieces) < number
            written.join()
    assert joined, "increments were joined on the way"
    assert written.bytes["joined"]


@SPECS
def test_what_could_not_be_written_comes_with_the_next(history: History, spec: StateSpec) -> None:
    r, state, written = Random(4), new_state(spec), WrittenStates(history)
    state.track(whole=True)
    for number in range(12):
        change(spec, state, r)
        written.owe({KEY: taken(spec, state, is_whole=not number)})
        if r.random() < 0.5:
            full = mock.patch.object(history, "put_data", side_effect=StoreError("full", code="store-failed"))
            # an increment without rows needs no file
            with full, suppress(StoreError):
                written.write([KEY])
            continue
        (entry,) = written.write([KEY])
        if r.random() < 0.5:
            # the data is there, the manifest could not be written
            continue
        written.complete([entry], [f.sha256 for p in entry.pieces for f in p])
        check_same(spec, read(history, entry), state)
    change(spec, state, r)
    written.owe({KEY: taken(spec, state, is_whole=False)})
    (entry,) = written.write([KEY])
    check_same(spec, read(history, entry), state)


@SPECS
def test_a_run_that_goes_on_adds_to_what_is_there(history: History, spec: StateSpec) -> None:
    r, state, written = Random(5), new_state(spec), WrittenStates(history)
    state.track(whole=True)
    for number in range(8):
        for at in range(4):
            change(spec, state, r)
            is_first = number == at == 0
            written.owe({KEY: taken(spec, state, is_whole=is_first)})
            (entry,) = written.write([KEY])
            written.complete([entry], [f.sha256 for p in entry.pieces for f in p])
        frame = read(history, entry)
        state, written = new_state(spec), WrittenStates(history, [entry])
        state.load(frame)
        state.track(whole=False)
        check_same(spec, frame, state)


def test_a_whole_increment_forgets_those_before(history: History) -> None:
    r, state, written = Random(6), new_state(COLUMNS), WrittenStates(history)
    state.track(whole=True)
    for number in range(5):
        change(COLUMNS, state, r)
        written.owe({KEY: taken(COLUMNS, state, is_whole=not number)})
        (entry,) = written.write([KEY])
        written.complete([entry], [])
    state.track(whole=True)
    written.owe({KEY: taken(COLUMNS, state, is_whole=True)})
    (entry,) = written.write([KEY])
    assert len(entry.pieces) == 1
    check_same(COLUMNS, read(history, entry), state)


@SPECS
@pytest.mark.parametrize("seed", range(3))
def test_rows_of_a_task_stay_beside_those_that_another_task_lets_go(spec: StateSpec, seed: int) -> None:
    """Their increments are one: what has gone is marked there, and rows of other tasks have no mark."""
    r, tasks = Random(seed), [new_state(spec) for _ in range(3)]
    pieces = []
    for state in tasks:
        state.track(whole=True)
    for number in range(6):
        for index, state in enumerate(tasks):
            come(spec, state, rows(r).filter(pl.col("k") % len(tasks) == index), r)
        go(spec, tasks[number % 2], r)
        snapshots = [
            TaskSnapshot(
                "stage",
                index,
                {(KEY[1], spec.name): taken(spec, state, is_whole=not number, task=index, tasks=3)},
            )
            for index, state in enumerate(tasks)
        ]
        pieces += gather(number, snapshots).keyed[(*KEY[:2], spec.name)].pieces
        wanted = pl.concat(state.dump() for state in tasks)
        job = JobSnapshot(
            number, {(*KEY[:2], spec.name): StateRows(pieces, spec.identity, 3, wanted.height)}, {}
        )
        found = restored(spec, job).dump()
        assert difference(table_of(found), table_of(wanted.select(found.columns))) is None


def restored(spec: StateSpec, snapshot: JobSnapshot) -> Any:
    """The state as a stage of one task takes it up."""
    step = SimpleNamespace(id=KEY[1], states=lambda: [spec])
    stage = Stage(KEY[0], 1, (cast("OperatorSpec", step),))
    return states_of(Job("job", (stage,), ()), snapshot)["stage[0]"][(KEY[1], spec.name)].state


def test_increments_of_groups_go_by_task() -> None:
    """A group that has gone in one task has not in another."""
    identity = Identity("group", (TASK, "at"))
    first = pl.concat([of_task(pl.DataFrame({"k": [t], "at": [7]}), identity, t) for t in (0, 1)])
    gone = of_task(pl.DataFrame({"at": [7], GONE: [True]}), identity, 1)
    again = of_task(pl.DataFrame({"k": [5], "at": [7]}), identity, 1)
    found = put_together(identity, [first, gone])
    assert found.select("k", TASK).rows() == [(0, 0)]
    assert sorted(put_together(identity, [first, gone, again])["k"]) == [0, 5]
    both = composed(identity, [gone, again], keeps_gone=True)
    assert sorted(put_together(identity, [first, both])["k"]) == [0, 5]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("columns", [(), ("k",), (TASK, ROW)])
def test_increments_may_be_joined_in_any_way(columns: tuple[str, ...], seed: int) -> None:
    """Some of them first, or all at once: the rows are the same."""
    r, identity = Random(seed), Identity("row", columns)
    frames = []
    for _ in range(9):
        some = r.sample(range(6), r.randrange(6)) if columns else [0][: r.randrange(2)]
        made = pl.DataFrame(
            {"k": some, "v": [r.random() for _ in some]}, schema={"k": pl.Int64, "v": pl.Float64}
        )
        if r.random() < 0.6 and some:
            made = made.with_columns(pl.Series(GONE, sorted([r.random() < 0.5 for _ in some], reverse=True)))
        if ROW in columns:
            made = made.with_columns(pl.col("k").alias(ROW), pl.lit(0, pl.Int32).alias(TASK))
        frames.append(made)
    at = r.randrange(1, 8)
    end = r.randrange(at + 1, 10)
    middle = composed(identity, frames[at:end], keeps_gone=True)
    expected = table_of(put_together(identity, frames).select("k", "v"))
    found = composed(identity, [*frames[:at], middle, *frames[end:]])
    assert difference(table_of(found.select("k", "v")), expected) is None


def test_how_often_increments_are_joined() -> None:
    """Each row is written a few times, however many checkpoints there are."""
    sizes, written = [1000.0], 0.0
    for _ in range(5000):
        sizes.append(10.0)
        while (start := to_join([int(s) for s in sizes])) is not None:
            # of keys at random no more than there are
            sizes[start:] = [min(sum(sizes[start:]), 1000.0)]
            written += sizes[-1]
        assert len(sizes) < 4 * states.FAN
    assert written / (5000 * 10.0) < 4


@pytest.mark.parametrize("is_much", [False, True])
def test_files_may_be_read_again_instead_of_being_kept(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_much: bool
) -> None:
    """Checked as a whole before, and once more when their rows are used; of much, none is kept."""
    monkeypatch.setattr(data_files, "_MANY_BYTES", 0 if is_much else 1 << 40)
    r, state, written = Random(1), new_state(COLUMNS), WrittenStates(history)
    state.track(whole=True)
    for number in range(3):
        change(COLUMNS, state, r)
        written.owe({KEY: taken(COLUMNS, state, is_whole=not number)})
        (entry,) = written.write([KEY])
        written.complete([entry], [])
    manifest = Manifest("job", 1, 1, 1, "program", "version", "2020-01-01", states=(entry,))
    kept, read_again = (history.snapshot(manifest, keeps_bytes=k).keyed[KEY] for k in (True, False))
    check_same(COLUMNS, pl.concat(list(read_again.parts()), how="diagonal"), state)
    file = next(p for p in tmp_path.rglob("*") if p.name == entry.pieces[0][0].sha256)
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    if not is_much:
        check_same(COLUMNS, pl.concat(list(kept.parts()), how="diagonal"), state)
        kept.pieces[0][0].release()
    for parts in (kept, read_again):
        with pytest.raises(CheckpointError, match="hash"):
            list(parts.parts())
    for keeps_bytes in (True, False):
        with pytest.raises(CheckpointError, match="hash"):
            history.snapshot(manifest, keeps_bytes=keeps_bytes)
    file.unlink()
    for keeps_bytes in (True, False):
        with pytest.raises(CheckpointError, match="is missing"):
            history.snapshot(manifest, keeps_bytes=keeps_bytes)
