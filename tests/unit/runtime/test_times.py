"""Rows that are kept apart have the event time that can be told of them."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from thalweg.base.schema import Schema
from thalweg.base.types import STRING, TIMESTAMP
from thalweg.errors import DataError
from thalweg.expr.nodes import Column, PythonCall
from thalweg.expr.python import describe
from thalweg.job.job import EventTime
from thalweg.protocols.source import BadRow, Chunk
from thalweg.runtime.times import TimeReader

NOON = "2026-05-04T12:00:00"


def frame(text: str | None) -> pl.DataFrame:
    return pl.DataFrame({"at": [text]}, schema={"at": pl.String})


def bad(text: str | None) -> BadRow:
    return BadRow(1, "another column is NULL", "", row=frame(text))


def test_a_row_whose_time_cannot_be_computed_has_none() -> None:
    time = PythonCall(describe(datetime.fromisoformat, TIMESTAMP), (Column("at"),))
    reader = TimeReader(EventTime("ts", time, time, wants_verdict=False), Schema.of({"at": STRING}))
    rows = [bad(NOON), bad("noon"), bad(None), BadRow(4, "no text at all", "")]
    noon = datetime.fromisoformat(NOON).replace(tzinfo=UTC)
    assert reader.of_rows(rows) == [noon.timestamp() * 1e6, None, None, None]
    with pytest.raises(DataError, match="noon"):
        reader.read(Chunk(frame("noon"), offset=1), split="0", name="in")
