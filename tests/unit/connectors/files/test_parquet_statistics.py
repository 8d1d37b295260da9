"""What is known of a row group holds for its rows, whoever wrote the file and whatever the types are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from thalweg.connectors.files.parquet_footer import read_footer
from thalweg.connectors.files.parquet_statistics import facts
from thalweg.protocols.conditions import Facts

MOMENT = datetime(1969, 12, 31, 23, 59, 59, 999_999)
LATER = datetime(2024, 5, 6, 7, 8, 9, 123_456)

COLUMNS: dict[str, tuple[pl.DataType, list[Any]]] = {
    "i8": (pl.Int8(), [-128, 127]),
    "i64": (pl.Int64(), [-(2**63), 2**63 - 1]),
    "u8": (pl.UInt8(), [0, 255]),
    "u32": (pl.UInt32(), [1, 2**32 - 1]),
    "u64": (pl.UInt64(), [1, 2**64 - 1]),
    "f32": (pl.Float32(), [-1.5, 2.25]),
    "f64": (pl.Float64(), [-1e300, 1e-300]),
    "flag": (pl.Boolean(), [False, True]),
    "text": (pl.String(), ["", "ä"]),
    "day": (pl.Date(), [date(1900, 1, 1), date(2024, 2, 29)]),
    "hour": (pl.Time(), [time(0, 0, 0, 1), time(23, 59, 59, 999_999)]),
    "at": (pl.Datetime("us"), [MOMENT, LATER]),
    "zoned": (pl.Datetime("us", "UTC"), [MOMENT.replace(tzinfo=UTC), LATER.replace(tzinfo=UTC)]),
    "small": (pl.Decimal(9, 2), [Decimal("-1.25"), Decimal("3.50")]),
    "large": (pl.Decimal(38, 4), [Decimal("-12345678901234567890.1234"), Decimal("0.0001")]),
}
FRAME = pl.DataFrame(
    {name: [high, None, low, low] for name, (_, (low, high)) in COLUMNS.items()},
    schema={name: held for name, (held, _) in COLUMNS.items()},
)


def known(path: Path, *names: str) -> Facts:
    """What the first row group of a file says."""
    footer = read_footer(str(path))
    return facts(footer, footer.groups[0], names)


@pytest.mark.parametrize("writer", ["polars", "pyarrow"])
@pytest.mark.parametrize("name", COLUMNS)
def test_least_and_greatest_value(name: str, writer: str, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    if writer == "polars":
        FRAME.write_parquet(path)
    else:
        pq.write_table(FRAME.to_arrow(), path)
    low, high = COLUMNS[name][1]
    found = known(path, name)
    assert found.has_null
    assert found.has_value
    if found.low is not None or name not in ("flag", "large"):
        assert (found.low, found.high) == (low, high)


@pytest.mark.parametrize(("unit", "low", "high"), [("ms", 999, 1000), ("ns", 999, 1000)])
def test_other_units_of_time(unit: str, low: int, high: int, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"t": pa.array([1_000_001, -1], pa.timestamp(unit))}), path, version="2.6")
    found = known(path, "t")
    frame = pl.read_parquet(path).select(pl.col("t").cast(pl.Datetime("us")))
    assert found.low <= frame["t"].min()
    assert found.high >= frame["t"].max()
    assert (found.high - found.low).total_seconds() > 0


def test_members_of_rows(tmp_path: Path) -> None:
    rows = [{"x": 3, "in": {"y": "b"}}, None, {"x": None, "in": {"y": "a"}}, {"x": 1, "in": None}]
    pl.DataFrame({"r": rows, "l": [[1]] * 4}).write_parquet(tmp_path / "x.parquet")
    assert known(tmp_path / "x.parquet", "r", "x") == Facts(1, 3)
    assert known(tmp_path / "x.parquet", "r", "in", "y") == Facts("a", "b")
    for unknown in (("r",), ("r", "in"), ("l",), ("l", "list", "element"), ("z",), ("r", "z")):
        assert known(tmp_path / "x.parquet", *unknown) == Facts()


def test_nulls(tmp_path: Path) -> None:
    frame = pl.DataFrame({"none": [1, 2], "all": pl.Series([None, None], dtype=pl.Int64)})
    frame.write_parquet(tmp_path / "x.parquet")
    assert known(tmp_path / "x.parquet", "none") == Facts(1, 2, has_null=False)
    assert known(tmp_path / "x.parquet", "all") == Facts(has_value=False)


def test_nothing_is_known_without_statistics(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "x.parquet", statistics=False)
    assert known(tmp_path / "x.parquet", "a") == Facts()


def test_nan_misleads_nobody(tmp_path: Path) -> None:
    for number, values in enumerate([[1.0, float("nan"), 3.0], [float("nan")]]):
        path = tmp_path / f"{number}.parquet"
        pl.DataFrame({"x": values}).write_parquet(path)
        found = known(path, "x")
        assert found.low is None or found.low <= 1.0
        assert found.high is None or found.high >= 3.0


def test_texts_that_were_cut_off(tmp_path: Path) -> None:
    text = "ä" * 5000
    for number, write in enumerate((pl.DataFrame({"s": [text]}).write_parquet,)):
        path = tmp_path / f"{number}.parquet"
        write(path)
        found = known(path, "s")
        assert found.low is None or found.low <= text
        assert found.high is None or found.high >= text


def test_a_text_that_was_cut_within_a_letter(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"s": ["a\u00e4", "z\u00e4"]}).write_parquet(path)
    data = path.read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    footer = data[start:]
    for letter in "az":
        whole = f"{letter}\u00e4".encode()
        assert footer.count(whole) == 1
        # as many bytes as before, or the lengths in the footer would be wrong
        footer = footer.replace(whole, letter.encode() * 2 + whole[1:2])
    path.write_bytes(data[:start] + footer)
    assert known(path, "s") == Facts("aa", None, has_null=False)


def test_a_value_that_python_has_not_is_no_bound(tmp_path: Path) -> None:
    days = pl.Series([1, 2**31 - 1], dtype=pl.Int32).cast(pl.Date)
    pl.DataFrame({"day": days}).write_parquet(tmp_path / "x.parquet")
    assert known(tmp_path / "x.parquet", "day") == Facts(date(1970, 1, 2), None, has_null=False)


def test_nothing_is_known_where_the_footer_lacks_what_it_must_have(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1, 2]}).write_parquet(tmp_path / "x.parquet")
    footer = read_footer(str(tmp_path / "x.parquet"))
    assert facts(footer, footer.groups[0], ("a",)) == Facts(1, 2, has_null=False)
    assert facts(footer, replace(footer.groups[0], raw=({},)), ("a",)) == Facts()
