"""The operator kit rejects every broken operator, naming the line, and accepts those that are right."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tests.kit import broken_operators as shelf
from thalweg.columnar.batch import BEFORE, Batch
from thalweg.protocols.messages import Watermark
from thalweg.testing import LINES, ConformanceError, check_operator

KEYS = [1, 2, 1, 3, None, 1, 2, 4, 1, 5, 3, 2, 1, 1]
TIMES = [3, 1, 12, 7, 11, 22, 18, 25, 24, 16, 40, 29, 44, 58]
LAG = 8
"""How far a time may lie behind the greatest one before."""


def changes() -> list[Any]:
    """Rows that come and go again, some of them more than once."""
    rows = pl.DataFrame({"k": KEYS, "t": TIMES})
    removed = Batch(rows[[0, 2, 4]], pl.Series([-1, -1, -1], dtype=pl.Int64))
    often = Batch(rows[[8, 9]], pl.Series([3, 1], dtype=pl.Int64))
    return [rows[:6], rows[6:8], removed, often, rows[10:11], rows[11:]]


def rows_in_time() -> list[Any]:
    """Rows with the watermark before each, and watermarks between the batches."""
    before = [None if n == 0 else max(TIMES[:n]) - LAG for n in range(len(TIMES))]
    rows = pl.DataFrame({"k": KEYS, "t": TIMES, BEFORE: before})
    feed: list[Any] = []
    for start in range(0, rows.height, 3):
        feed += [rows[start : start + 3], Watermark(max(TIMES[: start + 3]) - LAG)]
    return feed


COUNTED = pl.DataFrame({"k": [1, 2, 3, 4, 5], "n": [6, 3, 2, 1, 1]})


def run(kind: Any) -> None:
    """The kit on an operator, with the input that belongs to it."""
    spec = shelf.spec_of(kind)
    if issubclass(kind, shelf.WindowTwin):
        check_operator(spec, rows_in_time(), time="end")
    elif issubclass(kind, shelf.CountTwin):
        check_operator(spec, changes(), expected=COUNTED)
    else:
        rows = pl.DataFrame({"k": KEYS, "t": TIMES})
        check_operator(spec, [rows[:5], rows[5:7], rows[7:]])


@pytest.mark.parametrize("broken", shelf.SHELF, ids=repr)
def test_a_broken_operator_is_rejected(broken: shelf.Broken) -> None:
    with pytest.raises(ConformanceError) as caught:
        run(broken.kind)
    assert caught.value.line.id == broken.line, str(caught.value)


def test_every_line_has_a_broken_operator() -> None:
    assert {b.line for b in shelf.SHELF} == {line for line in LINES if line[0] == "O"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [shelf.CountTwin, shelf.WindowTwin, shelf.PlainTwin])
def test_an_operator_that_keeps_its_contract_is_accepted(kind: Any) -> None:
    run(kind)


def test_a_small_input_is_cut_in_every_way() -> None:
    from random import Random

    from thalweg.testing.scripts import Rows, cuttings

    feed = [Rows(Batch(pl.DataFrame({"a": range(4)})))]
    found = {
        tuple(len(i.batch) for i in made if isinstance(i, Rows)) for _, made in cuttings(feed, Random(0))
    }
    assert len(found) == 8


def test_weights_are_only_tried_where_they_may_come() -> None:
    rows = [pl.DataFrame({"k": KEYS, "t": TIMES})]
    check_operator(shelf.spec_of(shelf.IgnoresWeights), rows)
    with pytest.raises(ConformanceError, match="O11"):
        check_operator(shelf.spec_of(shelf.IgnoresWeights), rows, takes_updates=True)


def test_a_chain_is_one_operator() -> None:
    first = shelf.TwinSpec(shelf.PlainTwin, id="first")
    check_operator([first, shelf.spec_of(shelf.CountTwin)], changes())
    lossy = shelf.TwinSpec(shelf.LosesTheLastOfABatch, id="first")
    with pytest.raises(ConformanceError, match="O1"):
        check_operator([lossy, shelf.spec_of(shelf.CountTwin)], changes())
