"""Bugs put into the engine on purpose: a law that does not notice its bugs proves nothing.

Each mutant replaces one function for as long as it is installed. It names the laws that must notice it.

Not here: bugs of tasks and checkpoints (task_mutants.py), of sessions and joins (state_mutants.py), how long
the laws may search (test_mutants.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np
import polars as pl

from tests.property import laws
from tests.property.laws import Law
from tests.property.worlds import SECOND
from thalweg.columnar import buffers, cells
from thalweg.columnar.batch import OFFSET, Batch
from thalweg.columnar.sliding_rows import DISTINCT
from thalweg.expr import aggregates
from thalweg.expr.nodes import Call, Column
from thalweg.operators import (
    aggregation,
    closing,
    common_panes,
    extremes,
    limit,
    pane_group,
    parts,
    rowwise,
    running,
    running_over,
    slider,
    window_group,
    window_rank,
)
from thalweg.operators import windows as windowing
from thalweg.physical import common_panes as finding_panes
from thalweg.physical import lazy_sharing
from thalweg.plan import attach, properties
from thalweg.progress import merge
from thalweg.progress.owner import WatermarkOwner
from thalweg.progress.split_clock import Advance, SplitClock
from thalweg.progress.windows import WindowSpec
from thalweg.runtime import source_task, times


@dataclass(frozen=True)
class Mutant:
    """One bug: what it does wrong, how it gets in, and which laws must notice it."""

    name: str
    install: Callable[[], AbstractContextManager[Any]]
    laws: tuple[Law, ...]
    first_seed: int = 0
    """Where the search begins: a seed that is known to fail spares the others."""


# Changes and weights -------------------------------------------------------------------------------------


def _without_weights(original: Any) -> Any:
    return lambda self, state, slots, values, weights: original(self, state, slots, values, parts.NO_WEIGHTS)


def _weightless(original: Any) -> Any:
    return lambda self, batch, *rest: original(self, Batch(batch.frame), *rest)


def _inserts_only(original: Any) -> Any:
    """What was emitted is never taken back."""

    def emit(self: Any, *args: Any) -> Iterator[Any]:
        for out in original(self, *args):
            yield out if out.weight is None else out.filter(out.weight > 0)

    return emit


def _first_batch_only(original: Any) -> Any:
    """Groups that appear later than the first batch after a cut are not emitted."""

    def remember(self: running.RunningGroupOp, slots: Any) -> None:
        original(self, slots)
        self._touched._is_touched[:] = True

    return remember


def _no_group_is_new(original: Any) -> Any:
    """Groups seem to have had a row before their first one."""

    def note(self: Any, *args: Any) -> None:
        original(self, *args)
        for block in self._blocks:
            block.before[0, : block.count] |= 1

    return note


def _only_with_rows(original: Callable[..., Any]) -> Callable[..., Any]:
    """A group of all rows has no result before its first row."""

    def on_cut(self: Any, number: int) -> Iterator[Any]:
        if not self._keys and self._state.count == 0:
            return iter(())
        return original(self, number)

    return on_cut


def _all_present(_: Any) -> Any:
    return lambda values: np.zeros(0, np.bool_)


# Windows and time ----------------------------------------------------------------------------------------


def _all_times(_: Any) -> Any:
    return lambda window, held: dict(held)


def _moved(seconds: int) -> Any:
    return lambda original: lambda self, time: original(self, time + seconds * SECOND)


def _judged_later(shift: int) -> Any:
    def made(original: Any) -> Any:
        def judge(self: Any, times: Any, before: Any, known: Any = None, slack_us: int = 0) -> Any:
            return original(self, times, before + shift, known, slack_us)

        return judge

    return made


def _judged_by_batch(original: Any) -> Any:
    """Rows are judged by the watermark after their whole batch."""

    def advance(self: SplitClock, values: Any, times: Any, arrival: Any = None) -> Advance:
        moved: Advance = original(self, values, times, arrival)
        if moved.before is None or moved.after is None:
            return moved
        return replace(moved, before=np.full(len(times), moved.after), none_count=0)

    return advance


def _counts_everywhere(original: Any) -> Any:
    """A row that is late for the first of its windows counts for all of them."""

    def judge(self: WindowSpec, times: Any, *rest: Any, **named: Any) -> Any:
        verdict = original(self, times, *rest, **named)
        return replace(
            verdict, first_open=np.where(verdict.is_late, verdict.first_open, self.first_end(times))
        )

    return judge


def _in_time_for_all(_: Any) -> Any:
    """A row that is in time for some windows counts for all of those that share its pane."""
    return lambda self, batch, times: self._spec.grid.pane_start(times)


def _first_places(original: Any) -> Any:
    """The first accumulators are taken for the grouping's own."""
    return lambda self: np.arange(len(original(self)))


