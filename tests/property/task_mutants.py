"""Bugs put into tasks: what they lose at the end, at cuts and barriers, and what checkpoints leave out.

Not here: bugs of steps and of time (mutants.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from tests.property import laws
from tests.property.mutants import ORDER, TABLES, mutant
from thalweg.checkpoint import snapshot as snapshots
from thalweg.operators.aggregation import DONE, NEVER
from thalweg.progress.split_clock import SplitClock
from thalweg.protocols.messages import End
from thalweg.runtime import assemble, outputs, restore, run, source_task, task, waiting
from thalweg.runtime.coordinator import Coordinator


def _loses_last_batch(original: Any) -> Any:
    def drain(self: Any, channel: Any) -> Any:
        before = list(self.batches)
        last = original(self, channel)
        if isinstance(last, End):
            self.batches = before
        return last

    return drain


def _unaligned(_: Any) -> Any:
    def align(self: task.Task, barrier: Any) -> Iterator[Any]:
        if barrier.number > getattr(self, "passed_cut", 0):
            self.passed_cut = barrier.number  # type: ignore[attr-defined]  # a note of the mutant's own
            yield from self.pass_barrier(barrier)
        for input_ in self.inputs:
            input_.aligned = False

    return align


def _publishes_first(_: Any) -> Any:
    def pass_barrier(self: task.Task, barrier: Any) -> Iterator[Any]:
        if self.writer is not None:
            self.writer.cut(barrier.number)
        yield from self.chain.on_cut(barrier.number)
        self._on_barrier(self, barrier)
        yield barrier

    return pass_barrier


def _saved_without(column: str) -> Any:
    """A column of state that a checkpoint leaves out."""

    def made(original: Any) -> Any:
        def snapshot(self: Any, of: Any) -> snapshots.TaskSnapshot:
            taken: snapshots.TaskSnapshot = original(self, of)
            keyed = {k: s.with_frame(_blank(s.frame, column)) for k, s in taken.keyed.items()}
            return replace(taken, keyed=keyed)

        return snapshot

    return made


def _blank(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """The column as it is of a group of which nothing was emitted: an end, or whether there was anything."""
    held = frame.schema.get(column)
    if held not in (pl.Int64, pl.Boolean):
        return frame
    return frame.with_columns(pl.lit(NEVER if held == pl.Int64 else False, dtype=held).alias(column))


def _next_share(original: Any) -> Any:
    def share(self: Any, frame: pl.DataFrame, declared: Any) -> pl.DataFrame:
        other = replace(self, index=(self.index + 1) % self.stage.parallelism)
        shared: pl.DataFrame = original(other, frame, declared)
        return shared

    return share


def _whole_share(_: Any) -> Any:
    return lambda self, frame, declared: frame


def _one_further(original: Any) -> Any:
    def progress(self: Any, split: Any, *, ended: bool) -> dict[str, Any]:
        taken: dict[str, Any] = original(self, split, ended=ended)
        return taken | {"position": {"row": taken["position"]["row"] + 1}}

    return progress


def _no_clock(original: Any) -> Any:
    def progress(self: Any, split: Any, *, ended: bool) -> dict[str, Any]:
        taken: dict[str, Any] = original(self, split, ended=ended)
        return taken if ended else taken | {"clock": SplitClock().to_data()}

    return progress


def _only_running(_: Any) -> Any:
    """The state of tasks that have finished is missing."""

    def finish(self: run.Run, number: int) -> None:
        self.last_snapshot = run.gather(number, self._snapshots.pop(number, []))
        assert self.options.on_checkpoint is not None, "the laws take checkpoints"
        self.options.on_checkpoint(self.last_snapshot)

    return finish


def _complete_at_once(original: Any) -> Any:
    """A checkpoint is taken for complete when the first task has passed it."""

    def passed(self: Coordinator, name: str) -> Any:
        self._waiting_for.clear()
        return original(self, name)

    return passed


def _by_place(_: Any) -> Any:
    return lambda batch, keys: np.arange(len(batch)).astype(np.uint64) * np.uint64(97)


_RESTORE = (laws.restore_anywhere,)

TASK_MUTANTS = (
    mutant("loses the batch before the end", waiting.Waiting, "drain", _loses_last_batch, TABLES),
    mutant("does not align barriers", task.Task, "_align", _unaligned, ORDER + _RESTORE),
    mutant("publishes before the flush", task.Task, "pass_barrier", _publishes_first, ORDER),
    mutant("splits keys between tasks", outputs, "key_hashes", _by_place, ORDER),
    mutant("does not save what was emitted", assemble.Assembled, "snapshot", _saved_without(DONE), _RESTORE),
    mutant("restores keys in another task", restore._Loading, "_share", _next_share, _RESTORE),
    mutant("restores every key everywhere", restore._Loading, "_share", _whole_share, _RESTORE),
    mutant("restores one row too far", source_task.SourceTask, "_progress", _one_further, _RESTORE),
    mutant("forgets the watermark of a split", source_task.SourceTask, "_progress", _no_clock, _RESTORE),
    mutant("leaves out tasks that finished", run.Run, "_finish_snapshot", _only_running, _RESTORE),
    mutant("completes a checkpoint early", Coordinator, "passed", _complete_at_once, _RESTORE),
)
