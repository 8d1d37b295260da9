"""SELECT binds clause by clause: names, groups, HAVING, DISTINCT, numbering, UNION, LIMIT."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.unit.sql.catalog import FakeCatalog, tree
from thalweg.errors import UserError

TABLES = """
CREATE TABLE t (a INT, b BIGINT, s STRING, flag BOOLEAN, ts TIMESTAMP(3),
  r ROW<x INT, y ROW<z STRING>>, tags ARRAY<STRING>, pairs ARRAY<ROW<k INT, v STRING>>, m MAP<STRING, INT>);
CREATE TABLE r (x STRING, r ROW<x INT>);
CREATE TABLE answer (n BIGINT, m DECIMAL(10, 2), k STRING);
CREATE VIEW named (p, q) AS SELECT a, s FROM t;
"""


@pytest.fixture(scope="module")
def catalog() -> FakeCatalog:
    made = FakeCatalog()
    made.run(TABLES)
    return made


def lines(catalog: FakeCatalog, text: str) -> list[str]:
    """The steps above the scan, the last first."""
    (plan,) = catalog.run(text)
    return [line.strip() for line in tree(plan).splitlines() if not line.strip().startswith("Scan")]


def columns(catalog: FakeCatalog, text: str) -> str:
    (plan,) = catalog.run(text)
    return str(plan.schema)


def code(catalog: FakeCatalog, text: str) -> str:
    with pytest.raises(UserError) as caught:
        catalog.run(text)
    assert caught.value.where is not None
    return caught.value.code


# Names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT a, t.b FROM t", "Project a, b"),
        ("SELECT x.a FROM t AS x", "Project a"),
        ("SELECT r.x, t.r.y.z FROM t", "Project field(r, 'x') AS x, field(field(r, 'y'), 'z') AS z"),
        ("SELECT (r).y.z AS w FROM t", "Project field(field(r, 'y'), 'z') AS w"),
        ("SELECT r.* FROM t", "Project field(r, 'x') AS x, field(r, 'y') AS y"),
        ("SELECT a, a, 1, UPPER(s) FROM t", "Project a, a AS a0, 1 AS EXPR$2, upper(s) AS EXPR$3"),
        ("SELECT b AS a, a FROM t", "Project b AS a, a AS a0"),
        ("SELECT * FROM named", "Project a AS p, s AS q"),
        ("SELECT i, j FROM named AS n (i, j)", "Project p AS i, q AS j"),
    ],
)
def test_names(catalog: FakeCatalog, text: str, expected: str) -> None:
    assert lines(catalog, text)[0] == expected


def test_a_column_of_a_table_comes_before_a_field_of_a_column(catalog: FakeCatalog) -> None:
    assert columns(catalog, "SELECT r.x FROM r") == "x STRING"
    assert columns(catalog, "SELECT r.r.x FROM r") == "x INT"
    assert columns(catalog, "SELECT r.x FROM r AS other") == "x INT"


def test_a_star_adds_no_step(catalog: FakeCatalog) -> None:
    assert lines(catalog, "SELECT * FROM t") == []
    assert lines(catalog, "SELECT x.* FROM (SELECT * FROM t) AS x") == []


def test_names_are_case_sensitive_and_functions_are_not(catalog: FakeCatalog) -> None:
    assert code(catalog, "SELECT A FROM t") == "plan-unknown-column"
    assert code(catalog, "SELECT a FROM T") == "plan-unknown-table"
    assert lines(catalog, "SELECT uPPer(s) AS u FROM t") == ["Project upper(s) AS u"]


def test_every_node_of_an_expression_has_its_place(catalog: FakeCatalog) -> None:
    with pytest.raises(UserError) as caught:
        catalog.run("SELECT\n  a + CASE WHEN flag THEN s || 'x' END\nFROM t")
    where = caught.value.where
    assert where is not None
    assert not isinstance(where, str)
    assert (where.line, where.column, where.length) == (2, 3, 36)


# Groups ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT s, COUNT(*) AS n FROM t GROUP BY s", ["GroupBy s: count(*) AS n"]),
        ("SELECT SUM(a) AS n FROM t", ["GroupBy (): sum(a) AS n"]),
        (
            "SELECT MAX(a) - MIN(a) AS d FROM t GROUP BY s",
            ["Project (__agg0 - __agg1) AS d", "GroupBy s: max(a) AS __agg0, min(a) AS __agg1"],
        ),
        (
            "SELECT COUNT(DISTINCT a) FILTER (WHERE flag) AS n FROM t",
            ["GroupBy (): count(DISTINCT a) FILTER (WHERE flag) AS n"],
        ),
        (
            "SELECT s FROM t GROUP BY s HAVING COUNT(*) > 1",
            [
                "Project s",
                "Filter __having",
                "Project s, (__agg0 > 1) AS __having",
                "GroupBy s: count(*) AS __agg0",
            ],
        ),
        ("SELECT DISTINCT s, a FROM t", ["GroupBy s, a:", "Project s, a"]),
        ("SELECT a FROM t UNION SELECT a FROM t", ["GroupBy a:", "Union of 2", "Project a", "Project a"]),
    ],
)
def test_groups(catalog: FakeCatalog, text: str, expected: list[str]) -> None:
    assert lines(catalog, text) == expected


def test_a_grouped_expression_is_computed_once_below(catalog: FakeCatalog) -> None:
    found = lines(catalog, "SELECT a + 1 AS p, COUNT(*) AS n FROM t GROUP BY a + 1")
    assert found[0] == "GroupBy p: count(*) AS n"
    assert found[1].endswith("(a + 1) AS p")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT s, a FROM t GROUP BY s", "plan-not-grouped"),
        ("SELECT * FROM t GROUP BY s", "plan-not-grouped"),
        ("SELECT a AS x, b AS x FROM t", "plan-duplicate-column"),
        ("SELECT a FROM t WHERE SUM(a) > 1", "plan-misplaced-aggregate"),
        ("SELECT COUNT(*) FROM t GROUP BY SUM(a)", "plan-misplaced-aggregate"),
        ("SELECT SUM(SUM(a)) FROM t", "plan-nested-aggregate"),
        ("SELECT COUNT(*) FROM t HAVING COUNT(*)", "plan-not-a-condition"),
        ("SELECT a AS p FROM t GROUP BY p", "plan-unknown-column"),
        ("SELECT a FROM t GROUP BY 1", "sql-group-position"),
        ("SELECT COUNT(*) FROM t GROUP BY ROLLUP(1)", "sql-group-position"),
        ("SELECT COUNT(*) FROM t GROUP BY GROUPING SETS ()", "sql-syntax"),
        ("SELECT a FROM t OFFSET 3", "sql-not-yet"),
        ("SELECT a FROM t WHERE a IN (SELECT a, b FROM t)", "sql-in-columns"),
        ("SELECT a FROM t WHERE a IN (SELECT c.x FROM t AS c)", "plan-unknown-column"),
        ("SELECT (SELECT 1, 2) FROM t", "sql-value-columns"),
        ("SELECT (1, 2) FROM t", "sql-not-yet"),
        ("SELECT * FROM t WHERE *", "sql-syntax"),
        ("SELECT a FROM t WHERE COUNT(*) OVER (ORDER BY a) > 1", "sql-misplaced-window"),
        ("SELECT a.b FROM t", "sql-no-fields"),
        ("SELECT r.q FROM t", "sql-unknown-field"),
        ("SELECT q.a FROM t", "sql-unknown-name"),
        ("SELECT q.* FROM t", "sql-unknown-name"),
        ("SELECT a.* FROM t", "sql-no-fields"),
        ("SELECT UPPER(*) FROM t", "sql-meaning"),
        ("SELECT UPPER(s) FILTER (WHERE flag) FROM t", "sql-meaning"),
        ("SELECT SUM(*) FROM t", "sql-meaning"),
        ("SELECT CURRENT_WATERMARK(ts) FROM t", "sql-not-yet"),
        ("SELECT TUMBLE_START(ts, INTERVAL '1' DAY) FROM t", "sql-window-arguments"),
        ("SELECT i FROM named AS n (i)", "sql-alias-columns"),
        ("WITH w AS (SELECT 1 AS x), w AS (SELECT 2 AS x) SELECT * FROM w", "sql-alias-taken"),
        ("SELECT 1 UNION ALL SELECT 1, 2", "plan-union-shape"),
        ("SELECT 1 UNION ALL SELECT 'a'", "plan-union-type"),
        ("VALUES (1), (1, 2)", "sql-values-shape"),
        ("VALUES (1), ('a')", "plan-union-type"),
    ],
)
def test_what_is_refused(catalog: FakeCatalog, text: str, expected: str) -> None:
    assert code(catalog, text) == expected


# Numbering ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ("PARTITION BY s ORDER BY b DESC, a", "Rank row_number by s order b DESC, a"),
        ("ORDER BY b", "Rank row_number by () order b"),
        ("PARTITION BY a + 1 ORDER BY UPPER(s)", "Rank row_number by __sort0 order __sort1"),
    ],
)
def test_numbering(catalog: FakeCatalog, over: str, expected: str) -> None:
    found = lines(catalog, f"SELECT s, ROW_NUMBER() OVER ({over}) AS rn FROM t")
    assert found[:2] == ["Project s, rn", expected]


def test_numbering_of_groups(catalog: FakeCatalog) -> None:
    text = """SELECT s, COUNT(*) AS n, RANK() OVER (PARTITION BY s ORDER BY COUNT(*) DESC, SUM(b)) AS rn
              FROM t GROUP BY s"""
    assert lines(catalog, text) == [
        "Project s, n, rn",
        "Rank rank by s order n DESC, __sort2",
        "GroupBy s: count(*) AS n, sum(b) AS __sort2",
    ]


def test_several_numberings_over_named_windows(catalog: FakeCatalog) -> None:
    text = (
        "SELECT RANK() OVER w AS r1, ROW_NUMBER() OVER w AS r2 FROM t WINDOW w AS (PARTITION BY s ORDER BY a)"
    )
    assert lines(catalog, text)[:3] == [
        "Project r1, r2",
        "Rank row_number by s order a",
        "Rank rank by s order a",
    ]


def test_a_number_may_be_called_like_a_column(catalog: FakeCatalog) -> None:
    assert lines(catalog, "SELECT ROW_NUMBER() OVER (ORDER BY b) AS a FROM t")[0] == "Project __number0 AS a"


def test_the_order_of_nulls_is_kept_only_where_it_is_unusual(catalog: FakeCatalog) -> None:
    order_by = "a NULLS FIRST, b DESC, s DESC NULLS FIRST, flag NULLS LAST"
    text = f"SELECT ROW_NUMBER() OVER (ORDER BY {order_by}) AS n FROM t"
    (plan,) = catalog.run(text)
    order = plan.inputs[0].order  # type: ignore[attr-defined]
    assert [k.nulls_first for k in order] == [None, None, True, False]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("ROW_NUMBER() OVER (PARTITION BY s)", "sql-missing-order"),
        ("ROW_NUMBER() OVER (ORDER BY a ROWS 1 PRECEDING)", "sql-meaning"),
        ("ROW_NUMBER(a) OVER (ORDER BY a)", "sql-meaning"),
        ("ROW_NUMBER() OVER w", "sql-unknown-window"),
        ("SUM(ROW_NUMBER() OVER (ORDER BY a))", "sql-misplaced-window"),
        ("SUM(a) OVER (ORDER BY ROW_NUMBER() OVER (ORDER BY a))", "sql-misplaced-window"),
        ("FIRST_VALUE(a) IGNORE NULLS OVER (ORDER BY a)", "sql-not-yet"),
    ],
)
def test_numbering_that_is_refused(catalog: FakeCatalog, item: str, expected: str) -> None:
    assert code(catalog, f"SELECT {item} FROM t") == expected


def test_numbers_inside_larger_expressions_are_columns_below_them(catalog: FakeCatalog) -> None:
    found = lines(catalog, "SELECT ROW_NUMBER() OVER (ORDER BY a) * 2 AS x, a FROM t")
    assert [line.split(" ")[0] for line in found] == ["Project", "Rank"]
    assert columns(catalog, "SELECT ROW_NUMBER() OVER (ORDER BY a) * 2 AS x, a FROM t").startswith("x")


# Around a SELECT ---------------------------------------------------------------------------------


def test_with_names_queries_in_order_and_hides_tables(catalog: FakeCatalog) -> None:
    text = "WITH t AS (SELECT a FROM t), u (c) AS (SELECT a + 1 FROM t) SELECT c FROM u"
    assert columns(catalog, text) == "c INT"
    assert code(catalog, "WITH u AS (SELECT s FROM t) SELECT a FROM u") == "plan-unknown-column"


def test_a_chain_of_union_all_is_one_step(catalog: FakeCatalog) -> None:
    assert (
        lines(catalog, "SELECT a FROM t UNION ALL SELECT a FROM t UNION ALL (SELECT a FROM t)")[0]
        == "Union of 3"
    )


def test_a_union_widens_types_and_types_bare_nulls(catalog: FakeCatalog) -> None:
    text = "SELECT 1 AS x, NULL AS y UNION ALL SELECT 2.5, ts FROM t UNION ALL SELECT NULL, NULL"
    assert columns(catalog, text) == "x DECIMAL(11, 1), y TIMESTAMP(3)"


def test_limit_and_offset(catalog: FakeCatalog) -> None:
    assert lines(catalog, "SELECT a FROM t LIMIT 5 OFFSET 2")[0] == "Limit 5 offset 2"
    assert lines(catalog, "SELECT a FROM t OFFSET 2 ROWS FETCH NEXT 5 ROWS ONLY")[0] == "Limit 5 offset 2"
    assert lines(catalog, "SELECT a FROM t LIMIT ALL") == ["Project a"]


def test_values_are_typed_by_column(catalog: FakeCatalog) -> None:
    assert columns(catalog, "VALUES (1, 'a'), (2, 'b')") == "EXPR$0 INT, EXPR$1 STRING"
    text = "SELECT * FROM (VALUES (1, NULL, 1 + 1), (2.5, INTERVAL '1' MONTH, 2)) AS v (x, y, z)"
    assert columns(catalog, text) == "x DECIMAL(11, 1), y INTERVAL MONTH, z INT"


def test_unnest(catalog: FakeCatalog) -> None:
    assert columns(catalog, "SELECT a, tag FROM t CROSS JOIN UNNEST(tags) AS u (tag)") == "a INT, tag STRING"
    assert columns(catalog, "SELECT u.k, v FROM t, UNNEST(pairs) AS u") == "k INT, v STRING"
    assert columns(catalog, "SELECT u.* FROM t, UNNEST(t.pairs) AS u (c, d)") == "c INT, d STRING"
    assert code(catalog, "SELECT a FROM t, UNNEST(a)") == "sql-unnest-type"
    assert code(catalog, "SELECT s FROM t, UNNEST(tags) AS u (s)") == "sql-ambiguous"
    left = "FROM t LEFT JOIN UNNEST(pairs) WITH ORDINALITY AS u ON TRUE"
    assert columns(catalog, f"SELECT u.* {left}") == "k INT, v STRING, ORDINALITY INT"
    assert code(catalog, "SELECT 1 FROM t LEFT JOIN UNNEST(tags) AS u (x) ON x = s") == "sql-not-yet"
    assert code(catalog, "SELECT 1 FROM UNNEST(ARRAY[1])") == "sql-not-yet"


# INSERT ------------------------------------------------------------------------------------------


def test_insert_widens_types_and_fills_columns_left_out(catalog: FakeCatalog) -> None:
    wanted = "n BIGINT, m DECIMAL(10, 2), k STRING"
    assert columns(catalog, "INSERT INTO answer SELECT a, b, s FROM t") == wanted
    assert columns(catalog, "INSERT INTO answer (k, n) SELECT s, a FROM t") == wanted
    assert columns(catalog, "INSERT INTO answer VALUES (1, 2.5, 'a'), (2, NULL, 'b')") == wanted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("INSERT INTO answer SELECT a, b FROM t", "sql-insert-shape"),
        ("INSERT INTO answer (k, k) SELECT s, s FROM t", "sql-insert-shape"),
        ("INSERT INTO answer (kk) SELECT s FROM t", "plan-unknown-column"),
        ("INSERT INTO answer SELECT s, b, s FROM t", "sql-insert-type"),
        (
            "INSERT INTO answer SELECT m, b, s FROM (SELECT CAST(1 AS DECIMAL(5, 2)) AS m, 1 AS b, 'x' AS s)",
            "sql-insert-type",
        ),
    ],
)
def test_insert_that_is_refused(catalog: FakeCatalog, text: str, expected: str) -> None:
    assert code(catalog, text) == expected


@pytest.fixture
def usual_depth() -> Iterator[None]:
    """As many calls within each other as Python allows by default; other tests may have raised the limit."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.usefixtures("usual_depth")
