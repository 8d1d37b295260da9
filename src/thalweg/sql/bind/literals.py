"""Give literals their values and types: numbers, times, intervals.

Numbers are typed as in Flink: 12 is INT, 0.908 is DECIMAL(4, 3), 1e3 is DOUBLE. Intervals of days
and less are lengths of time, intervals of months and years count months.
"""

from __future__ import annotations

import decimal
import re
from datetime import date, datetime, time, timedelta

from sqlglot import exp

from thalweg.base.types import INTERVAL_MONTH
from thalweg.errors import SqlError, TypeMismatch
from thalweg.expr.literals import literal_of
from thalweg.expr.nodes import Literal
from thalweg.sql import problems
from thalweg.sql.bind.scope import spanned
from thalweg.sql.grammar.tree import IntervalLiteral, TimeLiteral
from thalweg.sql.source import span_of

_MICROS = {"WEEK": 604_800_000_000, "DAY": 86_400_000_000, "HOUR": 3_600_000_000, "MINUTE": 60_000_000}
_MICROS["SECOND"] = 1_000_000
_MONTHS = {"YEAR": 12, "QUARTER": 3, "MONTH": 1}
_ORDER = ("DAY", "HOUR", "MINUTE", "SECOND")
_BETWEEN = {"DAY": r"\s+", "HOUR": ":", "MINUTE": ":"}
_LIMITS = {"HOUR": 24, "MINUTE": 60, "SECOND": 60}
_SAMPLES = {"DAY": "1", "HOUR": "12", "MINUTE": "30", "SECOND": "15.5"}

_DATE = r"(\d{4}-\d{1,2}-\d{1,2})"
_TIME = r"(\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)"


def number(text: str, node: exp.Expr) -> Literal:
    """A number as it is written, with its sign in front if it has one."""
    try:
        value: int | float | decimal.Decimal
        if "e" in text.lower():
            value = float(text)
        else:
            value = decimal.Decimal(text) if "." in text else int(text)
        made = literal_of(value)
    except (ValueError, decimal.InvalidOperation):
        raise problems.syntax(f"{text[:40]} is not a number", span_of(node)) from None
    except TypeMismatch:
        expected = "at most 38 digits, or an exponent as in 1e40"
        raise problems.meaning("the number has too many digits", span_of(node), expected=expected) from None
    return _at(made, node)


def _at(made: Literal, node: exp.Expr) -> Literal:
    found = spanned(made, span_of(node))
    assert isinstance(found, Literal), "only the place changes"
    return found


# Times -------------------------------------------------------------------------------------------


def time_literal(node: TimeLiteral) -> Literal:
    """`DATE`, `TIME` or `TIMESTAMP` and a text."""
    kind, text = node.args["kind"], node.this.strip()
    shape = {"DATE": _DATE, "TIME": _TIME, "TIMESTAMP": _DATE + r"(?:[ T]" + _TIME + ")?"}[kind]
    sample = {"DATE": "2026-01-31", "TIME": "23:59:59", "TIMESTAMP": "2026-01-31 23:59:59.123"}[kind]
    found = re.fullmatch(shape, text, re.ASCII)
    try:
        if found is None:
            raise ValueError(text)
        value = _time_value(kind, found.groups())
    except ValueError:
        raise problems.meaning(
            f"'{node.this}' is no {kind}",
            span_of(node),
            code="sql-bad-literal",
            expected=f"{kind} '{sample}'",
        ) from None
    return _at(literal_of(value), node)


def _time_value(kind: str, parts: tuple[str | None, ...]) -> date | time | datetime:
    if kind == "TIME":
        return _clock(parts[0] or "")
    year, month, day = (int(p) for p in (parts[0] or "").split("-"))
    made = date(year, month, day)
    if kind == "DATE":
        return made
    return datetime.combine(made, _clock(parts[1]) if parts[1] else time())


def _clock(text: str) -> time:
    hour, minute, second = (*text.split(":"), "0")[:3]
    whole, _, rest = second.partition(".")
    return time(int(hour), int(minute), int(whole), int(rest.ljust(6, "0")) if rest else 0)


