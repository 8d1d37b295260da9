"""Decode broken lines, and compare with the standard library line by line.

    python -m tests.unit.columnar.json.fuzz --seed 7 --lines 100000

Lines that are JSON are changed in a few bytes. For each, `json.loads` and the few rules of the decoder say
whether it is good and what its row is; `check` raises at the first difference.
"""

from __future__ import annotations

import argparse
import datetime
import decimal
import json
import random
import re
from typing import Any

import polars as pl

from thalweg.columnar.json import JsonDecoder

SCHEMA: dict[str, pl.DataType] = {
    "id": pl.Int64(),
    "small": pl.Int8(),
    "big": pl.UInt64(),
    "ratio": pl.Float64(),
    "name": pl.String(),
    "ok": pl.Boolean(),
    "at": pl.Datetime("us"),
    "bid": pl.Struct(
        {
            "price": pl.Int64(),
            "channel": pl.String(),
            "deep": pl.Struct({"x": pl.Float64(), "day": pl.Date()}),
        }
    ),
    "a name longer than sixteen bytes": pl.Int64(),
    "é": pl.String(),
    "tags": pl.List(pl.Int64()),
}
SEEDS = [
    '{"id":1,"small":-5,"big":18446744073709551615,"ratio":1.5e3,"name":"abc","ok":true,'
    '"at":"2026-01-01 00:00:00.005"}',
    '{"bid":{"price":3420,"channel":"apple pie is longer than twelve","deep":{"x":0.1,'
    '"day":"2024-02-29"}},"id":2}',
    '{"id":-9223372036854775808,"name":"\\u00e9\\ud83d\\ude00\\n\\"q\\" and more text",'
    '"é":"žluťoučký kůň 😀","ok":false}',
    ' { "id" : 1e3 , "bid" : null , "unknown" : [ 1 , { "id" : [ ] } , "x\\\\" ] , "name" : "" } ',
    '{"id":1,"id":"two","id":3,"bid":{"price":1,"channel":"x"},"bid":{"channel":"y"},"name":null}',
    '{"a name longer than sixteen bytes":7,"a name longer than sixteen bytez":8,"ratio":-0.0,"tags":[1,2,3]}',
    '{"\\u0069d":5,"\\u00e9":"by escape","tags":[],"at":"1969-12-31T23:59:59.999999999",'
    '"ratio":123456789012345678901}',
    '{"event_type":2,"person":null,"auction":null,"bid":{"auction":1000,"price":3420,"channel":"Baidu",'
    '"url":"https://www.nexmark.com/item.htm?query=1","dateTime":"2026-01-01 00:00:00.005",'
    '"extra":"[[[^^]`"}}',
    "{}",
]
_BYTES = b'{}[]:,"\\0123456789+-.eEtrufalsn \t\r\x00\x1f\x7f\x80\xc3\xa9\xed\xa0\xf0\x9f\x98\x80\xff/bdTZ'
_TOKENS = [
    *(
        b"null",
        b"true",
        b"false",
        b"NaN",
        b"-Infinity",
        b"\\u",
        b"\\ud83d",
        b"\\ude00",
        b"\\u0000",
        b"1e",
        b"-0",
        b"0.",
    ),
    *(
        b'"id":',
        b'"bid":{',
        b'"name":"',
        b"[[",
        b"]]",
        b"{}",
        b"1.0",
        b"1e400",
        b"9223372036854775808",
        b"\xef\xbb\xbf",
    ),
    *(
        b"[" * 62,
        b"]" * 62,
        b"[" * 63 + b"]" * 63,
        b'"tags":[1,null]',
        b"0.1e-7",
        b"1.7976931348623159e308",
        b",",
        b"\\/",
    ),
]
_WHOLE = {"id": (-(2**63), 2**63 - 1), "small": (-128, 127), "big": (0, 2**64 - 1)}
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?", re.ASCII)


class Refused(Exception):
    """The line is bad."""


class _Number(str):
    pass


def mutate(random_: random.Random, line: bytes) -> bytes:
    """A line with a few bytes changed."""
    for _ in range(random_.choice([0, 1, 1, 1, 2, 3])):
        i, j = sorted(random_.choices(range(len(line) + 1), k=2))
        kind = random_.randrange(7)
        if kind == 0:
            line = line[:i] + line[i + 1 :]
        elif kind == 1:
            line = line[:i] + bytes([random_.choice(_BYTES)]) + line[i:]
        elif kind == 2:
            line = line[:i] + bytes([random_.choice(_BYTES)]) + line[i + 1 :]
        elif kind == 3:
            line = line[:i] + random_.choice(_TOKENS) + line[i:]
        elif kind == 4:
            line = line[:j] + line[i:j] + line[j:]
        elif kind == 5:
            line = line[:i] + line[min(j, i + 4) :]
        else:
            line = line[: max(i, 1)]
    return line.replace(b"\n", b" ")


