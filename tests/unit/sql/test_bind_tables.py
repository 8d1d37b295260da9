"""FROM takes tables, files, sub-queries and window functions; tables get computed columns and watermarks."""

from __future__ import annotations

import pytest

from tests.unit.sql.catalog import FakeCatalog, tree
from thalweg.errors import UserError
from thalweg.plan.nodes import Window
from thalweg.progress.windows import WindowSpec

SECOND = 1_000_000


@pytest.fixture(scope="module")
def catalog() -> FakeCatalog:
    made = FakeCatalog()
    made.run(
        "CREATE TABLE t (a INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND);"
        "CREATE VIEW v AS SELECT ts AS w FROM t"
    )
    return made


def window(catalog: FakeCatalog, call: str) -> tuple[str, WindowSpec]:
    (plan,) = catalog.run(f"SELECT * FROM {call}")
    assert isinstance(plan, Window)
    assert plan.span is not None
    return plan.column, plan.window


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))", ("tumbling", 10, 10, 0)),
        (
            "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '5' SECOND)",
            ("tumbling", 60, 60, 5),
        ),
        (
            "TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '10' SECOND))",
            ("hopping", 10, 2, 0),
        ),
        (
            "TABLE(HOP(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '10' SECOND,"
            " SLIDE => INTERVAL '5' SECOND))",
            ("hopping", 10, 5, 0),
        ),
        (
            "TABLE(TUMBLE((SELECT ts FROM t WHERE a = 1), DESCRIPTOR(ts), INTERVAL '1' SECOND))",
            ("tumbling", 1, 1, 0),
        ),
        (
            "TABLE(TUMBLE(TABLE (SELECT ts FROM t), DESCRIPTOR(ts), INTERVAL '1' SECOND))",
            ("tumbling", 1, 1, 0),
        ),
        (
            "TABLE(tumble((SELECT ts FROM t), DESCRIPTOR(ts), INTERVAL '1' SECOND)) AS w",
            ("tumbling", 1, 1, 0),
        ),
    ],
)
def test_windows(catalog: FakeCatalog, call: str, expected: tuple[str, int, int, int]) -> None:
    kind, size, slide, offset = expected
    column, spec = window(catalog, call)
    assert column == "ts"
    assert (spec.kind, spec.size_us, spec.slide_us, spec.offset_us) == (
        kind,
        size * SECOND,
        slide * SECOND,
        offset * SECOND,
    )


