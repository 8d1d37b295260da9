"""Whatever is typed, the answer is statements and plans, or an error of our own with a place."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.unit.sql.catalog import FakeCatalog
from thalweg.errors import ThalwegError

QUERIES = [p.read_text(encoding="utf-8") for p in sorted((Path(__file__).parent / "queries").glob("*.sql"))]
WORDS = [
    "SELECT",
    "FROM",
    "WHERE",
    "(",
    ")",
    ",",
    ";",
    "'",
    "`",
    '"',
    "--",
    "/*",
    "*/",
    "*",
    "AS",
    "CASE",
    "END",
    "INTERVAL",
    "'1'",
    "SECOND",
    "1",
    "1.5",
    ".",
    "OVER",
    "TABLE",
    "NOT",
    "IS",
    "NULL",
    "JOIN",
    "UNNEST",
    "BETWEEN",
    "[",
    "]",
    "é",
    "=>",
    "||",
    "-",
    "WITH",
    "VALUES",
    "LIMIT",
    "UNION",
    "ARRAY",
    "ROW",
    "<",
    ">",
    "/*+",
    "{",
    "@",
    "CAST",
    "EXISTS",
    "FILTER",
    "DISTINCT",
    "ROWS",
    "WINDOW",
    "LATERAL",
    "DESC",
    "FETCH",
    "OFFSET",
    "99999999999999999999999999",
    "1e999",
    "''",
    "IN",
    "LIKE",
    "ESCAPE",
]
PHRASES = [
    "GROUP BY",
    "ORDER BY",
    "WATERMARK FOR",
    "\n",
    "\u2028",
    "\x00",
    "NULLS FIRST",
    "WITHIN GROUP",
    "CURRENT ROW",
]


def mutated(draw: random.Random) -> str:
    """One of the queries with a few places cut, doubled, or filled with something else."""
    text = draw.choice(QUERIES)
    for _ in range(draw.randint(1, 3)):
        start = draw.randrange(len(text) + 1)
        end = min(len(text), start + draw.randint(1, 12))
        word = f" {draw.choice(WORDS + PHRASES)} "
        text = draw.choice(
            (
                text[:start],
                text[:start] + text[end:],
                text[:start] + word + text[start:],
                text[:start] + word + text[end:],
                text[:end] + text[start:],
            )
        )
    return text


@pytest.fixture(scope="module")
def events() -> FakeCatalog:
    catalog = FakeCatalog()
    catalog.run((Path(__file__).parent / "queries" / "ddl.sql").read_text(encoding="utf-8"))
    return catalog


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(4))
def test_mistakes_are_errors_of_our_own(events: FakeCatalog, batch: int) -> None:
    for seed in range(batch * 500, batch * 500 + 500):
        text = mutated(random.Random(seed))
        try:
            events.copy().run(text)
        except ThalwegError as error:
            assert error.where is not None, f"seed {seed}: {error}"
            assert str(error)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r} for {text!r}") from error
