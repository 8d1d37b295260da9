"""What Flink has and Thalweg does not have yet is refused as such, never as a misspelt word."""

from __future__ import annotations

import pytest

from tests.unit.sql.catalog import FakeCatalog
from thalweg.errors import SqlError
from thalweg.expr import aggregates, registry
from thalweg.sql.bind.later import AGGREGATES_LATER, FUNCTIONS_LATER
from thalweg.sql.parse import parse

LATER = AGGREGATES_LATER | FUNCTIONS_LATER


@pytest.mark.parametrize("name", sorted(LATER))
def test_functions(name: str) -> None:
    with pytest.raises(SqlError) as caught:
        FakeCatalog().run(f"SELECT {name}(a) FROM (VALUES (1)) AS t (a)")
    assert caught.value.code == "sql-not-yet"


@pytest.mark.parametrize(
    "call",
    [
        *("JSON_OBJECTAGG(KEY 'a' VALUE a)", "JSON_OBJECTAGG('a' VALUE a ABSENT ON NULL)"),
        *("JSON_ARRAYAGG(a NULL ON NULL)", "JSON_ARRAYAGG(DISTINCT a)"),
        *("JSON_VALUE('{}', '$.a' DEFAULT 'x' ON EMPTY)", "JSON_QUERY('{}', '$' WITH ARRAY WRAPPER)"),
        "JSON_EXISTS('{}', '$' ERROR ON ERROR)",
    ],
)
def test_functions_with_words_between_their_arguments(call: str) -> None:
    with pytest.raises(SqlError) as caught:
        FakeCatalog().run(f"SELECT {call} FROM (VALUES (1)) AS t (a)")
    assert caught.value.code == "sql-not-yet"


def test_no_function_is_there_and_still_to_come() -> None:
    assert LATER.isdisjoint((*registry.names(), *aggregates.names()))


@pytest.mark.parametrize(
    "what",
    [
        *("DATABASES", "CATALOGS", "CURRENT CATALOG", "CURRENT DATABASE", "COLUMNS FROM t", "JOBS", "JARS"),
        *("MODULES", "FULL MODULES", "PARTITIONS t", "PROCEDURES", "MODELS", "MATERIALIZED TABLES"),
        *("TABLES FROM d", "TABLES NOT LIKE 'a'", "VIEWS IN d", "FUNCTIONS LIKE 'a'"),
        *("CREATE CATALOG c", "CREATE MODEL m", "CREATE MATERIALIZED TABLE t"),
    ],
)
def test_show(what: str) -> None:
    with pytest.raises(SqlError) as caught:
        parse(f"SHOW {what}")
    assert caught.value.code == "sql-not-yet"


@pytest.mark.parametrize("detail", ["PLAN_ADVICE", "CHANGELOG_MODE, PLAN_ADVICE"])
def test_details_of_explain(detail: str) -> None:
    with pytest.raises(SqlError) as caught:
        parse(f"EXPLAIN {detail} SELECT 1")
    assert caught.value.code == "sql-not-yet"
