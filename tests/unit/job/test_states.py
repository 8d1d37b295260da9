"""Keys are understood as values of their types, and as texts from the command line."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from thalweg.errors import ConfigError
from thalweg.job.states import KeptState, key_of
from thalweg.protocols.state import ColumnsSpec, MultimapSpec, RowsSpec

DAY = datetime(2026, 1, 1)


def kept(**keys: pl.DataType) -> KeptState:
    return KeptState("group1", "group1.group", ColumnsSpec("groups", keys))


@pytest.mark.parametrize(
    ("dtype", "given", "value"),
    [
        (pl.Int64(), 7, 7),
        (pl.Int64(), "7", 7),
        (pl.Int64(), None, None),
        (pl.UInt8(), "255", 255),
        (pl.String(), "7", "7"),
        (pl.Float64(), 3, 3.0),
        (pl.Float64(), "1.5", 1.5),
        (pl.Boolean(), "TRUE", True),
        (pl.Boolean(), False, False),
        (pl.Decimal(10, 2), "1.5", Decimal("1.50")),
        (pl.Decimal(10, 2), Decimal("1.5"), Decimal("1.50")),
        (pl.Date(), "2026-01-01", date(2026, 1, 1)),
        (pl.Time(), "10:00:00", time(10)),
        (pl.Datetime("us"), "2026-01-01T00:00:00", DAY),
        (pl.Datetime("us"), "2026-01-01 00:00:00", DAY),
        (pl.Datetime("us", "UTC"), DAY.replace(tzinfo=UTC), DAY.replace(tzinfo=UTC)),
        (pl.Binary(), "ab", b"ab"),
        (pl.List(pl.Int64()), "[1, 2]", [1, 2]),
    ],
)
def test_a_value(dtype: pl.DataType, given: Any, value: Any) -> None:
    found = key_of(kept(k=dtype), {"k": given})
    assert (found.schema, found.rows()) == (pl.Schema({"k": dtype}), [(value,)])


@pytest.mark.parametrize(
    ("dtype", "given"),
    [
        (pl.Int64(), "x"),
        (pl.Int64(), 1.5),
        (pl.Int64(), True),
        (pl.Int64(), 2**70),
        (pl.UInt8(), "256"),
        (pl.String(), 7),
        (pl.Boolean(), "yes"),
        (pl.Decimal(10, 2), Decimal("1.555")),
        (pl.Date(), "yesterday"),
        (pl.Datetime("us"), DAY.replace(tzinfo=UTC)),
        (pl.List(pl.Int64()), "[1"),
    ],
)
def test_a_value_of_another_type(dtype: pl.DataType, given: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        key_of(kept(k=dtype), {"k": given})
    assert caught.value.code == "state-key-value"


def test_columns_come_in_the_order_of_the_state() -> None:
    state = kept(a=pl.Int64(), b=pl.String())
    assert key_of(state, {"b": "x", "a": 1}).columns == ["a", "b"]
    assert key_of(state, {"b": "x"}).rows() == [("x",)]


def test_keys_and_values_of_each_kind() -> None:
    columns = {"k": pl.Int64(), "v": pl.String(), "at": pl.Int64()}
    joined = KeptState("s", "s.join", MultimapSpec("left", columns, ("k",), counters=("partners",)))
    waiting = KeptState("s", "s.process", RowsSpec("rows", columns, "at", ("k",)))
    assert list(joined.keys) == list(waiting.keys) == ["k"]
    assert joined.values == ("v", "at", "__state_weight", "__state_counter partners")
    assert waiting.values == ("v", "at")
