"""State the laws of the engine as functions that draw a case, run it, and fail.

Each takes a `random.Random`: the tests hand in one of Hypothesis, the mutant tests one per seed. The numbers
are those of the laws in the design.

Not here: how often they run (test_engine_laws.py), whether they notice bugs (test_mutants.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from unittest import mock

import numpy as np
import polars as pl

from tests.property.accounts import check_accounts
from tests.property.figures import check_figures
from tests.property.harness import (
    ROWS_FEW,
    Changelog,
    Outcome,
    Way,
    batch,
    interrupted,
    judged_batch,
    mapped_batch,
    paced,
    random_way,
    stream,
)
from tests.property.pane_plans import pane_case
from tests.property.plans import Case, every_node, minus, random_case, random_windows, scan
from tests.property.queries import random_query_case
from tests.property.recording import Table, same
from tests.property.reference import EPOCH, Reference, windows
from tests.property.window_plans import window_case
from tests.property.worlds import SECOND, PacedSource, World, random_world
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.expr.nodes import Aggregate, Call, Column, Expr, Named
from thalweg.operators import sliding_group
from thalweg.physical import planner
from thalweg.plan import build
from thalweg.plan.as_of import AsOfJoin
from thalweg.plan.nodes import (
    WINDOW_END,
    WINDOW_START,
    AssignWatermark,
    BadRows,
    Join,
    Late,
    Plan,
    SessionWindow,
    Values,
    Window,
)
from thalweg.plan.over import Over
from thalweg.plan.properties import emits_once, properties, recomputes
from thalweg.progress.sessions import SessionSpec

CHANGELOGS: tuple[Changelog | None, ...] = (None, None, None, "ops", "fold")
Law = Callable[[Random], None]
Place = frozenset[tuple[tuple[str, str], tuple[int, bool]]]


def expected(case: Case, *, judges: bool = True) -> list[Table]:
    """The final tables of the case."""
    return Reference(case.roots, judges=judges).tables()


def check(case: Case, found: Sequence[Table], wanted: Sequence[Table], what: str) -> None:
    """Fail where a root has another table, and show the plans."""
    for number, (table, right) in enumerate(zip(found, wanted, strict=True)):
        same(table, right, f"{what}, root {number} of\n{case!r}\n")


# The laws ----------------------------------------------------------------------------------------------


def batch_equals_stream(r: Random) -> None:
    """Law 1: where no row is late, both modes give what the reference gives."""
    case = random_case(r, is_punctual=True)
    wanted = expected(case)
    check(case, batch(case, changelog=r.choice(CHANGELOGS)), wanted, "batch")
    check(case, stream(case, _with_cuts(r)).tables(), wanted, "stream")


def late_rows_are_judged(r: Random) -> None:
    """Law 1: a stream accepts the rows that the reference accepts; a batch accepts all."""
    case = random_case(r, is_punctual=False)
    every = expected(case, judges=False)
    check(case, batch(case), every, "batch")
    if r.random() < 0.5:
        way = replace(random_way(r, case.rows), changelog=r.choice(CHANGELOGS))
        check(case, mapped_batch(case, way), every, f"batch with a budget, {way}")
    check(case, stream(case, _with_cuts(r)).tables(), expected(case), "stream")


def a_batch_can_judge_as_a_stream(r: Random) -> None:
    """Law 1: a batch that judges rows gives what a stream gives, row for row, late output included."""
    case = random_case(r, is_punctual=False)
    wanted = expected(case)
    way = replace(random_way(r, case.rows), changelog=r.choice(CHANGELOGS))
    check(case, judged_batch(case, way), wanted, f"judged batch, {way}")
    check(case, stream(case, _with_cuts(r)).tables(), wanted, "stream")


def bad_rows_are_kept_apart(r: Random) -> None:
    """Laws 1 and 7: both modes keep the same rows apart, once, and every other row goes on."""
    world = random_world(r)
    frames = tuple(f.with_columns(t=pl.when(pl.col("id") % 7 != 3).then("t")) for f in world.frames)
    world = replace(world, frames=frames, is_tolerant=True)
    source = scan(world)
    assert isinstance(source, AssignWatermark), "a scan with its watermark"
    case = Case((world,), (build.window(source, "t", random_windows(r)), source, BadRows(source.input)))
    outcome = stream(case, random_way(r, case.rows))
    assert outcome.run.rows_read + outcome.run.tally.bad_count == case.rows
    check_figures(outcome)
    for tables, judges in ((outcome.tables(), True), (batch(case), False)):
        check(case, tables[:2], Reference(case.roots[:2], judges=judges).tables(), "the good rows")
        found = Counter((row[0], row[1]) for row in tables[2].elements())
        times = {(str(n), i): t for n, f in enumerate(frames) for i, t in enumerate(f["t"])}
        assert found == Counter(place for place, time in times.items() if time is None)


def cuts_do_not_matter(r: Random) -> None:
    """Law 2: the same final tables, and the same table wherever two runs cut at the same place."""
    case = random_case(r)
    wanted = expected(case)
    by_place: list[dict[Place, list[Table]]] = []
    unit = 1 if case.rows < ROWS_FEW else 10
    for rows_max, every in ((unit, r.choice([5, 10])), (5 * unit, r.choice([1, 2, 3]))):
        way = Way(rows_max=rows_max, edge_rows_max=r.choice([1, 9, 1000]), cut_batches=r.choice([None, 1, 3]))
        outcome = stream(case, way, checkpoint_batches=every)
        check(case, outcome.tables(), wanted, f"{way}")
        by_place.append(_tables_by_place(outcome))
    one, other = by_place
    for place in one.keys() & other.keys():
        check(case, other[place], one[place], f"the cut at {place}")


def windows_have_any_name(r: Random) -> None:
    """Law 1: what is grouped by a window becomes final, whatever the columns of the window are called."""
    case = window_case(r)
    if not case.worlds[0].lateness:
        assert not any(properties(root).is_updating for root in case.roots), f"not final: {case!r}"
    check(case, batch(case, is_optimized=r.random() < 0.5), expected(case, judges=False), "batch")
    wanted = expected(case)
    way = random_way(r, case.rows)
    check(case, stream(case, way).tables(), wanted, f"{way}")
    ways = [replace(random_way(r, case.rows), rows_max=30, parallelism=n, is_optimized=False) for n in (1, 3)]
    logs, _ = interrupted(case, [replace(w, has_one_writer=False) for w in ways], r)
    check(case, [log.table() for log in logs], wanted, f"restored, {ways}")


def panes_are_shared_unseen(r: Random) -> None:
    """Laws 1, 4 and 5: groupings that share panes give what they give alone, late rows included."""
    case = pane_case(r)
    check(case, batch(case, is_optimized=r.random() < 0.5), expected(case, judges=False), "batch")
    wanted = expected(case)
    way = random_way(r, case.rows)
    check(case, stream(case, way).tables(), wanted, f"{way}")
    with mock.patch.object(planner, "find_common_panes", return_value={}):
        check(case, stream(case, way).tables(), wanted, f"alone, {way}")
    ways = [replace(random_way(r, case.rows), parallelism=n) for n in r.choice([(1, 3, 2), (2, 1), (3, 3)])]
    alike = {"is_optimized": way.is_optimized, "has_one_writer": False, "changelog": None, "rows_max": 30}
    ways = [replace(w, **alike) for w in ways]
    logs, _ = interrupted(case, ways, r)
    check(case, [log.table() for log in logs], wanted, f"restored, {ways}")
    outcome = stream(case, replace(way, rows_max=30))
    check_accounts(outcome)
    check_figures(outcome)


def windows_move_on(r: Random) -> None:
    """The same of windows that are put together from the one before, whatever the number of their panes."""
    with mock.patch.object(sliding_group, "MANY", 1):
        panes_are_shared_unseen(r)


def order_does_not_matter(r: Random) -> None:
    """Law 3: the splits may be read at any pace, by any number of tasks and threads."""
    case = random_case(r)
    way = replace(random_way(r, case.rows), pace=r.randrange(1000), changelog=r.choice(CHANGELOGS))
    check(case, stream(case, way).tables(), expected(case), f"{way}")


def restore_anywhere(r: Random) -> None:
    """Laws 4 and 5: stopping and going on, at any parallelism, changes nothing."""
    case = r.choice([_any_case, _any_case, counting_case, _unruly_case])(r)
    counts = r.choice([(1, 1), (2, 2), (1, 3, 2), (3, 1), (2, 4)])
    ways = [replace(random_way(r, case.rows), parallelism=n) for n in counts]
    ways = [replace(w, rows_max=min(w.rows_max, 30)) for w in ways]
    # other rules or writers make another job, and a checkpoint fits its own job only
    one = ways[0]
    alike = {"is_optimized": one.is_optimized, "has_one_writer": one.has_one_writer}
    alike |= {"changelog": r.choice(CHANGELOGS)}
    ways = [replace(w, **alike) for w in ways]
    logs, _ = interrupted(case, ways, r)
    check(case, [log.table() for log in logs], expected(case), f"restored, {ways}")


def rules_keep_results(r: Random) -> None:
    """Law 6: the rules together change neither mode's result."""
    case = random_case(r)
    check(case, batch(case, is_optimized=True), expected(case, judges=False), "optimized batch")
    way = replace(random_way(r, case.rows), is_optimized=True)
    check(case, stream(case, way).tables(), expected(case), f"{way}")


