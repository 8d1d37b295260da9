"""Functions whose meaning DuckDB shares, on the same values in both.

Left out where the meanings differ on purpose: `/` and ROUND of integers, GREATEST with NULL,
casts of floats to integers (DuckDB rounds), NaN in comparisons (DuckDB: NaN equals NaN), DOW, and
everything that only Flink has.
"""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from decimal import Decimal as Exact
from typing import Any

import duckdb
import polars as pl
import pytest

from thalweg.base.schema import Schema
from thalweg.base.types import (
    BOOLEAN,
    DATE,
    FLOAT64,
    INT32,
    INT64,
    INTERVAL_MONTH,
    STRING,
    TIMESTAMP,
    Decimal,
)
from thalweg.expr.evaluate import Projection
from thalweg.expr.literals import literal_of
from thalweg.expr.nodes import Call, Cast, Column, Expr, Literal, Named

TEXTS = ["", "a", "hello world", "  padded  ", "äöü", "a,b,,c", "100%", "a_b", None]
NUMBERS = [0, 1, -1, 7, -7, 100, 2**31, -(2**31), None]
FLOATS = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, 1e10, -1234.5678, None]
TIMES = [
    datetime(2024, 2, 29, 13, 14, 15, 678900),
    datetime(1969, 12, 31, 23, 59, 59, 999999),
    datetime(2000, 1, 1),
    datetime(2023, 12, 31, 12),
    datetime(2021, 1, 3, 0, 0, 1),
    None,
]
COLUMNS: dict[str, tuple[Any, list[Any]]] = {
    "s": (STRING, TEXTS),
    "u": (STRING, TEXTS[::-1]),
    "i": (INT64, NUMBERS),
    "j": (INT64, [3, -3, 2, 2, -2, 7, 5, 10, 1]),
    "n": (INT32, [1, 2, 3, 0, 5, 100, 4, None, 2]),
    "f": (FLOAT64, FLOATS),
    "d": (Decimal(10, 2), [None if f is None else Exact(str(round(f % 1000, 2))) for f in FLOATS]),
    "t": (TIMESTAMP, [*TIMES, *TIMES[:3]]),
    "v": (TIMESTAMP, [*TIMES[::-1], *TIMES[:3]]),
    "y": (
        DATE,
        [*(None if t is None else t.date() for t in TIMES), date(2024, 3, 31), date(1900, 2, 28), None],
    ),
    "p": (BOOLEAN, [True, False, None] * 3),
    "q": (BOOLEAN, [True] * 3 + [False] * 3 + [None] * 3),
}
SCHEMA = Schema.of({n: t for n, (t, _) in COLUMNS.items()})
FRAME = pl.DataFrame({n: pl.Series(v, dtype=t.polars) for n, (t, v) in COLUMNS.items()})


def call(name: str, *args: Any) -> Expr:
    """A call whose arguments are columns of the frame by name (`@s`), expressions or constants."""

    def argument(value: Any) -> Expr:
        if isinstance(value, str) and value.startswith("@"):
            return Column(value[1:])
        return value if isinstance(value, Expr) else literal_of(value)

    return Call(name, tuple(map(argument, args)))


