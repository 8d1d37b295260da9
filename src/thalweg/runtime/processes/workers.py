"""Start processes that hold the tasks which call users' functions, and talk to them.

Such a task is a task like any other: it takes messages from its channels, aligns barriers and sends what
comes out. Only its chain of operators, and their state, are in another process, which is told of every call
and hands back what the chain emits. So nothing else of the engine knows of processes; and since whoever waits
for an answer gives up Python's lock, as many functions run at once as there are processes.

A process that dies takes the state of its tasks with it: the run fails, and goes on from its last checkpoint.

Reads:    a job and run options.
Changes:  processes.
Not here: what a worker does (host.py), how messages travel (wire.py).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import polars as pl

from thalweg.columnar.batch import Batch
from thalweg.errors import ExternalError
from thalweg.job.job import Job, Stage
from thalweg.protocols.operator import AsksOutside, CallsFunctions, Output
from thalweg.runtime.chain import Chain, Counts
from thalweg.runtime.options import MemoryOptions, RunOptions, wall_clock
from thalweg.runtime.processes.host import Hosted, HostedTask
from thalweg.runtime.processes.messages import counts_from_data, from_batch, to_output
from thalweg.runtime.processes.shipping import packed, unpacked_error
from thalweg.runtime.processes.wire import Closed, Region, Wire

_PATIENCE = 5.0
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from thalweg.runtime.processes.worker import main; main()"
)


def is_hosted(stage: Stage) -> bool:
    """Whether the chain of a stage runs in other processes: whether it calls functions of the user.

    One that also asks somebody outside stays: what it waits for is heard of in this process.
    """
    asks = any(hasattr(o, "lookups") or isinstance(o, AsksOutside) for o in stage.operators)
    return not asks and any(map(_calls, stage.operators))


class Worker:
    """One process, and the connection to it; used by one thread at a time."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._lock = threading.Lock()
        self._answers: dict[str, Callable[..., Any]] = {}
        self._error: ExternalError | None = None
        mine, theirs = socket.socketpair()
        out, into = Region.new(), Region.new()
        followed, self._life = os.pipe()
        handed = [theirs.fileno(), into.file, out.file, followed]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
                [sys.executable, "-c", _START, json.dumps(sys.path), *map(str, handed)],
                stdin=subprocess.DEVNULL,
                pass_fds=handed,
                # what is pressed in the terminal is for the process that has started it
                start_new_session=True,
            )
        os.close(followed)
        self._wire = Wire(mine, out, into)

    def begin(self, hosted: bytes, answers: dict[str, Callable[..., Any]]) -> None:
        """Tell what it is to hold, without waiting until it does; `answers` are for what it asks back."""
        self._answers = answers
        with self._lock:
            self._told(partial(self._wire.send, [hosted]))

    def wait(self) -> None:
        """Wait until it holds that.

        Raises:
            The error that it has met, or `runtime-worker-died`.
        """
        with self._lock:
            self._answer()

    def ask(self, *head: Any, frames: Sequence[pl.DataFrame] = ()) -> tuple[list[Any], list[pl.DataFrame]]:
        """Ask for something, and wait for the answer.

        Raises:
            The error that it has met, or `runtime-worker-died`.
        """
        with self._lock:
            self._told(partial(self._wire.send, head, frames))
            return self._answer()

    def _answer(self) -> tuple[list[Any], list[pl.DataFrame]]:
        while True:
            (kind, *rest), frames = self._told(self._wire.receive)
            if kind == "ask":
                found = self._answers[rest[0]](*rest[1:])
                self._told(partial(self._wire.send, [found]))
            elif kind == "error":
                raise unpacked_error(rest[0])
            else:
                return [kind, *rest], frames

    def _told(self, act: Callable[[], Any]) -> Any:
        """Send or receive; a process that has died is an error, the same one however often it is asked."""
        if self._error is not None:
            raise self._error
        try:
            return act()
        except Closed:
            self._error = self._died()
            raise self._error from None

    def _died(self) -> ExternalError:
        try:
            code = self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            code = None
        if code is None:
            how = "it does not answer any more"
        else:
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return ExternalError(
            f"worker process {self.number} has died, and the state of its tasks with it",
            code="runtime-worker-died",
            found=f"process {self._process.pid}: {how}",
            hint="a job with checkpoints goes on from its last one; too little memory is a common cause",
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def close(self) -> None:
        """End the process; what it holds is lost."""
        if self._error is None:
            with suppress(Closed):
                self._wire.send(["end", 0])
        self._wire.close()

    def reap(self) -> None:
        """Wait until it has ended; one that does not is killed."""
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._life)


