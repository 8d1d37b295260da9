"""Bugs put into the engine on purpose: a law that does not notice its bugs proves nothing.

Each mutant replaces one function for as long as it is installed. It names the laws that must notice it.

Not here: how long the laws may search (test_mutants.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np
import polars as pl

from thalweg.checkpoint import snapshot as snapshots
from thalweg.columnar.batch import FIRST, OFFSET, Batch
from thalweg.operators import limit, multiset, pane_group, parts, rowwise, running, window_group, window_rank
from thalweg.operators import windows as windowing
from thalweg.operators.aggregation import DONE, NEVER, ROWS
from thalweg.progress import merge
from thalweg.progress.owner import WatermarkOwner
from thalweg.progress.split_clock import Advance, SplitClock
from thalweg.progress.windows import WindowSpec
from thalweg.protocols.messages import End
from thalweg.runtime import assemble, outputs, run, source_task, task
from thalweg.runtime.coordinator import Coordinator
from tests.property import laws
from tests.property.laws import Law
from tests.property.worlds import SECOND


@dataclass(frozen=True)
class Mutant:
    """One bug: what it does wrong, how it gets in, and which laws must notice it."""

    name: str
    install: Callable[[], AbstractContextManager[Any]]
    laws: tuple[Law, ...]


def _replaced(target: Any, name: str, made: Callable[[Any], Any]) -> Callable[[], AbstractContextManager[Any]]:
    """Replace an attribute by what `made` makes of the original."""
    return lambda: mock.patch.object(target, name, made(getattr(target, name)))


# Changes and weights -------------------------------------------------------------------------------------


def _no_retractions(_: Any) -> Any:
    return lambda minus, plus: Batch(plus)


def _without_weights(original: Any) -> Any:
    return lambda self, state, slots, values, weights: original(self, state, slots, values, parts.NO_WEIGHTS)


def _weightless(original: Any) -> Any:
    return lambda self, batch: original(self, Batch(batch.frame))


def _never_forgets(original: Any) -> Any:
    """A limit that does not take back what it emitted."""

    def on_cut(self: limit.LimitOp, number: int) -> Iterator[Any]:
        for out in original(self, number):
            yield out if out.weight is None else out.filter(out.weight > 0)

    return on_cut


def _first_touch_only(original: Any) -> Any:
    """A group that is touched again after a cut is not remembered before the change."""

    def remember(self: running.RunningGroupOp, slots: Any) -> None:
        original(self, slots)
        self._is_touched[:] = True

    return remember


def _dead_groups_live(original: Any) -> Any:
    """Groups without rows keep their line."""

    def take(self: Any, state: Any, slots: Any) -> Any:
        return {n: np.maximum(a, 1) if n == ROWS else a for n, a in original(self, state, slots).items()}

    return take


# Windows and time ----------------------------------------------------------------------------------------


def _clock_moved(seconds: int) -> Any:
    return lambda original: lambda self, time: original(self, time + seconds * SECOND)


def _judged_by(shift: int) -> Any:
    def made(original: Any) -> Any:
        def judge(self: Any, times: Any, before: Any, known: Any = None, slack_us: int = 0) -> Any:
            return original(self, times, before + shift, known, slack_us)

        return judge

    return made


def _judged_per_batch(original: Any) -> Any:
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
        return replace(verdict, first_open=np.where(verdict.is_late, verdict.first_open, self.first_end(times)))

    return judge


def _max_of_splits(_: Any) -> Any:
    def publish(self: WatermarkOwner) -> None:
        marks = [s.mark for s in self._splits.values() if s.mark is not None]
        self.published = max([*marks, *([] if self.published is None else [self.published])], default=None)

    return publish


def _start_of_hopping(_: Any) -> Any:
    return lambda self, ends: ends - self.size_us


# Ranks, limits, rows -------------------------------------------------------------------------------------


def _last_of_ties(original: Any) -> Any:
    def numbered(self: Any, frame: pl.DataFrame) -> pl.DataFrame:
        if OFFSET not in frame.columns:
            return original(self, frame)
        turned: pl.DataFrame = original(self, frame.with_columns(-pl.col(OFFSET)))
        return turned.with_columns(-pl.col(OFFSET))

    return numbered


def _dense_rank(original: Any) -> Any:
    """The best rows of each batch only, whatever is known of the window."""
    return lambda self, frame: original(self, frame).head(1)


def _keeps_empty_lists(_: Any) -> Any:
    return lambda frame, column: frame.explode(column)


# Tasks, cuts, checkpoints --------------------------------------------------------------------------------


def _loses_last_batch(original: Any) -> Any:
    def drain(channel: Any, rows_max: int) -> Any:
        batches, last = original(channel, rows_max)
        return ([] if isinstance(last, End) else batches), last

    return drain


def _unaligned(_: Any) -> Any:
    def align(self: task.Task, barrier: Any) -> Iterator[Any]:
        if barrier.number > getattr(self, "passed_cut", 0):
            self.passed_cut = barrier.number  # type: ignore[attr-defined]  # a note of the mutant's own
            yield from self.pass_barrier(barrier)
        for input_ in self.inputs:
            input_.aligned = False

    return align


def _publishes_before_flush(_: Any) -> Any:
    def pass_barrier(self: task.Task, barrier: Any) -> Iterator[Any]:
        if self.writer is not None:
            self.writer.cut(barrier.number)
        yield from self.chain.on_cut(barrier.number)
        self._on_barrier(self, barrier)
        yield barrier

    return pass_barrier


def _saved_without(column: str, value: Any) -> Any:
    """A column of state that a checkpoint leaves out."""

    def made(original: Any) -> Any:
        def snapshot(self: Any, of: Any) -> snapshots.TaskSnapshot:
            taken: snapshots.TaskSnapshot = original(self, of)
            keyed = {k: _blank(f, column, value) for k, f in taken.keyed.items()}
            return replace(taken, keyed=keyed)

        return snapshot

    return made


def _blank(frame: pl.DataFrame, column: str, value: Any) -> pl.DataFrame:
    held = frame.schema.get(column)
    return frame if held is None else frame.with_columns(pl.lit(value, dtype=held).alias(column))


def _wrong_share(original: Any) -> Any:
    def share(self: Any, frame: pl.DataFrame, spec: Any, tasks: int, index: int) -> pl.DataFrame:
        return original(self, frame, spec, tasks, (index + 1) % tasks)

    return share


def _progress_without(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    return lambda original: lambda self, split, *, ended: change(original(self, split, ended=ended))


def _only_running(original: Any) -> Any:
    """Tasks that have finished are missing from the checkpoint."""

    def gather(number: int, tasks: Any) -> Any:
        return original(number, list(tasks)[:1])

    return gather


def _complete_at_once(original: Any) -> Any:
    """A checkpoint is taken for complete when the first task has passed it."""

    def passed(self: Coordinator, name: str) -> Any:
        self._waiting_for.clear()
        return original(self, name)

    return passed


def _scatter_by_place(_: Any) -> Any:
    return lambda found, tasks, total: np.arange(len(found)) % tasks


_CHANGES = (laws.batch_equals_stream, laws.cuts_are_consistent, laws.cuts_do_not_matter)
_LATE = (laws.late_rows_are_judged, laws.every_row_is_accounted_for, laws.windows_close_in_time)
_ORDER = (laws.order_does_not_matter, laws.restore_anywhere)
_RESTORE = (laws.restore_anywhere,)

MUTANTS = (
    Mutant("drops retractions", _replaced(running, "_as_changes", _no_retractions), _CHANGES),
    Mutant("counts NULL", _replaced(parts, "_present", lambda _: lambda values: np.zeros(0, np.bool_)), _CHANGES),
    Mutant("count ignores weights", _replaced(parts.CountPart, "update", _without_weights), _CHANGES),
    Mutant("sum ignores weights", _replaced(parts.SumPart, "update", _without_weights), _CHANGES),
    Mutant("extremes cannot be undone", _replaced(multiset.Multiset, "update", _weightless), _CHANGES),
    Mutant("limit takes nothing back", _replaced(limit.LimitOp, "on_cut", _never_forgets), _CHANGES + _ORDER),
    Mutant("no memory of later changes", _replaced(running.RunningGroupOp, "_remember", _first_touch_only), _CHANGES),
    Mutant("empty groups stay", _replaced(running.Layout, "take", _dead_groups_live), _CHANGES),
)
