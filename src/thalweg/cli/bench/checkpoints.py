"""Benchmarks of checkpoints: what an increment writes, what it costs the job, how fast a job goes on.

Ten million keys, of which one in a hundred changes between two checkpoints: neighbours, or at random.

Changes:  a directory under the system's temporary one, which is removed.
Not here: the rows (changing.py).
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thalweg.cli.bench.changing import QUERY, Changing, Feed
from thalweg.cli.bench.model import Benchmark, Measured, Options, usage

if TYPE_CHECKING:
    # loads the engine
    import polars as pl

    from thalweg.checkpoint.history import Place
    from thalweg.runtime.run import Run
    from thalweg.session.session import Session

    Array = np.ndarray[Any, Any]

_JOB = "changing"
_SHARE = 100
"""One key in so many changes between two checkpoints."""
_PART = 1_000_000
_ROUNDS = 18
"""So many that increments are joined on the way."""
_OFTEN = "0.2 s"
_INTERVAL = 10.0
_BYTES_MAX, _LOSS_MAX, _RESTORE_MAX = 0.03, 1.10, 5.0


class _Job:
    """A job over keys that change, in a thread of its own.

    Args:
        directory: of its checkpoints; None: none are taken.
        interval: the time between two, as the option says it.

    Attributes:
        feed: what it reads.
        first_row: when its first result came.
        run: the run, once it has begun.
    """

    def __init__(self, directory: str | None, interval: str = _OFTEN) -> None:
        self.feed = Feed()
        self.first_row: float | None = None
        self.run: Run | None = None
        self._directory, self._interval = directory, interval
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._drive, daemon=True)
        self._thread.start()

    def _drive(self) -> None:
        try:
            self._session().run(_JOB, mode="stream")
        except BaseException as error:  # noqa: BLE001 - raised again where the job is waited for
            self._error = error

    def _session(self) -> Session:
        from thalweg.connectors.sinks import CallbackSink
        from thalweg.session.session import Session

        session = Session(parallelism=os.cpu_count() or 1, checkpoint_dir=self._directory)
        session.execute_sql(f"SET 'execution.checkpointing.interval' = '{self._interval}'")
        session.create_view("changing", session.from_source(Changing(self.feed)))
        session.on_start = self._begun
        plan = session.execute_sql(QUERY)[-1].plan
        assert plan is not None, "the text is one query"
        session.write_sink(plan, CallbackSink(self._seen, has_ops=True, key=("k",)))
        return session

    def _begun(self, run: Run) -> None:
        self.run = run

    def _seen(self, frame: pl.DataFrame) -> None:
        if self.first_row is None and frame.height:
            self.first_row = time.perf_counter()

    @property
    def rows_read(self) -> int:
        """How many rows it has taken since it began."""
        return 0 if self.run is None else self.run.rows_read

    def wait(self, until: Callable[[], bool]) -> None:
        """Look again and again; raise what the job raised."""
        while not until():
            if self._error is not None:
                raise self._error
            assert self._thread.is_alive(), "a job does not end by itself"
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop, with a last checkpoint if there are any, and wait for it."""
        assert self.run is not None, "it has begun"
        self.run.stop()
        self._thread.join()
        if self._error is not None:
            raise self._error


class _Checkpoints:
    """What is written of a job, checkpoint by checkpoint.

    Attributes:
        files: the bytes of every file that a checkpoint has named so far.
    """

    def __init__(self, directory: str) -> None:
        from thalweg.checkpoint.history import History
        from thalweg.checkpoint.store import DirectoryStore

        self._history = History(DirectoryStore(directory), _JOB)
        self._seen: Place | None = None
        self.files: dict[str, int] = {}
        self.rows_read = 0

    def have(self, rows: int) -> bool:
        """Whether a checkpoint is complete of a job that had read so many rows."""
        _, place = self._history.newest()
        if place is None or place == self._seen:
            return self.rows_read >= rows
        manifest = self._history.manifest(place)
        self._seen = place
        self.rows_read = sum(int(split["data"]["rows"]) for split in manifest.splits)
        self.files |= {f.sha256: f.bytes for s in manifest.states for piece in s.pieces for f in piece}
        return self.rows_read >= rows

    @property
    def bytes(self) -> int:
        """How much was written."""
        return sum(self.files.values())


@contextmanager
def _directory() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="thalweg-bench-") as directory:
        yield directory


def _filled(job: _Job, keys: int) -> None:
    """Give every key once."""
    for start in range(0, keys, _PART):
        job.feed.give(np.arange(start, min(keys, start + _PART)))


def _kept(directory: str, keys: int) -> _Checkpoints:
    """A job that has had every key once, and was stopped with its first checkpoint."""
    job, kept = _Job(directory, "1 h"), _Checkpoints(directory)
    _filled(job, keys)
    job.wait(lambda: job.rows_read >= keys)
    job.stop()
    assert kept.have(keys), "the last checkpoint has every key"
    return kept