PAIRS: list[tuple[Expr, str]] = [
    (call("+", "@i", "@j"), "i + j"),
    (call("*", "@i", "@j"), "i * j"),
    (call("/", "@i", "@j"), "i // j"),
    (call("%", "@i", "@j"), "i % j"),
    (call("neg", "@i"), "-i"),
    (call("abs", "@i"), "abs(i)"),
    (call("sign", "@i"), "sign(i)"),
    (call("+", "@d", "@d"), "d + d"),
    (call("*", "@d", "@d"), "d * d"),
    (call("*", "@d", "@n"), "d * n"),
    (call("floor", "@f"), "floor(f)"),
    (call("ceil", "@f"), "ceil(f)"),
    (call("round", "@f"), "round(f)"),
    (call("round", "@f", 2), "round(f, 2)"),
    (call("round", "@d", 1), "round(d, 1)"),
    (call("truncate", "@f"), "trunc(f)"),
    (call("sqrt", call("abs", "@f")), "sqrt(abs(f))"),
    (call("exp", call("/", "@f", 1e10)), "exp(f / 1e10)"),
    (call("power", "@f", 2), "power(f, 2)"),
    (call("=", "@i", "@j"), "i = j"),
    (call("<", "@f", "@i"), "f < i"),
    (call(">=", "@d", "@n"), "d >= n"),
    (call("<>", "@s", "@u"), "s <> u"),
    (call("<", "@s", "@u"), "s < u"),
    (call("is_distinct_from", "@s", "@u"), "s IS DISTINCT FROM u"),
    (call("in", "@i", 1, 7), "i IN (1, 7)"),
    (call("in", "@i", 1, None), "i IN (1, NULL)"),
    (call("in", "@i", "@j", 7), "i IN (j, 7)"),
    (call("and", "@p", "@q"), "p AND q"),
    (call("or", "@p", "@q"), "p OR q"),
    (call("not", "@p"), "NOT p"),
    (call("is_not_true", "@p"), "p IS NOT TRUE"),
    (call("is_false", "@p"), "p IS FALSE"),
    (call("coalesce", "@s", "@u", "z"), "coalesce(s, u, 'z')"),
    (call("nullif", "@i", 7), "nullif(i, 7)"),
    (call("case", "@p", "@i", "@q", "@j"), "CASE WHEN p THEN i WHEN q THEN j END"),
    (call("lower", "@s"), "lower(s)"),
    (call("upper", "@s"), "upper(s)"),
    (call("reverse", "@s"), "reverse(s)"),
    (call("trim", "@s"), "trim(s)"),
    (call("trim", "@s", "ac"), "trim(s, 'ac')"),
    (call("ltrim", "@s"), "ltrim(s)"),
    (call("rtrim", "@s"), "rtrim(s)"),
    (call("char_length", "@s"), "length(s)"),
    (call("octet_length", "@s"), "strlen(s)"),
    (call("substring", "@s", 2, 3), "substring(s, 2, 3)"),
    (call("substring", "@s", "@n"), "CASE WHEN n = 0 THEN s ELSE substring(s, n) END"),
    (call("left", "@s", "@n"), "left(s, n)"),
    (call("right", "@s", "@n"), "right(s, n)"),
    (call("||", "@s", "-", "@u"), "s || '-' || u"),
    (call("concat_ws", "-", "@s", "@u"), "concat_ws('-', s, u)"),
    (call("replace", "@s", "a", "xy"), "replace(s, 'a', 'xy')"),
    (call("lpad", "@s", 6, "xy"), "lpad(s, 6, 'xy')"),
    (call("rpad", "@s", "@n", "."), "rpad(s, n, '.')"),
    (call("repeat", "@s", "@n"), "repeat(s, n)"),
    (call("instr", "@s", "b"), "instr(s, 'b')"),
    (call("locate", "ü", "@s"), "instr(s, 'ü')"),
    (call("starts_with", "@s", "a"), "starts_with(s, 'a')"),
    (call("contains", "@s", "o w"), "contains(s, 'o w')"),
    (call("like", "@s", "a%"), "s LIKE 'a%'"),
    (call("like", "@s", "%_b%"), "s LIKE '%_b%'"),
    (call("like", "@s", "a!_b", "!"), "s LIKE 'a!_b' ESCAPE '!'"),
    (call("like", "@s", "@u"), "s LIKE u"),
    (call("regexp", "@s", "[a-c]+,"), "regexp_matches(s, '[a-c]+,')"),
    (call("regexp_replace", "@s", "[aeiou]", "<$0>"), "regexp_replace(s, '[aeiou]', '<\\0>', 'g')"),
    (call("split_index", "@s", ",", 1), "CASE WHEN s <> '' THEN string_split(s, ',')[2] END"),
    (call("md5", "@s"), "md5(s)"),
    (call("sha256", "@s"), "sha256(s)"),
    (call("ascii", "@s"), "CASE WHEN s = '' THEN 0 ELSE unicode(s) END"),
    *((call(u, "@t"), f"{u}(t)") for u in ("year", "quarter", "month", "week", "hour", "minute", "second")),
    *(
        (call("extract", u, "@t"), f"extract({u} FROM t)")
        for u in ("isodow", "doy", "isoyear", "decade", "century", "millennium")
    ),
    *(
        (call("floor", "@t", u), f"date_trunc('{u}', t)::TIMESTAMP")
        for u in ("week", "month", "quarter", "year", "decade", "hour")
    ),
    (call("floor", "@y", "month"), "date_trunc('month', y)::DATE"),
    (call("timestampdiff", "MONTH", "@t", "@v"), "datesub('month', t, v)"),
    (call("timestampdiff", "HOUR", "@t", "@v"), "datesub('hour', t, v)"),
    (call("timestampdiff", "YEAR", "@y", "@v"), "datesub('year', y::TIMESTAMP, v)"),
    (call("+", "@t", Literal(5, INTERVAL_MONTH)), "t + INTERVAL 5 MONTH"),
    (call("+", "@t", timedelta(hours=30)), "t + INTERVAL 30 HOUR"),
    (call("timestampadd", "QUARTER", "@n", "@y"), "(y + to_quarters(n))::DATE"),
    (call("date_format", "@t", "yyyy-MM-dd HH:mm:ss"), "strftime(t, '%Y-%m-%d %H:%M:%S')"),
    (call("date_format", "@t", "yy/M/d h a"), "strftime(t, '%y/%-m/%-d %-I %p')"),
    (call("unix_timestamp", call("date_format", "@t", "yyyy-MM-dd HH:mm:ss")), "floor(epoch(t))::BIGINT"),
    (call("to_local", "@t", "America/New_York"), "(t AT TIME ZONE 'UTC') AT TIME ZONE 'America/New_York'"),
    (Cast(Column("t"), DATE), "t::DATE"),
    (Cast(Column("i"), STRING), "i::VARCHAR"),
    (Cast(Column("d"), STRING), "d::VARCHAR"),
    (Cast(Column("d"), Decimal(10, 1)), "d::DECIMAL(10, 1)"),
    (Cast(Column("y"), STRING), "y::VARCHAR"),
]