def expected_row(line: bytes) -> dict[str, Any] | None:
    """The row of a line, or None if it is blank.

    Raises:
        Refused: if the line is bad.
    """
    if not line.strip(b" \t\r"):
        return None
    try:
        text = line.decode()
        value = json.loads(text, parse_int=_Number, parse_float=_Number, parse_constant=_refuse)
        # A second time with every member, also those that are replaced by a later one.
        every = json.loads(
            text, parse_int=_Number, parse_float=_Number, object_pairs_hook=lambda pairs: pairs
        )
        json.dumps(every, ensure_ascii=False).encode()
    except (ValueError, UnicodeError) as error:
        raise Refused from error
    if not isinstance(value, dict) or _depth(text) > 64:
        raise Refused
    return {name: _value(value.get(name), dtype) for name, dtype in SCHEMA.items()}


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _depth(text: str) -> int:
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    depth = deepest = 0
    for character in outside:
        depth += (character in "[{") - (character in "]}")
        deepest = max(deepest, depth)
    return deepest


def _value(value: Any, dtype: Any) -> Any:
    if value is None:
        return None
    if isinstance(dtype, pl.Struct):
        _need(isinstance(value, dict))
        return {field.name: _value(value.get(field.name), field.dtype) for field in dtype.fields}
    if isinstance(dtype, pl.List):
        _need(isinstance(value, list))
        return [_value(item, dtype.inner) for item in value]
    if dtype == pl.Float64:
        _need(isinstance(value, _Number))
        return float(value)
    if dtype.is_integer():
        _need(isinstance(value, _Number))
        low, high = _WHOLE[{pl.Int64: "id", pl.Int8: "small"}.get(type(dtype), "big")]
        try:
            exact = decimal.Decimal(value)
        except decimal.InvalidOperation as error:
            raise Refused from error
        _need(exact.adjusted() < 30 and exact == exact.to_integral_value() and low <= exact <= high)
        return int(exact)
    if dtype == pl.Boolean:
        _need(isinstance(value, bool))
        return value
    _need(isinstance(value, str) and not isinstance(value, _Number))
    return value if dtype == pl.String else _time(value, dtype)


def _time(text: str, dtype: pl.DataType) -> Any:
    try:
        if dtype == pl.Date:
            _need(re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) is not None)
            return datetime.date.fromisoformat(text)
        found = _TIME.fullmatch(text)
        _need(found is not None)
        assert found is not None
        day, clock, fraction = found.groups()
        return datetime.datetime.fromisoformat(f"{day} {clock}.{(fraction or '').ljust(6, '0')[:6]}")
    except ValueError as error:
        raise Refused from error


def _need(is_so: bool) -> None:
    if not is_so:
        raise Refused


def check(seed: int, count: int) -> tuple[int, int]:
    """Compare at least `count` changed lines. Returns how many were good and how many bad."""
    random_ = random.Random(seed)
    decoder = JsonDecoder(SCHEMA)
    good = bad = 0
    while good + bad < count:
        # Short texts too: near the end of a text, kernels may not look at whole words.
        size = random_.choice([1, 2, 700, 700])
        lines = [mutate(random_, random_.choice(SEEDS).encode()) for _ in range(size)]
        decoded = decoder.decode(b"\n".join(lines) + random_.choice([b"", b"\n"]))
        rows, refused = _sorted_out(lines)
        found = dict(zip(decoded.lines.tolist(), decoded.frame.iter_rows(named=True), strict=True))
        for number, line in enumerate(lines, start=1):
            where = f"seed {seed}, line {line!r}"
            assert (number in refused) == (number in {b.line for b in decoded.bad}), f"good or bad? {where}"
            assert repr(found.get(number)) == repr(rows.get(number)), (
                f"{where}\n{found.get(number)}\n{rows.get(number)}"
            )
        good, bad = good + len(rows), bad + len(refused)
    return good, bad


def _sorted_out(lines: list[bytes]) -> tuple[dict[int, dict[str, Any]], set[int]]:
    rows: dict[int, dict[str, Any]] = {}
    refused: set[int] = set()
    for number, line in enumerate(lines, start=1):
        try:
            row = expected_row(line)
        except Refused:
            refused.add(number)
        else:
            rows |= {number: row} if row is not None else {}
    return rows, refused


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lines", type=int, default=100_000)
    chosen = parser.parse_args()
    good_count, bad_count = check(chosen.seed, chosen.lines)
    print(f"good {good_count}, bad {bad_count}: no difference")
