"""Run a chain of operators as one: what one emits, the next takes.

Every call returns an iterator; nothing is computed before the task asks for the next output, so a
full edge stops the whole chain. Counts rows in and late pairs per operator as they pass (law 7).

Not here: channels, alignment, state (task.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from thalweg.columnar.batch import Batch
from thalweg.columnar.eager import count_negative
from thalweg.errors import ThalwegError
from thalweg.protocols.messages import Watermark
from thalweg.protocols.operator import (
    AnswersLater,
    Finishing,
    Operator,
    Output,
    Pause,
    Side,
    WaitsForTime,
    WatchesClock,
)


@dataclass
class Counts:
    """Rows that passed one operator."""

    rows_in: int = 0
    rows_out: int = 0
    late: int = 0
    """Pairs of a row and a window that it missed; without windows, rows."""
    rows_late: int = 0
    """Rows that are late for all that they could count in."""
    processed: int = 0
    """Rows that the operator is done with, but for those."""
    batches: int = 0
    retractions: int = 0
    empty: int = 0
    aside: Counter[str] = field(default_factory=Counter)
    """Rows that left through each side output."""


class Chain:
    """Operators in order, first one first."""

    def __init__(self, operators: Sequence[tuple[str, Operator]]) -> None:
        self._operators = operators
        self.counts = {name: Counts() for name, _ in operators}
        self._finishing = [o for _, o in operators if isinstance(o, Finishing)]
        self._clocked = [(i, o) for i, (_, o) in enumerate(operators) if isinstance(o, WatchesClock)]
        self._asking = {i: o for i, (_, o) in enumerate(operators) if isinstance(o, AnswersLater)}

    @property
    def clock_due(self) -> int | None:
        """The processing time at which an operator is to be called."""
        found = [o.clock_due for _, o in self._clocked]
        return min((time for time in found if time is not None), default=None)

    def on_clock(self, now: int) -> Iterator[Output]:
        """Call the operators whose time has come."""
        for i, operator in self._clocked:
            due = operator.clock_due
            if due is not None and due <= now:
                yield from self._pass_on(i, operator.on_clock(now))

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Rows for the first operator."""
        return self._batch(0, port, batch)

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Event time moves, operator by operator; a `Watermark` comes out when it has passed the last one."""
        return self._time(0, time)

    def _time(self, first: int, time: int) -> Iterator[Output]:
        """Event time moves from one operator on, up to one that holds it."""
        for i in range(first, len(self._operators)):
            yield from self._pass_on(i, self._operators[i][1].on_watermark(time))
            if i in self._asking:
                return
        yield Watermark(time)

    # -- operators that ask somebody outside ---------------------------------------------------

    @property
    def is_full(self) -> bool:
        """Whether an operator should get no more rows just now."""
        return bool(self._asking) and any(o.is_full for o in self._asking.values())

    @property
    def is_answered(self) -> bool:
        """Whether an operator has answers to look at."""
        return bool(self._asking) and any(o.is_answered for o in self._asking.values())

    def on_answers(self) -> Iterator[Output]:
        """Let the operators look at their answers."""
        for i, operator in self._asking.items():
            if operator.is_answered:
                yield from self._pass_on(i, operator.on_answers())

    def asked(self) -> dict[str, int]:
        """For how many rows each operator that asks somebody outside waits."""
        return {self._operators[i][0]: o.open_count for i, o in self._asking.items()}

    def give_up(self) -> None:
        """Nobody wants what operators have asked for and got no answer to."""
        for operator in self._asking.values():
            operator.close()
        self._asking = {}

    @property
    def is_asking(self) -> bool:
        """Whether an operator waits for answers."""
        return any(o.open_count for o in self._asking.values())

    def on_cut(self, number: int) -> Iterator[Output]:
        """A cut passes, operator by operator."""
        for i, (_, operator) in enumerate(self._operators):
            yield from self._pass_on(i, operator.on_cut(number))

    @property
    def may_finish(self) -> bool:
        """Whether an operator may have had enough before its input ends."""
        return bool(self._finishing)

    def is_final(self, first_open: int) -> bool:
        """Whether no row that may follow changes what the chain gives."""
        return any(o.is_final(first_open) for o in self._finishing)

    def on_end(self, port: int, *, last: bool) -> Iterator[Output]:
        """A port of the first operator ends; with its last port, the whole chain."""
        for i, (_, operator) in enumerate(self._operators):
            yield from self._pass_on(i, operator.on_end(port if i == 0 else 0))
            if not last:
                return

    def close(self) -> None:
        """Forget the operators, and with them their state; what was counted stays."""
        self.give_up()
        self._operators, self._finishing, self._clocked = (), [], []

    def due(self) -> int | None:
        """The event time at which the next rows that wait for it are emitted."""
        found = [o.due for _, o in self._operators if isinstance(o, WaitsForTime)]
        return min((time for time in found if time is not None), default=None)

    def _batch(self, i: int, port: int, batch: Batch) -> Iterator[Output]:
        if i == len(self._operators):
            yield batch
            return
        name, operator = self._operators[i]
        counts = self.counts[name]
        rows = len(batch)
        counts.rows_in += rows
        counts.batches += 1
        counts.empty += rows == 0
        if batch.weight is not None:
            counts.retractions += count_negative(batch.weight)
        late = counts.rows_late
        yield from self._pass_on(i, operator.on_batch(port, batch))
        counts.processed += rows - (counts.rows_late - late)

    def _pass_on(self, i: int, outputs: Iterable[Output]) -> Iterator[Output]:
        """What an operator emits, through the operators behind it; an error is noted with the step's name."""
        name = self._operators[i][0]
        counts = self.counts[name]
        is_last = i + 1 == len(self._operators)
        try:
            for out in outputs:
                if not isinstance(out, Batch):
                    yield from self._past(i, out)
                    continue
                counts.rows_out += len(out)
                if is_last:
                    yield out
                else:
                    yield from self._batch(i + 1, 0, out)
        except ThalwegError as error:
            # what failed first, at the innermost, has noted itself
            if not any(n.startswith("step ") for n in getattr(error, "__notes__", ())):
                error.add_note(f"step {name}")
            raise

    def _past(self, i: int, out: Side | Watermark | Pause) -> Iterator[Output]:
        """What comes of an operator besides its rows."""
        if isinstance(out, Watermark):
            assert out.time is not None, "an operator that holds event time knows it"
            yield from self._time(i + 1, out.time)
            return
        if isinstance(out, Side):
            counts = self.counts[self._operators[i][0]]
            counts.late += out.pairs
            counts.rows_late += out.pairs if out.rows is None else out.rows
            counts.aside[out.port] += len(out.batch)
        yield out
