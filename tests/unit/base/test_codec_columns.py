"""Values of Python are shown as columns of Arrow where their type says what they are, and else as text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, TypedDict

import msgspec
import polars as pl
import pytest

from thalweg.base.codec_columns import shown_type, shown_values
from thalweg.base.codecs import codec_of


@dataclass
class Page:
    """A class with a default, as one that has grown."""

    url: str
    seen: list[int]
    by: str | None = None


class Tree(msgspec.Struct):
    """A class that contains itself."""

    name: str
    below: list[Tree] = []


class Point(msgspec.Struct):
    """A class of numbers."""

    x: float
    y: float


class Named(TypedDict):
    """A dict of which the keys are known."""

    name: str


POINT = pl.Struct({"x": pl.Float64(), "y": pl.Float64()})
KEY_VALUE = pl.List(pl.Struct({"key": pl.String(), "value": pl.Int64()}))
PAGE = pl.Struct({"url": pl.String(), "seen": pl.List(pl.Int64()), "by": pl.String()})
NOON = datetime(2026, 1, 1, 12)
EAST = timezone(timedelta(hours=2))
CASES: list[tuple[Any, Any, pl.DataType, Any]] = [
    (int, -7, pl.Int64(), -7),
    (float, 1.5, pl.Float64(), 1.5),
    (bool, True, pl.Boolean(), True),
    (str, "a", pl.String(), "a"),
    (bytes, b"\xff", pl.Binary(), b"\xff"),
    (Decimal, Decimal("1.50"), pl.String(), "1.50"),
    (datetime, NOON, pl.Datetime("us"), NOON),
    (datetime, NOON.replace(tzinfo=EAST), pl.Datetime("us"), datetime(2026, 1, 1, 10)),
    (datetime, NOON.replace(tzinfo=UTC), pl.Datetime("us"), NOON),
    (date, date(2026, 1, 1), pl.Date(), date(2026, 1, 1)),
    (time, time(1, 2, 3, 4), pl.Time(), time(1, 2, 3, 4)),
    (timedelta, timedelta(days=-1, microseconds=1), pl.Duration("us"), timedelta(days=-1, microseconds=1)),
    (list[int], [], pl.List(pl.Int64()), []),
    (list[str | None], ["a", None], pl.List(pl.String()), ["a", None]),
    (set[int], {3, 1, 2}, pl.List(pl.Int64()), [1, 2, 3]),
    (frozenset[str], frozenset("ba"), pl.List(pl.String()), ["a", "b"]),
    (tuple[int, ...], (2, 1), pl.List(pl.Int64()), [2, 1]),
    (
        tuple[int, str],
        (2, "b"),
        pl.Struct({"field_0": pl.Int64(), "field_1": pl.String()}),
        {"field_0": 2, "field_1": "b"},
    ),
    (dict[str, int], {"a": 1}, KEY_VALUE, [{"key": "a", "value": 1}]),
    (int | None, 5, pl.Int64(), 5),
    (Annotated[int, "of something"], 5, pl.Int64(), 5),
    (Page, Page("u", [1]), PAGE, {"url": "u", "seen": [1], "by": None}),
    (Page | None, Page("u", [], "ann"), PAGE, {"url": "u", "seen": [], "by": "ann"}),
    (list[Point], [Point(1, 2)], pl.List(POINT), [{"x": 1.0, "y": 2.0}]),
    (Named, {"name": "n"}, pl.Struct({"name": pl.String()}), {"name": "n"}),
    (int | str, "a", pl.String(), '"a"'),
    (list[int | str], [1, "a"], pl.List(pl.String()), ["1", '"a"']),
    (Tree, Tree("a", [Tree("b")]), pl.String(), '{"name":"a","below":[{"name":"b","below":[]}]}'),
    (dict[str, Tree], {"t": Tree("a")}, pl.List(pl.Struct({"key": pl.String(), "value": pl.String()})),
     [{"key": "t", "value": '{"name":"a","below":[]}'}]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("hint", "value", "dtype", "shown"), CASES, ids=[f"{n} {case[0]}"[:40] for n, case in enumerate(CASES)]
)
def test_a_value_is_shown(hint: Any, value: Any, dtype: pl.DataType, shown: Any) -> None:
    codec = codec_of(hint)
    found = shown_values(codec, pl.Series("n", [codec.encode(value), None], pl.Binary()))
    assert (found.name, found.dtype, found.to_list()) == ("n", dtype, [shown, None])
    assert shown_type(hint) == dtype
    assert shown_values(codec, pl.Series("n", [], pl.Binary())).dtype == dtype


def test_a_value_that_fits_no_column_is_told() -> None:
    codec = codec_of(list[int])
    with pytest.raises(ValueError, match=r"a value of list\[int\] does not fit a column"):
        shown_values(codec, pl.Series("n", [codec.encode([2**63])]))
    with pytest.raises(ValueError, match="Expected `array`"):
        shown_values(codec, pl.Series("n", [codec_of(str).encode("a")]))