def every_row_is_accounted_for(r: Random) -> None:
    """Law 7: in = out + late, for rows between steps and for (row, window) pairs at windows."""
    case = random_case(r)
    outcome = stream(case, random_way(r, case.rows))
    check_accounts(outcome)
    check_figures(outcome)
    case = counting_case(r)
    outcome = stream(case, random_way(r, case.rows))
    check_accounts(outcome)
    check_figures(outcome)
    counted, late = outcome.tables()[:2]
    source, window = every_node(case.roots[0])[-1], case.roots[1].inputs[0]
    assert isinstance(window, (SessionWindow, Window)), "late rows leave a window"
    rows = Reference([source], judges=True).rows(source)
    if isinstance(window, Window):
        pairs = sum(len(windows(window.window, row.values["t"])) for row in rows)
    else:
        pairs = len(rows)
    processed = sum(row[-1] * count for row, count in counted.items())
    assert pairs == processed + sum(late.values()), f"{pairs} pairs, {processed} counted, {late} late"


def cuts_are_consistent(r: Random) -> None:
    """Law 9: what is published at a cut is the result over the input before it, for all sinks alike."""
    case = random_case(r)
    case = Case(case.worlds, tuple(paced(case.roots, r.choice([None, r.randrange(1000)]))))
    way = replace(random_way(r, case.rows), rows_max=r.choice([5, 20]), pace=None, is_optimized=False)
    outcome = stream(case, way, checkpoint_batches=r.choice([1, 3, 8]))
    final = outcome.tables()
    check(case, final, expected(case), f"{way}")
    for snapshot in _some(r, outcome.snapshots):
        frames = frames_before(case, outcome, snapshot)
        going = Reference(case.roots, judges=True, frames=frames, has_ended=False)
        ended = Reference(case.roots, judges=True, frames=frames)
        for root, log, end in zip(case.roots, outcome.logs, final, strict=True):
            found = log.at([snapshot.number])[0]
            if not any(isinstance(n, SessionWindow) or _waits_for_time(n) for n in every_node(root)):
                # a step behind another has seen its first cut when the first rows come, or not yet
                right = ended if found == ended.table(root) else going
                same(found, right.table(root), f"cut {snapshot.number} of {root!r}")
            elif not properties(root).is_updating:
                assert found <= end, f"cut {snapshot.number} published rows that are not final"


