"""Only the result of a sum must fit its type, in a batch as in a stream, however it is put together."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Context, Decimal
from typing import Any, Literal

import polars as pl
import pytest

from thalweg.errors import DataError
from thalweg.session.session import Session

MODES: tuple[Literal["batch", "stream"], ...] = ("batch", "stream")
MOST = 2**63 - 1
NINES = 10**38 - 1
"""The greatest number of 38 digits."""
_EXACT = Context(prec=38)


def in_time(values: dict[int, int]) -> Session:
    """A table `u` of values at seconds."""
    begin = datetime(2024, 1, 1)
    times = [begin + timedelta(seconds=s) for s in values]
    frame = pl.DataFrame({"k": 1, "v": list(values.values()), "ts": times})
    session = Session(parallelism=1)
    session.create_view("u", session.from_polars(frame).assign_watermark("ts"))
    return session


def windows(value: str, function: str, *seconds: int) -> str:
    """A grouping by windows."""
    lengths = ", ".join(f"INTERVAL '{s}' SECOND" for s in seconds)
    return (
        f"SELECT k, window_start, {value} AS x FROM TABLE({function}(TABLE u, DESCRIPTOR(ts), {lengths})) "
        "GROUP BY k, window_start, window_end"
    )


@pytest.mark.parametrize("mode", MODES)
def test_panes_that_windows_share_need_not_fit(mode: Literal["batch", "stream"]) -> None:
    session = in_time({1: MOST, 2: MOST, 11: -MOST, 12: -MOST, 13: 5})
    text = f"{windows('SUM(v)', 'TUMBLE', 20)} UNION ALL {windows('COUNT(v)', 'HOP', 10, 20)}"
    assert sorted(session.sql(text).collect(mode=mode)["x"].to_list()) == [2, 3, 5, 5]


@pytest.mark.parametrize("mode", MODES)
def test_panes_of_overlapping_windows_need_not_fit(mode: Literal["batch", "stream"]) -> None:
    # panes of 5 seconds, windows from 0 to 15 and from 10 to 25
    session = in_time({6: MOST, 7: MOST, 11: -MOST, 12: -MOST, 13: 5, 16: MOST, 17: MOST})
    assert session.sql(windows("SUM(v)", "HOP", 10, 15)).collect(mode=mode)["x"].to_list() == [5, 5]


SESSIONS = (
    "SELECT k, SUM(v) AS x FROM TABLE(SESSION(TABLE u PARTITION BY k, DESCRIPTOR(ts), INTERVAL '10' SECOND)) "
    "GROUP BY k, window_start, window_end"
)


@pytest.mark.parametrize("mode", MODES)
def test_parts_of_sessions_need_not_fit(mode: Literal["batch", "stream"]) -> None:
    session = in_time({1: MOST, 2: MOST, 11: -MOST, 12: -MOST, 13: 5})
    assert session.sql(SESSIONS).collect(mode=mode)["x"].to_list() == [5]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("text", [windows("SUM(v)", "HOP", 10, 15), SESSIONS])
def test_windows_and_sessions_must_fit(text: str, mode: Literal["batch", "stream"]) -> None:
    with pytest.raises(DataError) as caught:
        in_time({6: MOST, 11: 1}).sql(text).collect(mode=mode)
    assert caught.value.code == "data-overflow"


def sums(values: list[int], precision: int, function: str, mode: Literal["batch", "stream"]) -> Any:
    """What a function makes of decimals with two digits behind the point, as a whole and by a key."""
    whole = pl.Series(values, dtype=pl.Int128)
    column = whole.to_frame("v").select(pl.col("v").reinterpret(dtype=pl.Decimal(precision, 2)))
    session = Session(parallelism=1)
    session.create_view("t", session.from_polars(column.with_columns(k=1)))
    (found,) = session.sql(f"SELECT {function} FROM t").collect(mode=mode).row(0)
    assert session.sql(f"SELECT {function} FROM t GROUP BY k").collect(mode=mode).row(0) == (found,)
    return found


@pytest.mark.parametrize("mode", MODES)
def test_sums_of_decimals_on_the_way_need_not_fit(mode: Literal["batch", "stream"]) -> None:
    rows = [NINES, NINES, -NINES, -NINES, 100]
    assert sums(rows, 38, "SUM(v)", mode) == Decimal("1.00")
    assert sums(rows, 38, "AVG(v)", mode) == Decimal("0.200000")
    assert sums([NINES, -1, 1], 38, "SUM(v)", mode) == Decimal(NINES).scaleb(-2, _EXACT)
    assert sums([-NINES, 2**64, -(2**64)], 38, "SUM(v)", mode) == Decimal(-NINES).scaleb(-2, _EXACT)
    assert sums([-3, 5, -7], 10, "SUM(v)", mode) == Decimal("-0.05")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("function", ["SUM(v)", "AVG(v)"])
@pytest.mark.parametrize("count", [2, 4, 380])
def test_sums_of_decimals_must_fit(count: int, function: str, mode: Literal["batch", "stream"]) -> None:
    for sign in (1, -1):
        with pytest.raises(DataError) as caught:
            sums([sign * 9 * 10**37] * count, 38, function, mode)
        assert caught.value.code == "data-overflow"


def test_different_decimals_are_summed_once() -> None:
    rows = [n * 10**36 + n for n in (-3, 1, 2, 7, 5) for _ in range(3)]
    assert sums(rows, 38, "SUM(DISTINCT v)", "batch") == Decimal(12 * 10**36 + 12).scaleb(-2, _EXACT)


@pytest.mark.parametrize("mode", MODES)
def test_sums_over_rows_before_must_fit(mode: Literal["batch", "stream"]) -> None:
    text = "SELECT SUM(v) OVER (ORDER BY ts ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS x FROM u"
    session = in_time({1: MOST, 2: -MOST, 3: MOST})
    assert sorted(session.sql(text).collect(mode=mode)["x"].to_list()) == [0, 0, MOST]
    with pytest.raises(DataError) as caught:
        in_time({1: MOST, 2: 1}).sql(text).collect(mode=mode)
    assert caught.value.code == "data-overflow"
