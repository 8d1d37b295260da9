"""Say whether the result of a program's jobs can change: simulate seeds until one gives another result.

Reads:    the program, and the beginning of its input, once.
Changes:  nothing; what the jobs would write is collected.
Not here: one run (subject.py), what differs and why (causes.py).
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

from thalweg.api.dataset import Dataset
from thalweg.connectors.memory import MemorySink
from thalweg.connectors.sinks import CallbackSink
from thalweg.errors import ConfigError, PlanError
from thalweg.session.execute import choose_mode
from thalweg.session.programs import Look, looked_at, run_program
from thalweg.testing.programs.causes import Trial
from thalweg.testing.programs.clocks import user_time
from thalweg.testing.programs.disturbances import KINDS
from thalweg.testing.programs.recorded import RecordedSource
from thalweg.testing.programs.report import Finding, SimulationReport
from thalweg.testing.programs.subject import UserJob, changing, scans, user_job

ROWS, SEEDS = 100, 200
Program = Callable[[], object]


def simulate(
    program: str | os.PathLike[str] | Program,
    *,
    seeds: int | Iterable[int] = SEEDS,
    rows: int = ROWS,
    without: Collection[str] = (),
    calls: bool = False,
    name: str | None = None,
    tell: Callable[[int], None] = lambda done: None,
) -> SimulationReport:
    """Run the jobs of a program again and again, each time disturbed in another way, and compare the results.

    Args:
        program: the path of a Python file, or a function that builds jobs: it runs them, or returns a
            dataset. It is executed for every run, so that all of its objects are new.
        seeds: how many runs; or the numbers of those that are wanted.
        rows: how many rows of each source are read.
        without: kinds of disturbance that are left out: `cuts`, `order`, `parallelism`, `delays`, `crashes`,
            `clock`.
        calls: whether functions that results are handed to (`write_callback`) are called, in order to see
            what becomes of what they have built. Otherwise nothing outside of the simulation happens.
        name: what a job is called that nobody named.
        tell: told how many seeds are done.

    Returns:
        What was found; `is_stable` says whether no result has changed.

    Raises:
        UserError: the program is wrong, or runs no job.
        Exception: what a job fails with, also when it is not disturbed.

    Example:
        >>> import polars as pl, thalweg as tw
        >>> def running(frame):
        ...     return frame.with_columns(pl.col("n").cum_sum())
        >>> def program():
        ...     rows = tw.Session().from_polars(pl.DataFrame({"n": range(9)}))
        ...     return rows.map_batches(running)
        >>> simulate(program, seeds=20, without=["crashes"]).finding.alone
        ('cuts',)
    """
    known = _known(without)
    begun = time.monotonic()
    execute, own = _executing(program)
    trials = [Trial(job, calls=calls) for job in _jobs(execute, name or own, rows)]
    wanted = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    done, finding = 0, None
    for done, seed in enumerate(wanted, 1):
        finding = next(filter(None, (trial.finding(seed, known) for trial in trials)), None)
        tell(done)
        if finding is not None:
            break
    return SimulationReport(
        done,
        time.monotonic() - begun,
        finding,
        tuple(_about(trial.job) for trial in trials),
        tuple(note for trial in trials for note in _notes(trial)),
        sum(trial.runs for trial in trials),
    )


def _known(without: Collection[str]) -> list[str]:
    for kind in without:
        if kind not in KINDS:
            raise ConfigError(
                f'there is no kind of disturbance "{kind}"', code="config-value", choices=[*KINDS]
            )
    known = [kind for kind in KINDS if kind not in without]
    if not known:
        raise ConfigError(
            "without any disturbance there is nothing to compare", code="config-value", choices=[*KINDS]
        )
    return known


def _executing(program: str | os.PathLike[str] | Program) -> tuple[Program, str]:
    """What executes a program, and what its job is called that nobody named."""
    if isinstance(program, (str, os.PathLike)):
        path = os.fspath(program)
        return partial(run_program, path), Path(path).stem
    return partial(_carried_out, program), getattr(program, "__name__", "job")


def _carried_out(program: Program) -> None:
    made = program()
    for dataset in made if isinstance(made, (list, tuple)) else [made]:
        if isinstance(dataset, Dataset):
            dataset.to_polars()


def _jobs(execute: Program, name: str, rows: int) -> list[UserJob]:
    def loaded() -> list[Look]:
        # what it prints was seen the first time, if at all
        with redirect_stdout(io.StringIO()):
            return looked_at(partial(_to_its_end, execute), name)

    def load(number: int) -> Look:
        looks = loaded()
        if len(looks) != count:
            raise changing(len(looks), count)
        return looks[number]

    with user_time(time.time):
        looks = looked_at(partial(_to_its_end, execute), name)
    count = len(looks)
    if not looks:
        raise PlanError(
            "the program runs no job, so that there is nothing to simulate",
            code="simulate-no-job",
            hint="it writes somewhere and ends in session.run(), or returns a dataset",
        )
    return [user_job(partial(load, number), look, rows) for number, look in enumerate(looks)]


def _to_its_end(execute: Program) -> None:
    try:
        execute()
    except SystemExit as stop:
        if stop.code not in (None, 0):
            raise


def _about(job: UserJob) -> str:
    """A job in a line."""
    mode = choose_mode(job.look.roots, job.look.how.mode)
    inputs = ", ".join(f"{held.describe()} ({_count(held)})" for held in job.inputs)
    sinks = ", ".join(w.sink.describe() for w in job.writes)
    return f'job "{job.look.how.name}", {mode}: reads {inputs or "nothing"}; writes to {sinks}'


def _count(held: RecordedSource) -> str:
    first = "the first " if held.is_cut_off else ""
    return f"{first}{held.rows} row{'' if held.rows == 1 else 's'}"


def _notes(trial: Trial) -> Iterator[str]:
    """What would happen in another way than it was simulated."""
    job = trial.job
    for scan in dict.fromkeys(scans(job.look.roots)):
        if scan.source.replay == "none" and not scan.has_journal:
            name = scan.source.describe()
            yield f"note: a crash loses rows of {name}, which cannot be read again; that is not simulated"
    for write in job.writes:
        # what is in memory goes with the process
        if write.sink.delivery == "at_least_once" and not isinstance(write.sink, (CallbackSink, MemorySink)):
            yield f"note: after a crash {write.sink.describe()} may get rows again, which is not judged"
    for write, table in zip(job.writes, trial.reference.tables, strict=True):
        if not table.height:
            yield f"note: {write.sink.describe()} gets no row at all, so that nothing can be told apart there"


__all__ = ["Finding", "ROWS", "SEEDS", "simulate"]
