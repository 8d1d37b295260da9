"""Build the tasks of a job, wire them, and give them the state that was loaded.

Reads:    a job, run options, the state of every task.
Changes:  nothing but what it builds.
Not here: driving the tasks (inline.py, threads.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from thalweg.checkpoint.increments import of_task
from thalweg.checkpoint.snapshot import InMemory, StateRows, TaskSnapshot
from thalweg.errors import ThalwegError
from thalweg.job.job import Edge, Job, ScanSpec, Stage, WriteSpec
from thalweg.progress.owner import WatermarkOwner
from thalweg.protocols.calls import AsyncFunction, Calls
from thalweg.protocols.messages import Barrier
from thalweg.protocols.operator import OperatorSpec
from thalweg.protocols.sink import Writer
from thalweg.protocols.source import Split, discovery_interval
from thalweg.protocols.state import StateSpec
from thalweg.runtime.chain import Chain
from thalweg.runtime.edge import Channel
from thalweg.runtime.meetings import join_meetings
from thalweg.runtime.options import RunOptions
from thalweg.runtime.outputs import OutputEdge
from thalweg.runtime.owner import SharedOwner
from thalweg.runtime.restore import Loaded
from thalweg.runtime.source_task import SourceTask
from thalweg.runtime.task import Input, Task, TaskParts
from thalweg.runtime.writers import Endings, end_together, opened

if TYPE_CHECKING:
    from thalweg.runtime.spill import SpillingChannel

OnBarrier = Callable[[Task, Barrier], None]


@dataclass
class Assembled:
    """The tasks of a job, and the state that belongs to each."""

    job: Job
    tasks: list[Task]
    states: dict[str, dict[tuple[str, str], Any]] = field(default_factory=dict)
    owners: dict[str, SharedOwner] = field(default_factory=dict)
    lookups: list[Any] = field(default_factory=list)
    """What answers for tables; to be closed with the run."""
    spilling: list[SpillingChannel] = field(default_factory=list)
    """Edges to tasks that decline them at first; to be given back with the run."""
    has_increments: bool = False
    """Whether snapshots hold increments of state instead of all of it."""
    _whole: set[tuple[str, str, str]] = field(default_factory=set)
    """States whose next increment is all that there is: task, operator, name."""

    @cached_property
    def _everywhere(self) -> set[tuple[str, str]]:
        """The states that are the same in every task."""
        steps = [o for s in self.job.stages for o in s.operators]
        return {(o.id, d.name) for o in steps for d in o.states() if d.scope == "broadcast"}

    @cached_property
    def _declared(self) -> dict[tuple[str, str], StateSpec]:
        return {(o.id, d.name): d for s in self.job.stages for o in s.operators for d in o.states()}

    @property
    def sources(self) -> list[SourceTask]:
        """The tasks that read."""
        return [t for t in self.tasks if isinstance(t, SourceTask)]

    def snapshot(self, task: Task, *, has_ended: bool = False) -> TaskSnapshot:
        """What a task holds now; only between its calls. No state of a job that has ended."""
        states = {} if has_ended else self.states[task.name]
        # what every task has is taken from one
        mine = {k: s for k, s in states.items() if not task.index or k not in self._everywhere}
        keyed = {k: self.state_rows(task, k, s) for k, s in mine.items()}
        splits = task.progress() if isinstance(task, SourceTask) else {}
        write = self.job.by_id[task.stage].write
        staged = task.take_staged()
        return TaskSnapshot(
            task.stage, task.index, keyed, splits, {} if write is None or not staged else {write.id: staged}
        )

    def state_rows(self, task: Task, key: tuple[str, str], state: Any) -> StateRows:
        """What a checkpoint keeps of a state: the increment where they are asked for, else all."""
        identity, tasks = self._declared[key].identity, self.job.by_id[task.stage].parallelism
        is_whole = not self.has_increments or (task.name, *key) in self._whole
        self._whole.discard((task.name, *key))
        try:
            frame = of_task(state.changes(), identity, task.index) if self.has_increments else state.dump()
        except ThalwegError as error:
            # such as a value that its state cannot hold
            error.add_note(f"step {key[0]}")
            raise
        return StateRows(((InMemory(frame),),), identity, tasks, state.count, is_whole)

    def track(self, task: str, key: tuple[str, str], state: Any, *, whole: bool) -> None:
        """Begin with increments of a state; with `whole`, the next one is all of it."""
        if self.has_increments:
            state.track(whole=whole)
        if whole:
            self._whole.add((task, *key))


@dataclass
class _Context:
    """What an operator is built with."""

    states: Mapping[str, Any]
    rows_max: int
    inputs: int
    split_name: Callable[[int], str]
    lookups: Mapping[str, Any]
    wall: Callable[[], int]
    wake: Callable[[], None]
    make_calls: Callable[[AsyncFunction, Callable[[], None]], Calls] | None

    def state(self, name: str) -> Any:
        """The state declared under the name."""
        return self.states[name]

    def lookup(self, name: str) -> Any:
        """Whom to ask for rows of the table declared under the name."""
        return self.lookups[name]

    def calls(self, function: AsyncFunction) -> Calls:
        """Who makes the calls of a user's function."""
        if self.make_calls is not None:
            return self.make_calls(function, self.wake)
        # imported here: only few jobs make any
        from thalweg.runtime.calls import AsyncCalls

        return AsyncCalls(function, self.wake)


