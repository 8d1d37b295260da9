"""Rows wait until the watermark has passed them, and looking for them costs no more than taking them."""

from __future__ import annotations

import polars as pl

from thalweg.operators.waiting_rows import GROUP, WaitingRows
from thalweg.protocols.state import RowsSpec
from thalweg.state.rows import Rows


class _Counting(Rows):
    """A store that counts how often all its groups are listed."""

    listed = 0

    def groups(self) -> list[int]:
        self.listed += 1
        return super().groups()


def _store() -> _Counting:
    return _Counting(RowsSpec("rows", {"t": pl.Datetime("us"), GROUP: pl.Int64()}, GROUP))


def _rows(*times: float) -> pl.DataFrame:
    return pl.DataFrame({"t": pl.Series([int(t * 1e6) for t in times], dtype=pl.Datetime("us"))})


def test_rows_of_an_open_second_go_on_waiting() -> None:
    waiting = WaitingRows(_store(), "t", 0)
    waiting.hold(_rows(2.5, 0.5, 1.25, 1.75))
    assert waiting.least == 500_000
    passed = pl.concat(waiting.passed(1_500_000)).get_column("t")
    assert passed.to_physical().to_list() == [500_000, 1_250_000]
    assert waiting.least == 1_750_000
    assert [f.height for f in waiting.passed(None)] == [1, 1]
    assert waiting.least is None


def test_a_second_whose_rows_are_all_open_gives_none() -> None:
    waiting = WaitingRows(_store(), "t", 0)
    waiting.hold(_rows(1.75))
    assert list(waiting.passed(1_500_000)) == []
    assert waiting.least == 1_750_000


def test_the_seconds_are_listed_once_for_all_that_have_passed() -> None:
    store = _store()
    waiting = WaitingRows(store, "t", 0)
    waiting.hold(_rows(*range(500)))
    assert len(list(waiting.passed(400_000_000))) == 400
    assert store.listed == 1
