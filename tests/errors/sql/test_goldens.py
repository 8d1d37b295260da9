"""Every mistake in SQL gets exactly the words in its golden file.

A file holds a SQL text, a line of dashes, and the whole message. Running this file as a program
writes the messages anew, for review.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.sql.catalog import FakeCatalog
from thalweg.errors import ThalwegError

FOLDER = Path(__file__).parent
LINE = "\n----\n"
TABLES = """
CREATE TABLE clicks (
  user_id BIGINT, url STRING, ts TIMESTAMP(3), price DECIMAL(10, 2), is_new BOOLEAN,
  geo ROW<country STRING, city STRING>, tags ARRAY<STRING>,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
);
CREATE TABLE users (id BIGINT, name STRING);
CREATE TABLE totals (user_id BIGINT, total DECIMAL(20, 2));
"""


def message(text: str) -> str:
    """The error that a text gives, as the command line prints it."""
    catalog = FakeCatalog()
    catalog.run(TABLES)
    try:
        catalog.run(text)
    except ThalwegError as error:
        return error.render()
    return "no error"


CASES = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_message(path: Path) -> None:
    text, expected = path.read_text(encoding="utf-8").split(LINE)
    assert message(text) + "\n" == expected


def test_there_are_goldens() -> None:
    assert len(CASES) >= 25


if __name__ == "__main__":
    for case in CASES:
        query = case.read_text(encoding="utf-8").split(LINE)[0]
        case.write_text(query + LINE + message(query) + "\n", encoding="utf-8")
