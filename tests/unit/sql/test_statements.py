"""Statements are read into values, with their own text and place."""

from __future__ import annotations

import pytest
from sqlglot.errors import ParseError

from thalweg.base.types import INT64, STRING, Decimal, Timestamp
from thalweg.errors import SqlError
from thalweg.sql.grammar.commands import StatementGrammar
from thalweg.sql.parse import parse
from thalweg.sql.statements import (
    ComputedColumn,
    CreateTable,
    CreateView,
    Describe,
    Drop,
    Explain,
    InsertInto,
    PhysicalColumn,
    Query,
    Reset,
    Set,
    ShowCreate,
    ShowFunctions,
    ShowTables,
    ShowViews,
    Statement,
)


def one(text: str) -> Statement:
    (found,) = parse(text)
    return found


def table(text: str) -> CreateTable:
    found = one(text)
    assert isinstance(found, CreateTable)
    return found


def test_semicolons_split_only_outside_strings_names_and_comments() -> None:
    text = "SELECT 'a;b'; -- no; \n SELECT `c;d` FROM t /* ; */; ;\n"
    assert [s.text for s in parse(text)] == ["SELECT 'a;b'", "SELECT `c;d` FROM t"]


def test_a_text_without_statements_gives_none() -> None:
    assert parse("") == parse(" ;; -- only a comment") == []


def test_places_count_from_the_start_of_the_file() -> None:
    second = parse("SELECT 1;\n\n  SELECT\n 2")[1]
    assert (second.span.line, second.span.column) == (3, 3)
    with pytest.raises(SqlError) as caught:
        parse("SELECT 1;\nSELECT 2 3")
    assert caught.value.where is not None
    assert not isinstance(caught.value.where, str)
    assert (caught.value.where.line, caught.value.where.column) == (2, 10)


def test_create_table_with_every_kind_of_column() -> None:
    found = table("""
        CREATE TEMPORARY TABLE IF NOT EXISTS `my table` (
          id BIGINT NOT NULL COMMENT 'key',
          price DECIMAL(10, 2),
          ts TIMESTAMP_LTZ(3),
          twice AS price * 2 COMMENT 'computed',
          WATERMARK FOR ts AS ts - INTERVAL '5' SECOND,
          CONSTRAINT pk PRIMARY KEY (id) NOT ENFORCED
        ) COMMENT 'c' WITH ('connector' = 'x', 'a.b' = 'it''s')
    """)
    id_, price, ts, twice = found.columns
    assert (found.name, found.is_temporary, found.if_not_exists, found.comment) == (
        "my table",
        True,
        True,
        "c",
    )
    assert isinstance(id_, PhysicalColumn)
    assert (id_.name, id_.type, id_.is_nullable, id_.comment) == ("id", INT64, False, "key")
    assert isinstance(price, PhysicalColumn)
    assert (price.type, price.is_nullable) == (Decimal(10, 2), True)
    assert isinstance(ts, PhysicalColumn)
    assert ts.type == Timestamp("UTC")
    assert isinstance(twice, ComputedColumn)
    assert twice.comment == "computed"
    assert found.watermark is not None
    assert found.watermark.column == "ts"
    assert found.primary_key == ("id",)
    assert found.options == {"connector": "x", "a.b": "it's"}
    assert found.option_spans["a.b"].line == 9


def test_primary_key_beside_its_column() -> None:
    assert table("CREATE TABLE t (a INT PRIMARY KEY NOT ENFORCED)").primary_key == ("a",)


def test_create_table_from_a_query() -> None:
    found = table("CREATE OR REPLACE TABLE t WITH ('a' = 'b') AS SELECT 1 AS x")
    assert found.or_replace
    assert found.columns == ()
    assert found.query is not None


def test_create_view_keeps_the_text_of_its_query() -> None:
    found = one("CREATE TEMPORARY VIEW IF NOT EXISTS v (a, b) COMMENT 'c' AS SELECT 1,\n  2")
    assert isinstance(found, CreateView)
    assert (found.name, found.columns, found.query_text) == ("v", ("a", "b"), "SELECT 1, 2")
    assert (found.is_temporary, found.if_not_exists, found.comment) == (True, True, "c")


