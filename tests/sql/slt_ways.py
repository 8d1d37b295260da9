"""Run a case in many ways: each must give the expected rows.

The axes: mode, rows per batch, runtime, optimizer, checkpoint. A batch has neither batches nor cuts of
its own, so that there only the optimizer matters; of a stream the pairs of all other values are taken.

Not here: how a plan runs as a stream, and what its sink records (tests/property/harness.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations, product
from itertools import pairwise as neighbours
from pathlib import Path
from zlib import crc32

import polars as pl

from tests.property import harness
from tests.property.recording import Log, RecordingSink
from tests.sql.slt import Case, Statement
from tests.sql.slt_text import read_rows, rows_of
from thalweg.base.schema import Schema
from thalweg.base.types import Field
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.errors import ThalwegError
from thalweg.optimizer.optimize import optimize
from thalweg.optimizer.standard import RULES
from thalweg.physical.possible import check_possible
from thalweg.plan.nodes import Plan, Write
from thalweg.session.session import Session
from thalweg.session.statements import Outcome
from thalweg.sql.parse import parse
from thalweg.sql.statements import CreateTable, PhysicalColumn


@dataclass(frozen=True)
class SltWay:
    """A choice on each axis; the first value of each is the default."""

    mode: str = "batch"
    rows: int = 1
    runtime: str = "inline"
    is_optimized: bool = True
    checkpoint: str = "none"
    is_mapped: bool = False
    """Whether state lies in files."""
    restores_max: int = 3
    """After so many restores the rest runs through."""

    def __str__(self) -> str:
        parts = [self.mode]
        if self.mode == "stream":
            parts += [str(self.rows), self.runtime, self.checkpoint, *["mapped"] * self.is_mapped]
        return "-".join(parts if self.is_optimized else [*parts, "plain"])


AXES: dict[str, tuple[object, ...]] = {
    "rows": (1, 7, 4096),
    "runtime": ("inline", "threads"),
    "is_optimized": (True, False),
    "checkpoint": ("none", "every", "rescale"),
}
"""What may not matter to a stream. `every`: restored from each checkpoint; `rescale`: at 1, 3, 2, … tasks."""
_TASKS = {"none": (2,), "every": (2,), "rescale": (1, 3, 2)}


def pairwise(axes: dict[str, tuple[object, ...]]) -> list[dict[str, object]]:
    """Few combinations in which every two values of different axes meet.

    Example:
        >>> len(pairwise({"a": (1, 2, 3), "b": (1, 2), "c": (1, 2)}))
        6
    """
    names = list(axes)
    wanted = {((a, x), (b, y)) for a, b in combinations(names, 2) for x in axes[a] for y in axes[b]}
    every = [dict(zip(names, values, strict=True)) for values in product(*axes.values())]
    chosen = []
    while wanted:
        best = max(every, key=lambda c: len(wanted & _pairs(c)))
        chosen.append(best)
        wanted -= _pairs(best)
    return chosen


def _pairs(chosen: dict[str, object]) -> set[tuple[tuple[str, object], tuple[str, object]]]:
    return set(combinations(chosen.items(), 2))


def _first(case: Case) -> list[SltWay]:
    return [w for w in (SltWay(), SltWay("stream")) if case.has_mode(w.mode)]


def _turns(case: Case) -> list[SltWay]:
    """A batch, and one of the pairs: another for the next case, so that a topic's cases meet all of them."""
    first, *others = WAYS["pairs"](case)
    start = crc32(case.id.encode()) % len(others) if others else 0
    return [first, *others[start : start + 1]]


def _with_batch(combined: Iterable[dict[str, object]]) -> list[SltWay]:
    batch = [SltWay(is_optimized=o) for o in (True, False)]
    return batch + [SltWay("stream", **c) for c in combined]  # type: ignore[arg-type]  # values of the axes


def _some_mapped(ways: list[SltWay]) -> list[SltWay]:
    """With state in files every fourth stream: small states cost twice as much there."""
    streams = [w for w in ways if w.mode == "stream"]
    return [replace(w, is_mapped=w in streams[::4]) for w in ways]


