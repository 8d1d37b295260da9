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


def complaint(catalog: FakeCatalog, text: str) -> str | None:
    """What is wrong with the answer to a text, or None."""
    try:
        catalog.run(text)
    except ThalwegError as error:
        return None if error.where is not None and str(error) else f"no place in {error!r}"
    except Exception as error:  # noqa: BLE001  any other kind is what this test looks for
        return repr(error)
    return None


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(4))
def test_mistakes_are_errors_of_our_own(events: FakeCatalog, batch: int) -> None:
    texts = {seed: mutated(random.Random(seed)) for seed in range(batch * 500, batch * 500 + 500)}
    found = {(seed, text, complaint(events.copy(), text)) for seed, text in texts.items()}
    assert [f for f in found if f[2] is not None] == []


def test_a_foreign_error_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCatalog, "run", lambda self, text: [][0])
    assert complaint(FakeCatalog(), "") == "IndexError('list index out of range')"
