"""Run every Nexmark query in every way, and compare with what is known of its answer.

    python -m tests.suites.nexmark_all [part of a name …] [--processes n]

A case is `query/events/way`. Events: `flink`, the 60 000 that Flink's answers were recorded over, and the
profiles `S` and `W` with a million each, of which golden values are known. Ways: `batch`, or
`stream-p<parallelism>-b<rows per batch>[-restored|-rescaled]`: `restored` stops at checkpoints and goes on
from them, `rescaled` at parallelism 1, then 3, then 2.

What was done is kept in `benchmarks/suites/nexmark-all.json`; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import polars as pl

from tests.nexmark.golden import EVENTS, GOLDEN
from tests.nexmark.running import Query, comparable, difference, generated, in_file, names
from tests.suites.ledger import RESULTS, Ledger, Outcome, work_off
from thalweg.checkpoint.snapshot import JobSnapshot
from thalweg.columnar.batch import join_batches
from thalweg.columnar.outside import handed_out
from thalweg.connectors.memory import MemorySink, folded
from thalweg.connectors.nexmark import PROFILES
from thalweg.optimizer.optimize import optimize
from thalweg.optimizer.standard import RULES
from thalweg.physical.planner import plan_job
from thalweg.plan.nodes import Write
from thalweg.runtime.inline import run_inline
from thalweg.runtime.options import RunOptions
from thalweg.runtime.run import Run
from thalweg.session.session import Session

DATA = Path(__file__).resolve().parent.parent / "data" / "nexmark"
ANSWERS = {"q5_rank": "q5"}
CHANGES_FROM_RUN_TO_RUN = ("q12",)
"""Processing time: only what the golden values name is compared."""
NOT_RUN = ("cep_rise", "cep_vshape", "cep_within")
WRITES_FILES = ("q10",)
"""What a sink of files holds is no state of the job: these are not stopped and restored."""
_STOPS = 3


def ways(name: str, events: str) -> list[str]:
    """The ways for a query over some events; single rows only where events are few."""
    sizes = (1, 7, 4_096, 65_536) if events == "flink" else (4_096, 65_536)
    streams = [f"stream-p{p}-b{b}" for p, b in product((1, 3), sizes)]
    stopped = [] if name in WRITES_FILES else [f"{s}-restored" for s in streams if not s.endswith("-b1")]
    rescaled = [] if name in WRITES_FILES else [f"stream-p1-b{b}-rescaled" for b in sizes if b > 1]
    return ["batch", *streams, *stopped, *rescaled]


def cases() -> list[str]:
    """The full product, by name."""
    made = []
    for name in names():
        over = ["flink", *(EVENTS if name in GOLDEN else ())]
        made += [f"{name}/{e}/{way}" for e in over if name not in NOT_RUN for way in ways(name, e)]
    return made


def run(case: str) -> Outcome:
    """Do one case.

    Raises:
        AssertionError: the answer is another than the one that is known.
    """
    name, events, way = case.split("/")
    with tempfile.TemporaryDirectory() as folder:
        query = Query(name, _events(events), Path(folder))
        found = query.answer("batch") if way == "batch" else _streamed(query, way)
        _check(query, events, found)
    return {"rows": found.height}


def _events(name: str) -> str:
    if name == "flink":
        return in_file(DATA / "events.parquet")
    return generated(EVENTS[name] or 0, PROFILES[name].first_event_rate)


def _check(query: Query, events: str, found: pl.DataFrame) -> None:
    if events != "flink" or query.name in CHANGES_FROM_RUN_TO_RUN:
        golden = GOLDEN[query.name]
        if events != "flink":
            assert golden.look(found) == golden.of(events)
        return
    recorded = DATA / "expected" / f"{ANSWERS.get(query.name, query.name)}.parquet"
    wanted = pl.read_parquet(recorded) if recorded.exists() else _anew(query)
    wrong = difference(query.name, comparable(found), comparable(wanted))
    assert wrong is None, wrong


def _anew(query: Query) -> pl.DataFrame:
    """The answer of a batch, which writes its files beside those of the query."""
    with tempfile.TemporaryDirectory() as folder:
        return replace(query, folder=Path(folder)).answer("batch")


def _streamed(query: Query, way: str) -> pl.DataFrame:
    _, parallelism, rows, *stops = way.split("-")
    first, rows_max = int(parallelism[1:]), int(rows[1:])
    if not stops:
        runtime = "inline" if rows_max < 100 else "threads"
        return query.answer("stream", parallelism=first, rows=str(rows_max), runtime=runtime)
    later = [first] * _STOPS if stops == ["restored"] else [1, 3, 2]
    return stopped_and_restored(query, later, rows_max)


def stopped_and_restored(query: Query, parallelisms: Sequence[int], rows_max: int) -> pl.DataFrame:
    """The answer of a stream that is stopped at a checkpoint and goes on, once per parallelism but the last.

    The checkpoints divide the input into about equal parts.
    """
    session = Session(parallelism=1)
    plan = query.bound(session)
    rows = EVENTS["S"] or 0 if "nexmark" in query.events else 60_000
    every = max(1, rows // (rows_max * len(parallelisms)))
    before: JobSnapshot | None = None
    parts = []
    for at, parallelism in enumerate(parallelisms):
        sink, taken = MemorySink(is_parallel=False), list[JobSnapshot]()
        job = plan_job(optimize([Write(plan, sink)], RULES)[0], name="nexmark", parallelism=parallelism)
        is_last = at == len(parallelisms) - 1
        note = partial(_note, taken, sink, parts)
        stop = {} if is_last else {"checkpoint_batches": every, "on_checkpoint": note}
        options = RunOptions(rows_max=rows_max, cut_batches=max(1, every // 2), **stop)  # type: ignore[arg-type]
        run = Run(job, options, before)
        run_inline(run, until=lambda taken=taken: bool(taken))  # type: ignore[misc]
        if not taken:
            parts.append(sink.collected.batch())
            assert is_last or run.is_finished, "it ends, or stops at a checkpoint"
            break
        before = taken[0]
        run.close()
    return handed_out(folded(join_batches(parts)), plan.schema)


def _note(taken: list[JobSnapshot], sink: MemorySink, parts: list[object], snapshot: JobSnapshot) -> None:
    """Keep the first checkpoint, and what was published until then."""
    if not taken:
        parts.append(sink.collected.batch())
        taken.append(snapshot)


def main() -> int:
    """Do all cases that are not done; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("parts", nargs="*", help="only cases whose name has all of these")
    parser.add_argument("--processes", type=int)
    asked = parser.parse_args()
    about = {"question": "every Nexmark query gives its answer in every way", "seed": 1, "events": EVENTS}
    ledger = Ledger.opened(RESULTS / "nexmark-all.json", about)
    chosen = [c for c in cases() if all(part in c for part in asked.parts)]
    return min(1, work_off(ledger, chosen, run, processes=asked.processes))


if __name__ == "__main__":
    sys.exit(main())