# Intervals ---------------------------------------------------------------------------------------


def interval(node: IntervalLiteral) -> Literal:
    """An interval of months, or of days and less."""
    unit, last = node.args["unit"], node.args["last"]
    if unit in _MONTHS:
        months = _months(node, unit, last)
        if abs(months) >= 1 << 31:
            raise _bad(node, "a smaller number")
        return Literal(months, INTERVAL_MONTH, span=span_of(node))
    try:
        return _at(literal_of(timedelta(microseconds=micros(node))), node)
    except OverflowError:
        raise _bad(node, "a smaller number") from None


def micros(node: IntervalLiteral) -> int:
    """The length of an interval of days and less."""
    unit, last = node.args["unit"], node.args["last"]
    if last is None:
        return _single(node, unit)
    if last not in _ORDER or unit not in _ORDER or _ORDER.index(unit) >= _ORDER.index(last):
        raise problems.meaning(
            f"there is no interval {unit} TO {last}",
            span_of(node),
            code="sql-bad-interval",
            expected="a larger unit TO a smaller one, such as DAY TO SECOND",
        )
    units = _ORDER[_ORDER.index(unit) : _ORDER.index(last) + 1]
    pattern, sample = r"([+-]?)", ""
    for each in units:
        follows = _BETWEEN.get(each, "") if each != last else ""
        pattern += (r"(\d+(?:\.\d{1,6})?)" if each == "SECOND" else r"(\d+)") + follows
        sample += _SAMPLES[each] + (" " if follows == r"\s+" else follows)
    found = re.fullmatch(pattern, node.this.strip(), re.ASCII)
    if found is None:
        raise _bad(node, f"'{sample}'")
    sign, *numbers = found.groups()
    for each, text in zip(units[1:], numbers[1:], strict=True):
        if decimal.Decimal(text) >= _LIMITS[each]:
            raise _bad(node, f"a number of {each}s below {_LIMITS[each]} after the first")
    total = sum(_scaled(text, each) for each, text in zip(units, numbers, strict=True))
    return total * (-1 if sign == "-" else 1) * int(node.args["sign"])


def _single(node: IntervalLiteral, unit: str) -> int:
    shape = r"([+-]?)(\d+(?:\.\d{1,6})?)" if unit == "SECOND" else r"([+-]?)(\d+)"
    found = re.fullmatch(shape, node.this.strip(), re.ASCII)
    if found is None:
        raise _bad(
            node, "a whole number in single quotes" if unit != "SECOND" else "a number in single quotes"
        )
    sign = (-1 if found.group(1) == "-" else 1) * int(node.args["sign"])
    return sign * _scaled(found.group(2), unit)


def _scaled(text: str, unit: str) -> int:
    with decimal.localcontext(prec=max(60, 2 * len(text))):
        return int(decimal.Decimal(text) * _MICROS[unit])


def _months(node: IntervalLiteral, unit: str, last: str | None) -> int:
    sign = int(node.args["sign"])
    text = node.this.strip()
    if last is None:
        found = re.fullmatch(r"[+-]?\d{1,12}", text, re.ASCII)
        if found is None:
            raise _bad(node, "a whole number in single quotes")
        return sign * int(text) * _MONTHS[unit]
    found = re.fullmatch(r"([+-]?)(\d{1,9})-(\d{1,2})", text, re.ASCII)
    if (unit, last) != ("YEAR", "MONTH") or found is None or int(found.group(3)) > 11:
        raise _bad(node, "INTERVAL '1-6' YEAR TO MONTH")
    months = int(found.group(2)) * 12 + int(found.group(3))
    return sign * (-months if found.group(1) == "-" else months)


def _bad(node: IntervalLiteral, expected: str) -> SqlError:
    words = " TO ".join(w for w in (node.args["unit"], node.args["last"]) if w)
    return problems.meaning(
        f"'{node.this}' is no interval in {words}", span_of(node), code="sql-bad-interval", expected=expected
    )