def _wider_panes(original: Any) -> Any:
    return lambda column, grid: original(column, WindowSpec.tumbling(2 * grid.size_us, grid.offset_us))


def _coarser(original: Any) -> Any:
    return lambda windows: 2 * original(windows)


def _greatest_of_splits(_: Any) -> Any:
    def publish(self: WatermarkOwner) -> None:
        marks = [s.mark for s in self._splits.values() if s.mark is not None]
        self.published = max([*marks, *([] if self.published is None else [self.published])], default=None)

    return publish


def _sized(_: Any) -> Any:
    return lambda self, ends: ends - self.size_us


def _greatest(_: Any) -> Any:
    return lambda times: max((t for t in times if t is not None), default=None)


def _no_late_output(original: Any) -> Any:
    return lambda self, batch, times, slack: (original(self, batch, times, slack)[0], None)


def _watermark_first(original: Any) -> Any:
    def through(self: source_task.SourceTask, current: Any, chunk: Any, batch: Batch) -> Iterator[Any]:
        yield from self._advance(self.owner.announced)
        yield from original(self, current, chunk, batch)

    return through


def _loses_timeless(original: Any) -> Any:
    return lambda self, chunk: replace(original(self, chunk), bad=chunk.bad)


# Ranks, limits, rows -------------------------------------------------------------------------------------


def _last_of_ties(original: Any) -> Any:
    def numbered(self: Any, frame: pl.DataFrame) -> pl.DataFrame:
        if OFFSET not in frame.columns:
            return original(self, frame)
        turned: pl.DataFrame = original(self, frame.with_columns(-pl.col(OFFSET)))
        return turned.with_columns(-pl.col(OFFSET))

    return numbered


def _first_row(original: Any) -> Any:
    return lambda self, frame: original(self, frame).head(1)


def _keeps_empty_lists(_: Any) -> Any:
    return lambda frame, column: frame.explode(column)


# Groups that close, OVER --------------------------------------------------------------------------------


def _closes_all_groups(_: Any) -> Any:
    """Groups close as soon as time has come any further."""
    return lambda self, state, slots, watermark: slots


def _closes_all(_: Any) -> Any:
    """Keys close as soon as time has come any further."""
    return lambda self, index: index.live() if self.watermark is not None else np.empty(0, np.int64)


def _finds_no_difference(_: Any) -> Any:
    return lambda before, now, common: (np.ones(len(before.rows), bool), np.zeros(len(now.rows), bool))


def _counts_repeats(original: Any) -> Any:
    """Every value counts, also where only different ones should."""

    def entries(call: Any, columns: Any) -> Any:
        return ((entry, flags & ~DISTINCT) for entry, flags in original(call, columns))

    return entries


# Queries inside queries ----------------------------------------------------------------------------------


def _two_valued(_: Any) -> Any:
    """IN is false where it should be unknown."""
    return lambda value, mark, has_null: Call("is_not_null", (Column(mark),))


def _null_for_none(_: Any) -> Any:
    """A count of no rows is NULL."""
    return lambda call, held: None


# The mutants ---------------------------------------------------------------------------------------------

TABLES = (laws.batch_equals_stream, laws.cuts_do_not_matter, laws.cuts_are_consistent)
_PANES = (laws.panes_are_shared_unseen,)
_NAMES = (laws.windows_have_any_name,)
_LATE = (laws.windows_close_in_time, laws.late_rows_are_judged, laws.every_row_is_accounted_for)
ORDER = (laws.order_does_not_matter, laws.cuts_are_consistent)
_QUERIES = (laws.queries_inside_queries,)
_BAD = (laws.bad_rows_are_kept_apart,)
_RULES = (laws.rules_keep_results,)


def mutant(name: str, target: Any, attribute: str, made: Callable[[Any], Any], by: tuple[Law, ...]) -> Mutant:
    """A bug that is a function, made from the right one, in its place."""

    def install() -> AbstractContextManager[Any]:
        return mock.patch.object(target, attribute, made(getattr(target, attribute)))

    return Mutant(name, install, by, FIRST_SEEDS.get(name, 0))


