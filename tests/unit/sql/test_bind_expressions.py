"""Operators, words and calls become calls of registered functions."""

from __future__ import annotations

import pytest

from tests.unit.sql.catalog import FakeCatalog
from thalweg.errors import UserError
from thalweg.expr import registry
from thalweg.expr.nodes import PythonCall, walk
from thalweg.plan.nodes import Project
from thalweg.sql.bind.expressions import _BINARY


@pytest.fixture(scope="module")
def catalog() -> FakeCatalog:
    made = FakeCatalog()
    made.run(
        "CREATE TABLE t (a INT, b INT, s STRING, flag BOOLEAN, ts TIMESTAMP(3), tags ARRAY<STRING>,"
        "m MAP<STRING, INT>)"
    )
    return made


def expression(catalog: FakeCatalog, text: str) -> str:
    (plan,) = catalog.run(f"SELECT {text} AS x FROM t")
    assert isinstance(plan, Project)
    assert all(e.span is not None for e in walk(plan.items[0].expr))
    return str(plan.items[0].expr)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b * 2 - a / b % 3", "((a + (b * 2)) - ((a / b) % 3))"),
        ("-a", "neg(a)"),
        ("+a", "a"),
        ("- (a + 1)", "neg((a + 1))"),
        ("s || 'x'", "(s || 'x')"),
        ("a = b AND a <> b OR NOT flag", "(((a = b) AND (a <> b)) OR not(flag))"),
        ("NOT a = b AND flag", "(not((a = b)) AND flag)"),
        ("NOT a IS NULL", "not(is_null(a))"),
        ("a = b IS TRUE", "is_true((a = b))"),
        ("flag IS NOT FALSE", "is_not_false(flag)"),
        ("flag IS UNKNOWN", "is_unknown(flag)"),
        ("a IS NOT NULL", "is_not_null(a)"),
        ("a IS DISTINCT FROM b", "is_distinct_from(a, b)"),
        ("a IS NOT DISTINCT FROM b + 1", "is_not_distinct_from(a, (b + 1))"),
        ("a BETWEEN 1 AND b AND flag", "(((a >= 1) AND (a <= b)) AND flag)"),
        ("a NOT BETWEEN 1 AND 2", "not(((a >= 1) AND (a <= 2)))"),
        ("a BETWEEN SYMMETRIC 2 AND b", "(((a >= 2) AND (a <= b)) OR ((a >= b) AND (a <= 2)))"),
        ("a IN (1, b)", "in(a, 1, b)"),
        ("a NOT IN (1)", "not(in(a, 1))"),
        ("s LIKE 'a%'", "like(s, 'a%')"),
        ("s NOT LIKE 'a!%' ESCAPE '!'", "not(like(s, 'a!%', '!'))"),
        ("s NOT SIMILAR TO 'a|b'", "not(similar(s, 'a|b'))"),
        ("CASE WHEN flag THEN 1 WHEN a = 1 THEN 2 END", "case(flag, 1, (a = 1), 2, NULL)"),
        ("CASE s WHEN 'a' THEN 1 ELSE b END", "case((s = 'a'), 1, b)"),
        ("CAST(a AS STRING)", "CAST(a AS STRING)"),
        ("TRY_CAST(s AS DECIMAL(10, 2))", "TRY_CAST(s AS DECIMAL(10, 2))"),
        ("tags[1]", "element_at(tags, 1)"),
        ("m['k'] + 1", "(element_at(m, 'k') + 1)"),
        ("LEFT(s, 2)", "left(s, 2)"),
        ("SUBSTRING(s FROM 2 FOR 3)", "substring(s, 2, 3)"),
        ("SUBSTRING(s, 2)", "substring(s, 2)"),
        ("TRIM(BOTH 'x' FROM s)", "trim(s, 'x')"),
        ("TRIM(LEADING FROM s)", "ltrim(s)"),
        ("TRIM(s)", "trim(s)"),
        ("EXTRACT(HOUR FROM ts)", "extract('HOUR', ts)"),
        ("TIMESTAMPDIFF(DAY, ts, ts)", "timestampdiff('DAY', ts, ts)"),
        ("TIMESTAMPADD(HOUR, 1, ts)", "timestampadd('HOUR', 1, ts)"),
        ("FLOOR(ts TO HOUR)", "floor(ts, 'HOUR')"),
        ("HOUR(ts)", "hour(ts)"),
        ("ARRAY[1, a]", "array(1, a)"),
        ("MAP['k', a]", "map('k', a)"),
        ("COALESCE(a, b, 0)", "coalesce(a, b, 0)"),
        ("IF(flag, a, b)", "if(flag, a, b)"),
    ],
)
def test_expressions(catalog: FakeCatalog, text: str, expected: str) -> None:
    assert expression(catalog, text) == expected


def test_every_operator_names_a_registered_function() -> None:
    words = ("not", "neg", "in", "like", "case", "field", "element_at", *_BINARY.values())
    truths = [f"is_{n}{t}" for n in ("", "not_") for t in ("null", "unknown", "true", "false")]
    assert [w for w in (*words, *truths) if not registry.has(w)] == []


def test_a_function_of_the_user_comes_before_a_built_in_one(catalog: FakeCatalog) -> None:
    (plan,) = catalog.run("SELECT COUNT_CHAR(s, 'a') AS n FROM t")
    assert isinstance(plan, Project)
    assert isinstance(plan.items[0].expr, PythonCall)


def test_an_unknown_function_names_the_nearest(catalog: FakeCatalog) -> None:
    with pytest.raises(UserError) as caught:
        catalog.run("SELECT REGEXP_EXTRAT(s, 'a') FROM t")
    assert (caught.value.code, caught.value.hint) == (
        "sql-unknown-function",
        'did you mean "regexp_extract"?',
    )
