"""Jobs to be simulated, small inputs for them, and what their results must be.

Every job has two sinks: files with the numbered rows that pass a filter, and the result of a query, in files
or in a database. The final results are those of a batch; what a reader sees in between must be the result of
a cut, for which some queries have a model in plain Python.

Not here: the conditions (conditions.py), what must hold for any job (simulation.py).
"""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from random import Random
from typing import Any

import polars as pl

import thalweg as tw
from thalweg.api.columns import plan_of
from thalweg.checkpoint.history import History
from thalweg.connectors.files.sink import FileSink
from thalweg.connectors.memory import FrameSource, MemorySink, frame_source
from thalweg.job.job import Job
from thalweg.optimizer.optimize import optimize
from thalweg.optimizer.standard import RULES
from thalweg.physical.planner import plan_job
from thalweg.plan.nodes import Plan, Scan, Write
from thalweg.plan.properties import properties
from thalweg.runtime.options import RunOptions
from thalweg.session.execute import Execution, execute
from thalweg.testing.simulation.database import Database, DatabaseSink
from thalweg.testing.simulation.disk import SimulatedDisk
from thalweg.testing.simulation.process import DIRECTORY, JOB, OUTPUT
from thalweg.testing.simulation.simulation import WrongError
from thalweg.testing.simulation.source import PacedSource
from thalweg.testing.simulation.world import World

BOUND = 2
"""Seconds by which rows may be out of order."""
_ROWS = "SELECT id, k, v FROM t WHERE v <> 1"
_BUCKETS = "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '4' SECOND))"
QUERIES = {
    "rows": "SELECT id, v + k AS w FROM t",
    "totals": "SELECT k, COUNT(*) AS n, SUM(v) AS s, MAX(id) AS m FROM t GROUP BY k",
    "windows": f"SELECT k, window_start, COUNT(*) AS n, SUM(v) AS s, MIN(id) AS m FROM {_BUCKETS} "
    "GROUP BY k, window_start, window_end",
    "join": "SELECT a.id, b.id AS other FROM t AS a JOIN t AS b ON a.k = b.v",
    "top": "SELECT id, k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC, id) AS place "
    "FROM t) WHERE place <= 2",
    "first": "SELECT id, k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS place "
    "FROM t) WHERE place = 1",
    "over": "SELECT id, SUM(v) OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '3' SECOND PRECEDING "
    "AND CURRENT ROW) AS s FROM t",
    "interval": "SELECT a.id, b.id AS other FROM t AS a JOIN t AS b ON a.k = b.k "
    "AND a.ts BETWEEN b.ts - INTERVAL '1' SECOND AND b.ts + INTERVAL '2' SECOND",
    "silent": f"SELECT k, window_start, COUNT(*) AS n FROM {_BUCKETS.replace('TABLE t', 'TABLE both')} "
    "GROUP BY k, window_start, window_end",
}
"""In the last one a source that is silent follows another: which of its rows are late depends on the pace."""
_SCHEMA = {"id": pl.Int64, "k": pl.Int64, "v": pl.Int64, "ts": pl.Datetime("us")}
Row = tuple[int, int, int, int]
"""Number, key, value, and event time in seconds."""
Table = Counter[tuple[Any, ...]]


@dataclass(frozen=True)
class Workload:
    """A job and its input.

    Attributes:
        query: which of `QUERIES`.
        splits: the rows of each split.
        is_ordered: whether splits follow one another in time.
        form: the format of the files.
        to_files: whether the result of the query goes to files, too, and not to a database.
        takes: whether a reader takes files of results away.
        is_swapped: whether the sink of the query comes first.
        has_lineages: whether users begin anew or at older checkpoints, so that rows may come again.
    """

    query: str
    splits: tuple[tuple[Row, ...], ...]
    is_ordered: bool = False
    form: str = "json"
    to_files: bool = False
    takes: bool = False
    is_swapped: bool = False
    has_lineages: bool = False

    def to_data(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)

    @staticmethod
    def from_data(data: dict[str, Any]) -> Workload:
        """From plain JSON."""
        splits = tuple(tuple(tuple(row) for row in split) for split in data["splits"])
        return Workload(**{**data, "splits": splits})  # type: ignore[arg-type]


def random_workload(seed: int) -> Workload:
    """The workload of a seed; several seeds have the same rows, so that what must come is known already."""
    random = Random(f"{seed} workload")
    query = random.choice([*QUERIES])
    has_updates = bool(_key(query))
    return Workload(
        query,
        _random_splits(random.randrange(12)),
        is_ordered=random.random() < 0.2,
        form=random.choice(["json", "json", "json", "parquet", "arrow"]),
        to_files=not has_updates and random.random() < 0.5,
        takes=random.random() < 0.3,
        is_swapped=random.random() < 0.5,
    )


