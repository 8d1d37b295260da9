"""Benchmarks are listed, judged, and give numbers only for right answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from thalweg.cli.bench import checkpoints, machine, worker
from thalweg.cli.bench.answers import QUERIES, UNDEFINED, checksum, differences, reference
from thalweg.cli.bench.entry import shown
from thalweg.cli.bench.model import Benchmark, Measured, Options, usage
from thalweg.cli.bench.registry import BENCHMARKS, BY_NAME
from thalweg.cli.bench.workload import event_files
from thalweg.session.session import Session

Call = Callable[..., tuple[int, str, str]]
EVENTS, RATE = 60_000, 3_000
"""The first bids by people who are known come after 50 000 events."""


def judged(measured: Measured) -> dict[str, Any]:
    benchmark = Benchmark("b", "stream", "How?", "so", lambda _: measured)
    return worker.measure(benchmark, Options())


def test_names_are_unique_and_every_benchmark_asks_a_question() -> None:
    assert len(BY_NAME) == len(BENCHMARKS)
    assert all(b.question.endswith("?") and b.expected for b in BENCHMARKS)


def test_the_list_shows_every_name(thalweg: Call) -> None:
    _, out, _ = thalweg("bench", "--list")
    assert [line.split()[0] for line in out.splitlines()] == [b.name for b in BENCHMARKS]


def test_no_name_and_unknown_names_are_usage_errors(thalweg: Call) -> None:
    assert thalweg("bench")[0] == 2
    code, _, err = thalweg("bench", "q55")
    assert code == 2
    assert "did you mean" in err


def test_a_result_has_its_median_and_its_share_of_the_limit() -> None:
    found = judged(Measured("events/s", [1.0, 4.0, 2.0], limit=8.0))
    assert (found["median"], found["min"], found["max"], found["percent_of_limit"]) == (2.0, 1.0, 4.0, 25.0)
    assert found["check"] == "ok"
    assert found["machine"]["cores"] >= 1
    json.dumps(found)


def test_a_time_is_better_when_it_is_shorter() -> None:
    assert judged(Measured("s", [4.0], limit=1.0))["percent_of_limit"] == 25.0


def test_a_wrong_result_has_no_time() -> None:
    found = judged(Measured("events/s", [1.0], limit=8.0, problems=["rows is 1, not 2"]))
    assert (found["median"], found["values"], found["percent_of_limit"]) == (None, [], None)
    assert shown(found).endswith("WRONG: rows is 1, not 2")


def test_results_are_stored(thalweg: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    found = judged(Measured("events/s", [1e6]))
    monkeypatch.setattr(worker, "measure_apart", lambda name, options: found | {"name": name})
    assert thalweg("bench", "q2", "--store", "results")[0] == 0
    assert json.loads(Path("results/q2.json").read_text())["median"] == 1e6
    wrong = judged(Measured("events/s", [1e6], problems=["no"]))
    monkeypatch.setattr(worker, "measure_apart", lambda name, options: wrong)
    assert thalweg("bench", "q2", "--json")[0] == 3
    monkeypatch.setattr(worker, "measure_apart", lambda name, options: None)
    assert thalweg("bench", "q2")[0] == 3


def test_usage_sees_processor_time_and_memory() -> None:
    with usage() as used:
        assert sum(range(200_000)) > 0
    assert used.cpu_seconds > 0
    assert 0 < used.peak_own_mib <= used.peak_rss_mib


def test_differences_are_named() -> None:
    from thalweg.base.schema import Schema

    schema = Schema.from_polars({"a": pl.Int64()})
    one, two = (checksum([pl.DataFrame({"a": values})], schema) for values in ([1, 2], [2, 2, None]))
    assert differences(one, one) == []
    assert differences(one, two) == [
        "rows is 2, not 3",
        "sum of a is 3, not 4",
        "NULLs in a is 0, not 1",
    ]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        assert event_files(EVENTS, RATE) == event_files(EVENTS, RATE)
        return event_files(EVENTS, RATE)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(QUERIES))
def test_the_engine_agrees_with_the_reference_and_the_limit_runs(small: list[str], name: str) -> None:
    from thalweg.cli.bench.limits import LIMITS
    from thalweg.cli.bench.throughput import _once

    _, stream, schema = _once(name, small, "stream", 2)
    _, batch, _ = _once(name, small, "batch", 2)
    right = reference(name, small, schema)
    assert right.rows > 0
    assert set(schema.names) - set(right.sums) == set(UNDEFINED.get(name, ()))
    assert differences(stream, right) == []
    assert differences(batch, right) == []
    LIMITS[name][1](small, schema)


@pytest.mark.slow
def test_a_stream_says_how_much_state_it_holds_at_its_end(
    small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from thalweg.session.hooks import HOOKS

    monkeypatch.setenv("XDG_CACHE_HOME", str(Path(small[0]).parents[3]))
    passed, joined = (
        BY_NAME[n].run(Options(events=EVENTS, rate=RATE, runs=1)).details["state_bytes"] for n in ("q0", "q3")
    )
    assert passed == 0 < joined
    assert HOOKS.watchers == []


@pytest.mark.slow
def test_the_plain_loop_of_q5_finds_the_same_tops(small: list[str]) -> None:
    import numpy as np

    from thalweg.cli.bench import limits
    from thalweg.cli.bench.answers import q5
    from thalweg.cli.bench.kernels import count_panes, sum_of_tops

    parts = [limits._panes(f, count_panes) for f in small]
    whole = np.zeros((max(len(p) for p in parts), max(p.shape[1] for p in parts)), np.int32)
    for part in parts:
        whole[: part.shape[0], : part.shape[1]] += part
    assert sum_of_tops(whole, 5) == q5(pl.scan_ipc(small)).collect()["num"].sum()


@pytest.mark.slow
def test_files_hold_the_same_events_in_every_form(small: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path(small[0]).parents[3]))
    arrow = pl.scan_ipc(event_files(EVENTS, RATE)).collect()
    assert arrow.height == EVENTS
    assert pl.scan_parquet(event_files(EVENTS, RATE, "parquet")).collect().equals(arrow)
    text = pl.scan_ndjson(event_files(EVENTS, RATE, "json"), schema=arrow.schema).collect()
    assert text.equals(arrow)


def test_a_package_that_is_not_there_is_no_fact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_PACKAGES", ("polars", "no-such-package"))
    assert machine.facts()["polars"] == pl.__version__
    assert "no-such-package" not in machine.facts()


def test_what_a_measured_job_raises_is_raised_where_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def session(job: checkpoints._Job) -> Session:
        raise ZeroDivisionError("mine")

    monkeypatch.setattr(checkpoints._Job, "_session", session)
    job = checkpoints._Job(None)
    job._thread.join()
    with pytest.raises(ZeroDivisionError, match="mine"):
        job.wait(lambda: False)