@pytest.fixture(scope="module")
def oracle() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    kinds = {
        INT64: "BIGINT",
        INT32: "INTEGER",
        STRING: "VARCHAR",
        FLOAT64: "DOUBLE",
        BOOLEAN: "BOOLEAN",
        DATE: "DATE",
    }
    types = [
        kinds.get(t) or ("TIMESTAMP" if t == TIMESTAMP else "DECIMAL(10, 2)") for t, _ in COLUMNS.values()
    ]
    columns = ", ".join(f"{n} {t}" for n, t in zip(COLUMNS, types, strict=True))
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE TABLE t ({columns}, k INTEGER)")
    connection.executemany(
        f"INSERT INTO t VALUES ({', '.join('?' * (len(COLUMNS) + 1))})",
        [[*row, k] for k, row in enumerate(FRAME.rows())],
    )
    return connection


def alike(found: Any, expected: Any) -> bool:
    if isinstance(found, float) and isinstance(expected, (int, float)):
        return math.isclose(found, expected, rel_tol=1e-14) or found == expected
    if isinstance(expected, datetime) and type(found) is date:
        return found == expected.date()
    return bool(found == expected)


@pytest.mark.parametrize(("expr", "sql"), PAIRS, ids=lambda v: v if isinstance(v, str) else "")
def test_duckdb_agrees(oracle: duckdb.DuckDBPyConnection, expr: Expr, sql: str) -> None:
    expected = [row[0] for row in oracle.execute(f"SELECT {sql} FROM t ORDER BY k").fetchall()]
    found = Projection([Named("x", expr)], SCHEMA).apply(FRAME)["x"].to_list()
    wrong = [(r, f, e) for r, f, e in zip(FRAME.rows(), found, expected, strict=True) if not alike(f, e)]
    assert not wrong, f"{sql}: {[(f, e) for _, f, e in wrong]}"