@cache
def _random_splits(number: int) -> tuple[tuple[Row, ...], ...]:
    random = Random(f"rows {number}")
    splits = []
    at = 0
    for split in range(random.choice([1, 2, 2, 3])):
        front, rows = at if random.random() < 0.5 else 0, []
        # late rows, and none
        stray = random.choice([BOUND, BOUND, 9])
        for n in range(random.choice([0, 3, 8, 12])):
            front += random.choice([0, 1, 1, 3])
            time = front - random.randrange(stray + 1) if random.random() < 0.4 else front
            rows.append((split * 100 + n, random.randrange(3), random.randrange(4), time))
        at = max(at, front)
        splits.append(tuple(rows))
    return tuple(splits)


# Plans -------------------------------------------------------------------------------------------

_PLACEHOLDER = frame_source(pl.DataFrame(schema=_SCHEMA), name="t")
_SILENT = frame_source(pl.DataFrame(schema=_SCHEMA), name="silent")
_SILENT_ROWS: tuple[Row, ...] = tuple((900 + n, n % 3, 0, n) for n in range(6))


def _session() -> tw.Session:
    session = tw.Session(parallelism=1)
    one, other = (
        session.from_source(source).assign_watermark("ts", f"{BOUND}s") for source in (_PLACEHOLDER, _SILENT)
    )
    session.create_view("t", one)
    session.create_view("both", one.union(other))
    return session


@cache
def _plans(query: str) -> tuple[Plan, ...]:
    """What the sinks of a job get, optimized, over a source that is put in later."""
    session = _session()
    made = [plan_of(session.sql(text)) for text in (_ROWS, QUERIES[query])]
    roots: list[Plan] = [Write(plan, MemorySink()) for plan in made]
    return tuple(w.inputs[0] for w in optimize(roots, RULES)[0])


@cache
def _key(query: str) -> tuple[str, ...]:
    if query not in ("totals", "top", "first"):
        return ()
    session = _session()
    keys = sorted(properties(plan_of(session.sql(QUERIES[query]))).keys, key=lambda k: (len(k), sorted(k)))
    return tuple(sorted(keys[0])) if keys else ("id",)


def _over(plans: Sequence[Plan], source: Any, silent: Any) -> list[Plan]:
    """The plans with other sources; what was shared is shared still."""
    made: dict[int, Plan] = {}

    def visit(plan: Plan) -> Plan:
        if id(plan) not in made:
            if isinstance(plan, Scan):
                made[id(plan)] = replace(plan, source=silent if plan.source is _SILENT else source)
            else:
                made[id(plan)] = plan.with_inputs(tuple(map(visit, plan.inputs)))
        return made[id(plan)]

    return [visit(plan) for plan in plans]


@cache
def _frames(workload: Workload) -> FrameSource:
    frames = [_frame(split) for split in workload.splits]
    return frame_source(frames, name="t", is_ordered=workload.is_ordered)


@cache
def _silent() -> FrameSource:
    return frame_source(_frame(_SILENT_ROWS), name="silent")


def _frame(rows: Sequence[Row]) -> pl.DataFrame:
    held = [(i, k, v, t * 1_000_000) for i, k, v, t in rows]
    return pl.DataFrame(held, schema=_SCHEMA, orient="row")


@cache
def expected(workload: Workload) -> list[Table]:
    """The results of a batch that judges which rows are late as a stream does."""
    plain = replace(workload, form="json", to_files=False, takes=False, is_swapped=False, has_lineages=False)
    if plain != workload:
        return expected(plain)
    sinks = [MemorySink(), MemorySink()]
    plans = _over(_plans(workload.query), _frames(workload), _silent())
    writes: list[Plan] = [Write(plan, sink) for plan, sink in zip(plans, sinks, strict=True)]
    options = RunOptions(runtime="inline")
    execute(writes, Execution(mode="batch", lateness="as_stream", parallelism=1, options=options))
    return [Counter(_plain(sink.table())) for sink in sinks]