def windows_close_in_time(r: Random) -> None:
    """Law 9 for windows: at a cut exactly those are published that the watermark has passed."""
    case = counting_case(r)
    way = Way(rows_max=1 if case.rows < ROWS_FEW else r.choice([5, 20]))
    outcome = stream(case, way, checkpoint_batches=r.choice([1, 4]))
    for snapshot in _some(r, outcome.snapshots):
        if _has_ended_source(snapshot):
            continue  # the end of the input, which closes all windows, may belong to this cut
        frames = frames_before(case, outcome, snapshot)
        whole = Reference(case.roots, judges=True, frames=frames).table(case.roots[0])
        reached = _watermark(snapshot, is_ordered=case.worlds[0].is_ordered)
        end = case.roots[0].schema.names.index(WINDOW_END)
        # a row at the very end of a session still belongs to it
        is_session = isinstance(case.roots[1].inputs[0], SessionWindow)
        own = timedelta(microseconds=is_session)
        if is_session and len(case.roots) > 2:
            # rows of sessions that are read themselves wait until no late row may join them
            own += case.worlds[0].lateness
        closed = {row: n for row, n in whole.items() if reached is not None and row[end] + own <= reached}
        what = f"cut {snapshot.number}, watermark {reached}, of\n{case!r}"
        same(outcome.logs[0].at([snapshot.number])[0], Counter(closed), what)


