"""A table of a database without checkpoints: one transaction at the end of the input."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from random import Random
from unittest import mock

import polars as pl
import pytest

import thalweg as tw
from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch
from thalweg.connectors import held_changes
from thalweg.connectors.held_changes import HeldChanges
from thalweg.errors import DataError, ExternalError
from thalweg.runtime.options import RunOptions

ROWS = pl.DataFrame({"n": range(3_000)}).with_columns(k=pl.col("n") % 11)
OFTEN = RunOptions(runtime="inline", rows_max=50, cut_batches=3)


def table(path: Path, name: str) -> list[tuple[int, ...]]:
    with closing(sqlite3.connect(path)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchall():
            # it failed before it began to write
            return []
        return sorted(database.execute(f"SELECT * FROM {name}"))


@pytest.fixture(params=[0, 1 << 30], ids=["spilled", "in memory"])
def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How much is held in memory."""
    monkeypatch.setattr(held_changes, "HELD_BYTES", request.param)
    return int(request.param)


def run(path: Path, mode: str, *, fails_at: int | None = None) -> None:
    @tw.udf(returns="BIGINT")
    def checked(n: int) -> int:
        if n == fails_at:
            raise ValueError(f"row {n}")
        return n

    session = tw.Session(parallelism=2, options={"restart-strategy.type": "none"})
    rows = session.from_polars(ROWS).select(tw.col("k"), checked(tw.col("n")).alias("n"))
    rows.write_sqlite(path, "copied")
    rows.group_by("k").agg(n=tw.sum("n")).write_sqlite(path, "totals")
    session.run("job", mode=mode, options=OFTEN if mode == "stream" else None)


@pytest.mark.parametrize("mode", ["stream", "batch"])
@pytest.mark.usefixtures("held")
def test_every_row_is_there_once(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "out.db"
    run(path, mode)
    assert table(path, "copied") == sorted(ROWS.select("k", "n").rows())
    assert table(path, "totals") == ROWS.group_by("k").agg(pl.col("n").sum()).sort("k").rows()


@pytest.mark.parametrize("mode", ["stream", "batch"])
@pytest.mark.usefixtures("held")
def test_a_job_that_fails_has_changed_nothing(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "out.db"
    with pytest.raises(DataError, match="row 2900"):
        run(path, mode, fails_at=2_900)
    assert table(path, "copied") == []
    assert table(path, "totals") == []


def test_input_that_does_not_end_is_written_at_cuts(tmp_path: Path) -> None:
    path, seen = tmp_path / "out.db", []

    def endless():  # type: ignore[no-untyped-def]
        for n in range(1_000):
            if n == 900:
                seen.append(len(table(path, "copied")))
                raise ValueError("it broke off")
            yield {"n": n}

    session = tw.Session(parallelism=1, options={"restart-strategy.type": "none"})
    session.from_iter(endless(), schema={"n": "BIGINT"}, is_bounded=False).write_sqlite(path, "copied")
    with pytest.raises(Exception, match="broke off"):
        session.run("job", mode="stream", options=OFTEN)
    assert seen[0] > 0
    assert len(table(path, "copied")) >= seen[0]


@pytest.mark.parametrize("seed", range(3))
def test_changes_are_handed_over_cut_by_cut(held: int, seed: int) -> None:
    """Of several changes of a row between two cuts only what they come to, and in their order."""
    r = Random(seed)
    schema = Schema.from_polars({"k": pl.Int64(), "n": pl.Int64()})
    taken: list[pl.DataFrame] = []
    writer = HeldChanges(schema, ["k"], lambda frames: taken.extend(frames))
    now: dict[int, int] = {}
    for number in range(6):
        for _ in range(r.randrange(4)):
            key = r.randrange(3)
            rows, weights = [(key, r.randrange(100))], [1]
            if key in now:
                rows, weights = [(key, now[key]), *rows], [-1, 1]
            now[key] = rows[-1][1]
            frame = pl.DataFrame(rows, schema={"k": pl.Int64, "n": pl.Int64}, orient="row")
            writer.write(Batch(frame, pl.Series("", weights, pl.Int64)))
        writer.cut(number)
        assert not taken
    assert bool(writer._ends) == (held == 0)
    writer.end()
    there: dict[int, int] = {}
    for frame in taken:
        assert frame.columns == ["op", "k", "n"]
        for op, k, n in frame.rows():
            if op in ("-U", "-D"):
                assert there.pop(k) == n
            else:
                assert there.setdefault(k, n) == n
    assert there == now


@pytest.mark.parametrize("fails_at", ["open", "write"])
def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch, fails_at: str) -> None:
    monkeypatch.setattr(held_changes, "HELD_BYTES", 0)
    frame = pl.DataFrame({"n": [1]})
    writer = HeldChanges(Schema.from_polars(dict(frame.schema)), (), lambda frames: None)
    # what Polars raises has no number
    opens = {
        "open": mock.Mock(side_effect=OSError(28, "No space left on device")),
        "write": lambda: Path("/dev/full").open("wb"),  # noqa: SIM115 - the writer closes it
    }
    monkeypatch.setattr(tempfile, "TemporaryFile", opens[fails_at])
    with closing(writer), pytest.raises(ExternalError, match="sink-cannot-hold") as caught:
        writer.write(Batch(frame))
    assert "No space left" in str(caught.value)
