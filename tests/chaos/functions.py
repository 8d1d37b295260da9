"""A keyed function with state of several kinds, timers and a side output, and what it is to give in the end.

Used by: job.py, whose sinks `functions` write what it gives into files.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

import polars as pl

import thalweg as tw

VISITS = "user_id INT, what STRING, page STRING, n BIGINT, pages STRING"
FIFTHS = "user_id INT, page STRING"
Rows = dict[str, list[tuple[object, ...]]]


def patience(page: str) -> timedelta:
    """How long the next row is waited for; after one page in seven not long enough."""
    return timedelta(seconds=15 if int(page[-6:]) % 7 else 3)


class Visits(tw.ProcessFunction):
    """Counts the rows of a user until nothing has come for some seconds, and keeps the last three pages."""

    n: int = 0
    pages: list[str]
    until: datetime | None = None

    def on_event(self, row: Any) -> Any:
        self.n += 1
        self.pages = [*self.pages[-2:], row.page]
        if self.n % 5 == 0:
            self.emit("fifths", (row.user_id, row.page))
        if self.until is not None:
            self.delete_timer(self.until)
        self.until = row.ts + patience(row.page)
        self.set_timer(self.until)
        yield row.user_id, "row", row.page, self.n, ",".join(self.pages)

    def on_timer(self) -> Any:
        yield self.key.user_id, "quiet", None, self.n, ",".join(self.pages)
        self.n, self.until = 0, None


def visits(clicks: tw.Dataset) -> tuple[tw.Dataset, tw.Dataset]:
    """What the function gives, and its side output."""
    made = clicks.key_by("user_id").process(Visits(), VISITS, sides={"fifths": FIFTHS})
    return made, made.side("fifths")


def expected(events: pl.DataFrame) -> Rows:
    """The same by a plain loop."""
    made: list[tuple[object, ...]] = []
    fifths: list[tuple[object, ...]] = []
    by_user: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    for user, page, ts in events.iter_rows():
        by_user[user].append((ts, page))
    for user, rows in by_user.items():
        rows.sort()
        n, pages = 0, list[str]()
        for number, (ts, page) in enumerate(rows):
            n, pages = n + 1, [*pages[-2:], page]
            made.append((user, "row", page, n, ",".join(pages)))
            if n % 5 == 0:
                fifths.append((user, page))
            if number + 1 == len(rows) or rows[number + 1][0] > ts + patience(page):
                made.append((user, "quiet", None, n, ",".join(pages)))
                n = 0
    return {"visits": sorted(made, key=repr), "fifths": sorted(fifths, key=repr)}