def totals_balance_at_every_cut(r: Random) -> None:
    """Law 9 for two sinks: what one account loses another one has gained, at every cut of both."""
    world = random_world(r, sizes=r.choices([0, 3, 20, 50], k=2))
    source = build.filter_rows(scan(world), _not_null("v"))
    total = Named("n", Aggregate("sum", (Column("v"),)))
    sums = [
        build.group_by(source, [key], [key, total])
        for key in (Named("k", Column("k")), Named("s", Column("s")))
    ]
    outcome = stream(Case((world,), tuple(sums)), random_way(r, 0))
    cuts = sorted({n for log in outcome.logs for n, _ in log.entries})
    for cut, *tables in zip(cuts, *(log.at(cuts) for log in outcome.logs), strict=True):
        debit, credit = (sum(row[1] * n for row, n in table.items()) for table in tables)
        assert debit == credit, f"cut {cut}: {debit} in one sink, {credit} in the other"


def queries_inside_queries(r: Random) -> None:
    """Laws 1 and 4 for SQL with queries inside queries: both modes give what DuckDB gives for the text."""
    asked = random_query_case(r)
    case, wanted = asked.case, [asked.answer()]
    check(case, batch(case, is_optimized=r.random() < 0.5), wanted, f"batch, {asked!r}")
    check(case, stream(case, _with_cuts(r)).tables(), wanted, f"stream, {asked!r}")
    one = replace(random_way(r, case.rows), rows_max=r.choice([1, 7]), parallelism=r.choice([1, 3]))
    logs, _ = interrupted(case, [one, replace(one, parallelism=2)], r)
    check(case, [log.table() for log in logs], wanted, f"restored, {asked!r}")


def queries_inside_follow(r: Random) -> None:
    """Law 9 for SQL with queries inside queries: a cut publishes what DuckDB says of the rows before."""
    asked = random_query_case(r)
    way = replace(random_way(r, asked.case.rows), rows_max=r.choice([1, 5]), pace=None)
    outcome = stream(asked.case, way, checkpoint_batches=r.choice([1, 3]))
    check(asked.case, outcome.tables(), [asked.answer()], f"{way}, {asked!r}")
    for snapshot in _some(r, outcome.snapshots):
        frames = frames_before(asked.case, outcome, snapshot)
        found = outcome.logs[0].at([snapshot.number])[0]
        same(found, asked.answer(frames), f"cut {snapshot.number} of {asked!r}")


def delay_does_not_matter(r: Random) -> None:
    """Law 10: watermarks may fall behind rows on every edge, and behind by a constant from the start."""
    case = random_case(r)
    way = replace(random_way(r, case.rows), delays=r.randrange(1000))
    check(case, stream(case, way).tables(), expected(case), f"{way}")
    punctual = random_case(r, is_punctual=True)
    lowered = Case(punctual.worlds, tuple(_lowered(root, timedelta(seconds=7)) for root in punctual.roots))
    check(punctual, stream(lowered, way).tables(), expected(punctual), f"lowered, {way}")


