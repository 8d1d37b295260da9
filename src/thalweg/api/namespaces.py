"""Group the methods of expressions by what they work on: texts, times, lists and maps.

Each method is a call of one function of the registry, which defines its meaning.

Not here: functions without a method of their own; `call` and `functions` reach them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thalweg.api.place import caller
from thalweg.base.types import DATE, TIME
from thalweg.errors import PlanError

if TYPE_CHECKING:
    from thalweg.api.expressions import Expression, Operand


@dataclass(frozen=True)
class Texts:
    """Functions of texts: `col("url").str.split_index("/", 3)`."""

    _of: Expression

    def lower(self) -> Expression:
        """In small letters."""
        return self._of.call("lower")

    def upper(self) -> Expression:
        """In capital letters."""
        return self._of.call("upper")

    def length(self) -> Expression:
        """The number of characters."""
        return self._of.call("char_length")

    def trim(self) -> Expression:
        """Without spaces at both ends."""
        return self._of.call("trim")

    def reverse(self) -> Expression:
        """The characters from last to first."""
        return self._of.call("reverse")

    def contains(self, text: Operand) -> Expression:
        """Whether the text occurs in it."""
        return self._of.call("contains", text)

    def starts_with(self, text: Operand) -> Expression:
        """Whether it begins so."""
        return self._of.call("starts_with", text)

    def ends_with(self, text: Operand) -> Expression:
        """Whether it ends so."""
        return self._of.call("ends_with", text)

    def replace(self, text: Operand, by: Operand) -> Expression:
        """With every occurrence of a text replaced."""
        return self._of.call("replace", text, by)

    def substring(self, start: Operand, length: Operand | None = None) -> Expression:
        """The part that begins at character `start`, counted from 1 as in SQL."""
        return self._of.call("substring", start, *(() if length is None else (length,)))

    def split(self, separator: Operand) -> Expression:
        """The parts between separators, as a list."""
        return self._of.call("split", separator)

    def split_index(self, separator: Operand, index: Operand) -> Expression:
        """One part between separators, counted from 0; NULL if there are not so many."""
        return self._of.call("split_index", separator, index)

    def concat(self, *others: Operand) -> Expression:
        """With other texts behind it."""
        return self._of.call("||", *others)

    def matches(self, pattern: str) -> Expression:
        """Whether a regular expression is found in it."""
        return self._of.call("regexp", pattern)

    def extract(self, pattern: str, group: int = 0) -> Expression:
        """What a regular expression, or one of its groups, finds."""
        return self._of.call("regexp_extract", pattern, group)

    def to_timestamp(self, pattern: str = "yyyy-MM-dd HH:mm:ss") -> Expression:
        """Read as a time, by a pattern of Java's."""
        return self._of.call("to_timestamp", pattern)

    def to_date(self, pattern: str = "yyyy-MM-dd") -> Expression:
        """Read as a date, by a pattern of Java's."""
        return self._of.call("to_date", pattern)


@dataclass(frozen=True)
class Times:
    """Functions of dates and times: `col("at").dt.format("HH:mm")`."""

    _of: Expression

    def year(self) -> Expression:
        """The year."""
        return self._of.call("year")

    def quarter(self) -> Expression:
        """The quarter of the year, from 1."""
        return self._of.call("quarter")

    def month(self) -> Expression:
        """The month, from 1."""
        return self._of.call("month")

    def week(self) -> Expression:
        """The week of the year, as ISO 8601 counts."""
        return self._of.call("week")

    def day(self) -> Expression:
        """The day of the month, from 1."""
        return self._of.call("dayofmonth")

    def hour(self) -> Expression:
        """The hour of the day, from 0."""
        return self._of.call("hour")

    def minute(self) -> Expression:
        """The minute of the hour."""
        return self._of.call("minute")

    def second(self) -> Expression:
        """The whole second of the minute."""
        return self._of.call("second")

    def date(self) -> Expression:
        """The day, without the time."""
        return self._of.cast(DATE)

    def time(self) -> Expression:
        """The time, without the day."""
        return self._of.cast(TIME)

    def format(self, pattern: Operand) -> Expression:
        """As a text, by a pattern of Java's such as `yyyy-MM-dd`."""
        return self._of.call("date_format", pattern)

    def truncate(self, unit: str) -> Expression:
        """The start of the unit that holds the time: `second`, `minute`, `hour`, `day`, `month` and so on."""
        return self._of.call("floor", unit.upper())


@dataclass(frozen=True)
class Lists:
    """Functions of lists: `col("tags").list.contains("new")`."""

    _of: Expression

    def get(self, index: int) -> Expression:
        """An item, counted from 0 as in Python; NULL if there are not so many. Also `col("tags")[0]`."""
        if index < 0:
            raise PlanError(
                "items of a list are counted from its start",
                code="plan-negative-index",
                where=caller(),
                found=str(index),
                hint=".list.reverse()[0] is the last item",
            )
        return self._of.call("element_at", index + 1)

    def length(self) -> Expression:
        """The number of items."""
        return self._of.call("cardinality")

    def contains(self, item: Operand) -> Expression:
        """Whether one of the items equals it."""
        return self._of.call("array_contains", item)

    def join(self, separator: Operand) -> Expression:
        """The items, which are texts, with separators between them."""
        return self._of.call("array_join", separator)

    def reverse(self) -> Expression:
        """The items from last to first."""
        return self._of.call("array_reverse")

    def distinct(self) -> Expression:
        """Each item once."""
        return self._of.call("array_distinct")

    def min(self) -> Expression:
        """The least item."""
        return self._of.call("array_min")

    def max(self) -> Expression:
        """The greatest item."""
        return self._of.call("array_max")


@dataclass(frozen=True)
class Maps:
    """Functions of maps: `col("labels").map.get("colour")`."""

    _of: Expression

    def get(self, key: Operand) -> Expression:
        """The value of a key; NULL if it is not there."""
        return self._of.call("element_at", key)

    def length(self) -> Expression:
        """The number of keys."""
        return self._of.call("cardinality")

    def keys(self) -> Expression:
        """The keys, as a list."""
        return self._of.call("map_keys")

    def values(self) -> Expression:
        """The values, as a list."""
        return self._of.call("map_values")