_PAIRS = _some_mapped(_with_batch(pairwise(AXES)))
_ALL = _with_batch(
    dict(zip(AXES, values, strict=True)) | {"restores_max": 20, "is_mapped": mapped}
    for values in product(*AXES.values())
    for mapped in (False, True)
)
WAYS: dict[str, Callable[[Case], list[SltWay]]] = {
    "first": _first,
    "turns": _turns,
    "pairs": lambda case: [w for w in _PAIRS if case.has_mode(w.mode)],
    "all": lambda case: [w for w in _ALL if case.has_mode(w.mode)],
}
"""By the name on the command line: the ways to run a case."""


def check(case: Case, way: SltWay, folder: Path) -> str:
    """What is wrong with the case in this way; nothing if it holds."""
    wanted = case.headers.get("error")
    try:
        found = run(case, way, folder)
    except ThalwegError as error:
        text = error.render()
        return "" if error.code == wanted else f"  found:    {text}"
    except AssertionError as error:
        return f"  {error}"
    if wanted is not None:
        return f"  expected: the error {wanted}\n  found:    {len(found)} rows, such as {found[:3]}"
    if not case.is_query:
        return _missing_lines(case.expected or (), found)
    return difference(case.expected or (), sorted(found))


def difference(expected: Sequence[str], found: Sequence[str]) -> str:
    """The rows that only one side has."""
    more, less = Counter(found) - Counter(expected), Counter(expected) - Counter(found)
    lines = [f"  missing:  {row}" for row in less.elements()] + [
        f"  too many: {row}" for row in more.elements()
    ]
    return "\n".join(lines[:20])


def _missing_lines(expected: Sequence[str], found: Sequence[str]) -> str:
    text = "\n".join(found)
    return "\n".join(f"  missing:  {part}" for part in expected if part not in text)


def run(case: Case, way: SltWay, folder: Path) -> list[str]:
    """The rows of a case as text.

    Raises:
        ThalwegError: whatever the case asks for cannot be.
        AssertionError: the columns have other types than the case says, or the changes do not add up.
    """
    session, outcome, optimized = prepared(case, folder)
    if outcome.plan is None:
        return outcome.text.splitlines() if outcome.frame is None else _shown(outcome.frame)
    check_possible([outcome.plan])
    _check_types(case, outcome.plan.schema)
    if way.mode == "batch":
        session.rules = list(RULES) if way.is_optimized else []
        return rows_of(session.collect(outcome.plan, mode="batch"), outcome.plan.schema)
    assert optimized is not None, "a plan"
    if "order" in case.headers and way.checkpoint == "none":
        check_order(outcome.plan, case.headers["order"])
    return _final_rows(changes(optimized if way.is_optimized else outcome.plan, way), outcome.plan.schema)


@lru_cache(maxsize=32)
def prepared(case: Case, folder: Path) -> tuple[Session, Outcome, Plan | None]:
    """A session with the tables of the case, the outcome of its query, and its plan after all rules."""
    session = Session(parallelism=2)
    for statement in case.setup:
        session.execute_sql(with_files(statement, folder))
    outcome = session.execute_sql(case.query)[-1]
    if outcome.plan is None:
        return session, outcome, None
    (root,), _ = optimize([Write(outcome.plan, RecordingSink())], RULES)
    return session, outcome, root.inputs[0]


def _shown(frame: pl.DataFrame) -> list[str]:
    return [" | ".join(map(str, row)) for row in frame.rows()]


def _check_types(case: Case, schema: Schema) -> None:
    types = ", ".join(str(f.type) for f in schema)
    wanted = case.headers.get("types", types)
    assert wanted == types, f"expected: # types: {wanted}\n  found:    # types: {types}"


# Streams ---------------------------------------------------------------------------------------------


