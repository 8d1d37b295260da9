"""Run operators by hand: state in memory, one call after the other, as the runtime would make them.

Checks as it goes whatever holds for each single call: bounded batches (O6), nothing behind the watermark
(O7), input left alone (O8), one schema (O12), nothing owed by a second cut (O9), nothing removed that is
not there (O10), no change of state that its increments do not have (O14).

Reads:    an operator's description and a script.
Changes:  the state that it makes.
Not here: which scripts must agree (operators.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

import polars as pl

from thalweg.columnar.batch import BEFORE, Batch
from thalweg.columnar.hash import partitions
from thalweg.protocols.calls import AsyncFunction, Calls
from thalweg.protocols.messages import Watermark
from thalweg.protocols.operator import (
    MAIN,
    AnswersLater,
    Operator,
    OperatorSpec,
    Output,
    ReadsFirst,
    SetsTimers,
    Side,
)
from thalweg.protocols.state import ColumnsSpec, MultimapSpec, RowsSpec, StateSpec
from thalweg.runtime.chain import Chain
from thalweg.runtime.lookups import lookups_of
from thalweg.runtime.outputs import owner_of
from thalweg.testing.calls import ShuffledCalls
from thalweg.testing.contract import check
from thalweg.testing.increments import States, Taken
from thalweg.testing.scripts import Cut, Event, Place, Rows, size_of
from thalweg.testing.tables import Table, add_batch

PARTITIONS = 256
Tables = dict[str, Table]


@dataclass(frozen=True)
class How:
    """What happens beside the script; nothing here may change a result.

    Attributes:
        what: a few words for messages.
        after_cut: `keep` the operators, `rebuild` them over the same state, or `restore` the state too.
        tasks: how many tasks there are after each cut, by turns.
        routes: the columns by which rows are shared out, those that a batch has; none: by turns.
        every: after how many cuts operators or state are new.
    """

    what: str
    after_cut: Literal["keep", "rebuild", "restore"] = "keep"
    tasks: tuple[int, ...] = (1,)
    routes: tuple[tuple[str, ...], ...] = ()
    every: int = 1

    def route(self, columns: Sequence[str]) -> tuple[str, ...]:
        """The columns by which rows with these columns are shared out."""
        return next((r for r in self.routes if set(r) <= set(columns)), ())


@dataclass
class Outcome:
    """What came out.

    Attributes:
        at: the tables, by output, after each cut.
        final: the tables after the end.
        columns: the columns of each output.
    """

    at: dict[Place, Tables] = field(default_factory=dict)
    final: Tables = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """The operators to run, and what is known of them.

    Attributes:
        specs: the chain, first one first.
        inputs: how many ports the first one has.
        time: an output column whose times are behind no watermark.
        slack_us: how far it may lag behind.
        as_changes: what emitted rows mean as changes, where they are not changes themselves.
    """

    specs: tuple[OperatorSpec, ...]
    inputs: int = 1
    time: str | None = None
    slack_us: int = 0
    as_changes: Callable[[Batch], Batch] | None = None

    @property
    def sets_timers(self) -> bool:
        """Whether what happens at the end rests on the last watermark."""
        return any(isinstance(s, SetsTimers) and s.has_timers for s in self.specs)

    def run(self, events: Sequence[Event], how: How) -> Outcome:
        """Everything that comes out of a script."""
        return _Run(self, how, size_of(events)).run(events)


@dataclass
class _Context:
    """What an operator is built with."""

    states: Mapping[str, Any]
    rows_max: int
    inputs: int
    lookups: Mapping[str, Any]
    random: Random

    def state(self, name: str) -> Any:
        return self.states[name]

    def lookup(self, name: str) -> Any:
        return self.lookups[name]

    def calls(self, function: AsyncFunction) -> Calls:
        return ShuffledCalls(function, self.random)

    def split_name(self, number: int) -> str:
        return f"split {number}"

    def wall(self) -> int:
        return 0


class _Run:
    def __init__(self, bench: Bench, how: How, rows_max: int) -> None:
        self._bench, self._how, self._rows_max = bench, how, rows_max
        self._schemas: dict[tuple[str, str], pl.Schema] = {}
        # when answers come that operators wait for
        self._random = Random(how.what)  # noqa: S311 - no secret
        self._taken = Taken(bench.specs)
        self._states = self._taken.restored(how.tasks[0])
        self._chains = [self._chain(s) for s in self._states]
        self._tables: Tables = {MAIN: Counter()}
        self._outcome = Outcome()
        self._watermark: int | None = None
        self._handed_on: list[int | None] = [None] * len(self._chains)
        """The event time that each task has handed on."""
        self._cuts = 0

    def run(self, events: Sequence[Event]) -> Outcome:
        for before, event in zip([None, *events], events, strict=False):
            if isinstance(event, Rows):
                for task, batch in self._shares(event):
                    self._keep(task, self._chains[task].on_batch(event.port, batch))
            elif isinstance(event, Watermark):
                self._advance(event)
            else:
                self._cut(event, owes=not isinstance(before, Cut))
            for task, chain in enumerate(self._chains):
                if chain.is_answered:
                    self._keep(task, chain.on_answers())
        for port in range(self._bench.inputs):
            for task, chain in enumerate(self._chains):
                self._keep(task, chain.on_end(port, last=port == self._bench.inputs - 1))
        self._check_table("end")
        self._taken.take(self._states)
        self._check_increments()
        self._outcome.final = self._tables
        return self._outcome

    def _advance(self, event: Watermark) -> None:
        assert event.time is not None, "a script has no idle input"
        for task, chain in enumerate(self._chains):
            self._keep(task, chain.on_watermark(event.time))
        self._watermark = event.time

    def _cut(self, event: Cut, *, owes: bool) -> None:
        self._cuts += 1
        for task, chain in enumerate(self._chains):
            count = self._keep(task, chain.on_cut(self._cuts))
            what = f"{self._how.what}: a cut right after a cut"
            check(owes or not count, "O9", what, expected="nothing", found=f"{count} batches")
        self._check_table(f"cut after {event.place[0]} rows and {event.place[1]} watermarks")
        self._taken.take(self._states)
        # what one cut misses the next ones miss too, mostly: not each of them is looked at
        if self._cuts % 4 == 0:
            self._check_increments()
        if not any(chain.asked() for chain in self._chains):
            # what follows from answers comes when they do
            self._outcome.at[event.place] = {port: Counter(t) for port, t in self._tables.items()}
        self._move()

    def _move(self) -> None:
        """New operators, new state or other tasks, as the variation has it."""
        tasks = self._how.tasks[self._cuts % len(self._how.tasks)]
        after_cut = "keep" if self._cuts % self._how.every else self._how.after_cut
        is_moved = after_cut != "keep" or len(self._chains) != tasks
        if after_cut == "restore" or tasks != len(self._states):
            self._states = self._taken.restored(tasks)
        if is_moved:
            for chain in self._chains:
                chain.close()
            # whoever reads the tasks has heard of what all of them have handed on
            known = [time for time in self._handed_on if time is not None]
            least = min(known) if len(known) == len(self._handed_on) else None
            self._handed_on = [least] * tasks
            self._chains = [self._chain(s) for s in self._states]
            if self._watermark is not None:
                self._advance(Watermark(self._watermark))

    def _check_increments(self) -> None:
        for (step, name), wrong in self._taken.wrong(self._states):
            check(wrong is None, "O14", f"{self._how.what}: state {name} of {step}", found=wrong)

    def _chain(self, states: States) -> Chain:
        made: list[tuple[str, Operator]] = []
        for number, spec in enumerate(self._bench.specs):
            own = {name: state for (owner, name), state in states.items() if owner == spec.id}
            inputs = self._bench.inputs if number == 0 else 1
            context = _Context(own, self._rows_max, inputs, lookups_of(spec, lambda: 0.0), self._random)
            operator = spec.build(context)
            if isinstance(operator, AnswersLater):
                made.append((spec.id, _WatchedAsking(spec, operator, self)))
            else:
                made.append((spec.id, _Watched(spec, operator, self)))
        return Chain(made)

    def _shares(self, event: Rows) -> Iterator[tuple[int, Batch]]:
        tasks, batch = len(self._chains), event.batch
        if tasks == 1 or event.port == first_port(self._bench.specs[0]):
            yield from ((task, batch) for task in range(tasks))
            return
        route = self._how.route(batch.frame.columns)
        if route:
            found = partitions(batch.frame, list(route), PARTITIONS)
            owners = pl.Series(owner_of(found, tasks, PARTITIONS))
        else:
            owners = pl.int_range(len(batch), eager=True) % tasks
        for task in range(tasks):
            part = batch.filter(owners == task)
            if len(part):
                yield task, part

    def _keep(self, task: int, outputs: Iterator[Output]) -> int:
        """Add what comes out of a task to the tables."""
        count = 0
        for out in outputs:
            if isinstance(out, Watermark):
                self._handed_on[task] = out.time
            if not isinstance(out, (Batch, Side)):
                continue
            count += 1
            port, batch = (out.port, out.batch) if isinstance(out, Side) else (MAIN, out)
            if port == MAIN:
                self._check_time(batch, self._handed_on[task])
                batch = batch if self._bench.as_changes is None else self._bench.as_changes(batch)
            self._outcome.columns.setdefault(port, [c for c in batch.frame.columns if c != BEFORE])
            plain = Batch(batch.frame.drop(BEFORE, strict=False), batch.weight)
            add_batch(self._tables.setdefault(port, Counter()), plain)
        return count

    def _check_time(self, batch: Batch, handed_on: int | None) -> None:
        if self._bench.time is None or handed_on is None or not len(batch):
            return
        least = batch.frame.get_column(self._bench.time).to_physical().min()
        bound = handed_on - self._bench.slack_us
        what = f"{self._how.what}: output after on_watermark({handed_on})"
        late = isinstance(least, int) and least <= bound
        check(not late, "O7", what, expected=f"{self._bench.time} > {bound}", found=least)

    def _check_table(self, place: str) -> None:
        gone = {row: n for row, n in self._tables[MAIN].items() if n < 0}
        check(not gone, "O10", f"{self._how.what}: {place}", found=gone)

    # -- what each operator is watched for -------------------------------------------------------

    def check_output(self, id: str, out: Output) -> None:
        """One emitted batch."""
        if not isinstance(out, (Batch, Side)):
            return
        what = f"{self._how.what}: output of {id}"
        port, batch = (out.port, out.batch) if isinstance(out, Side) else (MAIN, out)
        most = self._rows_max
        check(len(batch) <= most, "O6", what, expected=f"at most {most} rows", found=f"{len(batch)} rows")
        schema = pl.Schema({n: t for n, t in batch.frame.schema.items() if n != BEFORE})
        known = self._schemas.setdefault((id, port), schema)
        same = list(schema.items()) == list(known.items())
        check(same, "O12", what, expected=dict(known), found=dict(schema))
        weight = batch.weight
        if weight is not None:
            fits = weight.dtype == pl.Int64 and not weight.null_count() and len(weight) == len(batch)
            check(fits, "O12", what, expected=f"{len(batch)} weights", found=weight)

    def check_input(self, id: str, batch: Batch, kept: Batch) -> None:
        """A batch that was handed in is as it was."""
        same = batch.frame.schema == kept.frame.schema and batch.frame.equals(kept.frame)
        if batch.weight is not None or kept.weight is not None:
            same = same and batch.weights().equals(kept.weights())
        check(same, "O8", f"{self._how.what}: on_batch of {id}", expected=kept.frame, found=batch.frame)


class _Watched:
    """An operator whose every call is looked at."""

    def __init__(self, spec: OperatorSpec, operator: Operator, run: _Run) -> None:
        self._id, self._operator, self._run = spec.id, operator, run

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        weight = None if batch.weight is None else batch.weight.clone()
        kept = Batch(batch.frame.clone(), weight)
        yield from self._seen(self._operator.on_batch(port, batch))
        self._run.check_input(self._id, batch, kept)

    def on_watermark(self, time: int) -> Iterator[Output]:
        return self._seen(self._operator.on_watermark(time))

    def on_cut(self, number: int) -> Iterator[Output]:
        return self._seen(self._operator.on_cut(number))

    def on_end(self, port: int) -> Iterator[Output]:
        return self._seen(self._operator.on_end(port))

    def _seen(self, outputs: Iterator[Output]) -> Iterator[Output]:
        for out in outputs:
            self._run.check_output(self._id, out)
            yield out


class _WatchedAsking(_Watched):
    """The same of one that answers later."""

    def __init__(self, spec: OperatorSpec, operator: AnswersLater, run: _Run) -> None:
        super().__init__(spec, operator, run)
        self._asking = operator

    @property
    def is_full(self) -> bool:
        return self._asking.is_full

    @property
    def open_count(self) -> int:
        return self._asking.open_count

    @property
    def is_answered(self) -> bool:
        return self._asking.is_answered

    def on_answers(self) -> Iterator[Output]:
        return self._seen(self._asking.on_answers())

    def close(self) -> None:
        self._asking.close()


def first_port(spec: OperatorSpec) -> int | None:
    """The port that is read to its end first, by all tasks, if one is."""
    return spec.first_port if isinstance(spec, ReadsFirst) else None


def partition_of(declared: StateSpec) -> tuple[str, ...]:
    """The columns that decide where a row of state belongs."""
    if isinstance(declared, ColumnsSpec) and declared.partition is None:
        return tuple(declared.key)
    assert isinstance(declared, (ColumnsSpec, MultimapSpec, RowsSpec)), "the kinds of state are a closed list"
    return declared.partition or ()
