"""What a query does not need is not read, in both modes: shown by the bytes that were read.

Measured twice: by the figures of the run, and, where the system tells, by the bytes that the process got
from files (`rchar` of /proc/self/io), which nobody can forget to count.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import thalweg as tw
from thalweg.api import Dataset
from thalweg.session.figures import SourceFigures

ROWS, GROUPS = 60_000, 20
IO = Path("/proc/self/io")
MODES = ["batch", "stream"]
NOISE_BYTES = 120_000
"""Footers, and what else Python reads meanwhile."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    numbers = np.random.default_rng(1).integers(0, 1 << 60, ROWS)
    frame = pl.DataFrame({"id": range(ROWS), "a": numbers, "b": numbers[::-1], "s": numbers.astype(str)})
    frame = frame.with_columns(r=pl.struct(x="a", y="s", id="id", inner=pl.struct(p="a", q="s")))
    for name in ("a", "b"):
        frame.write_parquet(folder / f"{name}.parquet", row_group_size=ROWS // GROUPS)
        frame.write_ipc(folder / f"{name}.arrow", compression="uncompressed")
    return folder


def process_bytes() -> int:
    """How many bytes this process has read."""
    found = re.search(r"rchar: (\d+)", IO.read_text())
    assert found is not None, "the kernel says how many bytes were read"
    return int(found[1])


def run(query: Dataset, mode: str) -> tuple[pl.DataFrame, SourceFigures, int]:
    """The result, the figures of the one source, and the bytes that the process read."""
    frames: list[pl.DataFrame] = []
    query.write_callback(frames.append)
    before = process_bytes()
    (figures,) = query.session.run(mode=mode).sources  # type: ignore[attr-defined]  # it is a Session
    return pl.concat(frames), figures, process_bytes() - before


def parquet(folder: Path) -> Dataset:
    return tw.Session(parallelism=2).read_parquet(str(folder / "a.parquet"))


pytestmark = pytest.mark.skipif(not IO.exists(), reason="the system does not count the bytes of a process")


@pytest.fixture(scope="module")
def whole_bytes(folder: Path) -> int:
    """What reading everything takes."""
    return (folder / "a.parquet").stat().st_size


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "query",
    [
        lambda d: d.filter(tw.col("id") < 1000).select("id", "a", "s"),
        lambda d: d.select("id", "a", n=tw.col("id") + 1).filter(tw.col("id") < 1000).select("a", "n"),
        lambda d: d.filter(tw.col("r").field("id") < 1000).select("a", "s"),
        lambda d: d.filter((tw.col("id") < 500) | (tw.col("id") == 700)).select("id", "a", "s"),
        lambda d: d.union(d).filter(tw.col("id") < 1000).select("id", "a", "s"),
    ],
    ids=["plain", "through-a-projection", "by-a-member", "either-or", "through-a-union"],
)
def test_filter(query: Callable[[Dataset], Dataset], mode: str, folder: Path, whole_bytes: int) -> None:
    plan = query(parquet(folder))
    assert "taken over by the source: " in plan.explain()
    frame, figures, count = run(plan, mode)
    assert 0 < frame.height <= 2000
    assert count < whole_bytes / GROUPS + NOISE_BYTES
    if mode == "stream":
        assert (figures.part_count, figures.skipped_count) == (1, GROUPS - 1)
        assert figures.read_bytes is not None
        assert 0 < figures.read_bytes < whole_bytes / GROUPS


def test_filter_over_several_files(folder: Path) -> None:
    session = tw.Session(parallelism=2)
    query = session.read_parquet(str(folder / "*.parquet")).filter(tw.col("id") >= ROWS - 10)
    frame, figures, _ = run(query.select("id"), "stream")
    assert frame.height == 20
    assert (figures.part_count, figures.skipped_count) == (2, 2 * GROUPS - 2)


@pytest.mark.parametrize("mode", MODES)
def test_columns(mode: str, folder: Path, whole_bytes: int) -> None:
    frame, figures, count = run(parquet(folder).select("a"), mode)
    assert frame.height == ROWS
    assert ROWS * 7 < count < ROWS * 8 + NOISE_BYTES < whole_bytes / 4
    if mode == "stream":
        assert figures.read_bytes is not None
        assert ROWS * 7 < figures.read_bytes < ROWS * 8.5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("path", [("x",), ("inner", "p")], ids=".".join)
def test_members_of_rows(path: tuple[str, ...], mode: str, folder: Path, whole_bytes: int) -> None:
    column = tw.col("r")
    for name in path:
        column = column.field(name)
    frame, figures, count = run(parquet(folder).select(found=column), mode)
    wanted = pl.read_parquet(folder / "a.parquet", columns=["a"])
    assert frame["found"].sort().equals(wanted["a"].sort().rename("found"))
    limit = ROWS * (8.5 if len(path) == 1 else 30)
    assert count < limit + NOISE_BYTES < whole_bytes / 2
    assert figures.read_bytes is not None
    assert ROWS * 7 < figures.read_bytes < limit
    assert (figures.part_count, figures.skipped_count) == (GROUPS, 0)


@pytest.mark.parametrize("mode", MODES)
def test_members_of_rows_that_are_put_together(mode: str, folder: Path, whole_bytes: int) -> None:
    rows = parquet(folder)
    query = rows.union(rows).filter(tw.col("id") < 1000).select(x=tw.col("r").field("x"))
    frame, figures, count = run(query, mode)
    assert frame.height == 2000
    assert count < ROWS / GROUPS * 2 * 17 + NOISE_BYTES < whole_bytes / 4
    assert figures.skipped_count == figures.part_count * (GROUPS - 1)  # type: ignore[operator]  # it is known


def test_columns_and_members_of_arrow_files(folder: Path) -> None:
    def read(query: Callable[[Dataset], Dataset]) -> int:
        dataset = tw.Session(parallelism=2).read_ipc(str(folder / "a.arrow"))
        figures = run(query(dataset), "stream")[1]
        assert figures.read_bytes is not None
        return figures.read_bytes

    everything = read(lambda d: d)
    assert everything > ROWS * 8 * 8
    assert read(lambda d: d.select("a")) == ROWS * 8
    assert read(lambda d: d.select(x=tw.col("r").field("x"))) == ROWS * 8


def test_event_time_is_found_on_rows_that_a_filter_drops(tmp_path: Path) -> None:
    """The greatest time is in a row group that the filter does not want: it still makes a row late."""
    frame = pl.DataFrame({"t": [0, 100, 1, 2], "k": [1, 2, 1, 1]}).with_columns(
        t=pl.from_epoch("t").cast(pl.Datetime("us"))
    )
    frame.write_parquet(tmp_path / "x.parquet", row_group_size=1)

    def counts(*filters: object) -> list[int]:
        rows = tw.Session(parallelism=1).read_parquet(str(tmp_path / "x.parquet"))
        rows = rows.assign_watermark("t")
        kept = rows.filter(tw.col("k") == 1) if filters else rows
        result = kept.window(tw.tumbling("10s")).group_by("k").agg(n=tw.count())
        if filters:
            assert "taken over" not in result.explain()
        return result.filter(tw.col("k") == 1).collect(mode="stream")["n"].to_list()

    assert counts("k = 1") == counts() == [1]


def test_what_nobody_counts_is_not_claimed() -> None:
    session = tw.Session(parallelism=1)
    session.from_polars(pl.DataFrame({"a": [1]})).write_callback(lambda frame: None)
    (figures,) = session.run(mode="stream").sources
    assert figures == SourceFigures(figures.source, None, None, None)