def changes(plan: Plan, way: SltWay) -> Log:
    """What the stream published, over all restores: what follows a checkpoint is forgotten, as in a crash."""
    case = harness.Case((), (plan,))
    # the number of batches between two checkpoints
    every = None if way.checkpoint == "none" else {1: 3, 7: 1, 4096: 1}[way.rows]
    published: Log | None = None
    snapshot: JobSnapshot | None = None
    for number in range(way.restores_max + 1):
        tasks = _TASKS[way.checkpoint]
        now = tasks[number % len(tasks)]
        one = harness.Way(way.rows, way.runtime, now, is_mapped=way.is_mapped)
        is_last = every is None or number == way.restores_max
        outcome = _until_checkpoint(case, one, None if is_last else every, snapshot)
        log = outcome.logs[0]
        if not is_last and outcome.snapshots:
            snapshot = outcome.snapshots[-1]
            log = log.until(snapshot.number)
        published = log if published is None else published.followed_by(log)
        if is_last or not outcome.snapshots:
            return published
    raise AssertionError("the last round returns")


def _until_checkpoint(
    case: harness.Case, way: harness.Way, every: int | None, snapshot: JobSnapshot | None
) -> harness.Outcome:
    try:
        stop_after = None if every is None else 1
        return harness.stream(case, way, checkpoint_batches=every, snapshot=snapshot, stop_after=stop_after)
    except BaseExceptionGroup as group:
        # one mistake in the data may meet several tasks at once
        raise group.exceptions[0] from group


def _final_rows(log: Log, schema: Schema) -> list[str]:
    return list(fold(_weighted(log, schema)).elements())


def _weighted(log: Log, schema: Schema) -> Iterator[tuple[int, list[tuple[str, int]]]]:
    by_cut: dict[int, list[tuple[str, int]]] = {}
    for cut, batch in log.entries:
        frame = batch.frame.select(schema.names)
        by_cut.setdefault(cut, []).extend(zip(rows_of(frame, schema), batch.weights().to_list(), strict=True))
    yield from sorted(by_cut.items())


def fold(cuts: Iterable[tuple[int, list[tuple[str, int]]]]) -> Counter[str]:
    """The table that changes add up to.

    Raises:
        AssertionError: at some cut a row was removed that is not there.
    """
    table: Counter[str] = Counter()
    for cut, rows in cuts:
        for row, weight in rows:
            table[row] += weight
        missing = [row for row, count in table.items() if count < 0]
        assert not missing, f"cut {cut} removes a row that is not there: {missing[0]}"
    return table


def check_order(plan: Plan, column: str) -> None:
    """Whether one task publishes its batches in the order of a column."""
    log = harness.stream(harness.Case((), (plan,)), harness.Way(rows_max=1)).logs[0]
    frames = [b.frame for _, b in log.entries if len(b)]
    for before, after in neighbours(frames):
        latest, earliest = before[column].max(), after[column].min()
        assert not latest > earliest, f'"{column}" goes back from {latest} to {earliest}'  # type: ignore[operator]


# Tables ----------------------------------------------------------------------------------------------


def with_files(statement: Statement, folder: Path) -> str:
    """The statement as the session takes it; rows below a table become a Parquet file for each split."""
    if statement.splits is None:
        return statement.text
    place = write_splits(statement, folder)
    text, extra = statement.text.rstrip(), ""
    if "WITH" in text:
        text, _, rest = text.partition("WITH")
        extra = ", " + rest.strip().removeprefix("(").removesuffix(")")
    return f"{text} WITH ('connector' = 'filesystem', 'path' = '{place}'{extra})"


_written: dict[tuple[Statement, Path], Path] = {}


def write_splits(statement: Statement, folder: Path) -> Path:
    """The file, or the directory of files, that holds the rows of a table."""
    key = (statement, folder)
    if key not in _written:
        frames = [read_rows(rows, physical_schema(definition(statement))) for rows in statement.splits or ()]
        place = folder / f"table{len(_written)}"
        if len(frames) == 1:
            place = place.with_suffix(".parquet")
            frames[0].write_parquet(place)
        else:
            place.mkdir()
            for number, frame in enumerate(frames):
                frame.write_parquet(place / f"{number}.parquet")
        _written[key] = place
    return _written[key]


def definition(statement: Statement) -> CreateTable:
    """The parsed CREATE TABLE."""
    (made,) = parse(statement.text)
    assert isinstance(made, CreateTable), "rows follow a CREATE TABLE"
    return made


def physical_schema(table: CreateTable) -> Schema:
    """The columns that the files have."""
    return Schema(tuple(Field(c.name, c.type) for c in table.columns if isinstance(c, PhysicalColumn)))
