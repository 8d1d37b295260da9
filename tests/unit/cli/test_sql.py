"""`thalweg sql` writes rows to the standard output, and everything else elsewhere."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from thalweg.cli.entry import run
from thalweg.plan.nodes import Write
from thalweg.session.execute import Result
from thalweg.session.hooks import HOOKS

Call = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("csv", "a,b\n1,x\n"),
        ("json", '{"a":1,"b":"x"}\n'),
        ("table", "┌───┬───┐\n│ a ┆ b │\n╞═══╪═══╡\n│ 1 ┆ x │\n└───┴───┘\n(1 row)\n"),
    ],
)
def test_rows_in_each_text_format(thalweg: Call, form: str, expected: str) -> None:
    assert thalweg("sql", "SELECT 1 AS a, 'x' AS b", "--format", form) == (0, expected, "")


@pytest.mark.parametrize(("form", "read"), [("parquet", pl.read_parquet), ("arrow", pl.read_ipc)])
def test_rows_in_each_binary_format(
    capsysbinary: pytest.CaptureFixture[bytes], form: str, read: Callable[[io.BytesIO], pl.DataFrame]
) -> None:
    assert run(["sql", "SELECT 1 AS a", "--format", form]) == 0
    assert read(io.BytesIO(capsysbinary.readouterr().out)).rows() == [(1,)]


def test_binary_rows_do_not_go_to_a_terminal(thalweg: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    code, out, err = thalweg("sql", "SELECT 1 AS a", "--format", "parquet")
    assert (code, out) == (2, "")
    assert "not for a terminal" in err


def test_a_quoted_path_is_a_table(thalweg: Call) -> None:
    pl.DataFrame({"a": [1, 2, 3]}).write_parquet("t.parquet")
    assert thalweg("sql", "SELECT SUM(a) AS s FROM 't.parquet'", "--format", "csv")[1] == "s\n6\n"


def test_sql_from_a_file_and_from_a_pipe(thalweg: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("q.sql").write_text("SELECT 2 AS a")
    assert thalweg("sql", "-f", "q.sql", "--format", "csv")[1] == "a\n2\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 3 AS a"))
    assert thalweg("sql", "--format", "csv")[1] == "a\n3\n"


def test_text_and_file_are_too_much(thalweg: Call) -> None:
    Path("q.sql").write_text("SELECT 2 AS a")
    assert thalweg("sql", "SELECT 1", "-f", "q.sql")[0] == 2


def test_the_shell_shows_no_bytes(thalweg: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    code, _, err = thalweg("sql", "--format", "parquet")
    assert code == 2
    assert "the shell shows rows as" in err


def test_a_wrong_query_is_told_without_traceback(thalweg: Call) -> None:
    code, out, err = thalweg("sql", "SELECT c FROM (SELECT 1 AS a) t")
    assert (code, out) == (1, "")
    assert err.startswith("PlanError [plan-unknown-column]")
    assert "Traceback" not in err


def test_inserts_run_together_before_the_queries_behind_them(thalweg: Call) -> None:
    text = """
        CREATE TABLE one (a INT) WITH ('connector' = 'filesystem', 'path' = 'one', 'format' = 'parquet');
        CREATE TABLE two (a INT) WITH ('connector' = 'filesystem', 'path' = 'two', 'format' = 'parquet');
        INSERT INTO one SELECT 1;
        INSERT INTO two SELECT 2;
        SELECT * FROM 'one' UNION ALL SELECT * FROM 'two' """
    code, out, err = thalweg("sql", text, "--format", "csv")
    assert (code, sorted(out.split())) == (0, ["1", "2", "a"]), err
    assert 'table "one" created' in err


def test_explain_is_a_result(thalweg: Call) -> None:
    code, out, _ = thalweg("sql", "EXPLAIN SELECT 1 AS a")
    assert code == 0
    assert "== job ==" in out


def test_options_of_the_command_line_are_checked(thalweg: Call) -> None:
    assert thalweg("sql", "SELECT 1", "--set", "paralelism.default=2")[0] == 1
    assert thalweg("sql", "SELECT 1", "--set", "paralelism.default")[0] == 2


def test_changes_of_an_endless_query_are_not_written_as_one_file(thalweg: Call) -> None:
    text = "CREATE TABLE e (a BIGINT) WITH ('connector' = 'datagen'); SELECT a FROM e"
    code, _, err = thalweg("sql", text, "--format", "parquet")
    assert code == 1
    assert "sql-endless-output" in err


def test_rows_of_an_endless_query_come_as_they_are_made(thalweg: Call) -> None:
    text = """CREATE TABLE e (a BIGINT) WITH ('connector' = 'datagen', 'fields.a.kind' = 'sequence',
                'fields.a.start' = '1', 'fields.a.end' = '3');
              SELECT a FROM e"""
    code, out, _ = thalweg("sql", text, "--format", "json", "--mode", "stream", "--no-progress")
    assert code == 0
    assert sorted(out.splitlines()) == ['{"a":1}', '{"a":2}', '{"a":3}']


def test_ignored_options_are_told_once_even_where_something_goes_wrong(thalweg: Call) -> None:
    text = """SET 'rest.port' = '1';
        CREATE TABLE t (a INT) WITH ('connector' = 'print', 'sink.parallelism' = '2');
        INSERT INTO t SELECT 1;"""
    warned = [
        'warning: the option "rest.port" means nothing here and is ignored',
        "warning: 'sink.parallelism' means nothing to the connector 'print' and is ignored",
    ]
    for end, expected in (("", 0), ("SELECT nothing", 1), ("\n.timer off\nSELECT 2;", 0)):
        code, _, err = thalweg("sql", f"{text} {end}")
        assert code == expected
        assert [line for line in err.splitlines() if line.startswith("warning")] == warned


def test_a_bad_flag_is_named(thalweg: Call) -> None:
    code, _, err = thalweg("sql", "SELECT 1", "--set", "parallelism.default=many")
    assert code == 1
    assert "where:    --set parallelism.default=many" in err


def test_show_create_is_text(thalweg: Call) -> None:
    code, out, _ = thalweg("sql", "CREATE VIEW v AS SELECT 1 AS a; SHOW CREATE VIEW v")
    assert (code, out) == (0, "CREATE VIEW `v` AS\nSELECT 1 AS a\n")


def test_changes_of_a_query_that_never_ends_are_updates(thalweg: Call) -> None:
    seen: list[object] = []

    def look(roots: list[Write], how: object) -> Result:
        seen.extend(root.sink.key for root in roots)  # type: ignore[attr-defined]  # a sink that has one
        return Result("x", "stream", 0, 0.0, is_complete=True)

    text = """CREATE TABLE g (a INT) WITH ('connector' = 'datagen');
        SELECT a AS k, COUNT(*) AS n FROM g GROUP BY a"""
    for form in ("table", "json"):
        HOOKS.stand_in = look  # type: ignore[assignment]  # it is called with these
        assert thalweg("sql", text, "--format", form)[0] == 0
    assert seen == [("k",), ("k",)]
