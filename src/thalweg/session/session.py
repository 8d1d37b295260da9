"""The one place where all parts meet.

A session knows tables, functions and options; it collects sinks, and runs them as one job.

Not here: what it reads (inputs.py), how plans run (execute.py).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

import polars as pl

from thalweg.connectors.connector import Results
from thalweg.connectors.memory import MemorySink
from thalweg.connectors.sinks import CallbackSink
from thalweg.errors import ConfigError, PlanError
from thalweg.expr import functions as _functions
from thalweg.optimizer.optimize import Rule
from thalweg.optimizer.standard import RULES
from thalweg.physical.guarantee import Guarantee, check_guarantee
from thalweg.physical.results import check_sink, checked_changelog
from thalweg.plan.nodes import Plan, Write
from thalweg.plan.properties import properties, reads_endless
from thalweg.plan.sort import in_asked_order
from thalweg.protocols.sink import Delivery, Sink
from thalweg.runtime.breaker import QuarantineLimit
from thalweg.runtime.options import RunOptions
from thalweg.session.catalog import SessionCatalog
from thalweg.session.execute import Execution, Lateness, Mode, Result, choose_mode, execute, explain
from thalweg.session.functions import Functions
from thalweg.session.hooks import HOOKS
from thalweg.session.ignored import Notices
from thalweg.session.inputs import Inputs
from thalweg.session.interrupts import interruptible
from thalweg.session.journals import check_journals, keeps_journal
from thalweg.session.letters import LetterBox, with_letters
from thalweg.session.memory_options import memory_options
from thalweg.session.metrics.frame import frame_of
from thalweg.session.restart_options import restart_strategy
from thalweg.session.running import Running
from thalweg.session.settings import Settings
from thalweg.session.statements import Outcome, run_text

if TYPE_CHECKING:
    from thalweg.api.dataset import Dataset
    from thalweg.api.written_files import WrittenCsv
    from thalweg.session.archive import Checkpoint
    from thalweg.session.checkpoints import CheckpointOptions
    from thalweg.session.handle import JobHandle

assert _functions is not None, "the built-in functions are registered on import"

_MODES: dict[str, Mode] = {
    "automatic": "automatic",
    "batch": "batch",
    "streaming": "stream",
    "stream": "stream",
}
_LATENESS: dict[str, Lateness] = {"ignore": "ignore", "as_stream": "as_stream"}
_UNNAMED = "job"
_log = logging.getLogger("thalweg")


class Session(Inputs, Functions):
    """Tables, options, and the jobs made from them.

    Args:
        parallelism: tasks per stage; by default one per core.
        rules: further optimizer rules, applied after the built-in ones.
        options: further options by their names, as in `SET`.
        checkpoint_dir: where checkpoints of the jobs are kept, so that a job goes on where it was broken off.
        memory: how much of it state, edges and batches of a job take at most (`"512MiB"`); the rest spills.

    Example:
        >>> s = Session()
        >>> s.from_polars(pl.DataFrame({"a": [1, 2]})).filter(pl_filter).to_polars()  # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        parallelism: int | None = None,
        rules: Sequence[Rule] = (),
        options: dict[str, str] | None = None,
        checkpoint_dir: str | os.PathLike[str] | None = None,
        memory: str | None = None,
    ) -> None:
        self.settings = Settings()
        for name, value in (options or {}).items():
            self.settings.set(name, value)
        if parallelism is not None:
            self.settings.set("parallelism.default", str(parallelism))
        if checkpoint_dir is not None:
            self.settings.set("execution.checkpointing.dir", os.fspath(checkpoint_dir))
        if memory is not None:
            self.settings.set("taskmanager.memory.managed.size", memory)
        self.rules: list[Rule] = [*RULES, *rules]
        self.catalog = SessionCatalog(self.settings)
        self.sinks: list[Write] = []
        self.on_start: Callable[[JobHandle], None] | None = None
        self.run_options = RunOptions()
        self._notices = Notices()
        self._running = Running()
        self._tell_ignored()

    def _tell_ignored(self) -> None:
        """Warn of the options that mean nothing here."""
        self._notices.say([*self.settings.warnings, *self.catalog.warnings])

    # -- names ---------------------------------------------------------------------------------

    def _dataset(self, plan: Plan) -> Dataset:
        # imported here: SQL alone does not need the fluent interface
        from thalweg.api.dataset import Dataset

        return Dataset(plan, self)

    def _scan(self, source: Any, name: str | None, dead_letter: LetterBox | None, *, journal: bool) -> Plan:
        return self.catalog.scan(source, name, dead_letter, journal=journal)

    def table(self, name: str) -> Dataset:
        """A table or view by name."""
        return self._dataset(self.catalog.table(name))

    def create_view(self, name: str, dataset: Dataset, *, replace: bool = False) -> None:
        """Name a dataset, so that SQL can read it."""
        from thalweg.api.columns import plan_of
        from thalweg.api.place import caller, located

        with located(caller()):
            self.catalog.add_view(name, plan_of(dataset), replace=replace)

    def sql(self, text: str) -> Dataset:
        """Carry out statements; the last one must be a query, whose rows are returned."""
        outcomes = self.execute_sql(text)
        if not outcomes or outcomes[-1].plan is None:
            if outcomes and outcomes[-1].frame is not None:
                return self.from_polars(outcomes[-1].frame)
            raise PlanError(
                "the text ends without a query, so that there is nothing to return",
                code="sql-no-query",
                hint="execute_sql(text) carries out statements",
            )
        return self._dataset(outcomes[-1].plan)

    def execute_sql(self, text: str) -> list[Outcome]:
        """Carry out statements: definitions now, INSERTs with the next run."""
        outcomes = run_text(self, text)
        self._tell_ignored()
        return outcomes

    # -- writing -------------------------------------------------------------------------------

    def add_sink(self, write: Write) -> None:
        """Add a sink to the job that `run` will start; what cannot work is said here."""
        check_sink(write, batch=self._is_batch(write))
        self.sinks.append(write)

    def _is_batch(self, write: Write) -> bool:
        mode = _MODES[self.settings.get("execution.runtime-mode")]
        return mode == "batch" or (mode == "automatic" and not reads_endless(write))

    def write(
        self, plan: Plan, target: str, form: str, changelog: str | None, **options: Unpack[WrittenCsv]
    ) -> None:
        """Queue a directory of files as a sink."""
        from thalweg.connectors.files.partitioned_sink import sink_of_files

        rows = Results(plan.schema, properties(plan).is_bounded)
        self.write_sink(plan, sink_of_files(target, form, rows, dict(options)), changelog)

    def write_sink(self, plan: Plan, sink: Sink, changelog: str | None = None) -> None:
        """Queue any sink; what cannot work in any mode is said here."""
        from thalweg.api.place import caller

        write = Write(plan, sink, checked_changelog(changelog), place=caller())
        # bounded input may yet be run as a batch, whose results never change
        check_sink(write, batch=not reads_endless(plan))
        self.sinks.append(write)

    def write_callback(
        self,
        plan: Plan,
        function: Callable[[pl.DataFrame], object],
        changes: bool,
        *,
        idempotent: bool = False,
    ) -> None:
        """Queue a function that is called with results at cuts."""
        delivery: Delivery = "idempotent" if idempotent else "at_least_once"
        sink = CallbackSink(function, has_ops=changes, key=_key_of(plan), delivery=delivery)
        self.write_sink(plan, sink)

    def write_sqlite(self, plan: Plan, path: str, table: str) -> None:
        """Queue a table of a database as a sink."""
        # imported here: few programs write to a database
        from thalweg.connectors.sqlite import SqliteSink

        self.write_sink(plan, SqliteSink(path, table, _key_of(plan), properties(plan).is_bounded))

    # -- running -------------------------------------------------------------------------------

    def run(
        self,
        name: str | None = None,
        *,
        mode: str | None = None,
        lateness: str | None = None,
        options: RunOptions | None = None,
        start: str = "newest",
        guarantee: Guarantee = "any",
        upgrade: bool | Collection[str] = False,
    ) -> Result:
        """Run all sinks that were added since the last run, as one job, until it ends.

        Args:
            name: what the job is called.
            mode: `batch`, `stream`, or by default what the input allows.
            lateness: whether a batch accepts every row (`ignore`, the default), or judges which are late
                `as_stream`; a stream always does.
            options: how the runtime works.
            start: with a directory of checkpoints: `newest`, `fresh` for a start without state, or the number
                or the path of a checkpoint.
            guarantee: `exactly_once` refuses a job of which a crash may lose or repeat rows in some sink.
            upgrade: True takes over what a checkpoint of another program has for this one; so do the names of
                its steps, whose state is lost.
        """
        if not self.sinks:
            raise PlanError(
                "nothing is written, so that there is nothing to run",
                code="plan-no-sink",
                hint="add a sink first: write_parquet, write_callback, INSERT INTO …",
            )
        name = self._settled("pipeline.name", name)
        how = self._execution(name, self._settled("execution.runtime-mode", mode), options)
        how = replace(how, lateness=self._lateness(lateness), checkpoints=self._checkpoints(start, upgrade))
        has_name = bool(name or self.settings.get("pipeline.name") or HOOKS.job_name)
        if how.checkpoints is not None and not has_name:
            raise ConfigError(
                "a job with checkpoints needs a name, by which they are found again",
                code="checkpoint-name",
                hint='run("name"), or the option "pipeline.name"',
            )
        if how.mode == "automatic" and keeps_journal(self.sinks):
            how = replace(how, mode="stream")
        # what is wrong with the call is said before the sinks are taken, so that another call finds them
        chosen = choose_mode(self.sinks, how.mode)
        check_journals(
            self.sinks, chosen, directory=None if how.checkpoints is None else how.checkpoints.directory
        )
        sinks = self._with_letters(self.sinks)
        check_guarantee(sinks, guarantee, has_checkpoints=how.checkpoints is not None)
        self.sinks = []
        listening = partial(_listening, has_name=has_name)
        with interruptible() as watchers:
            return execute(sinks, replace(how, watchers=(*how.watchers, listening, self._report, *watchers)))

    def _report(self, run: JobHandle) -> AbstractContextManager[object]:
        """Let Prometheus read the run's metrics, where a port is given."""
        ports = self.settings.get("metrics.reporter.prom.port")
        if ports is None:
            return nullcontext()
        # imported here: few jobs serve anything
        from thalweg.session.metrics.http import serving

        return serving(run, ports, HOOKS.say or _log.info)

    def write_checkpoint(
        self,
        name: str,
        states: Mapping[str, pl.DataFrame],
        *,
        positions: Checkpoint | None = None,
    ) -> None:
        """Write a checkpoint of the job that the queued sinks are, from frames; the next run begins with it.

        The sinks are taken, as `run` does; queue them again for the run, as a stream. The checkpoint begins a
        new lineage, and nothing is deleted.

        Args:
            name: what the job is called.
            states: the rows of its states by operator, as `explain(state=True)` and `Checkpoint.states` name
                them (`"group1.group"`, or `"group1.group groups"`), with the columns that `Checkpoint.state`
                gives; those that are left out are empty.
            positions: a checkpoint up to whose positions the input counts as read; by default it is read
                from the beginning.

        Raises:
            ConfigError: there is no directory of checkpoints, no such state, or rows that do not fit it.
        """
        how = self._execution(name, "stream", None)
        kept = self._checkpoints("newest")
        if kept is None:
            raise ConfigError(
                "without a directory no checkpoint can be written",
                code="checkpoint-no-directory",
                hint='Session(checkpoint_dir="…"), or the option "execution.checkpointing.dir"',
            )
        # imported here: few programs begin with state
        from thalweg.session.bootstrap import write_checkpoint
        from thalweg.session.execute import job_of

        sinks, self.sinks = self.sinks, []
        write_checkpoint(kept.directory, job_of(sinks, how), states, positions)

    def _with_letters(self, sinks: Sequence[Write]) -> list[Write]:
        """The sinks, with those that take the rows that are kept apart."""
        late, failed = (
            self.settings.get(f"pipeline.dead-letter.{which}-rows") == "true" for which in ("late", "failed")
        )
        return with_letters(sinks, late=late, failed=failed)

    def why(self, job: str | None = None) -> list[tuple[str, str]]:
        """For every task of the jobs that this session runs now, what it waits for, sinks first.

        `run` returns when its job has ended, so that this is asked from another thread. A batch has no tasks.

        Args:
            job: the name of one of the jobs; by default all of them.

        Example:
            >>> Session().why()
            []
        """
        return self._running.why(job)

    def job(self, name: str | None = None) -> JobHandle:
        """A job that this session runs now: it can be asked, saved and stopped.

        Args:
            name: its name; may be left out where there is one.

        Raises:
            ConfigError: it runs no such job, or several.
        """
        return self._running.handle(name)

    def metrics(self, job: str | None = None) -> pl.DataFrame:
        """The figures of the jobs that this session runs now, one per row.

        Asked from another thread, as `why` is. Those that a job ended with are in `Result.metrics()`.

        Args:
            job: the name of one of the jobs; by default all of them.

        Example:
            >>> Session().metrics().columns
            ['job', 'metric', 'step', 'task', 'operator', 'state', 'holder', 'value', 'unit', 'kind']
        """
        return frame_of(self._running.metrics(job))

    @property
    def may_broadcast(self) -> bool:
        """Whether joins may read a small input first, and send it to all tasks (an option)."""
        return bool(self.settings.get("table.optimizer.broadcast-join") == "true")

    def _settled(self, option: str, given: str | None) -> str | None:
        """What the program says, unless a flag says otherwise."""
        return self.settings.text(option) if self.settings.origin(option) == "flag" else given

    def _lateness(self, given: str | None) -> Lateness:
        found = self._settled("execution.lateness", given) or self.settings.get("execution.lateness")
        if found not in _LATENESS:
            raise ConfigError(f'there is no lateness "{found}"', code="config-value", choices=_LATENESS)
        return _LATENESS[found]

    def _execution(self, name: str | None, mode: str | None, options: RunOptions | None) -> Execution:
        wanted = mode or self.settings.get("execution.runtime-mode")
        if wanted not in _MODES:
            raise ConfigError(
                f'there is no mode "{wanted}"', code="config-value", choices=["automatic", "batch", "stream"]
            )
        parallelism = self.settings.get("parallelism.default") or os.cpu_count() or 1
        return Execution(
            name=name or self.settings.get("pipeline.name") or HOOKS.job_name or _UNNAMED,
            mode=_MODES[wanted],
            lateness=self._lateness(None),
            parallelism=parallelism,
            rules=self.rules,
            options=options or self._run_options(),
            on_start=self.on_start,
            watchers=(self._running.watch,),
        )

    def _checkpoints(self, start: str, upgrade: bool | Collection[str] = False) -> CheckpointOptions | None:
        """How jobs are kept, if a directory is given."""
        get = self.settings.get
        directory = get("execution.checkpointing.dir")
        if directory is None:
            return None
        # imported here: most jobs keep no checkpoints
        from thalweg.session.checkpoints import CheckpointOptions

        return CheckpointOptions(
            directory,
            interval=get("execution.checkpointing.interval"),
            retained=get("execution.checkpointing.num-retained"),
            tolerated=get("execution.checkpointing.tolerable-failed-checkpoints"),
            start=HOOKS.start or start,
            dropping=_dropping(upgrade),
            strategy=restart_strategy(get),
            keeps_bytes=get("taskmanager.memory.managed.size") is None,
            lease=get("high-availability.lease-duration"),
            say=HOOKS.say or _log.info,
            warn=HOOKS.say or _log.warning,
        )

    def _run_options(self) -> RunOptions:
        get = self.settings.get
        return replace(
            self.run_options,
            runtime=get("execution.runtime"),
            rows_max=get("execution.batch-rows"),
            idle_timeout=get("table.exec.source.idle-timeout") or None,
            drift_max=get("execution.drift-max") or None,
            quarantine=QuarantineLimit(
                get("pipeline.quarantine.rate-max"), get("pipeline.quarantine.count-min")
            ),
            **memory_options(get),
        )

    def collect(self, plan: Plan, *, mode: str | None = None, lateness: str | None = None) -> pl.DataFrame:
        """The rows of a bounded plan as a frame."""
        if not properties(plan).is_bounded:
            raise PlanError(
                "the input never ends, so that its result cannot be collected",
                code="plan-collect-unbounded",
                found=plan.describe(),
                hint="peek() shows some rows; limit(n) takes the first ones; write_… runs for ever",
            )
        sink = MemorySink(is_parallel=False)
        how = replace(self._execution("collect", mode, None), lateness=self._lateness(lateness))
        execute([Write(in_asked_order(plan), sink)], how)
        return sink.table()

    def peek(self, plan: Plan, rows: int, seconds: float) -> pl.DataFrame:
        """Some rows of any plan: whatever comes within a time."""
        from thalweg.session.peek import peek

        return peek(plan, rows, seconds, self._execution("peek", "stream", None))

    def show(self, plan: Plan, rows: int) -> None:
        """Print the first rows."""
        bounded = properties(plan).is_bounded
        frame = self.collect(plan).head(rows) if bounded else self.peek(plan, rows, 2.0)
        with pl.Config(tbl_rows=rows, tbl_cols=20):
            print(frame)  # noqa: T201 - what the user asked for

    def explain(self, plan: Plan, *, state: bool = False) -> str:
        """Every stage on the way from the plan to the job, and with `state` what its steps keep."""
        return self.explain_plans([plan], ["STATE"] if state else [])

    def explain_plans(self, plans: Sequence[Plan], details: Collection[str] = ()) -> str:
        """Every stage on the way from several plans to one job, and the details that EXPLAIN can name."""
        roots = [p if isinstance(p, Write) else Write(p, MemorySink(is_parallel=False)) for p in plans]
        if all(isinstance(p, Write) for p in plans):
            roots = self._with_letters(roots)
        how = replace(self._execution(None, None, None), checkpoints=self._checkpoints("newest"))
        return explain(roots, how, details)


def _key_of(plan: Plan) -> tuple[str, ...]:
    """The fewest columns that tell the rows of a result apart, if any do."""
    keys = sorted(properties(plan).keys, key=lambda k: (len(k), sorted(k)))
    return tuple(sorted(keys[0])) if keys else ()


def _listening(run: JobHandle, *, has_name: bool) -> AbstractContextManager[object]:
    """Let other processes ask the run how it is."""
    from thalweg.session.control.server import listening

    return listening(run, is_default_name=not has_name)


__all__ = ["Session"]


def _dropping(upgrade: bool | Collection[str]) -> frozenset[str] | None:
    """The steps whose state a changed program loses; None: it may not have changed."""
    if HOOKS.dropping is not None:
        return HOOKS.dropping
    if isinstance(upgrade, bool):
        return frozenset() if upgrade else None
    return frozenset([upgrade] if isinstance(upgrade, str) else upgrade)
