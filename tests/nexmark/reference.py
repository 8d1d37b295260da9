"""What the Nexmark queries with windows mean, row by row, written from the definitions; nothing here is fast.

Before each event its split has a watermark: the greatest time so far, less 4 seconds; none before the first
event. An event is late for a window of fixed size if the watermark has reached the window's end, and for a
session, or a join in time, if the watermark has passed the event's own time. A batch that accepts every row
has no watermarks.

Not here: our operators, and groupings of Polars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

Row = tuple[Any, ...]
DELAY = timedelta(seconds=4)
_PERSON, _AUCTION, _BID = range(3)
_EPOCH = datetime(1970, 1, 1)
_HOT = ("Google", "Apple", "Baidu", "Facebook")


def _s(seconds: int) -> timedelta:
    return timedelta(seconds=seconds)


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        kind: 0 for a person, 1 for an auction, 2 for a bid.
        row: its columns.
        time: its event time.
        before: the watermark of its split before it.
    """

    kind: int
    row: dict[str, Any]
    time: datetime
    before: datetime | None

    @property
    def is_behind(self) -> bool:
        """Whether the watermark has passed its time."""
        return self.before is not None and self.time < self.before


def judged(splits: Iterable[Iterable[tuple[int, dict[str, Any]]]], *, judges: bool = True) -> list[Event]:
    """The events of all splits, each with the watermark before it."""
    found = []
    for split in splits:
        mark: datetime | None = None
        for kind, row in split:
            time = row["dateTime"]
            found.append(Event(kind, row, time, mark if judges else None))
            mark = time - DELAY if mark is None else max(mark, time - DELAY)
    return found


# Windows --------------------------------------------------------------------------------------------------


def _starts(time: datetime, size: timedelta, slide: timedelta) -> Iterator[datetime]:
    """Where the windows begin that hold a time."""
    start = time - (time - _EPOCH) % slide
    while start + size > time:
        yield start
        start -= slide


def _fixed(
    events: list[Event], kind: int, size: timedelta, slide: timedelta | None = None
) -> Iterator[tuple[Event, datetime, datetime]]:
    """Each event with each of its windows that it is not late for."""
    for event in events:
        if event.kind != kind:
            continue
        for start in _starts(event.time, size, slide or size):
            if event.before is None or start + size > event.before:
                yield event, start, start + size


def _cumulated(
    events: list[Event], size: timedelta, step: timedelta
) -> Iterator[tuple[Event, datetime, datetime]]:
    """Each bid with each of its windows that grow by a step, up to a size."""
    for event in events:
        start = next(_starts(event.time, size, size))
        end = start + step
        while event.kind == _BID and end <= start + size:
            if event.time < end and (event.before is None or end > event.before):
                yield event, start, end
            end += step


def _sessions(events: list[Event], key: str, gap: timedelta) -> Iterator[Row]:
    """Per key: how many bids follow one another with no more than the gap between them, from when to when."""
    times: dict[Any, list[datetime]] = {}
    for event in events:
        if event.kind == _BID and not event.is_behind:
            times.setdefault(event.row[key], []).append(event.time)
    for value, found in times.items():
        found.sort()
        first = 0
        for at in range(1, len(found) + 1):
            if at == len(found) or found[at] - found[at - 1] > gap:
                yield value, at - first, found[first], found[at - 1] + gap
                first = at


def _grouped(pairs: Iterable[tuple[Event, datetime, datetime]], key: str) -> dict[Row, list[int]]:
    """The prices of the bids of each key and window."""
    groups: dict[Row, list[int]] = {}
    for event, start, end in pairs:
        groups.setdefault((event.row[key], start, end), []).append(event.row["price"])
    return groups


# Queries --------------------------------------------------------------------------------------------------


def q5(events: list[Event]) -> Iterator[Row]:
    """The auctions with the most bids of each window."""
    groups = _grouped(_fixed(events, _BID, _s(10), _s(2)), "auction")
    most: dict[datetime, int] = {}
    for (_, start, _), prices in groups.items():
        most[start] = max(most.get(start, 0), len(prices))
    yield from ((a, len(p)) for (a, start, _), p in groups.items() if len(p) == most[start])


def q7(events: list[Event]) -> Iterator[Row]:
    """The bids whose price is the greatest of a window that they lie in, or whose end they lie on."""
    top: dict[datetime, int] = {}
    for event, start, _ in _fixed(events, _BID, _s(10)):
        top[start] = max(top.get(start, 0), event.row["price"])
    for event in events:
        if event.kind == _BID and not event.is_behind:
            own = next(_starts(event.time, _s(10), _s(10)))
            near = [own, *([own - _s(10)] if event.time == own else [])]
            for _ in (start for start in near if top.get(start) == event.row["price"]):
                yield tuple(event.row[n] for n in ("auction", "bidder", "price", "dateTime", "extra"))


def q8(events: list[Event]) -> Iterator[Row]:
    """The persons that were new, and sold something, within the same window."""
    people = {(e.row["id"], e.row["name"], start) for e, start, _ in _fixed(events, _PERSON, _s(10))}
    sellers = {(e.row["seller"], start) for e, start, _ in _fixed(events, _AUCTION, _s(10))}
    yield from (p for p in people if (p[0], p[2]) in sellers)


def q11(events: list[Event]) -> Iterator[Row]:
    """The sessions of each bidder."""
    return _sessions(events, "bidder", _s(10))


def w_tumble(events: list[Event]) -> Iterator[Row]:
    """Count, greatest and mean price of each auction and window."""
    for (auction, start, end), p in _grouped(_fixed(events, _BID, _s(10)), "auction").items():
        yield auction, len(p), max(p), sum(p) / len(p), start, end


def w_hop(events: list[Event]) -> Iterator[Row]:
    """The bids of each bidder and window."""
    groups = _grouped(_fixed(events, _BID, _s(20), _s(5)), "bidder")
    yield from ((bidder, len(p), start, end) for (bidder, start, end), p in groups.items())


def w_cumulate(events: list[Event]) -> Iterator[Row]:
    """Count and sum of each of a few channels and growing window."""
    groups = _grouped(_cumulated(events, _s(60), _s(10)), "channel")
    yield from ((c, len(p), sum(p), start, end) for (c, start, end), p in groups.items() if c in _HOT)


def w_session(events: list[Event]) -> Iterator[Row]:
    """The sessions of each auction."""
    return _sessions(events, "auction", _s(2))


def w_topn(events: list[Event]) -> Iterator[Row]:
    """The five highest bids of each window, with their numbers."""
    windows: dict[Row, list[Row]] = {}
    for event, *bounds in _fixed(events, _BID, _s(10)):
        r = event.row
        windows.setdefault(tuple(bounds), []).append((-r["price"], r["auction"], r["bidder"]))
    for bounds, rows in windows.items():
        for number, (price, auction, bidder) in enumerate(sorted(rows)[:5], 1):
            yield *bounds, auction, bidder, -price, number


QUERIES: dict[str, Callable[[list[Event]], Iterator[Row]]] = {
    "q5_rank": q5,
    **{f.__name__: f for f in (q5, q7, q8, q11, w_tumble, w_hop, w_cumulate, w_session, w_topn)},
}