def test_a_window_over_a_view(catalog: FakeCatalog) -> None:
    assert window(catalog, "TABLE(TUMBLE(TABLE v, DESCRIPTOR(w), INTERVAL '1' SECOND))")[0] == "w"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("TUMBLE(TABLE t, DESCRIPTOR(ts))", "sql-window-arguments"),
        ("TUMBLE(TABLE t, ts, INTERVAL '1' SECOND)", "sql-window-arguments"),
        ("TUMBLE(TABLE t, DESCRIPTOR(ts, a), INTERVAL '1' SECOND)", "sql-window-arguments"),
        ("TUMBLE(t, DESCRIPTOR(ts), INTERVAL '1' SECOND)", "sql-window-arguments"),
        ("TUMBLE(TABLE t, DESCRIPTOR(ts), 10)", "sql-window-arguments"),
        ("TUMBLE(TABLE t, DESCRIPTOR(ts), SIZES => INTERVAL '1' SECOND)", "sql-window-arguments"),
        ("TUMBLE(DATA => TABLE t, DESCRIPTOR(ts), INTERVAL '1' SECOND)", "sql-window-arguments"),
        ("TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '0' SECOND)", "sql-window-size"),
        ("TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MONTH)", "sql-not-yet"),
        ("HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '2' SECOND)", "sql-window-size"),
        ("CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '2' SECOND, INTERVAL '5' SECOND)", "plan-window-step"),
        ("TUMBLE(TABLE t, DESCRIPTOR(a), INTERVAL '1' SECOND)", "plan-window-type"),
        ("TUMBLE(TABLE t, DESCRIPTOR(b), INTERVAL '1' SECOND)", "plan-unknown-column"),
        ("TUMBLE(TABLE u, DESCRIPTOR(ts), INTERVAL '1' SECOND)", "plan-unknown-table"),
        ("CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '1' SECOND)", "sql-window-size"),
        ("SESSION(TABLE t PARTITION BY a, DESCRIPTOR(ts), INTERVAL '0' SECOND)", "sql-window-size"),
        ("SESSION(TABLE t PARTITION BY nope, DESCRIPTOR(ts), INTERVAL '1' SECOND)", "plan-unknown-column"),
        ("TUMBEL(TABLE t, DESCRIPTOR(ts), INTERVAL '1' SECOND)", "sql-unknown-function"),
        ("t JOIN v ON t.ts = v.x", "plan-unknown-column"),
        ("t JOIN t AS u ON a = 1", "sql-ambiguous"),
        ("t JOIN t ON TRUE", "sql-alias-taken"),
        ("t JOIN t AS u ON t.a", "plan-not-a-condition"),
        ("t JOIN t AS u ON SUM(t.a) = 1", "plan-misplaced-aggregate"),
        ("t JOIN t AS u USING (aa)", "plan-unknown-column"),
        ("t JOIN t AS u", "sql-meaning"),
        ("t NATURAL JOIN t AS u", "sql-not-yet"),
        ("t FOR SYSTEM_TIME AS OF t.ts", "sql-not-yet"),
        ("t, LATERAL TABLE(f(a))", "sql-not-yet"),
        ("db.t", "sql-not-yet"),
    ],
)
def test_tables_that_are_refused(catalog: FakeCatalog, call: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        catalog.run(f"SELECT * FROM {call}")
    assert caught.value.code == expected
    assert caught.value.where is not None


VERSIONS = """
CREATE TABLE rates (k INT, rate INT, since TIMESTAMP(3), PRIMARY KEY (k) NOT ENFORCED,
  WATERMARK FOR since AS since);
CREATE VIEW latest AS SELECT k AS id, rate, since FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY since DESC) AS n FROM rates) WHERE n = 1 AND rate > 0;
"""


def test_a_table_at_a_time_is_joined_with_its_versions(catalog: FakeCatalog) -> None:
    catalog = catalog.copy()
    catalog.run(VERSIONS)
    head = "SELECT a, rate FROM t"
    on_table = catalog.run(f"{head} JOIN rates FOR SYSTEM_TIME AS OF ts AS r ON a = k AND rate = a")
    assert tree(on_table[0]).splitlines()[1] == "  AsOfJoin inner on a = k AND ts >= since AND (rate = a)"
    on_view = catalog.run(f"{head} LEFT JOIN latest FOR SYSTEM_TIME AS OF ts ON a = id")
    assert "AsOfJoin left on a = id AND ts >= since, valid if __valid" in tree(on_view[0])
    assert "Rank" not in tree(on_view[0])


@pytest.mark.parametrize(
    "view",
    [
        "SELECT * FROM numbered WHERE first = 1",
        "SELECT * FROM numbered WHERE latest < 3",
        "SELECT * FROM numbered WHERE dearest = 1",
        "SELECT * FROM numbered WHERE tied = 1",
        "SELECT rate, since FROM rates",
        "SELECT k, rate FROM rates",
        "SELECT k, MAX(since) AS since FROM rates GROUP BY k",
    ],
)
def test_what_has_no_versions(catalog: FakeCatalog, view: str) -> None:
    catalog = catalog.copy()
    ways = {
        "first": "ROW_NUMBER() OVER (PARTITION BY k ORDER BY since)",
        "latest": "ROW_NUMBER() OVER (PARTITION BY k ORDER BY since DESC)",
        "dearest": "ROW_NUMBER() OVER (PARTITION BY k ORDER BY rate DESC)",
        "tied": "RANK() OVER (PARTITION BY k ORDER BY since DESC)",
    }
    way = next((n for n in ways if f" {n} " in view), "latest")
    catalog.run(f"{VERSIONS}; CREATE VIEW numbered AS SELECT *, {ways[way]} AS {way} FROM rates")
    catalog.run(f"CREATE VIEW unfit AS {view}")
    with pytest.raises(UserError) as caught:
        catalog.run("SELECT a FROM t JOIN unfit FOR SYSTEM_TIME AS OF ts AS r ON a = 1")
    assert caught.value.code == "plan-no-versions"


def test_a_file_is_a_table(catalog: FakeCatalog) -> None:
    (plan,) = catalog.run("SELECT f.path FROM 'data/clicks.parquet' AS f")
    assert tree(plan) == "Scan data/clicks.parquet [*]"


def test_computed_columns_see_those_before_them_and_keep_their_place() -> None:
    catalog = FakeCatalog()
    catalog.run("CREATE TABLE c (x AS a + 1, a INT, y AS x * 2)")
    assert str(catalog.plans["c"].schema) == "x INT, a INT, y INT"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("a INT, WATERMARK FOR a AS a", "plan-watermark-type"),
        ("ts TIMESTAMP(3), WATERMARK FOR ts AS 'x'", "plan-watermark-type"),
        ("ts TIMESTAMP(3), WATERMARK FOR ts AS tss", "plan-unknown-column"),
        ("ts TIMESTAMP(3), WATERMARK FOR tss AS ts", "sql-unknown-column"),
        ("a INT, x AS COUNT(*)", "plan-misplaced-aggregate"),
        ("a INT, PRIMARY KEY (b) NOT ENFORCED", "sql-unknown-column"),
    ],
)
def test_definitions_that_are_refused(body: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        FakeCatalog().run(f"CREATE TABLE c ({body})")
    assert caught.value.code == expected
    assert caught.value.where is not None


def test_a_view_names_as_many_columns_as_it_has() -> None:
    with pytest.raises(UserError, match="names 1 columns for 2"):
        FakeCatalog().run("CREATE VIEW v (a) AS SELECT 1, 2")
