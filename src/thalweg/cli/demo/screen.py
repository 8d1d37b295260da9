"""Show the demo while it runs: a live table on a terminal, a line now and then elsewhere.

Not here: what is run (flood.py).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from thalweg.cli.counters import Pace, line, number, sample

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table

    from thalweg.session.handle import JobHandle

_SHOWN = 5
_LINE_EVERY = 2.0


class Screen:
    """What the demo shows of a run; its method `hot` is a callback for the hot items."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.rows: list[tuple[int, int]] = []
        self.count = 0

    def hot(self, frame: pl.DataFrame) -> None:
        """Take new hot items."""
        self.count += frame.height
        newest = dict(frame.select("auction", "num").rows())
        older = [row for row in self.rows if row[0] not in newest]
        self.rows = [*reversed(newest.items()), *older][:_SHOWN]

    @contextmanager
    def watch(self, run: JobHandle) -> Iterator[None]:
        """Show the run while it lasts."""
        done = threading.Event()
        show = self._live if sys.stdout.isatty() else self._lines
        thread = threading.Thread(target=show, args=(run, done), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _lines(self, run: JobHandle, done: threading.Event) -> None:
        pace = Pace()
        click.echo("  starting")
        while not done.wait(_LINE_EVERY):
            text = self._text(run, pace)
            hot = f"; hot: auction {self.rows[0][0]}, {self.rows[0][1]} bids in 10 s" if self.rows else ""
            if run.rows_read:
                click.echo(f"  {text}{hot}")

    def _live(self, run: JobHandle, done: threading.Event) -> None:
        from rich.live import Live

        pace = Pace()
        with Live(self._table(run, pace), refresh_per_second=8, transient=True) as live:
            while not done.wait(0.15):
                live.update(self._table(run, pace))

    def _text(self, run: JobHandle, pace: Pace) -> str:
        from datetime import UTC, datetime

        now = sample(run, time.monotonic())
        return line(now, pace.add(now), datetime.now(UTC))

    def _table(self, run: JobHandle, pace: Pace) -> Table:
        from rich.table import Table

        table = Table(title="hot items: most bids in 10 seconds", caption=self._text(run, pace), min_width=76)
        table.add_column("auction", justify="right")
        table.add_column("bids", justify="right")
        most = max((num for _, num in self.rows), default=1)
        table.add_column("")
        for auction, num in self.rows:
            table.add_row(str(auction), number(num), "█" * max(1, 30 * num // most))
        for _ in range(_SHOWN - len(self.rows)):
            table.add_row("", "", " " * 30)
        return table