FIRST_SEEDS = {
    "takes waiting rows for punctual": 2,
    "drops retractions": 5,
    "no result for no rows": 43,
    "counts NULL": 2,
    "count ignores weights": 28,
    "sum ignores weights": 29,
    "extremes are not undone": 33,
    "limit takes nothing back": 37,
    "panes close a second early": 1,
    "panes close a second late": 1,
    "windows close a second late": 9,
    "ranks close a second early": 337,
    "groups close early": 163,
    "keys close early": 14,
    "late a microsecond too late": 8,
    "judged by the whole batch": 3,
    "forgets late pairs": 1,
    "the fastest split decides": 1,
    "the watermark overtakes rows": 14,
    "the last of ties wins": 88,
    "OVER counts repeats": 79,
    "empty lists give a row": 3,
    "does not align barriers": 11,
    "publishes before the flush": 8,
    "does not save what was emitted": 13,
    "restores keys in another task": 12,
    "restores every key everywhere": 2,
    "restores one row too far": 5,
    "forgets the watermark of a split": 9,
    "leaves out tasks that finished": 3,
    "completes a checkpoint early": 3,
    "IN is never unknown": 18,
    "a count of nothing is NULL": 53,
}
"""Seeds that are known to fail, so that the search is short. Other generators only make it longer."""

MUTANTS = (
    # changes and weights
    mutant("drops retractions", running.RunningGroupOp, "_emitted", _inserts_only, TABLES),
    mutant("retracts rows that were not there", cells.Touched, "note", _no_group_is_new, TABLES),
    mutant("forgets groups of later batches", running.RunningGroupOp, "_remember", _first_batch_only, TABLES),
    mutant("no result for no rows", running.RunningGroupOp, "on_cut", _only_with_rows, TABLES),
    mutant("counts NULL", buffers, "presence", _all_present, TABLES),
    mutant("count ignores weights", parts.CountPart, "update", _without_weights, TABLES),
    mutant("sum ignores weights", parts.SumPart, "update", _without_weights, TABLES),
    mutant("extremes are not undone", extremes.Extremes, "update", _weightless, TABLES),
    mutant("limit takes nothing back", limit.LimitOp, "on_cut", _inserts_only, ORDER),
    # windows and time
    mutant("panes close a second early", pane_group.PaneGroupOp, "on_watermark", _moved(1), _LATE),
    mutant("panes close a second late", pane_group.PaneGroupOp, "on_watermark", _moved(-1), _LATE),
    mutant("windows close a second early", window_group.WindowGroupOp, "on_watermark", _moved(1), _LATE),
    mutant("windows close a second late", window_group.WindowGroupOp, "on_watermark", _moved(-1), _LATE),
    mutant("ranks close a second early", window_rank.WindowRankOp, "on_watermark", _moved(1), TABLES),
    mutant("late a microsecond too late", WindowSpec, "judge", _judged_later(-1), _LATE),
    mutant("late a second too early", WindowSpec, "judge", _judged_later(SECOND), _LATE),
    mutant("judged by the whole batch", SplitClock, "advance", _judged_by_batch, _LATE),
    mutant("late rows count in open panes", WindowSpec, "judge", _counts_everywhere, _LATE),
    mutant("takes waiting rows for punctual", properties, "_times_of", _all_times, _NAMES),
    mutant("forgets late pairs", windowing.WindowsOp, "_judge", _no_late_output, _LATE),
    mutant(
        "late rows count in common panes", common_panes.CommonPanesOp, "_reached", _in_time_for_all, _PANES
    ),
    mutant("takes the first parts of panes", common_panes.OwnPanesSpec, "places", _first_places, _PANES),
    mutant("common panes of a batch are too wide", lazy_sharing, "pane_of", _wider_panes, _PANES),
    mutant("common panes are too wide", finding_panes, "common_width", _coarser, _PANES),
    mutant("cumulating windows start late", WindowSpec, "window_start", _sized, TABLES),
    mutant("the fastest split decides", WatermarkOwner, "_publish", _greatest_of_splits, ORDER + _LATE),
    mutant("the fastest input decides", merge, "_lowest", _greatest, ORDER),
    mutant("the watermark overtakes rows", source_task.SourceTask, "_through_chain", _watermark_first, _LATE),
    mutant("loses rows without event time", times.TimeReader, "without_null", _loses_timeless, _BAD),
    # rows and ranks
    mutant("the last of ties wins", window_rank.WindowRankOp, "_numbered", _last_of_ties, TABLES),
    mutant("rank keeps a row per batch", window_rank.WindowRankOp, "_best", _first_row, TABLES),
    mutant("groups close early", aggregation.Layout, "closed", _closes_all_groups, _RULES),
    mutant("keys close early", closing.ClosingTimes, "closed", _closes_all, _RULES),
    mutant("OVER takes nothing back", running_over, "_same", _finds_no_difference, TABLES),
    mutant("OVER counts repeats", slider, "entries", _counts_repeats, TABLES),
    mutant("empty lists give a row", rowwise, "explode", _keeps_empty_lists, TABLES),
    # queries inside queries
    mutant("IN is never unknown", attach, "is_in", _two_valued, _QUERIES),
    mutant("a count of nothing is NULL", aggregates, "value_of_none", _null_for_none, _QUERIES),
)
