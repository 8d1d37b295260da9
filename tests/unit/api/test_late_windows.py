"""Windows in Python and rows that come late: results that are given again, and rows that are missed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import thalweg as tw

w = tw.windowing
RESULT = "start TIMESTAMP, ns STRING"


def at(second: float) -> datetime:
    return datetime(2026, 1, 1) + timedelta(seconds=second)


# before rows 2, 4 and 6 the watermark is at 18, 20 and 25 seconds
SECONDS = [1, 18, 3, 20, 4, 25, 15]
ROWS = pl.DataFrame({"k": ["a"] * 7, "n": range(7), "ts": [at(s) for s in SECONDS]})


def keyed(lateness: str = "10s", rows: pl.DataFrame = ROWS) -> tw.KeyedDataset:
    return tw.Session().from_polars(rows).assign_watermark("ts", lateness_max=lateness).key_by("k")


def show(key: Any, window: Any, rows: Any) -> Iterable[Any]:
    del key
    yield window.start, " ".join(str(r.n) for r in rows)


def found(windows: Any) -> list[tuple[float, str]]:
    """What a stream gives, and a batch that judges rows as it does."""
    made = windows.process(show, RESULT)
    rows = made.collect(mode="stream").rows()
    assert sorted(made.collect(mode="batch", lateness="as_stream").rows()) == sorted(rows)
    return sorted(((start - at(0)).total_seconds(), ns) for start, ns in rows)


def test_late_rows_give_results_anew() -> None:
    all_rows = found(keyed().window(w.Fixed("10s")))
    assert all_rows == [(0, "0"), (0, "0 2"), (10, "1"), (10, "6 1"), (20, "3 5")]
    new_rows = found(keyed().window(w.Fixed("10s"), results="discarding"))
    assert new_rows == [(0, "0"), (0, "2"), (10, "1"), (10, "6"), (20, "3 5")]
    last = found(keyed().window(w.Fixed("10s"), results="retracting"))
    assert last == [(0, "0 2"), (10, "6 1"), (20, "3 5")]


def test_without_lateness_an_open_window_still_takes_rows_behind_the_watermark() -> None:
    rows = pl.DataFrame({"k": ["a"] * 3, "n": range(3), "ts": [at(1), at(8), at(4)]})
    made = keyed("0s", rows).window(w.Fixed("10s"))
    # the window of the last row is open: it is that of a query too
    assert found(made) == [(0, "0 2 1")]
    assert made.process(show, RESULT).late().collect(mode="stream").height == 0


def test_rows_that_are_missed_are_told() -> None:
    made = keyed().window(w.Fixed("20s", every="10s")).process(show, RESULT)
    late = made.late().collect(mode="stream").select("n", "window_start", "window_end", "split", "position")
    assert late.rows() == [(4, at(-10), at(10), "0", 4)]
    made.write_callback(lambda row: None)
    assert made.session.run(mode="stream").late_count == 1


def test_missed_rows_are_dead_letters(tmp_path: Path) -> None:
    session = tw.Session()
    session.execute_sql("SET 'pipeline.dead-letter.late-rows' = 'true'")
    (tmp_path / "in.json").write_text(
        "".join(f'{{"k": "a", "n": {n}, "ts": "{at(s)}"}}\n' for n, s in enumerate(SECONDS))
    )
    session.execute_sql(
        f"""CREATE TABLE t (k STRING, n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH (
            'connector' = 'filesystem', 'path' = '{tmp_path}/in.json', 'format' = 'json',
            'errors.dead-letter' = '{tmp_path}/letters')"""
    )
    made = session.table("t").key_by("k").window(w.Fixed("10s")).process(show, RESULT)
    made.write_callback(lambda row: None)
    session.run(mode="stream")
    letters = [p.read_text() for p in (tmp_path / "letters").rglob("*") if p.is_file()]
    assert any('"n":2' in text.replace(" ", "").replace("\\", "") for text in letters), letters


class Take(tw.ProcessFunction):
    def on_event(self, row: Any) -> Any:
        return [row]


def test_what_follows_knows_which_results_are_taken_back() -> None:
    stay = keyed().window(w.Fixed("10s")).process(show, RESULT)
    assert stay.key_by().process(Take(), RESULT, order="arrival").collect(mode="stream").height == 5
    change = keyed().window(w.Fixed("10s"), results="retracting").process(show, RESULT)
    with pytest.raises(tw.PlanError) as caught:
        change.key_by().process(Take(), RESULT, order="arrival")
    assert caught.value.code == "plan-process-changes"
    # sums follow
    counted = change.agg(n=tw.count()).collect(mode="stream")
    assert counted.rows() == [(3,)]


def test_late_results_in_steps() -> None:
    trigger = w.AtEnd(late=w.Count(2))
    made = found(keyed("30s").window(w.Fixed("20s"), trigger=trigger))
    # row 2 comes in time; rows 4 and 6 are late, and shown together
    assert made == [(0, "0 2 1"), (0, "0 2 4 6 1"), (20, "3 5")]


def test_a_session_that_goes_on_with_a_late_row_shows_it_once() -> None:
    # at 6 s the first session has ended; two rows come late, and the second of them makes it go on
    rows = pl.DataFrame({"k": ["a"] * 4, "n": range(4), "ts": [at(s) for s in (0, 6, 1, 5)]})
    trigger = w.AtEnd(late=w.Count(3))
    made = found(keyed("40s", rows).window(w.Sessions("4s"), trigger=trigger))
    assert made == [(0, "0"), (0, "0 2 3 1")]


def test_windows_without_a_key() -> None:
    rows = keyed()._rows.key_by()
    assert found(rows.window(w.Fixed("1h"))) == [(0, "0 2 4 6 1 3 5")]
    counted = rows.window(w.Counts(4, every=3)).process(show_all, "ns STRING").collect(mode="stream")
    # the rows of the second result are the last four of six
    assert counted["ns"].to_list() == ["0 2 1", "4 1 3 5"]


def show_all(key: Any, window: Any, rows: Any) -> Iterable[Any]:
    del key, window
    yield (" ".join(str(r.n) for r in rows),)


def test_windows_of_processing_time() -> None:
    rows = tw.Session().from_polars(ROWS).with_columns(seen=tw.proctime())
    made = rows.key_by("k").window(w.Fixed("1d")).process(show_all, "ns STRING", time="seen")
    assert made.collect(mode="stream")["ns"].to_list() == ["0 1 2 3 4 5 6"]
    by_clock = keyed()._rows.key_by("k").window(w.Global(), trigger=w.Clock("1h"))
    # at the end of the input all timers are due
    assert by_clock.process(show_all, "ns STRING").collect(mode="stream").height == 1


def test_rows_as_they_arrive() -> None:
    made = keyed().window(w.Fixed("10s"), results="retracting").process(show, RESULT, order="arrival")
    rows = dict(made.collect(mode="stream").rows())
    assert rows[at(20)] == "3 5"
