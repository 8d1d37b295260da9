"""What is put aside for a reader comes back whole, from memory or from a file, and leaves nothing."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import polars as pl
import pytest

from thalweg.runtime.aside import Aside


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("held_bytes", [0, 4_000, 1 << 20])
def test_several_threads_put_rows(held_bytes: int, tmp_path: Path) -> None:
    before = open_files()
    aside = Aside(str(tmp_path), held_bytes=held_bytes)

    def put(task: int) -> None:
        for n in range(50):
            aside.put(pl.DataFrame({"task": [task] * 3, "n": [n] * 3, "text": [f"text {n}"] * 3}))

    threads = [threading.Thread(target=put, args=(task,)) for task in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert aside.rows == 600
    assert (aside.file_bytes > 0) == (held_bytes < 1 << 20)
    assert not list(tmp_path.iterdir()), "the file has no name"
    found = pl.concat(aside.parts()).sort("task", "n")
    expected = pl.DataFrame({"task": [t for t in range(4) for _ in range(150)]})
    expected = expected.with_columns(n=pl.Series([n for _ in range(4) for n in range(50) for _ in range(3)]))
    assert found.equals(expected.with_columns(text=pl.format("text {}", "n")))
    aside.close()
    aside.close()
    assert open_files() == before


def test_no_rows_have_columns() -> None:
    aside = Aside(held_bytes=0)
    for _ in range(3):
        aside.put(pl.DataFrame(schema={"n": pl.Int64()}))
    assert [part.schema for part in aside.parts()] == [pl.Schema({"n": pl.Int64()})]


def test_what_was_given_back_takes_no_more_and_gives_no_more() -> None:
    """A file that is opened meanwhile has the number of the one that was closed."""
    aside = Aside(held_bytes=0)
    aside.put(pl.DataFrame({"n": [1]}))
    reading = aside.parts()
    aside.close()
    with open("/dev/null", "rb") as other:
        assert other.fileno() >= 0
        aside.put(pl.DataFrame({"n": [2]}))
        with pytest.raises(ValueError, match="given back"):
            next(reading)


def test_a_reader_that_goes_away_leaves_no_file() -> None:
    before = open_files()
    aside = Aside(held_bytes=0)
    aside.put(pl.DataFrame({"n": range(1000)}))
    assert open_files() == before + 1
    del aside
    assert open_files() == before
