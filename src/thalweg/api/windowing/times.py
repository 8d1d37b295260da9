"""Turn times of programs into microseconds, and back: windows are compared as numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from thalweg.api.ordering import Span
from thalweg.base.durations import microseconds

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


@lru_cache(maxsize=1024)
def span_of(span: Span) -> int:
    """A span in microseconds; asked for every row, and read once."""
    return microseconds(span)


def micros_of(time: datetime) -> int:
    """A time in microseconds since the epoch; one without a zone is in UTC."""
    naive = time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
    return (naive - _EPOCH) // _MICROSECOND


def time_of(micros: int) -> datetime:
    """The time in UTC, without a zone."""
    return _EPOCH + timedelta(microseconds=micros)
