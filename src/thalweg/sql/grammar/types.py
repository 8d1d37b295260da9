"""Read the types of Flink's SQL into column types.

Lengths of CHAR and VARCHAR, and of BINARY, are read and not enforced, as Flink does by default for
columns; where a length would change a value (CAST), the caller asks for it to be refused.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot.tokenizer_core import Token, TokenType

from thalweg.base import types as t
from thalweg.sql import problems
from thalweg.sql.grammar.cursor import Cursor

_PLAIN: dict[str, t.DataType] = {
    "BOOLEAN": t.BOOLEAN,
    "STRING": t.STRING,
    "BYTES": t.BINARY,
    "DATE": t.DATE,
    "NULL": t.NULL,
    "TINYINT": t.INT8,
    "SMALLINT": t.INT16,
    "INT": t.INT32,
    "INTEGER": t.INT32,
    "BIGINT": t.INT64,
    "FLOAT": t.FLOAT32,
    "REAL": t.FLOAT32,
}
_SIZED = {"CHAR": t.STRING, "VARCHAR": t.STRING, "BINARY": t.BINARY, "VARBINARY": t.BINARY}
_MONTHS = ("YEAR", "QUARTER", "MONTH")
UNITS = (*_MONTHS, "WEEK", "DAY", "HOUR", "MINUTE", "SECOND")
_KNOWN = (
    *(*_PLAIN, *_SIZED, "DECIMAL", "NUMERIC", "DEC", "DOUBLE", "TIME", "TIMESTAMP", "TIMESTAMP_LTZ"),
    *("INTERVAL", "ARRAY", "MAP", "ROW"),
)


def read_type(cursor: Cursor, *, may_cut: bool = True) -> t.DataType:
    """The type that comes next.

    Args:
        cursor: stands before the type.
        may_cut: whether a length such as `VARCHAR(3)` is acceptable.

    Raises:
        SqlError: `sql-unknown-type` with the near misses, or `sql-syntax`.
    """
    first = cursor._curr
    made = _base(cursor, may_cut)
    while True:
        _nullable(cursor)
        if not cursor.take("ARRAY"):
            return made
        if made == t.NULL:
            raise cursor.fail("an array needs a type for its items", first)
        made = t.List(made)


def _nullable(cursor: Cursor) -> None:
    if cursor.at("NOT", "NULL"):
        cursor.take("NOT", "NULL")
    else:
        cursor.take("NULL")


def _base(cursor: Cursor, may_cut: bool) -> t.DataType:
    token = cursor._curr
    word = token.text.upper() if token and token.token_type != TokenType.IDENTIFIER else ""
    if word in _PLAIN:
        cursor._advance()
        made = _PLAIN[word]
        if isinstance(made, t.Integer) and cursor.take("UNSIGNED"):
            return t.Integer(made.bits, signed=False)
        return made
    if word in _SIZED:
        cursor._advance()
        return _sized(cursor, token, may_cut)
    reader = _READERS.get(word)
    if reader is None:
        raise _unknown(cursor, word)
    cursor._advance()
    return reader(cursor)


def _unknown(cursor: Cursor, word: str) -> Exception:
    if word in ("MULTISET", "RAW"):
        return problems.not_yet(f"the type {word} is", cursor.place(), hint="ARRAY, MAP and ROW can nest")
    if not word or not (word[0].isalpha() or word[0] == "_"):
        return cursor.unexpected(expected="a type")
    near = problems.near(word, _KNOWN)
    return problems.meaning(
        f'there is no type "{cursor._curr.text}"', cursor.place(), code="sql-unknown-type", hint=near
    )


def _sized(cursor: Cursor, token: Token, may_cut: bool) -> t.DataType:
    word = token.text.upper()
    if cursor.take("("):
        size = cursor.integer("a length")
        cursor.expect(")")
        if not may_cut and size < (1 << 31) - 1:
            what = "a conversion that cuts to a length is"
            raise problems.not_yet(what, cursor.place(token), hint="STRING keeps the whole text")
    return _SIZED[word]


def _decimal(cursor: Cursor) -> t.DataType:
    precision, scale, first = 10, 0, cursor._curr
    if cursor.take("("):
        precision = cursor.integer("a number of digits")
        scale = cursor.integer("digits after the point") if cursor.take(",") else 0
        cursor.expect(")")
    if not 1 <= precision <= 38 or scale > precision:
        expected = "1 to 38 digits, of which at most all after the point"
        raise cursor.fail(f"DECIMAL({precision}, {scale}) cannot be", first, expected=expected)
    return t.Decimal(precision, scale)


def _double(cursor: Cursor) -> t.DataType:
    cursor.take("PRECISION")
    return t.FLOAT64


def _precision(cursor: Cursor, default: int) -> int:
    """Digits of the second; more than microseconds would be dropped silently, so they are refused."""
    first = cursor._curr
    if not cursor.take("("):
        return default
    digits = cursor.integer("a number of digits")
    cursor.expect(")")
    if digits > 6:
        hint = "times are kept in microseconds: 6 digits"
        raise problems.not_yet(f"{digits} digits of a second are", cursor.place(first), hint=hint)
    return digits


def _time(cursor: Cursor) -> t.DataType:
    _precision(cursor, 0)
    if cursor.take("WITHOUT"):
        cursor.expect("TIME", "ZONE")
    return t.TIME


def _timestamp(cursor: Cursor) -> t.DataType:
    digits = _precision(cursor, 6)
    if cursor.take("WITHOUT"):
        cursor.expect("TIME", "ZONE")
    elif cursor.at("WITH"):
        first = cursor._curr
        cursor.take("WITH")
        if not cursor.take("LOCAL"):
            cursor.expect("TIME", "ZONE")
            hint = "TIMESTAMP_LTZ is a point in time, whatever the zone"
            raise problems.not_yet("a zone in each value is", cursor.place(first), hint=hint)
        cursor.expect("TIME", "ZONE")
        return t.Timestamp("UTC", digits)
    return t.Timestamp(None, digits)


def _timestamp_ltz(cursor: Cursor) -> t.DataType:
    return t.Timestamp("UTC", _precision(cursor, 6))


def _interval(cursor: Cursor) -> t.DataType:
    unit = read_unit(cursor)
    if cursor.take("TO"):
        read_unit(cursor)
    return t.INTERVAL_MONTH if unit in _MONTHS else t.INTERVAL


def read_unit(cursor: Cursor) -> str:
    """A unit of time in the singular; a precision after it is read and ignored."""
    word = cursor._curr.text.upper() if cursor._curr else ""
    unit = word if word in UNITS else word.removesuffix("S")
    if cursor._curr.token_type == TokenType.IDENTIFIER or unit not in UNITS:
        raise cursor.unexpected(expected=", ".join(UNITS))
    cursor._advance()
    if cursor.take("("):
        cursor.integer("a number of digits")
        if cursor.take(","):
            cursor.integer("a number of digits")
        cursor.expect(")")
    return unit


def _array(cursor: Cursor) -> t.DataType:
    cursor.expect("<")
    item = read_type(cursor)
    cursor.expect(">")
    return t.List(item)


def _map(cursor: Cursor) -> t.DataType:
    cursor.expect("<")
    key = read_type(cursor)
    cursor.expect(",")
    value = read_type(cursor)
    cursor.expect(">")
    return t.Map(key, value)


def _row(cursor: Cursor) -> t.DataType:
    close = ")" if cursor.at("(") else ">"
    if not cursor.take("("):
        cursor.expect("<")
    fields: list[t.Field] = []
    for first, field in cursor.items(lambda: (cursor._curr, _field(cursor))):
        if any(f.name == field.name for f in fields):
            raise cursor.fail(f'the row has two fields "{field.name}"', first)
        fields.append(field)
    cursor.expect(close)
    return t.Struct(tuple(fields))


def _field(cursor: Cursor) -> t.Field:
    name = cursor.name("a field name").name
    held = read_type(cursor)
    if cursor._curr.token_type == TokenType.STRING:  # a comment on the field
        cursor._advance()
    return t.Field(name, held)


_READERS: dict[str, Callable[[Cursor], t.DataType]] = {
    **dict.fromkeys(("DECIMAL", "NUMERIC", "DEC"), _decimal),
    "DOUBLE": _double,
    "TIME": _time,
    "TIMESTAMP": _timestamp,
    "TIMESTAMP_LTZ": _timestamp_ltz,
    "INTERVAL": _interval,
    "ARRAY": _array,
    "MAP": _map,
    "ROW": _row,
}
