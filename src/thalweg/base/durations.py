"""Read spans of time: `10s` or `1h30m` in programs, ISO 8601's `PT1H30M` in data."""

from __future__ import annotations

import re
from datetime import timedelta

from thalweg.errors import ConfigError

_UNITS = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "sec": 1_000_000,
    "second": 1_000_000,
    "seconds": 1_000_000,
    "m": 60_000_000,
    "min": 60_000_000,
    "minute": 60_000_000,
    "minutes": 60_000_000,
    "h": 3_600_000_000,
    "hour": 3_600_000_000,
    "hours": 3_600_000_000,
    "d": 86_400_000_000,
    "day": 86_400_000_000,
    "days": 86_400_000_000,
}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*")
_ISO = re.compile(
    r"([+-])?P(?=.)(?:(\d+)W)?(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,](\d{1,9}))?S)?)?",
    re.ASCII,
)
_ISO_UNITS = (604_800_000_000, 86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000)


def microseconds(value: str | timedelta) -> int:
    """A span of time in microseconds.

    Args:
        value: a `timedelta`, or numbers with units: us, ms, s, m (or min), h, d.

    Raises:
        ConfigError: `config-duration` for a text that is no duration, and for what is not a text.

    Example:
        >>> microseconds("1m30s")
        90000000
    """
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    if not isinstance(value, str):
        raise _no_span(repr(value))
    total, at = 0.0, 0
    text = value.strip().lower()
    while at < len(text):
        found = _PART.match(text, at)
        if found is None or found[2] not in _UNITS:
            break
        total += float(found[1]) * _UNITS[found[2]]
        at = found.end()
    if at < len(text) or not text:
        raise _no_span(f'"{value}"')
    return round(total)


def _no_span(given: str) -> ConfigError:
    return ConfigError(
        f"{given} is not a span of time",
        code="config-duration",
        expected="a number and a unit, such as 10s, 500ms, 1h30m",
        choices=["us", "ms", "s", "m", "h", "d"],
    )


def from_iso(text: str) -> int | None:
    """The microseconds of a span as ISO 8601 writes it, digits beyond them cut off; None if it is none.

    Years and months have no fixed length, so that a text with them is none.

    Example:
        >>> from_iso("P1DT1.5S"), from_iso("-PT1M"), from_iso("1 day")
        (86401500000, -60000000, None)
    """
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    sign, *numbers, fraction = found.groups()
    total = sum(int(n) * unit for n, unit in zip(numbers, _ISO_UNITS, strict=True) if n is not None)
    total += int((fraction or "").ljust(6, "0")[:6])
    return None if total >= 1 << 63 else -total if sign == "-" else total


def shown(value: int) -> str:
    """Microseconds in the shortest exact form.

    Example:
        >>> shown(90_000_000), shown(2_000)
        ('90s', '2ms')
    """
    for unit in ("d", "h", "m"):
        if value and value % _UNITS[unit] == 0:
            return f"{value // _UNITS[unit]}{unit}"
    if value % 1_000_000 == 0:
        return f"{value // 1_000_000}s"
    return f"{value // 1_000}ms" if value % 1_000 == 0 else f"{value}us"