def _some(keys: int, pattern: str, nth: int) -> Array:
    """The keys that change next."""
    count = keys // _SHARE
    if pattern == "neighbours":
        return np.arange(nth * count, (nth + 1) * count) % keys
    return np.random.default_rng(nth).choice(keys, count, replace=False)


def _increments(options: Options) -> Measured:
    measured = Measured("of the state", [])
    keys = options.events
    with usage() as used:
        for pattern in ("neighbours", "random"):
            with _directory() as directory:
                kept = _kept(directory, keys)
                job, rows = _Job(directory), keys
                whole = before = kept.bytes
                shares = []
                for nth in range(_ROUNDS):
                    job.feed.give(_some(keys, pattern, nth))
                    rows += keys // _SHARE
                    job.wait(lambda: kept.have(rows))  # noqa: B023 - called before the next turn
                    shares.append((kept.bytes - before) / whole)
                    before = kept.bytes
                job.stop()
            share = sum(shares) / len(shares)
            measured.values.append(share)
            measured.details[pattern] = {
                "mib_of_the_state": round(whole / 2**20, 1),
                "shares": [round(s, 4) for s in shares],
            }
            if share > _BYTES_MAX:
                measured.problems.append(
                    f"{pattern}: {share:.1%} of the state were written for 1 % of the keys"
                )
    measured.details |= used.as_details() | {"keys": keys}
    return measured


def _cost(options: Options) -> Measured:
    measured = Measured("times", [])
    rates: dict[str, list[float]] = {"without": [], "with": []}
    with usage() as used:
        for _ in range(options.runs):
            with _directory() as directory:
                rates["with"].append(_rate(options, directory))
            rates["without"].append(_rate(options, None))
            measured.values.append(rates["without"][-1] / rates["with"][-1])
    measured.details = used.as_details() | {
        "keys": options.events,
        "interval_seconds": _INTERVAL,
        "events_per_second": {name: [round(rate) for rate in found] for name, found in rates.items()},
    }
    return measured


def _rate(options: Options, directory: str | None) -> float:
    """Events per second of a job, of which the keys of one in a hundred come for ten seconds at a time."""
    keys, job = options.events, _Job(directory, f"{_INTERVAL} s")
    _filled(job, keys)
    if directory is None:
        job.wait(lambda: job.rows_read >= keys)
    else:
        kept = _Checkpoints(directory)
        job.wait(lambda: kept.have(keys))
    begun, seconds = time.perf_counter(), min(options.seconds, 3 * _INTERVAL + 5)
    nth, some, read = -1, np.empty(0, np.int64), job.rows_read
    while (passed := time.perf_counter() - begun) < seconds:
        if nth != int(passed / _INTERVAL):
            nth = int(passed / _INTERVAL)
            some = np.tile(_some(keys, "random", nth), max(1, _PART * _SHARE // keys))
        job.wait(job.feed.has_room)
        job.feed.give(some)
    rate = (job.rows_read - read) / (time.perf_counter() - begun)
    job.stop()
    return rate


def _restores(options: Options) -> Measured:
    measured = Measured("s", [])
    keys = options.events
    with _directory() as directory, usage() as used:
        kept = _kept(directory, keys)
        job = _Job(directory)
        job.feed.give(_some(keys, "random", 0))
        job.wait(lambda: kept.have(keys + keys // _SHARE))
        job.stop()
        for nth in range(options.runs):
            _forget_pages(directory)
            begun = time.perf_counter()
            job = _Job(directory)
            job.feed.give(np.array([nth, nth + 1]))
            job.wait(lambda: job.first_row is not None)  # noqa: B023 - called before the next turn
            assert job.first_row is not None, "it was waited for"
            measured.values.append(job.first_row - begun)
            job.stop()
    measured.details = used.as_details() | {"keys": keys, "mib": round(kept.bytes / 2**20, 1)}
    return measured


def _forget_pages(directory: str) -> None:
    """Have the system read the files from the disk again."""
    for path in Path(directory).rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


CHECKPOINTS = [
    Benchmark(
        "checkpoint-increment",
        "state",
        "How much of the state does a checkpoint write of which one key in a hundred has changed?",
        "the rows that have changed, and each of them once more when sixteen are joined: 2 % of the state",
        _increments,
        target=_BYTES_MAX,
    ),
    Benchmark(
        "checkpoint-cost",
        "state",
        "What do checkpoints every ten seconds cost a job with ten million keys?",
        "gathering 100 000 rows once in ten seconds, and writing them beside the job: 1 %",
        _cost,
        target=_LOSS_MAX,
    ),
    Benchmark(
        "checkpoint-restore",
        "state",
        "How long does a job with ten million keys take from its start to its first row, from a cold disk?",
        "a gigabyte is read and hashed, ten million texts are numbered: 4 s on two cores",
        _restores,
        target=_RESTORE_MAX,
    ),
]
