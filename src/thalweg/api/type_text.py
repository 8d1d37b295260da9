"""Read the names of column types, as SQL writes them.

`BIGINT`, `DECIMAL(10, 2)`, `TIMESTAMP_LTZ(3)`, `ARRAY<STRING>`, `MAP<STRING, INT>`, `ROW<a INT, b DATE>`: whatever
`str()` of a type gives, and Flink's other spellings of it. Lengths of texts are read and not enforced.

Not here: types inside SQL statements, which know their place in the text (sql/).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from thalweg.base import types as t
from thalweg.errors import PlanError, did_you_mean

_PLAIN: dict[str, t.DataType] = {
    **{"BOOLEAN": t.BOOLEAN, "STRING": t.STRING, "BYTES": t.BINARY, "DATE": t.DATE, "NULL": t.NULL},
    **{"TINYINT": t.INT8, "SMALLINT": t.INT16, "INT": t.INT32, "INTEGER": t.INT32, "BIGINT": t.INT64},
    **{"FLOAT": t.FLOAT32, "REAL": t.FLOAT32},
    **dict.fromkeys(("CHAR", "VARCHAR"), t.STRING),
    **dict.fromkeys(("BINARY", "VARBINARY"), t.BINARY),
}
_SIZED = ("CHAR", "VARCHAR", "BINARY", "VARBINARY")
_MONTHS = ("YEAR", "QUARTER", "MONTH")
_TOKEN = re.compile(r"\s*(?:`([^`]+)`|(\w+)|([<>(),]))")


def read_type(text: str) -> t.DataType:
    """The type of that name.

    Raises:
        PlanError: `plan-unknown-type` with the near misses.

    Example:
        >>> str(read_type("row<id bigint not null, tags varchar(10) array>"))
        'ROW<id BIGINT, tags ARRAY<STRING>>'
    """
    reader = _Reader(text)
    made = reader.type()
    reader.finish()
    return made


def read_fields(text: str) -> tuple[t.Field, ...]:
    """Names and types, separated by commas, such as `id BIGINT, name STRING`."""
    reader = _Reader(text)
    fields = reader.fields()
    reader.finish()
    return fields


class _Reader:
    """Walks over the words of one text."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._tokens: list[str] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                raise self._wrong(text[at:].split()[0])
            self._tokens.append(next(g for g in found.groups() if g is not None))
            at = found.end()

    def type(self) -> t.DataType:
        """The type that comes next, with what may follow it."""
        made = self._base()
        while True:
            _ = self._take("NOT", "NULL") or self._take("NULL")
            if not self._take("ARRAY"):
                return made
            made = t.List(made)

    def fields(self) -> tuple[t.Field, ...]:
        """Names with types."""
        made: list[t.Field] = []
        while True:
            name = self._next()
            if any(f.name == name for f in made):
                raise self._wrong(name, f'the name "{name}" stands twice')
            made.append(t.Field(name, self.type()))
            if not self._take(","):
                return tuple(made)

    def finish(self) -> None:
        """Nothing may be left."""
        if self._at < len(self._tokens):
            raise self._wrong(self._tokens[self._at])

    def _base(self) -> t.DataType:
        word = self._next().upper()
        read = _NESTED.get(word)
        if read is not None:
            return read(self)
        made = _PLAIN.get(word)
        if made is None:
            raise self._wrong(self._tokens[self._at - 1])
        if word in _SIZED:
            self._numbers()
        if isinstance(made, t.Integer) and self._take("UNSIGNED"):
            return t.Integer(made.bits, signed=False)
        return made

    def _array(self) -> t.DataType:
        self._expect("<")
        item = self.type()
        self._expect(">")
        return t.List(item)

    def _map(self) -> t.DataType:
        self._expect("<")
        key = self.type()
        self._expect(",")
        value = self.type()
        self._expect(">")
        return t.Map(key, value)

    def _row(self) -> t.DataType:
        close = ")" if self._take("(") else ">"
        if close == ">":
            self._expect("<")
        fields = self.fields()
        self._expect(close)
        return t.Struct(fields)

    def _decimal(self) -> t.DataType:
        given = self._numbers()
        precision = given[0] if given else 10
        scale = given[1] if len(given) > 1 else 0
        if not 1 <= precision <= 38 or scale > precision:
            raise self._wrong(f"DECIMAL({precision}, {scale})")
        return t.Decimal(precision, scale)

    def _double(self) -> t.DataType:
        self._take("PRECISION")
        return t.FLOAT64

    def _time(self) -> t.DataType:
        self._digits()
        self._take("WITHOUT", "TIME", "ZONE")
        return t.TIME

    def _timestamp(self) -> t.DataType:
        digits = self._digits()
        if self._take("WITH", "LOCAL", "TIME", "ZONE"):
            return t.Timestamp("UTC", digits)
        self._take("WITHOUT", "TIME", "ZONE")
        return t.Timestamp(None, digits)

    def _timestamp_ltz(self) -> t.DataType:
        return t.Timestamp("UTC", self._digits())

    def _interval(self) -> t.DataType:
        if any(self._take(unit) for unit in _MONTHS):
            is_month = True
        else:
            is_month = not any(self._take(unit) for unit in ("DAY", "HOUR", "MINUTE", "SECOND"))
            is_month = False
        if self._take("TO"):
            self._next()
        return t.INTERVAL_MONTH if is_month else t.INTERVAL
