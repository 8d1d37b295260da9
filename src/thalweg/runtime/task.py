"""Advance one task: one instance of a stage, as an explicit state machine.

A task takes messages from its channels, drives its chain of operators, and sends what comes out.
It has no threads and no clock inside; a runtime calls `step()` again and again, from one thread.

States: `running` takes messages; `emitting` has outputs left of the last message, or waits for answers that
these need; `blocked` waits for room on an output edge; `finished` has passed on its `End`.

An operator that asks somebody outside may have enough to do: then no batch is taken, but what stands before
the next one is, so that event time and barriers reach it.

Barriers are aligned: a channel that delivered barrier n is not read until all others have, an
ended channel counts as aligned.

Not here: which batches are taken together (waiting.py), sources (source_task.py), who calls `step`
(inline.py, threads.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from thalweg.columnar.batch import Batch, join_batches
from thalweg.progress.merge import IDLE, Idle, Progress, WatermarkMerge
from thalweg.protocols.messages import Barrier, End, Message, Watermark
from thalweg.protocols.operator import BAD, MAIN, Output, Pause, Side
from thalweg.protocols.sink import StagingWriter, TimedWriter, Writer
from thalweg.runtime.chain import Chain
from thalweg.runtime.edge import Channel
from thalweg.runtime.load import Load
from thalweg.runtime.options import wall_clock
from thalweg.runtime.outputs import OutputEdge
from thalweg.runtime.waiting import Waiting
from thalweg.runtime.writers import Endings


class Step(Enum):
    """What one call of `step` achieved."""

    PROGRESS = "progress"
    IDLE = "idle"
    BLOCKED = "blocked"
    FINISHED = "finished"


@dataclass
class Input:
    """One channel that ends at this task."""

    channel: Channel
    port: int
    source: str = ""
    """What sends: the output of a stage, whose batches have the same columns."""
    ended: bool = False
    aligned: bool = False
    first_open: int = 0
    declined: bool = False
    """Whether nothing is taken of it, since another input is to end before."""

    @property
    def is_ready(self) -> bool:
        """Whether a message waits that may be taken."""
        return not (self.ended or self.aligned or self.declined or self.channel.is_empty)

    @property
    def has_rows(self) -> bool:
        """Whether rows wait before any other message."""
        return isinstance(self.channel.peek(), Batch)


@dataclass
class TaskParts:
    """What a task is built from."""

    stage: str
    index: int
    chain: Chain
    inputs: list[Input] = field(default_factory=list)
    outputs: list[OutputEdge] = field(default_factory=list)
    writer: Writer | None = None
    sink: str = ""
    endings: Endings | None = None
    rows_max: int = 65_536
    wall: Callable[[], int] = wall_clock


class Task:
    """One instance of a stage."""

    def __init__(self, parts: TaskParts, on_barrier: Callable[[Task, Barrier], None]) -> None:
        self.stage, self.index = parts.stage, parts.index
        self.chain, self.inputs, self.outputs = parts.chain, parts.inputs, parts.outputs
        self.writer, self._sink, self._endings = parts.writer, parts.sink, parts.endings
        self._staging = parts.writer if isinstance(parts.writer, StagingWriter) else None
        self._staged: list[Any] = []
        self._timed = parts.writer if isinstance(parts.writer, TimedWriter) else None
        self.writes_to: str | None = None
        """The sink that the task is busy with just now: one that does not take rows stops the task there.
        It stays after an error, which came from there."""
        self.state = "running"
        self._rows_max, self._wall_now = parts.rows_max, parts.wall
        self.has_fired = False
        """Whether the clock has called, or answers have come, since somebody last looked: a cut is due."""
        self._on_barrier = on_barrier
        self._emitting: Iterator[Output | Message] | None = None
        self.is_paused = False
        """Whether what it emits next needs an answer from outside."""
        self._merge = WatermarkMerge(len(self.inputs)) if self.inputs else None
        self.wake: Callable[[], None] = _nothing
        """Called when something happened that the task may wait for; set by the runtime."""
        self._watermark: int | None = None
        """How far event time is, as the operators were told."""
        self.watermark: int | None = None
        """The event time that the task has handed on; operators that wait for answers hold it back."""
        self._barrier: Barrier | None = None
        self._next_input = 0
        self.batch_rows: dict[int, int] = {}
        self.rows_taken = self.batches_taken = self.rows_processed = 0
        self.rows_out = self.batches_out = self.rows_aside = 0
        self.load = Load()
        """How long it worked and waited for room; whoever calls `step` notes it."""

    def add_input(self, input_: Input) -> None:
        """Connect a channel; before the first step."""
        self.inputs.append(input_)
        self._merge = WatermarkMerge(len(self.inputs))

    @property
    def rows_in(self) -> int:
        """Rows taken; of a source those that cannot be read, too."""
        return self.rows_taken

    @property
    def name(self) -> str:
        """The stage and the number of the instance."""
        return f"{self.stage}[{self.index}]"

    @property
    def is_working(self) -> bool:
        """Whether outputs of the last message are left."""
        return self._emitting is not None

    @property
    def is_declining(self) -> bool:
        """Whether some inputs wait for the end of another one."""
        return self.state != "finished" and any(i.declined for i in self.inputs)

    def _accept(self) -> None:
        """Take the inputs that were declined until now."""
        for input_ in self.inputs:
            if input_.declined:
                input_.declined = False
                input_.channel.accept()

    @property
    def has_input(self) -> bool:
        """Whether a message waits that may be taken."""
        is_full = self.chain.is_full
        for input_ in self.inputs:  # noqa: SIM110 - asked after every step: a generator costs more than the answer
            if input_.is_ready and not (is_full and input_.has_rows):
                return True
        return False

    def step(self) -> Step:
        """Do one bounded piece of work."""
        if self.state == "finished":
            return Step.FINISHED
        if self._emitting is not None:
            return self._emit()
        if self._is_unwanted:
            self._emitting = self.finish()
            return self._emit()
        started = self._start_answered() or self._start_due() or self._start_next()
        if not started:
            return Step.IDLE
        return self._emit()

    def _start_answered(self) -> bool:
        """Begin with the answers that operators have got from outside."""
        if not self.chain.is_answered:
            return False
        self._emitting = self._answered()
        return True

    def _answered(self) -> Iterator[Output | Message]:
        for out in self.chain.on_answers():
            # what nothing comes of need not be published
            self.has_fired = True
            yield out

    def _start_due(self) -> bool:
        """Begin with what the clock says is due."""
        due = self.chain.clock_due
        if due is None:
            return False
        now = self._wall_now()
        if due > now:
            return False
        self._emitting, self.has_fired = self.chain.on_clock(now), True
        return True

    @property
    def clock_wait(self) -> float | None:
        """The seconds until the clock calls; None: it will not."""
        due = None if self.state == "finished" else self.chain.clock_due
        return None if due is None else max(0.0, (due - self._wall_now()) / 1e6)

    def _emit(self) -> Step:
        """Pass on outputs until they are used up or an edge is full."""
        assert self._emitting is not None, "there is something to emit"
        self.is_paused = False
        if not self._is_blocked():
            for out in self._emitting:
                if isinstance(out, Pause):
                    self.is_paused = True
                    return Step.IDLE
                self._send(out)
                # only what was sent can have filled an edge
                if self._is_blocked():
                    break
            else:
                self._emitting = None
                if self.state != "finished":
                    self.state = "running"
                return Step.PROGRESS
        self.state = "blocked"
        return Step.BLOCKED

    def _is_blocked(self) -> bool:
        """Whether one of the receivers cannot take more."""
        for output in self.outputs:
            for channel in output.channels:
                if channel.is_full:
                    return True
        return False

    def _send(self, out: Output | Message) -> None:
        assert not isinstance(out, Pause), "nothing is sent in a pause"
        if isinstance(out, Batch):
            self.rows_out += len(out)
            self.batches_out += 1
            if self.writer is not None:
                self.writes_to = self._sink
                self.writer.write(out)
                self.writes_to = None
            for edge in self.outputs:
                if edge.edge.output == MAIN:
                    edge.send(out)
        elif isinstance(out, Side):
            self.rows_aside += len(out.batch)
            for edge in self.outputs:
                if edge.edge.output == out.port:
                    edge.send(out.batch)
        else:
            if isinstance(out, Watermark):
                self._hand_on(out)
            for edge in self.outputs:
                edge.broadcast(out)

    def _hand_on(self, mark: Watermark) -> None:
        """Event time has passed the chain."""
        self.watermark = mark.time
        if self._timed is not None and mark.time is not None:
            self._timed.on_watermark(mark.time)

    def _start_next(self) -> bool:
        """Begin to work on the next message, if there is one."""
        count = len(self.inputs)
        if count == 0:
            self._emitting = self._end_all()
            return True
        first = self._next_input
        ready = [n for n in (*range(first, count), *range(first)) if self.inputs[n].is_ready]
        if self.chain.is_full:
            ready = [n for n in ready if not self.inputs[n].has_rows]
        if not ready:
            return False
        self._next_input = (ready[0] + 1) % count
        source, port = self.inputs[ready[0]].source, self.inputs[ready[0]].port
        alike = [n for n in ready if self.inputs[n].source == source and self.inputs[n].port == port]
        self._emitting = self._work(port, alike)
        return True

    def _work(self, port: int, numbers: Sequence[int]) -> Iterator[Output | Message]:
        """Everything that follows from the messages that wait on channels of one port and one sender."""
        # who has enough to do takes what stands before the rows
        waiting = Waiting(0 if self.chain.is_full else self._rows_max)
        lasts = [(n, waiting.drain(self.inputs[n].channel)) for n in numbers]
        if waiting.batches:
            batch = join_batches(waiting.batches)
            self.note_batch(waiting.rows)
            yield from self.chain.on_batch(port, batch)
            self.rows_processed += waiting.rows
        for number, last in lasts:
            if last is not None and self.state != "finished":
                yield from self._after(number, last)

    def _after(self, number: int, last: Message) -> Iterator[Output | Message]:
        """What follows from a message that is no batch."""
        input_ = self.inputs[number]
        if isinstance(last, Watermark):
            assert self._merge is not None, "a task with inputs merges their watermarks"
            for time in self._merge.update(number, IDLE if last.time is None else last.time):
                yield from self._advance(time)
        elif isinstance(last, Barrier):
            input_.aligned, input_.first_open, self._barrier = True, last.first_open, last
            yield from self._align(last)
        elif isinstance(last, End):
            yield from self._end(number, input_)

    def note_batch(self, rows: int) -> None:
        """Count a batch in the histogram of batch sizes, by powers of two."""
        self.rows_taken += rows
        self.batches_taken += 1
        bucket = rows.bit_length()
        self.batch_rows[bucket] = self.batch_rows.get(bucket, 0) + 1

    def _advance(self, merged: Progress | None) -> Iterator[Output | Message]:
        if merged is None or isinstance(merged, Idle):
            return
        if self._watermark is not None and merged <= self._watermark:
            return
        self._watermark = merged
        yield from self.chain.on_watermark(merged)

    def _align(self, barrier: Barrier) -> Iterator[Output | Message]:
        if not all(i.aligned or i.ended for i in self.inputs):
            return
        self._barrier = None
        first_open = min(i.first_open for i in self.inputs if i.aligned)
        if first_open != barrier.first_open:
            barrier = Barrier(barrier.number, barrier.kind, first_open)
        yield from self.pass_barrier(barrier)
        for input_ in self.inputs:
            input_.aligned = False
        if self.chain.is_final(first_open):
            yield from self._end_early()

    def pass_barrier(self, barrier: Barrier) -> Iterator[Output | Message]:
        """Emit what is owed, publish, let the runtime look at the state, pass the barrier on."""
        yield from self.chain.on_cut(barrier.number)
        if self.writer is not None:
            self.writes_to = self._sink
            self.writer.cut(barrier.number)
            if self._staging is not None and barrier.kind == "checkpoint":
                self._staged += self._staging.stage()
            self.writes_to = None
        self._on_barrier(self, barrier)
        yield barrier

    def _end(self, number: int, input_: Input) -> Iterator[Output | Message]:
        input_.ended = True
        rest = [i for i in self.inputs if i.port == input_.port and not i.ended]
        last = all(i.ended for i in self.inputs)
        if not rest:
            yield from self.chain.on_end(input_.port, last=last)
            if not input_.declined:
                self._accept()
        if last:
            yield from self.finish()
            return
        assert self._merge is not None, "a task with inputs merges their watermarks"
        for time in self._merge.end(number):
            yield from self._advance(time)
        if self._barrier is not None:
            yield from self._align(self._barrier)

    def _end_early(self) -> Iterator[Output | Message]:
        """The end of a task that needs no more of its input."""
        ports = sorted({i.port for i in self.inputs if not i.ended})
        for port in ports:
            yield from self.chain.on_end(port, last=port == ports[-1])
        yield from self.finish()

    @property
    def _is_unwanted(self) -> bool:
        """Whether nobody takes what the task makes; rows that could not be read are by-catch."""
        if self.writer is not None or not self.outputs:
            return False
        is_closed = False
        for output in self.outputs:
            if output.edge.output != BAD:
                if not output.is_closed:
                    return False
                is_closed = True
        return is_closed

    def _end_all(self) -> Iterator[Output | Message]:
        """The end of a task that nothing was sent to."""
        yield from self.chain.on_end(0, last=True)
        yield from self.finish()

    def finish(self) -> Iterator[Output | Message]:
        """Publish the rest and pass on the end; whoever still sends learns that it is not wanted."""
        for input_ in self.inputs:
            input_.ended = True
            input_.channel.close()
        if self.writer is not None:
            self.writes_to = self._sink
            if self._endings is None:
                self.writer.end()
            else:
                self._endings.end(self.writer)
            if self._staging is not None:
                self._staged += self._staging.stage()
            self.writes_to = None
        self.chain.give_up()
        self.state = "finished"
        yield End()

    def take_staged(self) -> list[Any]:
        """What the sink has staged since it was last asked, for the checkpoint that commits it."""
        staged, self._staged = self._staged, []
        return staged

    def close(self) -> None:
        """Give back what is held, and part from the run and the channels, which hold the task."""
        self.chain.close()
        if self.writer is not None:
            self.writer.close()
        for input_ in self.inputs:
            input_.channel.disconnect()
        self._on_barrier, self.wake = _ignored, _nothing

    @property
    def is_holding(self) -> bool:
        """Whether it has not handed on event time that has come, since answers are missing."""
        return self._watermark != self.watermark

    def held_by(self) -> list[Input]:
        """The inputs without which event time would be later."""
        return [] if self._merge is None else [self.inputs[i] for i in self._merge.held_by()]


def _nothing() -> None:
    """What wakes nobody."""


def _ignored(task: Task, barrier: Barrier) -> None:
    """Whom a task tells of barriers that has no run any more."""
    del task, barrier
