"""Draw windows of every kind, with their triggers, evictors and results, and the same for the model.

Not here: the model (model.py), how cases are run (test_windows.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import thalweg as tw
from tests.property.windowing.model import Kind, Rule, Span

w = tw.windowing
EPOCH = datetime(1970, 1, 1)
RESULT = "k BIGINT, start TIMESTAMP, stop TIMESTAMP, n BIGINT, total BIGINT, ids STRING"
Rows = list[tuple[int, int]]


def seconds(time: datetime | None) -> int | None:
    """A time in whole seconds."""
    return None if time is None else int((time - EPOCH).total_seconds())


class ByParity:
    """An assigner of a user's own: rows with odd numbers are in longer windows, and in a second one."""

    merges = False

    def assign(self, time: datetime, row: Any) -> Iterable[Any]:
        for start, end in _by_parity(seconds(time) or 0, row.id):
            yield w.Bounds(EPOCH + timedelta(seconds=start or 0), EPOCH + timedelta(seconds=end or 0))


def _by_parity(time: int, number: int) -> list[Span]:
    sizes = (7, 11) if number % 2 else (5,)
    return [(time - time % size, time - time % size + size) for size in sizes]


def _fixed(size: int, every: int, offset: int) -> Callable[[int, int], list[Span]]:
    def spans(time: int, number: int) -> list[Span]:
        del number
        starts = range(time - size + 1, time + 1)
        return [(s, s + size) for s in starts if (s - offset) % every == 0]

    return spans


def _cumulating(size: int, every: int) -> Callable[[int, int], list[Span]]:
    def spans(time: int, number: int) -> list[Span]:
        del number
        start = next(s for s in range(time - size + 1, time + 1) if s % size == 0)
        return [(start, start + n) for n in range(every, size + 1, every) if start + n > time]

    return spans


def _day(time: int, number: int) -> list[Span]:
    del number
    zone = ZoneInfo("Europe/Berlin")
    # no clock was changed in these days
    hours = int(datetime(1970, 1, 1, tzinfo=zone).utcoffset().total_seconds())  # type: ignore[union-attr]
    start = (time + hours) // 86400 * 86400 - hours
    return [(start, start + 86400)]


KINDS: dict[str, tuple[Any, Kind]] = {
    "tumbling": (w.Fixed("5s"), Kind(_fixed(5, 5, 0))),
    "hopping": (w.Fixed("9s", every="3s", offset="1s"), Kind(_fixed(9, 3, 1))),
    "cumulating": (w.Cumulating("12s", every="4s"), Kind(_cumulating(12, 4))),
    "session": (w.Sessions("2s"), Kind(lambda time, _: [(time, time + 2)], merges=True)),
    "session by row": (
        w.Sessions(lambda row: timedelta(seconds=1 + row.id % 4)),
        Kind(lambda time, number: [(time, time + 1 + number % 4)], merges=True),
    ),
    "calendar": (w.Calendar("day", "Europe/Berlin"), Kind(_day)),
    "global": (w.Global(), Kind(lambda *_: [(None, None)])),
    "counts": (w.Counts(3), Kind(lambda *_: [(None, None)])),
    "counts, hopping": (w.Counts(4, every=2), Kind(lambda *_: [(None, None)])),
    "own": (ByParity(), Kind(_by_parity)),
}


def _value(row: Any) -> float:
    return float(row.id % 17)


_DELTA = Rule(delta=4, counts_on=True, at_end=False)
TRIGGERS: dict[str, tuple[Any, Rule]] = {
    "at end": (w.AtEnd(), Rule()),
    "parts": (w.AtEnd(early=w.Count(2, keeps=True), late=w.Count(2, keeps=True)), Rule(count=2, late=2)),
    "early part": (w.AtEnd(early=w.Early("4s")), Rule(every=4)),
    "early": (w.Early("4s"), Rule(every=4)),
    "early by rows": (w.Early(rows=3), Rule(count=3, is_regular=True)),
    "count": (w.Count(3), Rule(count=3, count_keeps=False, counts_on=True, at_end=False)),
    "count, kept": (w.Count(2, keeps=True), Rule(count=2, counts_on=True, at_end=False)),
    "delta": (w.Delta(_value, 4), _DELTA),
    "delta, purged": (
        w.Delta(_value, 4, keeps=False),
        Rule(delta=4, delta_keeps=False, counts_on=True, at_end=False),
    ),
    "purging end": (w.Purging(w.AtEnd()), Rule(purges=True)),
    "purging early": (w.Purging(w.Early("4s")), Rule(every=4, purges=True)),
    "purging count": (
        w.Purging(w.Count(2, keeps=True)),
        Rule(count=2, counts_on=True, at_end=False, purges=True),
    ),
}


def _last_rows(rows: Rows) -> Rows:
    return rows[-2:]


def _last_span(rows: Rows) -> Rows:
    return [each for each in rows if each[0] > rows[-1][0] - 3]


def _near_last(rows: Rows) -> Rows:
    return [each for each in rows if abs(each[1] % 17 - rows[-1][1] % 17) <= 3]


EVICTORS: dict[str, tuple[Any, Callable[[Rows], Rows]]] = {
    "none": (None, lambda rows: rows),
    "last rows": (w.LastRows(2), _last_rows),
    "last span": (w.LastSpan("3s"), _last_span),
    "near last": (w.NearLast(_value, 3), _near_last),
}


