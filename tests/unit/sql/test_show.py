"""Definitions are written back as SQL that defines the same."""

from __future__ import annotations

import pytest

from thalweg.sql.parse import parse
from thalweg.sql.show import shown
from thalweg.sql.statements import CreateTable, CreateView


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE t WITH ('connector' = 'print')",
        "CREATE TEMPORARY TABLE `my ``t` (`a b` INT NOT NULL COMMENT 'it''s') COMMENT 'c'",
        "CREATE TABLE t (id BIGINT, PRIMARY KEY (id) NOT ENFORCED) WITH ('a' = '''')",
        "CREATE TABLE t (a INT, `b c` INT) COMMENT 'd' PARTITIONED BY (`b c`, a) WITH ('path' = 'p')",
        "CREATE TABLE t (r ROW<`select` INT, m MAP<STRING, ARRAY<INTERVAL DAY TO SECOND>>>)",
        "CREATE TABLE t (i INTERVAL MONTH)",
        "CREATE TABLE t (u INT UNSIGNED, d DECIMAL(10, 2), f DOUBLE, b BYTES, z TIMESTAMP_LTZ(3))",
        """CREATE TABLE t (ts TIMESTAMP(3), x AS CONCAT('a  b', -- two blanks
           'c') COMMENT 'y', WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)""",
        "CREATE VIEW v AS SELECT 'a  b' AS x -- why\n FROM t",
        "CREATE VIEW v (a, PRIMARY KEY (a) NOT ENFORCED) AS SELECT 1",
        "CREATE VIEW v (CONSTRAINT c PRIMARY KEY (a) NOT ENFORCED) AS SELECT 1 AS a, 2 AS b",
        "CREATE TEMPORARY VIEW v (a, `b c`) COMMENT 'd' AS SELECT 1, 2",
    ],
)
def test_what_is_shown_reads_as_the_same_statement(text: str) -> None:
    (definition,) = parse(text)
    assert isinstance(definition, (CreateTable, CreateView))
    (again,) = parse(shown(definition))
    assert again == definition
