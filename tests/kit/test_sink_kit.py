"""The sink kit rejects every broken sink, naming the line, and accepts those that are right."""

from __future__ import annotations

import polars as pl
import pytest

from tests.kit import broken_sinks as shelf
from tests.kit.broken_sources import Broken
from thalweg.testing import LINES, ConformanceError, check_sink


@pytest.mark.parametrize("broken", shelf.SHELF, ids=repr)
def test_a_broken_sink_is_rejected(broken: Broken) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_sink(broken.make, lambda sink: sink.read_back(), takes_updates=True)
    assert caught.value.line.id == broken.line, str(caught.value)


def test_every_line_has_a_broken_sink() -> None:
    assert {b.line for b in shelf.SHELF} == {line for line in LINES if line[0] == "W"}


def test_sinks_that_keep_their_contract_are_accepted() -> None:
    check_sink(shelf.TwinSink, lambda sink: sink.read_back(), takes_updates=True)
    check_sink(shelf.EagerSink, lambda sink: sink.read_back())
    check_sink(shelf.PatientSink, lambda sink: sink.read_back(), waits_for_end=True)


def test_only_a_sink_that_may_wait_may_wait() -> None:
    with pytest.raises(ConformanceError, match="W2"):
        check_sink(shelf.PatientSink, lambda sink: sink.read_back())


def test_a_sink_that_shows_something_else_than_rows() -> None:
    def count(frame: pl.DataFrame) -> pl.DataFrame:
        return pl.DataFrame({"rows": [frame.height]})

    def read_back(sink: shelf.TwinSink) -> pl.DataFrame | None:
        seen = sink.read_back()
        return None if seen is None else count(seen)

    check_sink(shelf.TwinSink, read_back, shown=count)
    with pytest.raises(ConformanceError, match="W2"):
        check_sink(shelf.TwinSink, read_back)
