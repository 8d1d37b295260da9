"""What becomes of values, type by type."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import random
import struct

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.columnar.json import JsonDecoder

REFUSED = "refused"


def decode(dtype, text):
    """The value that the text of one JSON value becomes, or REFUSED."""
    decoded = JsonDecoder({"v": dtype}).decode(f'{{"v":{text}}}'.encode())
    assert decoded.frame.schema == {"v": dtype}
    return decoded.frame["v"][0] if not decoded.bad else REFUSED


def column(dtype, texts):
    return JsonDecoder({"v": dtype}).decode("\n".join(f'{{"v":{t}}}' for t in texts).encode())


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        (pl.Int8, -(2**7), 2**7 - 1),
        (pl.Int16, -(2**15), 2**15 - 1),
        (pl.Int32, -(2**31), 2**31 - 1),
        (pl.Int64, -(2**63), 2**63 - 1),
        (pl.UInt8, 0, 2**8 - 1),
        (pl.UInt16, 0, 2**16 - 1),
        (pl.UInt32, 0, 2**32 - 1),
        (pl.UInt64, 0, 2**64 - 1),
    ],
)
def test_integers_reach_to_both_ends_and_no_further(dtype, low, high):
    decoded = column(dtype, [low - 1, low, 0, high, high + 1])
    assert decoded.frame["v"].to_list() == [low, 0, high]
    assert [bad.line for bad in decoded.bad] == [1, 5]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-0", 0),
        ("1.0", 1),
        ("1e3", 1000),
        ("1.5e1", 15),
        ("100e-2", 1),
        ("0e9", 0),
        ("9223372036854775807.000", 2**63 - 1),
        ("1.5", REFUSED),
        ("1e-1", REFUSED),
        ("1e19", REFUSED),
        ("1e999999999999999999999", REFUSED),
        ("9" * 5000, REFUSED),
        ('"1"', REFUSED),
        ("true", REFUSED),
        ("null", None),
    ],
)
def test_integers_take_every_way_to_write_a_whole_number(text, value):
    assert decode(pl.Int64, text) == value


def test_floats_are_those_of_python():
    random_ = random.Random(1)
    texts = [
        "0",
        "-0.0",
        "1",
        "5e-324",
        "2.2250738585072011e-308",
        "1.7976931348623157e308",
        "1e400",
        "-1e999",
    ]
    texts += [
        "9007199254740993",
        "9007199254740993.00000000000000000001",
        "1e-400",
        "1" * 400,
        "0." + "0" * 400 + "1",
    ]
    for _ in range(3000):
        value = struct.unpack("<d", random_.getrandbits(64).to_bytes(8, "little"))[0]
        texts += [repr(value)] if math.isfinite(value) else []
        texts.append(f"{random_.getrandbits(random_.randint(1, 64))}e{random_.randint(-340, 310)}")
        texts.append(f"{random_.uniform(-1000, 1000):.{random_.randint(0, 25)}f}")
        texts.append(str(2 * (random_.getrandbits(52) | 2**52) + 1))
    decoded = column(pl.Float64, texts)
    expected = [struct.pack("<d", float(text)) for text in texts]
    assert [struct.pack("<d", value) for value in decoded.frame["v"]] == expected


def test_floats_of_32_bits_are_rounded_and_overflow_to_infinity():
    assert column(pl.Float32, ["0.1", "1e39", "null"]).frame["v"].to_list() == [
        struct.unpack("f", struct.pack("f", 0.1))[0],
        math.inf,
        None,
    ]


@settings(max_examples=40)
@given(st.lists(st.none() | st.text(), max_size=20), st.booleans())
def test_strings_come_back_as_they_were_written(values, is_ascii):
    lines = "\n".join(json.dumps({"v": value}, ensure_ascii=is_ascii) for value in values)
    assert JsonDecoder({"v": pl.String}).decode(lines.encode()).frame["v"].to_list() == values


@pytest.mark.parametrize("length", [*range(34), 63, 64, 65, 1000])
def test_strings_of_every_length_at_the_end_of_a_text(length):
    text = ("abcdefghijklmnopqrstuvwxyz" * 50)[:length]
    assert decode(pl.String, json.dumps(text)) == text
    assert decode(pl.String, json.dumps(text + "é")) == text + "é"


def test_strings_and_booleans_are_not_made_from_other_types():
    assert [decode(pl.String, text) for text in ("1", "true", "[]", "{}")] == [REFUSED] * 4
    assert [decode(pl.Boolean, text) for text in ("true", "false", "null", "1", '"true"')] == [
        True,
        False,
        None,
        REFUSED,
        REFUSED,
    ]


@pytest.mark.parametrize(
    ("dtype", "text", "value"),
    [
        (pl.Date(), "2024-02-29", dt.date(2024, 2, 29)),
        (pl.Date(), "0001-01-01", dt.date(1, 1, 1)),
        (pl.Date(), "9999-12-31", dt.date(9999, 12, 31)),
        (pl.Date(), "\\u0032024-02-29", dt.date(2024, 2, 29)),
        *(
            (pl.Date(), text, REFUSED)
            for text in ("2023-02-29", "2024-13-01", "0000-01-01", "2024-1-01", "2024-01-00")
        ),
        *((pl.Date(), text, REFUSED) for text in ("1900-02-29", "2024-04-31", "2024-01-01 ", "20240101", "")),
        (pl.Time(), "23:59:59.123456789", dt.time(23, 59, 59, 123456)),
        (pl.Time(), "00:00:00", dt.time(0)),
        *(
            (pl.Time(), text, REFUSED)
            for text in ("24:00:00", "12:60:00", "12:00:60", "12:00", "12:00:00Z", "1")
        ),
        (pl.Datetime("us"), "2026-01-01 00:00:00.005", dt.datetime(2026, 1, 1, 0, 0, 0, 5000)),
        (pl.Datetime("us"), "2026-01-01T00:00:00", dt.datetime(2026, 1, 1)),
        (pl.Datetime("us"), "1969-12-31 23:59:59.9999999", dt.datetime(1969, 12, 31, 23, 59, 59, 999999)),
        (pl.Datetime("ms"), "2026-01-01 00:00:00.1239", dt.datetime(2026, 1, 1, 0, 0, 0, 123000)),
        (pl.Datetime("ns"), "1677-09-22 00:00:00", dt.datetime(1677, 9, 22)),
        (pl.Datetime("ns"), "1677-09-20 00:00:00", REFUSED),
        *(
            (pl.Datetime("us"), f"2026-01-01{rest}", REFUSED)
            for rest in (
                "",
                " 00:00",
                "  00:00:00",
                "t00:00:00",
                " 00:00:00.",
                " 00:00:00.1234567890",
                " 00:00:00Z",
            )
        ),
        (pl.Datetime("us"), "\\u0032" * 70, REFUSED),
    ],
)
def test_dates_and_times(dtype, text, value):
    assert decode(dtype, f'"{text}"') == value


@pytest.mark.parametrize(
    ("rest", "hour"),
    [("", 12), ("Z", 12), ("+00:00", 12), ("+05:30", 6.5), ("-01:00", 13), (".5Z", 12)]
    + [(rest, None) for rest in ("z", "+1:00", "+0100", "+24:00", "+01:60", " Z", "ZZ", "UTC")],
)
def test_zoned_times_are_kept_in_utc(rest, hour):
    value = decode(pl.Datetime("us", "UTC"), f'"2026-01-01 12:00:00{rest}"')
    fraction = 500_000 if rest == ".5Z" else 0
    midnight = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert value == (REFUSED if hour is None else midnight + dt.timedelta(hours=hour, microseconds=fraction))


def test_times_are_strings():
    assert decode(pl.Datetime("us"), "1700000000") == decode(pl.Date(), "{}") == REFUSED


def test_every_day_of_four_centuries():
    days = [dt.date(1999, 1, 1) + dt.timedelta(days=k) for k in range(0, 146_097, 3)]
    assert column(pl.Date(), [f'"{day}"' for day in days]).frame["v"].to_list() == days


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", "1.50"),
        ("1e2", "100.00"),
        ("-0.005", "-0.01"),
        ("0.00499", "0.00"),
        ('"12.30"', "12.30"),
        ("999.99", "999.99"),
        ("999.995", REFUSED),
        ("1000", REFUSED),
        ("1e999999999", REFUSED),
        ('"1_0"', REFUSED),
        ('"NaN"', REFUSED),
        ("true", REFUSED),
    ],
)
def test_decimals_are_rounded_half_away_from_zero(text, value):
    found = decode(pl.Decimal(5, 2), text)
    assert found == (REFUSED if value == REFUSED else decimal.Decimal(value))


def test_binary_is_base64():
    assert decode(pl.Binary, '"aGk="') == b"hi"
    assert [decode(pl.Binary, text) for text in ('"a"', '"aG k="', '"é"', "1")] == [REFUSED] * 4


def test_lists_of_values_lists_and_structs():
    dtype = pl.List(pl.List(pl.Struct({"a": pl.Decimal(4, 1), "b": pl.List(pl.String)})))
    text = '[[{"a":1.25,"b":["x","]"]},{}],[],null,[null]]'
    found = column(dtype, [text, "[]", "null"]).frame["v"].to_list()
    full = [{"a": decimal.Decimal("1.3"), "b": ["x", "]"]}, {"a": None, "b": None}]
    assert found == [[full, [], None, [None]], [], None]


def test_lists_are_refused_as_a_whole():
    decoded = column(pl.List(pl.Int8), ["[1,2]", "[1,200]", '{"a":1}', "[3]", '"[1]"', "[1,200]", "[]"])
    assert decoded.frame["v"].to_list() == [[1, 2], [3], []]
    assert [bad.line for bad in decoded.bad] == [2, 3, 5, 6]
    assert decoded.bad[1].message == 'field "v": expected ARRAY<TINYINT>, found an object'


def test_maps_are_objects_or_lists_of_pairs():
    def map_of(key, value):
        return pl.List(pl.Struct({"key": key, "value": value}))

    text = '{"b": 1 , "a":null,"\\u0062":2}'
    pairs = [{"key": "b", "value": 2}, {"key": "a", "value": None}]
    assert column(map_of(pl.String, pl.Int64), [text]).frame["v"].to_list() == [pairs]
    as_list = '[{"key":"b","value":2},{"key":"a"}]'
    assert column(map_of(pl.String, pl.Int64), [as_list, "{}"]).frame["v"].to_list() == [pairs, []]
    keyed = column(
        map_of(pl.Int64, map_of(pl.Date, pl.Boolean)), ['{"7":{"2024-01-01":true}}', '{"x":{}}', "[1]"]
    )
    inner = [{"key": dt.date(2024, 1, 1), "value": True}]
    assert keyed.frame["v"].to_list() == [[{"key": 7, "value": inner}]]
    assert [bad.line for bad in keyed.bad] == [2, 3]


def test_a_map_key_cannot_add_members():
    dtype = pl.List(pl.Struct({"key": pl.Int64, "value": pl.Int64}))
    assert decode(dtype, '{"1},\\"value\\":{": 2}') == decode(dtype, '{"1\\n": 2}') == REFUSED


def test_finished_values_inside_structs_keep_null_structs():
    dtype = pl.Struct({"n": pl.Int64, "d": pl.Decimal(4, 1), "s": pl.Struct({"l": pl.List(pl.Int64)})})
    texts = ['{"n":1,"d":2.5,"s":{"l":[1]}}', "null", '{"s":null}', '{"d":"x"}', '{"s":{}}']
    decoded = column(dtype, texts)
    assert decoded.frame["v"].to_list() == [
        {"n": 1, "d": decimal.Decimal("2.5"), "s": {"l": [1]}},
        None,
        {"n": None, "d": None, "s": None},
        {"n": None, "d": None, "s": {"l": None}},
    ]
    assert [(bad.line, bad.message) for bad in decoded.bad] == [
        (4, 'field "v.d": expected DECIMAL(4, 1), found "x"')
    ]