def test_insert_with_and_without_columns() -> None:
    plain = one("INSERT INTO t VALUES (1, 2)")
    named = one("INSERT INTO t (a, b) SELECT 1, 2")
    wrapped = one("INSERT INTO t (SELECT 1)")
    assert [type(s) for s in (plain, named, wrapped)] == [InsertInto] * 3
    assert [s.columns for s in (plain, named, wrapped) if isinstance(s, InsertInto)] == [
        None,
        ("a", "b"),
        None,
    ]


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("DROP TABLE IF EXISTS t", Drop, {"kind": "table", "name": "t", "if_exists": True}),
        ("drop temporary view v", Drop, {"kind": "view", "name": "v", "is_temporary": True}),
        ("DESCRIBE t", Describe, {"name": "t"}),
        ("DESC t", Describe, {"name": "t", "is_path": False}),
        ("DESCRIBE 'd/t.csv'", Describe, {"name": "d/t.csv", "is_path": True}),
        ("SHOW TABLES", ShowTables, {}),
        ("SHOW VIEWS", ShowViews, {}),
        ("SHOW USER FUNCTIONS", ShowFunctions, {"only_user": True}),
        ("SHOW FUNCTIONS", ShowFunctions, {"only_user": False}),
        ("SHOW CREATE TABLE t", ShowCreate, {"name": "t", "kind": "table"}),
        ("SHOW CREATE VIEW v", ShowCreate, {"name": "v", "kind": "view"}),
        ("SET", Set, {"key": None, "value": None}),
        ("SET 'a.b' = 'c d'", Set, {"key": "a.b", "value": "c d"}),
        ("SET execution.runtime-mode = batch", Set, {"key": "execution.runtime-mode", "value": "batch"}),
        ("RESET", Reset, {"key": None}),
        ("RESET 'a.b'", Reset, {"key": "a.b"}),
        ("RESET a.b", Reset, {"key": "a.b"}),
        ("VALUES (1), (2)", Query, {}),
        ("(SELECT 1) UNION ALL (SELECT 2)", Query, {}),
    ],
)
def test_small_statements(text: str, kind: type[Statement], expected: dict[str, object]) -> None:
    found = one(text)
    assert type(found) is kind
    assert {k: getattr(found, k) for k in expected} == expected


@pytest.mark.parametrize(
    ("head", "details"),
    [
        ("PLAN FOR", ()),
        ("CHANGELOG_MODE", ("CHANGELOG_MODE",)),
        ("json_execution_plan for", ("JSON_EXECUTION_PLAN",)),
        ("STATE", ("STATE",)),
        ("ESTIMATED_COST, CHANGELOG_MODE PLAN FOR", ("ESTIMATED_COST", "CHANGELOG_MODE")),
    ],
)
def test_explain_with_details(head: str, details: tuple[str, ...]) -> None:
    found = one(f"EXPLAIN {head} SELECT 1")
    assert isinstance(found, Explain)
    assert found.details == details
    assert found.statement.text == "SELECT 1"


def test_explain_holds_the_statement_that_it_explains() -> None:
    plain, planned = parse("EXPLAIN SELECT 1; EXPLAIN PLAN FOR INSERT INTO t SELECT 1")
    assert isinstance(plain, Explain)
    assert plain.statement.text == "SELECT 1"
    assert isinstance(planned, Explain)
    assert isinstance(planned.statement, InsertInto)


def test_words_that_flink_reserves_lightly_are_names() -> None:
    found = table("CREATE TABLE t (`value` STRING, key STRING, text STRING, `select` STRING)")
    assert [c.name for c in found.columns] == ["value", "key", "text", "select"]
    assert all(isinstance(c, PhysicalColumn) and c.type == STRING for c in found.columns)


def test_equal_texts_give_equal_statements_wherever_they_stand() -> None:
    assert one("SELECT a FROM t") == parse("SET; \n SELECT  a FROM t")[1]


def test_what_the_library_cannot_read_is_told_in_our_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(grammar: StatementGrammar) -> Query:
        raise ParseError("no parser registered for it")

    monkeypatch.setattr(StatementGrammar, "query", refuse)
    with pytest.raises(SqlError) as caught:
        parse("SET 'a' = '1';\nSELECT 2")
    assert (caught.value.code, caught.value.message) == ("sql-syntax", "this cannot be read")
    assert "line 2, column 1" in caught.value.render()
    assert caught.value.__suppress_context__, "the command line shows no traceback"