class Workers:
    """The worker processes of one run."""

    def __init__(self, job: Job, options: RunOptions) -> None:
        stages = [s for s in job.stages if is_hosted(s)]
        self._stages = {s.id: s for s in stages}
        self._numbers: dict[tuple[str, int], tuple[int, int]] = {}
        """Of each task its worker, and its number there."""
        held: list[list[HostedTask]] = [[] for _ in range(max(s.parallelism for s in stages))]
        for stage in stages:
            inputs = max(1, len(job.inputs_of(stage.id)))
            for index in range(stage.parallelism):
                self._numbers[stage.id, index] = index, len(held[index])
                held[index].append(HostedTask(f"{stage.id}[{index}]", stage.operators, inputs))
        self.memory = shared_out(options.memory, len(held) + 1)
        """What each of them may use, and this process too."""
        has_clock = options.wall is wall_clock
        owner = " and ".join(o.describe() for s in stages for o in s.operators if _calls(o))
        ships = [packed(Hosted(tuple(t), options.rows_max, self.memory, has_clock), owner) for t in held]
        self._ask_back: dict[str, Callable[..., Any]] = {"wall": options.wall}
        self._workers = [Worker(number) for number in range(len(held))]
        try:
            # all of them start side by side
            for worker, ship in zip(self._workers, ships, strict=True):
                worker.begin(ship, self._ask_back)
            for worker in self._workers:
                worker.wait()
        except BaseException:
            self.close()
            raise

    @property
    def pids(self) -> list[int]:
        """The processes."""
        return [w.pid for w in self._workers]

    def hosts(self, stage: str) -> bool:
        """Whether the tasks of a stage are there."""
        return stage in self._stages

    def state(self, stage: str, index: int, operator: str, name: str) -> RemoteState:
        """A state of a task."""
        worker, number = self._numbers[stage, index]
        return RemoteState(self._workers[worker], number, operator, name)

    def chain(
        self, stage: str, index: int, states: Sequence[RemoteState], split_name: Callable[[int], str]
    ) -> RemoteChain:
        """The operators of a task, whose state has been loaded."""
        worker, number = self._numbers[stage, index]
        self._ask_back["split_name"] = split_name
        return RemoteChain(self._workers[worker], number, self._stages[stage], states)

    def close(self) -> None:
        """End all of them."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.close()
        for worker in workers:
            worker.reap()


def _calls(operator: object) -> bool:
    return isinstance(operator, CallsFunctions) and operator.calls_functions


def shared_out(memory: MemoryOptions | None, processes: int) -> MemoryOptions | None:
    """What one of several processes may use."""
    if memory is None:
        return None
    budget = None if memory.budget is None else memory.budget // processes
    rocksdb = memory.rocksdb
    return replace(
        memory,
        budget=budget,
        rocksdb=None if rocksdb is None else replace(rocksdb, budget=rocksdb.budget // processes),
    )


class RemoteState:
    """A state in another process: what the runtime does with it between the calls of its task."""

    def __init__(self, worker: Worker, task: int, operator: str, name: str) -> None:
        self._worker, self._where = worker, (task, operator, name)
        self.count = self.nbytes = 0

    def _ask(self, method: str, *args: Any, frames: Sequence[pl.DataFrame] = ()) -> list[pl.DataFrame]:
        (_, size), given = self._worker.ask("state", *self._where, method, *args, frames=frames)
        if size is not None:
            self.count, self.nbytes = size
        return given

    def reserve(self, count: int, sample: pl.DataFrame) -> None:
        """Make room."""
        self._ask("reserve", count, frames=[sample.head(0)])

    def load(self, frame: pl.DataFrame) -> None:
        """Take rows of a snapshot."""
        self._ask("load", frames=[frame])

    def track(self, *, whole: bool) -> None:
        """Begin with increments."""
        self._ask("track", whole)

    def changes(self) -> pl.DataFrame:
        """The increment since the last time."""
        return self._ask("changes")[0]

    def dump(self) -> pl.DataFrame:
        """All rows."""
        return self._ask("dump")[0]

    def read(self, keys: pl.DataFrame | None, rows_max: int) -> Iterator[pl.DataFrame]:
        """Rows of some keys (None: all), part by part."""
        found = self._ask("read", rows_max, frames=[] if keys is None else [keys])
        while found:
            yield found[0]
            _, found = self._worker.ask("read", self._where[0])


class RemoteChain(Chain):
    """A chain of operators in another process."""

    def __init__(self, worker: Worker, task: int, stage: Stage, states: Sequence[RemoteState]) -> None:
        super().__init__([])
        self._worker, self._task, self._states = worker, task, states
        self.counts = {o.id: Counts() for o in stage.operators}
        self._clock_due: int | None = None
        self._time_due: int | None = None
        (_, (self._may_finish, facts)), _ = worker.ask("build", task)
        self._note(facts)

    def _note(self, facts: Sequence[Any]) -> None:
        self._clock_due, self._time_due, counts, sizes = facts
        counts_from_data(self.counts.values(), counts)
        for state, (count, nbytes) in zip(self._states, sizes, strict=True):
            state.count, state.nbytes = count, nbytes

    def _called(self, method: str, *args: Any, frames: Sequence[pl.DataFrame] = ()) -> Iterator[Output]:
        (kind, head), given = self._worker.ask("call", self._task, method, *args, frames=frames)
        while kind == "out":
            yield to_output(head, given[0])
            (kind, head), given = self._worker.ask("next", self._task)
        self._note(head)

    @property
    def clock_due(self) -> int | None:
        """The processing time at which an operator is to be called."""
        return self._clock_due

    def on_clock(self, now: int) -> Iterator[Output]:
        """Call the operators whose time has come."""
        return self._called("on_clock", now)

    def on_batch(self, port: int, batch: Batch) -> Iterator[Output]:
        """Rows for the first operator."""
        head, frame = from_batch(batch)
        return self._called("on_batch", port, head, frames=[frame])

    def on_watermark(self, time: int) -> Iterator[Output]:
        """Event time moves."""
        return self._called("on_watermark", time)

    def on_cut(self, number: int) -> Iterator[Output]:
        """A cut passes."""
        return self._called("on_cut", number)

    @property
    def may_finish(self) -> bool:
        """Whether an operator may have had enough before its input ends."""
        return bool(self._may_finish)

    def is_final(self, first_open: int) -> bool:
        """Whether no row that may follow changes what the chain gives."""
        return self.may_finish and bool(self._worker.ask("final", self._task, first_open)[0][1])

    def on_end(self, port: int, *, last: bool) -> Iterator[Output]:
        """A port of the first operator ends."""
        return self._called("on_end", port, last)

    def due(self) -> int | None:
        """The event time at which the next rows that wait for it are emitted."""
        return self._time_due

    def close(self) -> None:
        """The process is ended with the run."""
