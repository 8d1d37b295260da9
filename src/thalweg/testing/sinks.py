"""Check a sink against its contract, by looking at what can be seen after each call.

Short scripts of writes, cuts, ends and closes run against a new sink each; after every call, what a
reader would see is compared with what was written.

Reads:    what `read_back` gives.
Not here: the lines (protocols/sink.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from thalweg.base.schema import Schema
from thalweg.columnar.batch import Batch
from thalweg.protocols.sink import Sink, Writer
from thalweg.testing.contract import check, must_work
from thalweg.testing.tables import Table, add_batch, difference, table_of

MakeSink = Callable[[], Sink]
ReadBack = Callable[[Sink], pl.DataFrame | None]
Shown = Callable[[pl.DataFrame], pl.DataFrame]

SAMPLE = pl.DataFrame(
    {
        "id": range(12),
        "name": ["a", "b", None, "", "c", "d", "e", "f", "g", "h", "i", "j"],
        "amount": [0.5, None, -1.0, 2.0, 3.25, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0],
    }
)
"""The rows that are written unless others are handed in: each is there once."""


@dataclass(frozen=True)
class _Kit:
    make: MakeSink
    read_back: ReadBack
    rows: pl.DataFrame
    waits: bool
    shown: Shown

    @property
    def schema(self) -> Schema:
        """The columns of the rows."""
        return Schema.from_polars(dict(self.rows.schema))

    def stage(self) -> _Stage:
        """A new sink that nothing was written to."""
        return _Stage(self, self.make())


@dataclass
class _Stage:
    """One sink, its writers, and what must be seen of it.

    Attributes:
        visible: what must be there.
        pending: per writer, what was written since its last cut.
    """

    kit: _Kit
    sink: Sink
    writers: dict[int, Writer] = field(default_factory=dict)
    visible: Table = field(default_factory=Counter)
    pending: dict[int, list[Batch]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def open(self, task: int = 0) -> None:
        self.said.append(f"open({task})")
        self.writers[task] = self.sink.open(self.kit.schema, task)
        self.pending[task] = []

    def write(self, batch: Batch, line: str = "W1", task: int = 0) -> None:
        """Write; the rows are not seen yet, unless the sink publishes at once."""
        self.said.append(f"write({len(batch)} rows)" + self._of(task))
        kept = Batch(batch.frame.clone(), None if batch.weight is None else batch.weight.clone())
        self.writers[task].write(batch)
        same = batch.frame.equals(kept.frame) and batch.frame.schema == kept.frame.schema
        same = same and (kept.weight is None or kept.weight.equals(batch.weights()))
        check(same, "W8", self._what(), expected=kept, found=batch)
        self.pending[task].append(kept)
        if self.sink.emit == "now":
            self._publish(task)
        self.look(line)

    def cut(self, number: int, line: str = "W2", task: int = 0) -> None:
        """Cut; everything written by this writer is seen."""
        self.said.append(f"cut({number})" + self._of(task))
        self.writers[task].cut(number)
        if not self.kit.waits:
            self._publish(task)
        self.look(line)

    def end(self, line: str = "W2", task: int = 0) -> None:
        """End; everything written by this writer is seen."""
        self.said.append("end()" + self._of(task))
        with must_work("W5" if not self.visible else "W2", self._what()):
            self.writers[task].end()
        self._publish(task)
        self.look(line, is_final=True)

    def close(self, line: str = "W4", task: int = 0) -> None:
        """Close, twice; nothing more is seen."""
        for _ in range(2):
            self.said.append("close()" + self._of(task))
            with must_work("W7", self._what()):
                self.writers[task].close()
            self.look(line)

    def look(self, line: str, *, is_final: bool = False) -> None:
        """Compare what is seen with what must be seen."""
        what = f"{self._what()}, then reading back"
        with must_work("W5" if is_final else line, what):
            found = self.kit.read_back(self.sink)
        check(found is not None or not is_final, "W5", what, found="nothing that can be read")
        seen = Counter() if found is None else table_of(found)
        if self.kit.waits and not is_final:
            written = Counter(self.visible)
            for batches in self.pending.values():
                for batch in batches:
                    add_batch(written, batch)
            early = seen - written
            check(not early, line, what, found=f"rows that were not written: {early}")
            return
        wanted = self.kit.shown(_frame_of(self.visible, self.kit.rows))
        if is_final and found is not None:
            names = wanted.columns
            check(found.columns == names, "W5", what, expected=names, found=found.columns)
        # what is not there yet shows as nothing, whatever would stand for an empty table
        nothing_yet = found is None and not self.visible
        wrong = None if nothing_yet else difference(seen, table_of(wanted))
        check(wrong is None, line, what, found=wrong)

    def _publish(self, task: int) -> None:
        pending, self.pending[task] = self.pending[task], []
        for batch in pending:
            add_batch(self.visible, batch)

    def _of(self, task: int) -> str:
        return f" by writer {task}" if len(self.writers) > 1 else ""

    def _what(self) -> str:
        return ", ".join(self.said)


def _frame_of(table: Table, like: pl.DataFrame) -> pl.DataFrame:
    rows = [row for row, count in table.items() for _ in range(count)]
    return pl.DataFrame(rows, schema=like.schema, orient="row")


def check_sink(
    make_sink: MakeSink,
    read_back: ReadBack,
    *,
    takes_updates: bool | None = None,
    rows: pl.DataFrame = SAMPLE,
    waits_for_end: bool = False,
    shown: Shown | None = None,
) -> None:
    """Run a sink against W1 to W8.

    Args:
        make_sink: makes a sink whose target is empty.
        read_back: what somebody who looks at the target sees now; of a sink that takes updates, the
            table that they add up to; None if there is nothing that could be read yet.
        takes_updates: what the sink is meant to say; None: whatever it says.
        rows: at least twelve different rows to write.
        waits_for_end: whether the sink was told that its input ends, and may keep rows until then.
        shown: what `read_back` gives for a table; None: the table itself.

    Raises:
        ConformanceError: names the line that is broken.

    Example:
        >>> from thalweg.connectors.memory import MemorySink
        >>> check_sink(MemorySink, lambda sink: sink.table(), takes_updates=True)
    """
    assert rows.n_unique() == rows.height >= 12, "the kit needs twelve different rows"
    kit = _Kit(make_sink, read_back, rows, waits_for_end, shown or (lambda table: table))
    sink = make_sink()
    says = sink.takes_updates
    if takes_updates is not None:
        check(says == takes_updates, "W3", "takes_updates", expected=takes_updates, found=says)
    for script in (_plain, _cut_last, _close_without_end, _empty, _empty_after_cuts):
        script(kit.stage())
    if sink.is_parallel:
        for script in (_two_writers, _one_gives_up, _idle_writer):
            script(kit.stage())
    if sink.takes_updates:
        for script in (_weights, _updates):
            script(kit.stage())


def _parts(kit: _Kit) -> Sequence[Batch]:
    return [Batch(kit.rows[i : i + 3]) for i in range(0, 12, 3)]


def _plain(stage: _Stage) -> None:
    """Writes between cuts, a cut with nothing new, an end with a rest."""
    first, second, third, _ = _parts(stage.kit)
    stage.open()
    stage.write(first)
    stage.write(second)
    stage.cut(1)
    stage.cut(2)
    stage.write(third)
    stage.end()
    stage.close("W7")


def _cut_last(stage: _Stage) -> None:
    """The end right after a cut repeats nothing; equal rows are kept apart."""
    first, second, *_ = _parts(stage.kit)
    stage.open()
    stage.write(first)
    stage.cut(1)
    stage.write(second)
    stage.write(second)
    stage.cut(2)
    stage.end()
    stage.close("W7")


def _close_without_end(stage: _Stage) -> None:
    first, second, *_ = _parts(stage.kit)
    stage.open()
    stage.write(first)
    stage.cut(1)
    stage.write(second)
    stage.close("W4")


def _empty(stage: _Stage) -> None:
    stage.open()
    stage.end("W5")
    stage.close("W7")


def _empty_after_cuts(stage: _Stage) -> None:
    stage.open()
    stage.cut(1, "W5")
    stage.cut(2, "W5")
    stage.end("W5")
    stage.close("W7")


def _two_writers(stage: _Stage) -> None:
    """Each publishes its own rows, when it is its turn."""
    first, second, third, fourth = _parts(stage.kit)
    stage.open(0)
    stage.open(1)
    stage.write(first, "W6", 0)
    stage.write(second, "W6", 1)
    stage.cut(1, "W6", 0)
    stage.cut(1, "W6", 1)
    stage.write(third, "W6", 0)
    stage.write(fourth, "W6", 1)
    stage.writers[1].end()
    stage._publish(1)
    stage.said.append("end() by writer 1")
    stage.look("W6")
    stage.end("W6", 0)
    stage.close("W7", 0)
    stage.close("W7", 1)


def _one_gives_up(stage: _Stage) -> None:
    """A writer that is closed without an end takes nothing from the others."""
    first, second, *_ = _parts(stage.kit)
    stage.open(0)
    stage.open(1)
    stage.write(first, "W6", 0)
    stage.write(second, "W6", 1)
    stage.close("W6", 1)
    stage.pending[1] = []
    stage.end("W6", 0)


def _idle_writer(stage: _Stage) -> None:
    """Of two writers one has no rows at all."""
    first, *_ = _parts(stage.kit)
    stage.open(0)
    stage.open(1)
    stage.write(first, "W6", 1)
    stage.writers[0].end()
    stage.said.append("end() by writer 0")
    stage.end("W6", 1)


def _weights(stage: _Stage) -> None:
    """A weight is how often a row comes or goes."""
    rows = stage.kit.rows
    stage.open()
    stage.write(Batch(rows[:4], pl.Series([1, 3, 1, 2], dtype=pl.Int64)), "W1")
    stage.cut(1, "W3")
    stage.write(Batch(rows[1:4], pl.Series([-2, -1, -1], dtype=pl.Int64)), "W1")
    stage.cut(2, "W3")
    stage.end("W3")


def _updates(stage: _Stage) -> None:
    """Rows replace others: within a batch, across batches, within a cut and across cuts."""
    rows = stage.kit.rows
    stage.open()
    stage.write(Batch(rows[:3]), "W1")
    stage.write(Batch(rows[[0, 5]], pl.Series([-1, 1], dtype=pl.Int64)), "W1")
    stage.cut(1, "W3")
    stage.write(Batch(rows[[1, 6]], pl.Series([-1, 1], dtype=pl.Int64)), "W1")
    stage.write(Batch(rows[[6, 7]], pl.Series([-1, 1], dtype=pl.Int64)), "W1")
    stage.cut(2, "W3")
    stage.write(Batch(rows[[2, 5, 7]], pl.Series([-1, -1, -1], dtype=pl.Int64)), "W1")
    stage.end("W3")
    stage.close("W7")


__all__ = ["SAMPLE", "check_sink"]