class _Waker:
    """Wakes a task that is made after its operators."""

    task: Task | None = None

    def __call__(self) -> None:
        if self.task is not None:
            self.task.wake()


class _Assembler:
    def __init__(
        self,
        job: Job,
        options: RunOptions,
        loaded: Loaded,
        on_barrier: OnBarrier,
        clock: Callable[[], float],
    ) -> None:
        self.job, self.options, self.restored = job, options, loaded.snapshot
        self.on_barrier, self.clock = on_barrier, clock
        self.result = Assembled(job, [], has_increments=options.increments)
        self.states, self.workers = loaded.states, loaded.workers
        self._endings: dict[str, Endings] = {}

    def build(self) -> Assembled:
        owners = self.result.owners
        owners |= {s.scan.id: self._owner(s.scan) for s in self.job.stages if s.scan is not None}
        join_meetings(self.job, owners)
        for stage in self.job.stages:
            owner = None if stage.scan is None else owners[stage.scan.id]
            for index in range(stage.parallelism):
                self.result.tasks.append(self._task(stage, index, owner))
            if stage.scan is not None:
                self._assign_splits(stage)
        by_name = {t.name: t for t in self.result.tasks}
        for edge in self.job.edges:
            self._wire(edge, by_name)
        return self.result

    def _task(self, stage: Stage, index: int, owner: SharedOwner | None) -> Task:
        name = f"{stage.id}[{index}]"
        restored = self.states[name]
        states = {key: made.state for key, made in restored.items()}
        for key, made in restored.items():
            self.result.track(name, key, made.state, whole=not made.is_known)
        waker = _Waker()
        self.result.states[name] = states
        writer = None if stage.write is None else self._writer(stage.write, index)
        endings = None
        if end_together(writer):
            endings = self._endings.setdefault(stage.id, Endings(stage.parallelism))
        sink = "" if stage.write is None else stage.write.sink.describe()
        parts = TaskParts(
            stage.id,
            index,
            self._chain(stage, index, states, waker),
            writer=writer,
            sink=sink,
            endings=endings,
            rows_max=self.options.rows_max,
            wall=self.options.wall,
        )
        if stage.scan is None or owner is None:
            waker.task = Task(parts, self.on_barrier)
        else:
            clocks = (self.clock, self.options.wall)
            waker.task = SourceTask(parts, self.on_barrier, scan=stage.scan, owner=owner, clocks=clocks)
        return waker.task

    def _chain(self, stage: Stage, index: int, states: Mapping[tuple[str, str], Any], waker: _Waker) -> Chain:
        workers = self.workers
        if workers is not None and workers.hosts(stage.id):
            return workers.chain(stage.id, index, [*states.values()], self._split_name)
        inputs = max(1, len(self.job.inputs_of(stage.id)))
        operators = []
        for spec in stage.operators:
            own = {n: s for (step, n), s in states.items() if step == spec.id}
            lookups, how = self._lookups(spec), self.options
            context = _Context(
                own, how.rows_max, inputs, self._split_name, lookups, how.wall, waker, how.calls
            )
            operators.append((spec.id, spec.build(context)))
        return Chain(operators)

    def _writer(self, write: WriteSpec, index: int) -> Writer:
        epoch = self.options.epoch
        if epoch is None:
            return write.sink.open(write.schema, index)
        restored = () if self.restored is None else self.restored.staged.get(write.id, ())
        return opened(write.sink, write.schema, index, replace(epoch, sink=write.id), restored)

    def _lookups(self, spec: OperatorSpec) -> Mapping[str, Any]:
        if not hasattr(spec, "lookups"):
            return {}
        # imported here: only few jobs look anything up
        from thalweg.runtime.lookups import lookups_of

        made = lookups_of(spec, self.clock)
        self.result.lookups += made.values()
        return made

    def _split_name(self, number: int) -> str:
        """The name of a split, whose number says the source and which split of it."""
        source, place = number >> 32, number & ((1 << 32) - 1)
        scan = next(s.scan for s in self.job.stages if s.scan is not None and s.scan.number == source)
        return self.result.owners[scan.id].splits[place].id

    def _owner(self, scan: ScanSpec) -> SharedOwner:
        drift = self.options.drift_max
        return SharedOwner(
            scan.source,
            # without event time no split starts where another ended
            WatermarkOwner(ordered=scan.source.is_ordered and scan.time is not None),
            idle_timeout=self.options.idle_timeout,
            drift_max_us=None if drift is None else int(drift * 1e6),
        )

    def _assign_splits(self, stage: Stage) -> None:
        assert stage.scan is not None, "only source stages have splits"
        tasks = [t for t in self.result.sources if t.stage == stage.id]
        saved = {} if self.restored is None else self.restored.splits
        owner = self.result.owners[stage.scan.id]
        owner.wakers = [_waker(t) for t in tasks]
        # splits of a snapshot keep their numbers; what was found since comes after them
        known = sorted((d["number"], d["split"], i) for (st, i), d in saved.items() if st == stage.id)
        for _, data, split_id in known:
            owner.add_split(Split(split_id, data))
        for split in stage.scan.source.splits():
            owner.add_split(split)
        is_complete = stage.scan.source.is_bounded or discovery_interval(stage.scan.source) is None
        for number, split in enumerate(owner.splits):
            data = saved.get((stage.id, split.id), {})
            task = tasks[number % len(tasks)]
            if "clock" in data:
                owner.resume(split.id, _mark(data), ended=data["ended"])
            if data.get("ended"):
                task.ended[split.id] = data
            else:
                task.pending.append((number, split, data))
        owner.complete(is_complete=is_complete)
        for task in tasks:
            task.share = (task.index, len(tasks), len(owner.splits))

    def _wire(self, edge: Edge, tasks: Mapping[str, Task]) -> None:
        source, target = self.job.by_id[edge.source], self.job.by_id[edge.target]
        made: dict[tuple[int, int], Channel] = {}
        for j in range(target.parallelism):
            consumer = tasks[f"{target.id}[{j}]"]
            for i in range(source.parallelism):
                if edge.exchange == "forward" and i % target.parallelism != j:
                    continue
                waits = target.first_port not in (None, edge.port)
                channel = self._channel(f"{edge.source}[{i}] -> {consumer.name}", consumer, waits=waits)
                channel.wake_producer = _waker(tasks[f"{source.id}[{i}]"])
                made[i, j] = channel
                source_name = f"{edge.source}.{edge.output}"
                consumer.add_input(Input(channel, edge.port, source=source_name, declined=waits))
        for i in range(source.parallelism):
            mine = [c for (a, _), c in sorted(made.items()) if a == i]
            producer = tasks[f"{source.id}[{i}]"]
            producer.outputs.append(OutputEdge(edge, mine, task=i, partitions=self.job.partitions))

    def _channel(self, name: str, consumer: Task, *, waits: bool) -> Channel:
        """A channel to a task; `waits`: whether the task declines it at first."""
        options, wake = self.options, _waker(consumer)
        bounds = {"rows_max": options.edge_rows_max, "bytes_max": options.edge_bytes_max}
        if not waits:
            return options.channel(name, **bounds, wake=wake)
        # imported here: few jobs read one input of a step first
        from thalweg.runtime.spill import SpillingChannel

        spilling = SpillingChannel(name, **bounds, wake=wake)
        self.result.spilling.append(spilling)
        return spilling


def _mark(saved: Mapping[str, Any]) -> int | None:
    """Where a split of a snapshot goes on: not before the time that its task had handed on."""
    marks = [m for m in (saved["clock"]["current"], saved.get("watermark")) if m is not None]
    return max(marks, default=None)


def _waker(task: Task) -> Callable[[], None]:
    """Wakes a task through whatever the runtime has set by then."""
    return lambda: task.wake()


def assemble(
    job: Job,
    options: RunOptions,
    loaded: Loaded,
    on_barrier: OnBarrier,
    clock: Callable[[], float],
) -> Assembled:
    """All tasks of a job, wired, with the state that was loaded in place."""
    return _Assembler(job, options, loaded, on_barrier, clock).build()
