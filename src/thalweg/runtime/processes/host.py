"""Hold the operators and the state of some tasks, for a process that sends them their input.

The process that has started this one asks, and gets an answer to each question: one output, the end of
outputs, a value, or an error. Between two questions nothing happens here.

Reads:    nothing but what it is sent.
Changes:  the state of its tasks.
Not here: the questions (workers.py), how they travel (wire.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from thalweg.columnar.allocation import allocating
from thalweg.protocols.calls import AsyncFunction, Calls
from thalweg.protocols.operator import OperatorSpec, Output
from thalweg.runtime.chain import Chain
from thalweg.runtime.options import MemoryOptions, wall_clock
from thalweg.runtime.processes.messages import counts_as_data, from_output, to_batch
from thalweg.runtime.processes.shipping import packed_error, unpacked
from thalweg.runtime.processes.wire import Closed, Wire
from thalweg.runtime.restore import memory_of, new_state, rocksdb_of
from thalweg.state.filesystem import MappedMemory
from thalweg.state.rocksdb_states import RocksStates

Frames = Sequence[pl.DataFrame]
Answer = tuple[list[Any], Frames]


@dataclass(frozen=True)
class HostedTask:
    """A task whose operators are here.

    Attributes:
        name: of the task.
        operators: its chain.
        inputs: how many ports the first operator has.
    """

    name: str
    operators: tuple[OperatorSpec, ...]
    inputs: int


@dataclass(frozen=True)
class Hosted:
    """What a process is to hold.

    Attributes:
        tasks: the tasks, by their numbers.
        rows_max: the most rows in one batch.
        memory: where state lies; None: on the heap.
        has_clock: whether processing time is the time of day; else it is asked for.
    """

    tasks: tuple[HostedTask, ...]
    rows_max: int
    memory: MemoryOptions | None
    has_clock: bool


@dataclass
class _Task:
    """A task, and what it is doing."""

    spec: HostedTask
    states: dict[tuple[str, str], Any]
    chain: Chain = field(default_factory=lambda: Chain([]))
    outputs: Iterator[Output] = field(default_factory=lambda: iter(()))
    reading: Iterator[pl.DataFrame] = field(default_factory=lambda: iter(()))


@dataclass
class _Context:
    """What an operator is built with."""

    states: Mapping[str, Any]
    rows_max: int
    inputs: int
    split_name: Callable[[int], str]
    wall: Callable[[], int]

    def state(self, name: str) -> Any:
        """The state declared under the name."""
        return self.states[name]

    def lookup(self, name: str) -> Any:
        """Steps that look something up stay where the tables are."""
        raise AssertionError(f"no step in here looks up {name}")

    def calls(self, function: AsyncFunction) -> Calls:
        """Steps that ask somebody outside stay where answers are heard of."""
        raise AssertionError(f"no step in here calls {function.name}")


class Host:
    """The tasks of one process."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._tasks: list[_Task] = []
        self._hosted: Hosted | None = None
        self._memory: MappedMemory | None = None
        self._rocksdb: RocksStates | None = None

    def serve(self) -> None:
        """Answer until nobody asks any more."""
        (data,), _ = self._wire.receive()
        try:
            self._open(unpacked(data))
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits is to know
            self._wire.send(["error", packed_error(error)])
            return
        try:
            with allocating(self._memory):
                self._answer_all()
        finally:
            for held in (self._memory, self._rocksdb):
                if held is not None:
                    held.close()

    def _open(self, hosted: Hosted) -> None:
        self._hosted, self._memory = hosted, memory_of(hosted.memory)
        declared = [d for t in hosted.tasks for o in t.operators for d in o.states()]
        self._rocksdb = rocksdb_of(hosted.memory, declared)
        with allocating(self._memory):
            for task in hosted.tasks:
                states = {
                    (o.id, d.name): new_state(d, self._rocksdb) for o in task.operators for d in o.states()
                }
                self._tasks.append(_Task(task, states))

    def _answer_all(self) -> None:
        self._wire.send(["value", None])
        while True:
            try:
                (kind, number, *args), frames = self._wire.receive()
            except Closed:
                return
            if kind == "end":
                return
            try:
                answer, given = getattr(self, f"_{kind}")(self._tasks[number], args, frames)
            except Exception as error:  # noqa: BLE001 - whatever it is, the job is to know
                answer, given = ["error", packed_error(error)], ()
            self._wire.send(answer, given)

    # -- questions --------------------------------------------------------------------------------

    def _build(self, task: _Task, args: list[Any], frames: Frames) -> Answer:
        """The operators over the state, which has been loaded."""
        del args, frames
        assert self._hosted is not None, "it has been opened"
        wall = wall_clock if self._hosted.has_clock else self._wall
        made = []
        for spec in task.spec.operators:
            own = {n: s for (step, n), s in task.states.items() if step == spec.id}
            context = _Context(own, self._hosted.rows_max, task.spec.inputs, self._split_name, wall)
            made.append((spec.id, spec.build(context)))
        task.chain = Chain(made)
        return ["value", [task.chain.may_finish, self._facts(task)]], ()

    def _call(self, task: _Task, args: list[Any], frames: Frames) -> Answer:
        """The first output of a call of the chain."""
        method, *rest = args
        chain = task.chain
        if method == "on_batch":
            task.outputs = chain.on_batch(rest[0], to_batch(rest[1], frames[0]))
        elif method == "on_end":
            task.outputs = chain.on_end(rest[0], last=rest[1])
        else:
            task.outputs = getattr(chain, method)(*rest)
        return self._next(task, [], ())

    def _next(self, task: _Task, args: list[Any], frames: Frames) -> Answer:
        """The next one, or what is to be known when there is none."""
        del args, frames
        for out in task.outputs:
            head, frame = from_output(out)
            return ["out", head], [frame]
        return ["done", self._facts(task)], ()

    def _final(self, task: _Task, args: list[Any], frames: Frames) -> Answer:
        """Whether rows that follow change nothing."""
        del frames
        return ["value", task.chain.is_final(args[0])], ()

    def _state(self, task: _Task, args: list[Any], frames: Frames) -> Answer:
        """Something that is done with a state between the calls of its task."""
        operator, name, method, *rest = args
        state = task.states[operator, name]
        if method == "read":
            task.reading = state.read(frames[0] if frames else None, rest[0])
            return self._read(task, [], ())
        if method == "track":
            state.track(whole=rest[0])
            return ["value", None], ()
        found = getattr(state, method)(*rest, *frames)
        size = [state.count, state.nbytes]
        return (["value", size], [found]) if isinstance(found, pl.DataFrame) else (["value", size], ())

    def _read(self, task: _Task, args: list[Any], frames: Frames) -> Answer:
        """The next rows that are read."""
        del args, frames
        part = next(task.reading, None)
        return (["value", None], ()) if part is None else (["value", None], [part])

    def _facts(self, task: _Task) -> list[Any]:
        """What may have changed."""
        sizes = [[s.count, s.nbytes] for s in task.states.values()]
        chain = task.chain
        return [chain.clock_due, chain.due(), counts_as_data(chain.counts.values()), sizes]

    # -- what is asked back -----------------------------------------------------------------------

    def _wall(self) -> int:
        return int(self._ask("wall"))

    def _split_name(self, number: int) -> str:
        return str(self._ask("split_name", number))

    def _ask(self, *what: Any) -> Any:
        self._wire.send(["ask", *what])
        (found,), _ = self._wire.receive()
        return found
