"""Read the names of column types, as SQL writes them.

`BIGINT`, `DECIMAL(10, 2)`, `TIMESTAMP_LTZ(3)`, `ARRAY<STRING>`, `MAP<STRING, INT>`, `ROW<a INT, b DATE>`:
whatever `str()` of a type gives, and Flink's other spellings of it. Lengths of texts are read and not
enforced.

Not here: types inside SQL statements, which know their place in the text (sql/).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from thalweg.base import types as t
from thalweg.errors import PlanError, did_you_mean

_PLAIN: dict[str, t.DataType] = {
    **{str(p): p for p in (t.BOOLEAN, t.STRING, t.BINARY, t.DATE, t.NULL)},
    **{str(n): n for n in (t.INT8, t.INT16, t.INT32, t.INT64, t.FLOAT32)},
    "INTEGER": t.INT32,
    "REAL": t.FLOAT32,
    **dict.fromkeys(("CHAR", "VARCHAR"), t.STRING),
    **dict.fromkeys(("BINARY", "VARBINARY"), t.BINARY),
}
_SIZED = ("CHAR", "VARCHAR", "BINARY", "VARBINARY")
_MONTHS = ("YEAR", "QUARTER", "MONTH")
_SPANS = ("DAY", "HOUR", "MINUTE", "SECOND")
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
    """Names and types, separated by commas.

    Example:
        >>> [str(f.type) for f in read_fields("id BIGINT, price DECIMAL(10, 2)")]
        ['BIGINT', 'DECIMAL(10, 2)']
    """
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
            if not self._take("NOT", "NULL"):
                self._take("NULL")
            if not self._take("ARRAY"):
                return made
            made = t.List(made)

    def fields(self) -> tuple[t.Field, ...]:
        """Names with types."""
        made: list[t.Field] = []
        while True:
            name = self._next()
            if any(f.name == name for f in made):
                raise self._wrong(name, f'two fields are called "{name}"')
            made.append(t.Field(name, self.type()))
            if not self._take(","):
                return tuple(made)

    def finish(self) -> None:
        """Nothing may be left."""
        if self._at < len(self._tokens):
            raise self._wrong(self._tokens[self._at])

    def _base(self) -> t.DataType:
        word = self._next()
        read = _READERS.get(word.upper())
        if read is not None:
            return read(self)
        made = _PLAIN.get(word.upper())
        if made is None:
            raise self._wrong(word)
        if word.upper() in _SIZED:
            self._numbers()
        if isinstance(made, t.Integer) and self._take("UNSIGNED"):
            return t.Integer(made.bits, signed=False)
        return made

    # Types with parts --------------------------------------------------------------------------

    def array(self) -> t.DataType:
        """What follows ARRAY."""
        self._expect("<")
        item = self.type()
        self._expect(">")
        return t.List(item)

    def map(self) -> t.DataType:
        """What follows MAP."""
        self._expect("<")
        key = self.type()
        self._expect(",")
        value = self.type()
        self._expect(">")
        return t.Map(key, value)

    def row(self) -> t.DataType:
        """What follows ROW."""
        close = ")" if self._take("(") else ">"
        if close == ">":
            self._expect("<")
        fields = self.fields()
        self._expect(close)
        return t.Struct(fields)

    def decimal(self) -> t.DataType:
        """What follows DECIMAL."""
        given = self._numbers()
        precision = given[0] if given else 10
        scale = given[1] if len(given) > 1 else 0
        if not 1 <= precision <= 38 or scale > precision:
            raise self._wrong(f"DECIMAL({precision}, {scale})")
        return t.Decimal(precision, scale)

    def double(self) -> t.DataType:
        """What follows DOUBLE."""
        self._take("PRECISION")
        return t.FLOAT64

    def time(self) -> t.DataType:
        """What follows TIME."""
        self._second()
        self._take("WITHOUT", "TIME", "ZONE")
        return t.TIME

    def timestamp(self) -> t.DataType:
        """What follows TIMESTAMP."""
        digits = self._second()
        if self._take("WITH", "LOCAL", "TIME", "ZONE"):
            return t.Timestamp("UTC", digits)
        self._take("WITHOUT", "TIME", "ZONE")
        return t.Timestamp(None, digits)

    def timestamp_ltz(self) -> t.DataType:
        """What follows TIMESTAMP_LTZ."""
        return t.Timestamp("UTC", self._second())

    def interval(self) -> t.DataType:
        """What follows INTERVAL."""
        is_months = any(self._take(unit) for unit in _MONTHS)
        is_span = not is_months and any(self._take(unit) for unit in _SPANS)
        if (is_months or is_span) and self._take("TO"):
            self._next()
        return t.INTERVAL_MONTH if is_months else t.INTERVAL

    # Words -------------------------------------------------------------------------------------

    def _second(self) -> int:
        """Digits of a second; times are kept in microseconds."""
        given = self._numbers()
        if given and (len(given) > 1 or given[0] > 6):
            raise self._wrong(str(given[0]), "a time has at most 6 digits of a second")
        return given[0] if given else 6

    def _numbers(self) -> list[int]:
        """The numbers in parentheses, if any come next."""
        given: list[int] = []
        if not self._take("("):
            return given
        while True:
            word = self._next()
            if not word.isdecimal():
                raise self._wrong(word)
            given.append(int(word))
            if not self._take(","):
                self._expect(")")
                return given

    def _next(self) -> str:
        if self._at == len(self._tokens):
            raise self._wrong("the end")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, *words: str) -> bool:
        """Go past these words if they come next."""
        found = [token.upper() for token in self._tokens[self._at : self._at + len(words)]]
        if found != list(words):
            return False
        self._at += len(words)
        return True

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise self._wrong(self._next(), f'"{word}" is missing')

    def _wrong(self, found: str, why: str | None = None) -> PlanError:
        names = (*_PLAIN, *_READERS)
        return PlanError(
            f'"{self._text}" is not the name of a type' + (f": {why}" if why else ""),
            code="plan-unknown-type",
            expected="such as BIGINT, DECIMAL(10, 2), TIMESTAMP(3), ARRAY<STRING>, ROW<a INT, b STRING>",
            found=found,
            hint=None if why else did_you_mean(found.upper(), names),
        )


_READERS: dict[str, Callable[[_Reader], t.DataType]] = {
    **dict.fromkeys(("DECIMAL", "NUMERIC", "DEC"), _Reader.decimal),
    "DOUBLE": _Reader.double,
    "TIME": _Reader.time,
    "TIMESTAMP": _Reader.timestamp,
    "TIMESTAMP_LTZ": _Reader.timestamp_ltz,
    "INTERVAL": _Reader.interval,
    "ARRAY": _Reader.array,
    "MAP": _Reader.map,
    "ROW": _Reader.row,
}
