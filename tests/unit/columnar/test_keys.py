"""Keys as words: one equality, exact both ways, the same at any cut."""

from __future__ import annotations

import datetime as dt
import itertools
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.columnar.index import KeyIndex
from thalweg.columnar.keys import KeyCodec

NAN = float("nan")
SAMPLES: list[tuple[Any, list[Any]]] = [
    (pl.Int64(), [0, None, -(2**63), 2**63 - 1, 0]),
    (pl.UInt64(), [0, None, 2**64 - 1, 2**63, 0]),
    (pl.Int8(), [0, None, -128, 127, 0]),
    (pl.Boolean(), [False, None, True, None, False]),
    (pl.Float64(), [0.0, None, NAN, float("-inf"), -0.0]),
    (pl.Float32(), [0.0, None, NAN, 0.1, -0.0]),
    (pl.String(), ["", None, "ü", "a text of more than twelve bytes", ""]),
    (pl.Binary(), [b"", None, b"\xff", b"bytes, also more than twelve", b""]),
    (pl.Categorical(), ["a", None, "b", "c", "a"]),
    (pl.Enum(["a", "b", "c"]), ["a", None, "b", "c", "a"]),
    (pl.Decimal(38, 2), [Decimal("0.00"), None, Decimal("9" * 36), Decimal("-0.01"), Decimal("0")]),
    (pl.Date(), [dt.date(1970, 1, 1), None, dt.date(1969, 12, 31), dt.date(9999, 1, 1), dt.date(1970, 1, 1)]),
    (pl.Datetime("us", "UTC"), [0, None, -(2**63), 5, 0]),
    (pl.Duration("us"), [0, None, -1, 5, 0]),
    (pl.List(pl.Float64()), [[0.0], None, [NAN, None], [], [-0.0]]),
    (pl.Array(pl.Int16(), 2), [[0, 1], None, [None, 1], [1, 0], [0, 1]]),
    (pl.List(pl.Decimal(10, 2)), [[Decimal("1.25")], None, [None], [], [Decimal("1.25")]]),
    (
        pl.Struct({"a": pl.Date, "b": pl.String}),
        [{"a": None, "b": "x"}, None, {"a": None, "b": None}, {"a": None, "b": ""}, {"a": None, "b": "x"}],
    ),
    (pl.Null(), [None] * 5),
    (pl.Int128(), [0, None, 2**100, -1, 0]),
]


@pytest.mark.parametrize(("dtype", "values"), SAMPLES, ids=[str(t) for t, _ in SAMPLES])
def test_every_type(dtype: pl.DataType, values: list[Any]) -> None:
    """The first and the last value of each sample are equal, the others differ."""
    codec = KeyCodec({"k": dtype})
    frame = pl.DataFrame({"k": pl.Series(values, dtype=dtype)})
    encoded = codec.encode(frame)
    words = [tuple(r) for r in encoded.tolist()]
    assert encoded.shape == (5, codec.width)
    assert words[0] == words[4]
    assert len(set(words)) == {pl.Null: 1, pl.Boolean: 3}.get(type(dtype), 4)
    assert codec.encode(frame).tolist() == encoded.tolist()
    assert np.stack(codec.encode_columns(frame), axis=1).tolist() == encoded.tolist()
    assert codec.lookup(frame).tolist() == encoded.tolist()
    decoded = codec.decode(encoded)
    assert decoded.schema == frame.schema
    # -0.0 comes back as 0.0, which Polars calls equal.
    assert decoded.equals(frame)


def test_a_null_widens_once_and_earlier_rows_still_decode() -> None:
    codec = KeyCodec({"a": pl.Int64(), "s": pl.String()})
    early = codec.encode(pl.DataFrame({"a": [0], "s": [None]}, schema={"a": pl.Int64, "s": pl.String}))
    assert (early.shape[1], codec.width) == (2, 2)
    late = codec.encode(pl.DataFrame({"a": [None, 0], "s": ["x", "x"]}))
    assert late.shape[1] == codec.width == 3
    assert codec.decode(early).rows() == [(0, None)]
    assert codec.decode(late).rows() == [(None, "x"), (0, "x")]


def test_one_word_without_a_copy() -> None:
    codec = KeyCodec({"a": pl.Int64()})
    frame = pl.DataFrame({"a": np.arange(1000)})
    assert codec.encode(frame).ctypes.data == codec.encode(frame).ctypes.data
    assert codec.width == 1


def test_more_columns_than_flags_in_a_word() -> None:
    names = [f"c{i}" for i in range(70)]
    codec = KeyCodec(dict.fromkeys(names, pl.Int64()))
    rows = [{n: (None if (i + j) % 3 == 0 else j) for j, n in enumerate(names)} for i in range(3)]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.Int64))
    assert codec.decode(codec.encode(frame)).equals(frame)


def test_lookup_remembers_nothing() -> None:
    codec = KeyCodec({"s": pl.String(), "n": pl.Int64()})
    known = codec.encode(pl.DataFrame({"s": ["a"], "n": [1]}))
    unknown = codec.lookup(pl.DataFrame({"s": ["b", "a"], "n": [1, 1]}))
    assert unknown[0].tolist() not in known.tolist()
    assert unknown[1].tolist() == known[0].tolist()
    assert codec.encode(pl.DataFrame({"s": ["c"], "n": [1]}))[0, 0] == 1


def test_compaction_keeps_the_words_of_given_rows() -> None:
    codec = KeyCodec({"n": pl.Int64(), "s": pl.String(), "l": pl.List(pl.Int64())})
    frame = pl.DataFrame(
        {"n": range(500), "s": [f"s{i}" for i in range(500)], "l": [[i] for i in range(500)]}
    )
    encoded = codec.encode(frame)
    codec.compact(encoded[100:110])
    assert codec.decode(encoded[100:110]).equals(frame[100:110])
    assert codec.lookup(frame[100:110]).tolist() == encoded[100:110].tolist()
    assert (codec.lookup(frame[:100])[:, 1] == -2).all()


def test_no_columns_are_one_key() -> None:
    codec = KeyCodec({})
    rows = codec.encode(pl.DataFrame({"x": [1, 2, 3]}))
    assert len({tuple(r) for r in rows.tolist()}) == 1
    assert codec.decode(rows[:1]).shape == (1, 0)


ROW = st.tuples(
    st.none() | st.sampled_from(["", "a", "a text of more than twelve bytes"]),
    st.none() | st.sampled_from([0, -(2**63), 5]),
    st.none() | st.sampled_from([0.0, -0.0, NAN, 1.5]),
)
SCHEMA = {"s": pl.String(), "n": pl.Int64(), "f": pl.Float64()}


def model_key(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple("nan" if v != v else v for v in row)


@settings(deadline=None, max_examples=30)
@given(st.lists(ROW, max_size=30), st.lists(st.integers(0, 30), max_size=4))
def test_slots_do_not_depend_on_cuts(rows: list[tuple[Any, ...]], cuts: list[int]) -> None:
    """Law 2, with NULLs that widen the keys at any moment."""
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    codec = KeyCodec(SCHEMA)
    index, found = KeyIndex(codec.width), list[int]()
    edges = [0, *sorted(min(c, len(rows)) for c in cuts), len(rows)]
    for start, end in itertools.pairwise(edges):
        found += index.insert(codec.encode(frame[start:end])).tolist()
    numbers: dict[tuple[Any, ...], int] = {}
    assert found == [numbers.setdefault(model_key(r), len(numbers)) for r in rows]
    assert codec.decode(index.rows(np.array(found, dtype=np.int64))).equals(frame)
