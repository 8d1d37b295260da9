"""Read spans of time such as `10s` or `1h30m`."""

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


def microseconds(value: str | timedelta) -> int:
    """A span of time in microseconds.

    Args:
        value: a `timedelta`, or numbers with units: us, ms, s, m (or min), h, d.

    Raises:
        ConfigError: `config-duration` for a text that is no duration.

    Example:
        >>> microseconds("1m30s")
        90000000
    """
    if isinstance(value, timedelta):
        return value // timedelta(microseconds=1)
    total, at = 0.0, 0
    text = value.strip().lower()
    while at < len(text):
        found = _PART.match(text, at)
        if found is None or found[2] not in _UNITS:
            break
        total += float(found[1]) * _UNITS[found[2]]
        at = found.end()
    if at < len(text) or not text:
        raise ConfigError(
            f'"{value}" is not a span of time',
            code="config-duration",
            expected="a number and a unit, such as 10s, 500ms, 1h30m",
            choices=["us", "ms", "s", "m", "h", "d"],
        )
    return round(total)


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
