"""Say in each dialect what is added up per column, so that results can be compared between engines.

Whole numbers and decimals are added up, texts by their lengths, times as milliseconds since the events begin.
Sums do not depend on the order of rows. Imports nothing but Python's own modules.
"""

from __future__ import annotations

EPOCH = "2026-01-01 00:00:00"
EPOCH_MS = 1_767_225_600_000

_DIALECTS = {
    "flink": {
        "number": "SUM(CAST({0} AS DECIMAL(38, 3)))",
        "text": "SUM(CAST(CHAR_LENGTH({0}) AS BIGINT))",
        "time": f"SUM(TIMESTAMPDIFF(SECOND, TIMESTAMP '{EPOCH}', {{0}}) * CAST(1000 AS BIGINT)"
        " + EXTRACT(MILLISECOND FROM {0}))",
    },
    "spark": {
        "number": "SUM(CAST({0} AS DECIMAL(28, 3)))",
        "text": "SUM(char_length({0}))",
        "time": f"SUM(unix_millis(CAST({{0}} AS TIMESTAMP)) - {EPOCH_MS})",
    },
    "duckdb": {
        "number": "SUM(CAST({0} AS DECIMAL(38, 3)))",
        "text": "SUM(length({0}))",
        "time": f"SUM(epoch_ms({{0}}) - {EPOCH_MS})",
    },
}


def wrapped(text: str, columns: dict[str, str], dialect: str) -> str:
    """A query for the number of rows of another one, and the sum of each column.

    Example:
        >>> wrapped("SELECT 1 AS a", {"a": "number"}, "spark")
        'SELECT COUNT(*) AS `rows`, SUM(CAST(`a` AS DECIMAL(28, 3))) AS `s0` FROM (SELECT 1 AS a) AS answer'
    """
    quote = '"' if dialect == "duckdb" else "`"
    items = [f"COUNT(*) AS {quote}rows{quote}"]
    for number, (name, kind) in enumerate(columns.items()):
        total = _DIALECTS[dialect][kind].format(f"{quote}{name}{quote}")
        items.append(f"{total} AS {quote}s{number}{quote}")
    return f"SELECT {', '.join(items)} FROM ({text}) AS answer"


def answer(row: list[object], columns: dict[str, str]) -> dict[str, object]:
    """What `wrapped` gave, as numbers with three places, so that 1 equals 1.000."""
    rows, *totals = row
    sums = {name: f"{v or 0:.3f}" for name, v in zip(columns, totals, strict=True)}
    return {"rows": int(str(rows)), "sums": sums}