def _plain(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    return frame.with_columns(pl.col(pl.Datetime).cast(pl.Datetime("us")).cast(pl.Int64)).rows()


# Models ------------------------------------------------------------------------------------------


def _passed(rows: Sequence[Row]) -> Iterable[tuple[Any, ...]]:
    return ((i, k, v) for i, k, v, _ in rows if v != 1)


def _totals(rows: Sequence[Row]) -> Iterable[tuple[Any, ...]]:
    groups = defaultdict(list)
    for i, k, v, _ in rows:
        groups[k].append((i, v))
    return ((k, len(held), sum(v for _, v in held), max(i for i, _ in held)) for k, held in groups.items())


def _joined(rows: Sequence[Row]) -> Iterable[tuple[Any, ...]]:
    return ((a[0], b[0]) for a in rows for b in rows if a[1] == b[2])


def _top(rows: Sequence[Row]) -> Iterable[tuple[Any, ...]]:
    groups = defaultdict(list)
    for i, k, v, _ in rows:
        groups[k].append((-v, i, k, v))
    return ((i, k, v) for held in groups.values() for _, i, k, v in sorted(held)[:2])


MODELS: dict[str, Callable[[Sequence[Row]], Iterable[tuple[Any, ...]]]] = {
    "rows": lambda rows: ((i, v + k) for i, k, v, _ in rows),
    "totals": _totals,
    "join": _joined,
    "top": _top,
}
"""The results of queries for which every prefix of the input has one."""


# The subject -------------------------------------------------------------------------------------


class SimulatedWorkload:
    """See `thalweg.testing.simulation.simulation.Subject`."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._database = Database()
        self._taken: list[tuple[str, tuple[Any, ...]]] = []
        self._parts: dict[tuple[str, int], list[tuple[Any, ...]]] = {}
        self._floor = [0, 0]
        self._before: list[Table] = [Counter(), Counter()]

    @property
    def idle_timeout(self) -> float | None:
        """Where a source is silent."""
        return 0.3 if self._workload.query == "silent" else None

    @property
    def _is_certain(self) -> tuple[bool, bool]:
        """Of which sinks the results are known."""
        return True, self._workload.query != "silent"

    def begin(self, world: World) -> None:
        """Know the world."""
        self._world = world
        self._pace, self._takes = world.stream("pace"), world.stream("takes")

    def job(self, disk: SimulatedDisk, parallelism: int) -> Job:
        """The job, over this disk."""
        workload = self._workload
        source = PacedSource(_frames(workload), self._pace, workload.is_ordered)
        rows = FileSink(f"{OUTPUT}/rows", workload.form, disk=disk)
        result: Any
        if workload.to_files:
            result = FileSink(f"{OUTPUT}/result", workload.form, disk=disk)
        else:
            result = DatabaseSink(self._database, _key(workload.query), self._world.point)
        plans = _over(_plans(workload.query), source, PacedSource(_silent(), self._pace, silence=0.8))
        writes: list[Plan] = [Write(plan, sink) for plan, sink in zip(plans, (rows, result), strict=True)]
        if workload.is_swapped:
            writes.reverse()
        job = plan_job(writes, name="job", parallelism=parallelism)
        self._reads = {s.id for s in job.stages if s.scan is not None and s.scan.source is source}
        return job

    def committed(self, history: History) -> None:
        """What is there is the result of the newest checkpoint, or of the one before."""
        self._check_fences()
        if self._workload.has_lineages:
            return
        known = sorted(self._cuts(history), key=lambda c: c[0])
        for sink, model in enumerate((_passed, MODELS.get(self._workload.query))):
            seen = self._seen(sink)
            self._check_growth(sink, seen)
            if model is None:
                continue
            wanted = [(n, Counter(model(rows))) for n, rows in known]
            fitting = [n for n, table in wanted if n >= self._floor[sink] and table == seen]
            if not fitting and self._is_in_files(sink) and any(seen <= table for _, table in wanted):
                # whoever was renaming parts has been broken off between two of them
                continue
            if not fitting:
                raise WrongError(f"sink {sink} shows {seen}, which is the result of none of {wanted}")
            self._floor[sink] = fitting[-1] if len(known) > 1 else fitting[0]
        if self._workload.takes and self._takes.random() < 0.3:
            self._take()

    def _check_growth(self, sink: int, seen: Table) -> None:
        """Rows that stay are there once and for all."""
        if self._is_certain[sink] and (sink == 0 or not _key(self._workload.query)):
            gone, wrong = self._before[sink] - seen, seen - expected(self._workload)[sink]
            if gone or wrong:
                raise WrongError(f"sink {sink}: gone {gone}, wrong or repeated {wrong}")
        self._before[sink] = seen

    def _cuts(self, history: History) -> list[tuple[int, list[Row]]]:
        found: list[tuple[int, list[Row]]] = [(0, [])]
        for lineage in history.lineages():
            for place in history.places(lineage):
                splits = history.manifest(place).splits
                done = {s["split"]: s["data"] for s in splits if s["stage"] in self._reads}
                rows = [
                    row
                    for number, split in enumerate(self._workload.splits)
                    for row in split[: int(done.get(str(number), {}).get("rows", 0))]
                ]
                found.append((place.number, rows))
        return found

    def ended(self) -> None:
        """Everything is there, once."""
        self._check_fences()
        if self._workload.has_lineages:
            self._check_last_lineage()
            return
        for sink, wanted in enumerate(expected(self._workload)):
            seen = self._seen(sink)
            if self._is_certain[sink] and seen != wanted:
                raise WrongError(f"sink {sink}: lost {wanted - seen}, repeated or wrong {seen - wanted}")

    def _check_fences(self) -> None:
        """No run writes to the database after a newer one has.

        Of files this cannot be said: who has looked at the fence and wakes up late renames its parts.
        """
        if self._database.overtaken:
            raise WrongError(f"an overtaken run has committed: {self._database.overtaken}")

    def _is_fresh(self, lineage: int) -> bool:
        """Whether a lineage began without state."""
        path = f"{DIRECTORY}/{JOB}/lineage-{lineage:04}/opened"
        return lineage > 0 and json.loads(self._world.medium.file(path).seen)["origin"] is None

    def _check_last_lineage(self) -> None:
        """What began anew has given the whole result, apart from what was there before."""
        by_lineage = self._database.by_lineage
        lineage = max(by_lineage, default=0)
        if self._workload.to_files or not self._is_fresh(lineage):
            return
        plain = (tuple(map(_number, row)) for row in by_lineage[lineage].elements())
        seen, wanted = Counter(plain), expected(self._workload)[1]
        if self._is_certain[1] and seen != wanted:
            raise WrongError(f"lineage {lineage}: lost {wanted - seen}, repeated or wrong {seen - wanted}")

    def _seen(self, sink: int) -> Table:
        """What a reader sees."""
        if not self._is_in_files(sink):
            plain = ((_number(value) for value in row) for row in self._database.table().elements())
            return Counter(map(tuple, plain))
        name = ("rows", "result")[sink]
        directory = f"{OUTPUT}/{name}"
        seen = Counter(row for held, row in self._taken if held == name)
        for part in self._world.medium.names(directory):
            if not part.startswith("."):
                seen.update(self._rows_of(f"{directory}/{part}"))
        return seen

    def _is_in_files(self, sink: int) -> bool:
        return sink == 0 or self._workload.to_files

    def _rows_of(self, path: str) -> list[tuple[Any, ...]]:
        data = bytes(self._world.medium.file(path).seen)
        key = path, len(data)
        if key not in self._parts:
            self._parts[key] = _parsed(data, self._workload.form)
        return self._parts[key]

    def _take(self) -> None:
        """Take away a part that was committed."""
        medium = self._world.medium
        for name in ("rows", "result"):
            directory = f"{OUTPUT}/{name}"
            parts = [p for p in self._recorded(directory) if p in medium.names(directory)]
            if parts and (name == "rows" or self._workload.to_files):
                path = f"{directory}/{self._takes.choice(parts)}"
                self._taken += ((name, row) for row in self._rows_of(path))
                medium.remove(path)
                medium.directories[directory].sync()
                self._world.fired["take"] += 1

    def _recorded(self, directory: str) -> list[str]:
        """The parts of the epoch that was committed last, as its record says."""
        medium = self._world.medium
        records = [n for n in medium.names(directory) if n.startswith(".thalweg-progress-")]
        held = (json.loads(medium.file(f"{directory}/{n}").seen) for n in records if not n.endswith(".tmp"))
        return [part for record in held for part in record["parts"]]


def _parsed(data: bytes, form: str) -> list[tuple[Any, ...]]:
    try:
        if form == "json":
            rows = (json.loads(line) for line in data.decode().splitlines())
            return [tuple(_number(v) for v in row.values()) for row in rows]
        read = pl.read_parquet if form == "parquet" else pl.read_ipc
        return _plain(read(io.BytesIO(data)))
    except (ValueError, pl.exceptions.PolarsError, OSError) as error:
        raise WrongError(f"a file of results cannot be read: {error}") from error


def _number(value: Any) -> Any:
    """Times as numbers, however they are written."""
    if isinstance(value, str):
        return int(pl.Series([value]).str.to_datetime(time_unit="us").cast(pl.Int64)[0])
    return int(value.timestamp() * 1e6) if hasattr(value, "timestamp") else value