def float_sums_do_not_drift(r: Random) -> None:
    """The laws' last sentence: float sums agree within a tolerance, and exactly whatever the cuts.

    The tolerance is relative to the sum of absolute values: a batch adds doubles up as they are.
    """
    world = random_world(r, is_punctual=True, sizes=r.choices([1, 20, 50], k=2))
    wild = np.random.default_rng(r.randrange(1 << 30))
    frames = [f.with_columns(x=pl.Series(_wild_floats(wild, f.height))) for f in world.frames]
    source = scan(replace(world, frames=tuple(frames)))
    key, total = Named("k", Column("k")), Named("a", Aggregate("sum", (Column("x"),)))
    sums = build.group_by(source, [key], [key, total])
    case = Case((world,), (sums, build.group_by(sums, [], [Named("a", Aggregate("sum", (Column("a"),)))])))
    base = stream(case, Way(rows_max=30)).tables()
    one = replace(random_way(r, 0), parallelism=1, pace=None, runtime="inline")
    check(case, stream(case, one).tables(), base, f"{one}")
    logs, _ = interrupted(case, [one, replace(one, rows_max=9)], r)
    check(case, [log.table() for log in logs], base, "restored")
    scale = sum(float(f["x"].abs().sum()) for f in frames)
    for way in (batch(case), stream(case, replace(one, parallelism=3)).tables()):
        for found, right in zip(way, base, strict=True):
            _agree(found, right, scale)


LAWS: tuple[Law, ...] = (
    *(batch_equals_stream, late_rows_are_judged, a_batch_can_judge_as_a_stream, bad_rows_are_kept_apart),
    *(windows_have_any_name, cuts_do_not_matter, order_does_not_matter, restore_anywhere),
    *(rules_keep_results, every_row_is_accounted_for, cuts_are_consistent, windows_close_in_time),
    *(totals_balance_at_every_cut, delay_does_not_matter, float_sums_do_not_drift),
    *(queries_inside_queries, queries_inside_follow, panes_are_shared_unseen, windows_move_on),
)


# What they need -----------------------------------------------------------------------------------------


def _any_case(r: Random) -> Case:
    return random_case(r, is_punctual=r.random() < 0.3)


def _unruly_case(r: Random) -> Case:
    """Splits that are apart in time, and rows that are late in theirs alone: its own clock must say so."""
    sizes = [r.choice([12, 30, 70]) for _ in range(2)]
    return counting_case(r, random_world(r, is_punctual=False, sizes=sizes, stray_share=0.6))


def counting_case(r: Random, world: World | None = None) -> Case:
    """Windows that count every row of one source, and the pairs that came too late."""
    world = world or random_world(r, is_punctual=False)
    keys: tuple[str, ...] = r.choice([(), ("k",), ("s", "k")])
    windowed = build.window(scan(world), "t", random_windows(r))
    if r.random() < 0.3:
        windowed = build.session(scan(world), "t", SessionSpec(r.choice([1, 3]) * SECOND, keys))
    # a branch of its own for half of the cases: then rows are repeated per window and no panes are shared
    others = (windowed,) if r.random() < 0.3 else ()
    names = [*keys, WINDOW_START, WINDOW_END]
    outputs = [*(Named(n, Column(n)) for n in names), Named("n", Aggregate("count"))]
    counted = build.group_by(windowed, [Named(n, Column(n)) for n in names], outputs)
    return Case((world,), (counted, Late(windowed), *others))


def _waits_for_time(plan: Plan) -> bool:
    """Whether a step holds rows back until event time has passed them."""
    holds = isinstance(plan, (AsOfJoin, Window)) or (isinstance(plan, Over) and not recomputes(plan))
    return holds or (isinstance(plan, Join) and emits_once(plan))


def _not_null(column: str) -> Expr:
    return Call("is_not_null", (Column(column),))


