"""Rows that are kept apart are put down whole, and put back once, wherever that breaks off."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import thalweg as tw
from thalweg.checkpoint.failpoints import armed
from thalweg.checkpoint.hold import held
from thalweg.checkpoint.holders import LockedFiles
from thalweg.connectors.files.sink import FileSink
from thalweg.errors import ConfigError, ConnectorError, DataError, ThalwegError
from thalweg.runtime.breaker import QuarantineLimit
from thalweg.runtime.options import RunOptions
from thalweg.session.replaying import MARKS

LINES = ['{"id": 1}', '{"id": "2"}', '{"id": 3', '{"id": 4}']


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_lines(name: str, lines: list[str]) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text("\n".join([*lines, ""]))


def run_job(name: str = "job", **how: Any) -> tw.Session:
    """Read what is in `in`, whose rows go to `out` and `dead`."""
    session = tw.Session(parallelism=1)
    session.read_json("in", schema="id BIGINT", dead_letter="dead").write_json("out")
    session.run(name, **how)
    return session


def ids() -> list[int]:
    return sorted(tw.Session().read_json("out", schema="id BIGINT").collect()["id"].to_list())


def edits(**texts: str) -> Path:
    path = Path("edits.jsonl")
    lines = [json.dumps({"id": name.removeprefix("x"), "text": text}) for name, text in texts.items()]
    path.write_text("\n".join(lines))
    return path


def letter_ids() -> list[str]:
    return tw.DeadLetters("dead").rows()["id"].to_list()


def test_repaired_rows_are_put_back_once() -> None:
    write_lines("in/a.jsonl", LINES)
    run_job()
    letters = tw.DeadLetters("dead")
    rows = letters.rows()
    assert rows["position"].to_list() == [2, 3]
    assert rows["byte"].to_list() == [10, 22]
    assert rows["raw"].to_list() == [b'{"id": "2"}', b'{"id": 3']
    first, second = rows["id"].to_list()
    done = letters.replay("in", edits=edits(**{f"x{first}": '{"id": 2}'}))
    assert (done.rows, done.late, done.left_out) == (1, 0, {})
    assert Path(str(done.file)).read_text() == '{"id": 2}\n'
    again = letters.replay("in", edits="edits.jsonl")
    assert (again.file, again.rows, again.left_out) == (None, 0, {"put back before": 1})
    Path(str(done.file)).unlink()
    rest = letters.replay("in")
    assert (rest.rows, rest.left_out) == (1, {"put back before": 1})
    assert Path(str(rest.file)).read_text() == '{"id": 3\n'
    assert letters.list().select("rows", "replayed").rows() == [(2, 2)]
    assert sorted(letters.rows()["replayed_to"].to_list()) == sorted([str(done.file), str(rest.file)])
    assert {first, second} == set(letter_ids())


def test_a_replay_that_breaks_off_is_completed_by_the_next_one() -> None:
    write_lines("in/a.jsonl", LINES)
    run_job()
    kept = {p: p.read_bytes() for p in Path("dead").glob("*.jsonl")}
    for at in range(1, 30):
        for path in Path("in").glob("replayed-*"):
            path.unlink()
        for path in Path("dead", MARKS).glob("*"):
            path.unlink()
        points = ("store.partial", "store.synced", "store.renamed")
        point = f"{points[at % 3]}:raise:{1 + at // 3}"
        with armed(point) as places, suppress(ThalwegError, OSError):
            tw.DeadLetters("dead").replay("in")
        tw.DeadLetters("dead").replay("in")
        files = list(Path("in").glob("replayed-*"))
        assert [f.read_text() for f in files] == ['{"id": "2"}\n{"id": 3\n'], point
        assert [p.name for p in Path("dead", MARKS).iterdir() if p.suffix] == [], "what is done is tidied"
        assert {p: p.read_bytes() for p in Path("dead").glob("*.jsonl")} == kept
        if places.reached.get(points[at % 3], 0) <= at // 3:
            break
    assert at > 6, "it was broken off at several places"


def test_a_replayed_file_is_a_further_split_of_the_job() -> None:
    write_lines("in/a.jsonl", LINES)
    run_job()
    first = tw.DeadLetters("dead").rows()["id"].to_list()[0]
    tw.DeadLetters("dead").replay("in", edits=edits(**{f"x{first}": '{"id": 2}'}))
    session = tw.Session(parallelism=1)
    session.read_json("in", schema="id BIGINT", dead_letter="dead2").write_json("out")
    assert session.run("job").bad_count == 2
    assert ids() == [1, 1, 2, 4, 4]


def test_csv_rows_are_put_back_with_their_header() -> None:
    write_lines("in/a.csv", ["name;id", '"a;b";x', "c;2", "d;e;f"])
    session = tw.Session(parallelism=1)
    rows = session.read_csv("in", schema="id BIGINT, name STRING", separator=";", dead_letter="dead")
    rows.write_json("out")
    session.run()
    done = tw.DeadLetters("dead").replay("in")
    assert Path(str(done.file)).read_text() == 'name;id\n"a;b";x\nd;e;f\n'


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_rows_of_typed_files_are_put_back_as_such_files(form: str) -> None:
    Path("in").mkdir()
    rows = pl.DataFrame({"id": [1, None], "at": [datetime(2026, 1, 1), datetime(2026, 1, 2)]})
    (rows.write_parquet if form == "parquet" else rows.write_ipc)(f"in/a.{form}")
    session = tw.Session(parallelism=1)
    session.execute_sql(
        f"""CREATE TABLE t (id BIGINT NOT NULL, at TIMESTAMP(6)) WITH ('connector' = 'filesystem',
          'path' = 'in', 'format' = '{form}', 'errors.dead-letter' = 'dead');
        CREATE TABLE o WITH ('connector' = 'blackhole'); INSERT INTO o SELECT * FROM t"""
    )
    session.run()
    (name,) = letter_ids()
    with pytest.raises(DataError) as caught:
        tw.DeadLetters("dead").replay("in", edits=edits(**{f"x{name}": '{"id": "x"}'}))
    assert caught.value.code == "letters-row"
    assert not list(Path("in").glob("replayed-*"))
    text = '{"id": 7, "at": "2026-01-02 00:00:00"}'
    done = tw.DeadLetters("dead").replay("in", edits=edits(**{f"x{name}": text}))
    read = pl.read_parquet if form == "parquet" else pl.read_ipc
    assert read(str(done.file)).rows() == [(7, datetime(2026, 1, 2))]


def test_the_beginning_of_a_record_is_not_put_back() -> None:
    write_lines("in/a.jsonl", ['{"id": 1}', '{"z": "' + "x" * (1 << 20) + '"}'])
    run_job()
    done = tw.DeadLetters("dead").replay("in")
    assert (done.rows, done.left_out) == (0, {"only the beginning of the row is known (--edit)": 1})


TIMED = [
    '{"id": 1, "at": "2026-01-01 00:00:10"}',
    '{"id": 2, "at": "2026-01-01 00:05:00"}',
    '{"id": 3, "at": "2026-01-01 00:00:20"}',
    '{"id": "4", "at": "2026-01-01 00:05:20"}',
    '{"id": "5", "at": "2026-01-01 00:00:30"}',
]


def timed_session(dead: str) -> tw.Session:
    session = tw.Session(parallelism=1, options={"pipeline.dead-letter.late-rows": "true"})
    session.execute_sql(
        f"""CREATE TABLE t (id BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('connector' =
          'filesystem', 'path' = 'in', 'format' = 'json', 'errors.dead-letter' = '{dead}')"""
    )
    session.table("t").window(tw.tumbling("1min")).agg(n=tw.count()).write_json(f"out-{dead}")
    return session


def counts(dead: str) -> dict[str, int]:
    rows = tw.Session().read_json(f"out-{dead}", schema="window_start TIMESTAMP(3), n BIGINT").collect()
    return {str(start)[11:16]: n for start, n in rows.rows()}


def test_repaired_rows_count_where_their_window_is_open_and_are_late_where_it_is_closed() -> None:
    write_lines("in/a.jsonl", TIMED)
    result = timed_session("dead").run(mode="stream")
    assert (result.late_count, result.bad_count, counts("dead")) == (1, 2, {"00:00": 1, "00:05": 1})
    rows = tw.DeadLetters("dead").rows()
    assert rows.group_by("reason").len().sort("reason").rows() == [("late", 1), ("unreadable", 2)]
    late = rows.filter(pl.col("reason") == "late").row(0, named=True)
    assert (late["split"], late["position"], late["unit"]) == ("in/a.jsonl", 3, "row")
    assert late["event_time"] == datetime(2026, 1, 1, 0, 0, 20)
    assert json.loads(late["raw"]) == {"id": 3, "at": "2026-01-01 00:00:20"}
    repaired = {
        f"x{r['id']}": r["raw"].decode().replace('"4"', "4").replace('"5"', "5") for r in rows.to_dicts()
    }
    done = tw.DeadLetters("dead").replay("in", edits=edits(**repaired))
    assert (done.rows, done.late, sum(done.left_out.values())) == (2, 0, 1)
    assert "came too late" in "".join(done.left_out)
    # a further split begins at the watermark that its predecessor has reached
    again = timed_session("again").run(mode="stream")
    assert (again.late_count, again.bad_count) == (2, 2)
    assert counts("again") == {"00:00": 1, "00:05": 2}
    with_late = tw.DeadLetters("dead").replay("in", late=True)
    assert (with_late.rows, with_late.late) == (1, 1)
    assert "windows that have closed" in with_late.in_words()


def test_late_rows_may_hold_what_other_programs_take_for_the_end_of_a_line() -> None:
    text = "one\u2028two\x85three"
    rows = [{"id": 1, "at": "2026-01-01 00:05:00", "text": "x"}]
    rows += [{"id": n, "at": "2026-01-01 00:00:10", "text": text} for n in (2, 3)]
    write_lines("in/a.jsonl", [json.dumps(row, ensure_ascii=False) for row in rows])
    session = tw.Session(parallelism=1, options={"pipeline.dead-letter.late-rows": "true"})
    schema = "id BIGINT, at TIMESTAMP(3), text STRING"
    read = session.read_json("in", schema=schema, dead_letter="dead").assign_watermark("at", "0s")
    read.window(tw.tumbling("1min")).agg(n=tw.count()).write_json("out")
    assert session.run(mode="stream").late_count == 2
    letters = tw.DeadLetters("dead")
    found = letters.rows()
    assert [json.loads(raw)["text"] for raw in found["raw"]] == [text, text]
    repaired = {f"x{found['id'][0]}": json.dumps({**rows[1], "text": text}, ensure_ascii=False)}
    path = edits()
    lines = [json.dumps({"id": n[1:], "text": t}, ensure_ascii=False) for n, t in repaired.items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert letters.replay("in", edits=path, late=True).rows == 1


def test_a_row_that_misses_several_windows_is_put_back_once() -> None:
    write_lines("in/a.jsonl", TIMED[:3])
    session = timed_session("dead")
    session.sinks = []
    rows = session.table("t").window(tw.hopping("2min", every="1min"))
    rows.agg(n=tw.count()).write_json("out")
    assert session.run(mode="stream").late_count == 2
    assert tw.DeadLetters("dead").rows().height == 2
    done = tw.DeadLetters("dead").replay("in", late=True)
    assert (done.rows, done.late) == (1, 1)
    assert Path(str(done.file)).read_text() == '{"id":3,"at":"2026-01-01 00:00:20"}\n'


@pytest.mark.parametrize("mode", ["batch", "stream"])
def test_a_job_of_which_too_many_rows_are_bad_stops(mode: str) -> None:
    write_lines("in/a.jsonl", ['{"id": 1}'] * 800 + ["no JSON"] * 200)
    options = {"execution.checkpointing.interval": "1 h"}

    def run(**limits: str) -> tw.Session:
        named = {f"pipeline.quarantine.{k.replace('_', '-')}": v for k, v in limits.items()}
        session = tw.Session(parallelism=1, checkpoint_dir="kept", options={**options, **named})
        session.read_json("in", schema="id BIGINT", dead_letter="dead").write_json("out")
        session.run("job", mode=mode)
        return session

    for limits in ({}, {"rate_max": "0.19"}, {"count_min": "200"}):
        with pytest.raises(DataError) as caught:
            run(**limits)
        error = caught.value
        assert error.code == "data-quarantine-rate"
        assert "200 of 1000 rows" in str(error)
        assert "in/a.jsonl, line 1000" in str(error)
        assert list(Path("dead").glob("*.jsonl")) == [], "nothing of the epoch is published"
    run(rate_max="0.2")
    assert tw.DeadLetters("dead").rows().height == 200
    assert len(ids()) == 800


def test_each_epoch_is_looked_at_before_it_is_committed() -> None:
    bad = {n for n in range(10_000, 20_000) if n % 60 == 0}
    write_lines("in/a.jsonl", ["no JSON" if n in bad else '{"id": 1}' for n in range(40_000)])

    def run(limit: QuarantineLimit) -> None:
        session = tw.Session(parallelism=1, checkpoint_dir="kept")
        session.read_json("in", schema="id BIGINT", dead_letter="dead").write_json("out")
        how = RunOptions(runtime="inline", rows_max=1_000, checkpoint_batches=10, quarantine=limit)
        session.run("job", mode="stream", options=how)

    with pytest.raises(DataError) as caught:
        run(QuarantineLimit())
    assert caught.value.code == "data-quarantine-rate"
    assert len(ids()) in (0, 10_000), "the epoch before may have been committed, and no other"
    assert not Path("dead").exists() or tw.DeadLetters("dead").rows().height == 0
    # the same share of all rows is not too much
    run(QuarantineLimit(rate_max=0.02))
    assert len(ids()) == 40_000 - len(bad)
    assert tw.DeadLetters("dead").rows().height == len(bad)


def test_few_bad_rows_stop_no_job_whatever_their_share() -> None:
    write_lines("in/a.jsonl", ["no JSON"] * 99)
    run_job(mode="stream")
    assert tw.DeadLetters("dead").rows().height == 99


def test_the_option_of_the_session_holds_for_sources_that_say_nothing() -> None:
    write_lines("in/a.jsonl", LINES)
    table = (
        "CREATE TABLE {} (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'in', 'format' = 'json'{})"
    )
    session = tw.Session(options={"pipeline.dead-letter": "common"})
    session.execute_sql(table.format("silent", ""))
    session.execute_sql(table.format("strict", ", 'errors.tolerance' = 'none'"))
    session.execute_sql(table.format("own", ", 'errors.dead-letter' = 'own'"))
    for name in ("silent", "own"):
        session.table(name).write_json("out")
    session.read_json("in", schema="id BIGINT").write_json("out")
    session.run()
    assert tw.DeadLetters("common").rows().height == 2
    assert tw.DeadLetters("own").rows().height == 2
    session.table("strict").write_json("out")
    with pytest.raises(DataError):
        session.run()


def test_letters_go_to_any_sink() -> None:
    write_lines("in/a.jsonl", LINES)
    session = tw.Session(parallelism=1)
    box = FileSink("dead", "parquet")
    session.read_json("in", schema="id BIGINT", dead_letter=box).write_json("out")
    session.run()
    assert tw.DeadLetters("dead").rows()["position"].to_list() == [2, 3]


def test_a_row_cannot_both_stop_the_job_and_be_kept_apart() -> None:
    write_lines("in/a.jsonl", LINES)
    session = tw.Session()
    session.execute_sql(
        """CREATE TABLE t (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'in', 'format' = 'json',
          'errors.tolerance' = 'none', 'errors.dead-letter' = 'dead')"""
    )
    with pytest.raises(ConfigError) as caught:
        session.table("t")
    assert caught.value.code == "connector-tolerance"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[1]", "[1]"),
        ("no JSON", "no JSON"),
        ('{"id": 1, "text": "a"}', '{"id": 1'),
        ('{"id": "nobody", "text": "a"}', "nobody"),
    ],
)
def test_edits_that_fit_no_letter(text: str, found: str) -> None:
    write_lines("in/a.jsonl", LINES)
    run_job()
    Path("edits.jsonl").write_text(text)
    with pytest.raises(ConfigError) as caught:
        tw.DeadLetters("dead").replay("in", edits="edits.jsonl")
    assert caught.value.code == "letters-edit"
    assert found in str(caught.value)
    assert not list(Path("in").glob("replayed-*"))


def test_a_directory_of_other_files_holds_no_letters() -> None:
    write_lines("in/a.jsonl", LINES[:1])
    with pytest.raises(ConfigError) as caught:
        tw.DeadLetters("in").rows()
    assert caught.value.code == "letters-none"


def test_late_rows_of_joins_and_neighbours() -> None:
    write_lines("in/a.jsonl", TIMED[:3])
    session = timed_session("dead")
    session.sinks = []
    session.execute_sql(
        """CREATE TABLE o (id BIGINT, n BIGINT) WITH ('connector' = 'blackhole');
        INSERT INTO o SELECT id, COUNT(*) OVER (ORDER BY at) FROM t;
        CREATE TABLE p (id BIGINT, other BIGINT) WITH ('connector' = 'blackhole');
        INSERT INTO p SELECT a.id, b.id FROM t a JOIN t b ON a.id = b.id
          AND b.at BETWEEN a.at - INTERVAL '1' MINUTE AND a.at + INTERVAL '1' MINUTE"""
    )
    result = session.run(mode="stream")
    late = tw.DeadLetters("dead").rows().filter(pl.col("reason") == "late")
    assert late["position"].unique().to_list() == [3]
    assert late.height == result.late_count == 3
    assert set(late["error"]) == {"the watermark had passed the row"}


def test_tables_that_are_looked_up_write_no_letters() -> None:
    write_lines("in/a.jsonl", LINES)
    session = tw.Session(parallelism=1, options={"pipeline.dead-letter": "dead"})
    names = session.read_json("in", schema="id BIGINT")
    rows = session.from_iter([{"id": 1}], "id BIGINT")
    rows.lookup_join(names, on="id").write_json("out")
    session.run(mode="stream")
    assert ids() == [1]
    assert tw.DeadLetters("dead").rows().height == 0


def test_only_one_process_puts_rows_back() -> None:
    write_lines("in/a.jsonl", LINES)
    run_job()
    with held(LockedFiles(f"dead/{MARKS}"), "another"), pytest.raises(ConfigError) as caught:
        tw.DeadLetters("dead").replay("in")
    assert caught.value.code == "letters-taken"


def test_a_replay_that_cannot_write_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines("in/a.jsonl", LINES)
    run_job()
    with armed("store.renamed:raise:3"), pytest.raises(ConnectorError) as caught:
        tw.DeadLetters("dead").replay("in")
    assert caught.value.code == "letters-target"
    assert "replayed-" in str(caught.value.where)


def test_one_file_has_one_header() -> None:
    write_lines("in/a.csv", ["id,name", "x,y"])
    write_lines("in/b.csv", ["name,id", "y,x"])
    session = tw.Session(parallelism=1)
    session.read_csv("in", schema="id BIGINT, name STRING", dead_letter="dead").write_json("out")
    session.run()
    with pytest.raises(ConfigError) as caught:
        tw.DeadLetters("dead").replay("in")
    assert caught.value.code == "letters-header"


def test_rows_from_python_without_a_form_in_json_are_put_down_as_python_shows_them() -> None:
    session = tw.Session(parallelism=1)
    rows = [{"id": 1}, {"id": object}, {"id": "x", (1, 2): 3}]
    session.from_iter(rows, "id BIGINT", dead_letter="dead").write_json("out")
    session.run()
    raws = tw.DeadLetters("dead").rows()["raw"].to_list()
    assert raws[0] == b'{"id": "<class \'object\'>"}'
    assert raws[1] == b"{'id': 'x', (1, 2): 3}"


def test_an_event_time_that_cannot_be_computed_is_not_known() -> None:
    write_lines(
        "in/a.jsonl", ['{"id": 1, "s": "2026-01-01 00:00:00"}', '{"s": "x"}', '{"s": "2026-01-02 00:00:00"}']
    )
    session = tw.Session(parallelism=1)
    session.execute_sql(
        """CREATE TABLE t (id BIGINT NOT NULL, s STRING, at AS CAST(s AS TIMESTAMP(3)),
          WATERMARK FOR at AS at) WITH ('connector' = 'filesystem', 'path' = 'in', 'format' = 'json',
          'errors.dead-letter' = 'dead')"""
    )
    session.table("t").window(tw.tumbling("1min")).agg(n=tw.count()).write_json("out")
    session.run(mode="stream")
    times = tw.DeadLetters("dead").rows().sort("position")["event_time"].to_list()
    assert times == [None, datetime(2026, 1, 2)]