class Sums:
    """An aggregator whose value is changed where it is."""

    def create(self) -> list[int]:
        return [0, 0]

    def add(self, held: list[int], row: Any) -> list[int]:
        held[0] += 1
        held[1] += row.id
        return held

    def result(self, key: Any, window: Any, held: list[int]) -> Iterable[Any]:
        yield key.k, window.start, window.end, held[0], held[1], ""


class Merging(Sums):
    """One that can do without the rows of sessions."""

    def merge(self, first: list[int], second: list[int]) -> list[int]:
        return [a + b for a, b in zip(first, second, strict=True)]


def by_row(key: Any, window: Any, rows: Sequence[Any]) -> Iterable[Any]:
    """What a window holds, in the order of its rows."""
    ids = [row.id for row in rows]
    yield key.k, window.start, window.end, len(ids), sum(ids), " ".join(map(str, ids))


def by_column(key: Any, window: Any, rows: Any) -> Any:
    """The same from a frame."""
    ids = rows["id"].to_list()
    yield key.k, window.start, window.end, rows.height, rows["id"].sum(), " ".join(map(str, ids))


class Numbered(w.WindowFunction):
    """What a window holds, and how often it, and its key, has given something; each kept in two ways."""

    fired: int = 0
    texts: list[str]
    seen: w.OfKey[int] = 0
    ends: w.OfKey[dict[str, int]]

    def on_window(self, window: Any, rows: Any) -> Iterable[Any]:
        self.fired += 1
        self.texts.append("x")
        self.seen += 1
        end = str(window.end)
        self.ends[end] = self.ends.get(end, 0) + 1
        ids = [row.id for row in rows]
        text = f"{' '.join(map(str, ids))}, {self.fired} {len(self.texts)} of {self.seen}"
        yield self.key.k, window.start, window.end, len(ids), sum(ids), text

    def on_close(self, window: Any) -> None:
        self.emit("closed", (self.key.k, window.start, window.end, self.fired, self.seen))

    def on_merge(self, other: Any) -> None:
        self.fired += other.fired
        self.texts = [*self.texts, *other.texts]


CLOSED = "k BIGINT, start TIMESTAMP, stop TIMESTAMP, fired BIGINT, seen BIGINT"
FORMS = ("row", "column", "aggregate", "merge", "fold", "state", "state")


@dataclass(frozen=True)
class Windows:
    """Windows by the names of their parts; `repr` is what a failure shows."""

    kind: str
    trigger: str
    evictor: str
    results: Any
    form: str

    def over(self, rows: tw.Dataset) -> tw.Dataset:
        """The step."""
        trigger = None if self.kind.startswith("counts") else TRIGGERS[self.trigger][0]
        evictor = None if self.kind.startswith("counts") else EVICTORS[self.evictor][0]
        assigner = KINDS[self.kind][0]
        made = rows.key_by("k").window(assigner, trigger=trigger, evictor=evictor, results=self.results)
        if self.form in ("aggregate", "merge"):
            return made.aggregate(Merging() if self.form == "merge" else Sums(), RESULT)
        if self.form == "fold":
            return made.fold(
                lambda key, window: (key.k, window.start, window.end, 0, 0, ""),
                lambda held, row: (*held[:3], held.n + 1, held.total + row.id, ""),
                RESULT,
            )
        if self.form == "state":
            return made.process(Numbered(), RESULT, sides={"closed": CLOSED})
        return (
            made.process(by_row, RESULT)
            if self.form == "row"
            else made.process(by_column, RESULT, by="column")
        )

    @property
    def rule(self) -> Rule:
        """When they give something."""
        if self.kind == "counts":
            return Rule(count=3, count_keeps=False, counts_on=True, at_end=False)
        if self.kind == "counts, hopping":
            return Rule(count=2, counts_on=True, at_end=False)
        return TRIGGERS[self.trigger][1]

    @property
    def keep(self) -> Callable[[Rows], Rows]:
        """Which rows count."""
        if self.kind == "counts, hopping":
            return lambda rows: rows[-4:]
        return EVICTORS["none" if self.kind == "counts" else self.evictor][1]

    def made(self, key: Any, span: Span, ids: Sequence[int], fired: int, seen: int) -> Any:
        """The row that a window gives."""
        start, end = (None if at is None else EPOCH + timedelta(seconds=at) for at in span)
        text = " ".join(map(str, ids)) if self.form in ("row", "column", "state") else ""
        if self.form == "state":
            text += f", {fired} {fired} of {seen}"
        return key, start, end, len(ids), sum(ids), text


PAIRS = [(k, t) for k in KINDS for t in TRIGGERS if k != "calendar" or not TRIGGERS[t][1].every]
"""Kinds and triggers; a day has 21 600 times at which one that goes by time would give something."""


def random_windows(r: Random) -> Windows:
    """Any of them; a window that never ends has no end at which it could give something."""
    kind, trigger = r.choice(PAIRS)
    return Windows(
        kind,
        trigger,
        r.choice(["none", "none", *EVICTORS]),
        r.choice(["accumulating", "discarding", "retracting"]),
        r.choice(FORMS),
    )