def test_a_text_that_nests_beyond_reason_is_an_error(catalog: FakeCatalog) -> None:
    assert code(catalog, "SELECT " + "(" * 2000 + "1" + ")" * 2000) == "sql-too-deep"
    assert code(catalog, "SELECT " + " + ".join(["a"] * 3000) + " FROM t") == "sql-too-deep"


# Queries inside expressions ----------------------------------------------------------------------


def test_a_value_for_all_rows_is_a_cross_join_with_one_row(catalog: FakeCatalog) -> None:
    assert lines(catalog, "SELECT b - (SELECT MAX(n) FROM answer) AS rest FROM t")[:4] == [
        "Project (b - __query0) AS rest",
        "Join inner on everything",
        "Project EXPR$0 AS __query0",
        "GroupBy (): max(n) AS EXPR$0",
    ]


def test_a_query_in_the_same_words_is_asked_once(catalog: FakeCatalog) -> None:
    text = "SELECT CASE WHEN a > (SELECT SUM(b) FROM t) THEN (SELECT SUM(b) FROM t) END AS x FROM t"
    assert sum("Join" in line for line in lines(catalog, text)) == 1


def test_a_query_by_equality_is_grouped_and_looked_up(catalog: FakeCatalog) -> None:
    found = lines(catalog, "SELECT a, (SELECT COUNT(*) FROM answer WHERE n = t.b) AS c FROM t")
    assert found[1] == "Join left on b = __query0_by0"
    assert "GroupBy __by0: count(*) AS EXPR$0" in found


def test_a_query_by_any_condition_is_asked_for_different_values(catalog: FakeCatalog) -> None:
    found = lines(catalog, "SELECT a, (SELECT COUNT(*) FROM answer WHERE n > t.b) AS c FROM t")
    assert "Join inner on (n > __by0)" in found
    assert "Project b AS __by0" in found


def test_in_is_one_join_where_only_its_truth_matters(catalog: FakeCatalog) -> None:
    queries = ("a IN (SELECT n FROM answer) OR flag", "NOT (a IN (SELECT n FROM answer) OR flag)")
    joins = [
        sum("Join" in x for x in lines(catalog, f"SELECT a FROM t WHERE {condition}"))
        for condition in queries
    ]
    assert joins == [1, 2]


def test_in_by_itself_keeps_rows_that_have_a_partner(catalog: FakeCatalog) -> None:
    found = lines(catalog, "SELECT b FROM t WHERE b IN (SELECT n FROM answer GROUP BY n)")
    assert [x for x in found if "Join" in x] == ["Join semi on b = __query0"]