def _with_cuts(r: Random) -> Way:
    """On one thread, with cuts on the way: without them nothing would ever be taken back."""
    return Way(rows_max=r.choice([5, 30]), cut_batches=r.choice([1, 2, None]))


def _some(r: Random, snapshots: Sequence[JobSnapshot]) -> list[JobSnapshot]:
    """A few of the checkpoints, the last ones more often: checking each costs a run of the reference."""
    return list(snapshots) if len(snapshots) <= 3 else r.choices(snapshots, k=3)


def _wild_floats(numbers: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
    """Floats whose sums are never exact, and cancel."""
    signs = numbers.choice([-1.0, 1.0], count)
    return signs * numbers.random(count) * 10.0 ** numbers.integers(-12, 13, count)


def _agree(found: Table, right: Table, scale: float) -> None:
    """The same keys with nearly the same sums."""
    sums, wanted = ({row[:-1]: row[-1] for row in table} for table in (found, right))
    assert sums.keys() == wanted.keys(), "the same groups"
    for key, value in sums.items():
        assert abs(value - wanted[key]) <= 1e-12 * scale, f"{key}: {value} instead of {wanted[key]}"


def _tables_by_place(outcome: Outcome) -> dict[Place, list[Table]]:
    """The tables of all roots at each checkpoint, by how far every split had been read.

    Once a source has ended, it does not follow from the place whether its end belongs to the cut.
    """
    going = [s for s in outcome.snapshots if not _has_ended_source(s)]
    tables = [log.at([s.number for s in going]) for log in outcome.logs]
    return {_place(s): [t[i] for t in tables] for i, s in enumerate(going)}


def _has_ended_source(snapshot: JobSnapshot) -> bool:
    sources = {stage for stage, _ in snapshot.splits}
    going = {stage for (stage, _), data in snapshot.splits.items() if not data.get("ended")}
    return going != sources


def _place(snapshot: JobSnapshot) -> Place:
    found = {key: (data.get("rows", 0), data.get("ended", False)) for key, data in snapshot.splits.items()}
    return frozenset(found.items())


def frames_before(case: Case, outcome: Outcome, snapshot: JobSnapshot) -> dict[int, list[pl.DataFrame]]:
    """For each source, by its identity in the plans, the rows of every split that a cut follows."""
    values = {id(n.frame): n.key for root in case.roots for n in every_node(root) if isinstance(n, Values)}
    found = {}
    for stage in outcome.job.stages:
        if stage.scan is None:
            continue
        source: Any = stage.scan.source
        frames = source.frames if isinstance(source, PacedSource) else [source.frame]
        key = id(source) if isinstance(source, PacedSource) else values[id(source.frame)]
        rows = [snapshot.splits[stage.id, split.id].get("rows", 0) for split in source.splits()]
        if stage.scan.is_tolerant:
            # rows without event time are no rows of the scan, but have their place in it
            frames = [f.with_columns(__n=pl.col("t").is_not_null().cum_sum()) for f in frames]
            found[key] = [f.filter(pl.col("__n") <= n).drop("__n") for f, n in zip(frames, rows, strict=True)]
        else:
            found[key] = [f.head(n) for f, n in zip(frames, rows, strict=True)]
    return found


def _watermark(snapshot: JobSnapshot, *, is_ordered: bool) -> datetime | None:
    """The least watermark of the splits that go on; that of the last one, if they are read in order."""
    going = [s for s in snapshot.splits.values() if not s.get("ended")]
    marks = [s["clock"]["current"] if "clock" in s else None for s in going]
    if is_ordered:
        known = [s["clock"]["current"] for s in snapshot.splits.values() if "clock" in s]
        marks = [max((m for m in known if m is not None), default=None)]
    return None if None in marks else EPOCH + timedelta(microseconds=min(marks))


def _lowered(root: Plan, by: timedelta) -> Plan:
    """The plan with every watermark behind by a constant."""
    if isinstance(root, AssignWatermark):
        return build.assign_watermark(root.input, root.column, minus(root.watermark, by))
    return root.with_inputs(tuple(_lowered(p, by) for p in root.inputs)) if root.inputs else root
