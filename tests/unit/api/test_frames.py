"""Tables of other libraries become Polars frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from thalweg.api.frames import to_frame
from thalweg.errors import ConfigError, DataError

ROWS = pl.DataFrame({"a": [1, 2], "b": ["x", None]})


@dataclass
class Pair:
    """A row."""

    a: int
    b: str | None


class Stream:
    """Only has the Arrow C interface for streams."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return ROWS.__arrow_c_stream__(requested_schema)


class Array:
    """Only has the Arrow C interface for arrays."""

    def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
        return pa.record_batch({"a": pa.array([1, 2]), "b": pa.array(["x", None])}).__arrow_c_array__()


@pytest.mark.parametrize(
    "table",
    [
        ROWS,
        ROWS.lazy(),
        pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        pa.table({"a": [1, 2], "b": ["x", None]}),
        pa.record_batch({"a": [1, 2], "b": ["x", None]}),
        Stream(),
        Array(),
        {"a": [1, 2], "b": ["x", None]},
        [{"a": 1, "b": "x"}, {"a": 2}],
        [Pair(1, "x"), Pair(2, None)],
    ],
    ids=lambda table: type(table).__qualname__,
)
def test_tables(table: Any) -> None:
    assert to_frame(table).equals(ROWS)


def test_columns_alone() -> None:
    assert to_frame(pl.Series("a", [1])).equals(ROWS.head(1).select("a"))
    assert to_frame(pd.Series([1], name="a")).equals(ROWS.head(1).select("a"))


def test_a_column_may_begin_late_in_the_rows() -> None:
    rows = [{"a": None}] * 200 + [{"a": 1, "z": 0.5}]
    assert to_frame(rows).schema == pl.Schema({"a": pl.Int64, "z": pl.Float64})
    assert to_frame([]).shape == (0, 0)


@pytest.mark.parametrize(
    "odd", [3, "text", None, [1, 2], [{"a": 1}, 3], [{"a": 1}, {"a": "x"}], {"a": [1], "b": [1, 2]}, Pair]
)
def test_other_values_are_refused(odd: Any) -> None:
    with pytest.raises(DataError) as caught:
        to_frame(odd)
    assert caught.value.code == "data-no-frame"
    assert str(caught.value.where).startswith(f"{__file__}:")


def test_a_frame_that_needs_a_library_which_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(frame: object) -> None:
        raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")

    monkeypatch.setattr(pl, "from_pandas", without)
    with pytest.raises(ConfigError) as caught:
        to_frame(pd.DataFrame({"a": [1]}))
    assert (caught.value.code, caught.value.hint) == ("config-missing-library", "pip install pyarrow")
