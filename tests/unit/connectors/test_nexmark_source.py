"""The stream is the same however it is dealt and read, and a schedule says when each event is due."""

from __future__ import annotations

import polars as pl
import pytest

from tests.unit.connectors.reading import check_positions, drain
from thalweg.connectors.nexmark import NexmarkConfig, NexmarkGenerator
from thalweg.connectors.nexmark_source import NexmarkReader, NexmarkSource
from thalweg.errors import ConfigError
from thalweg.protocols.source import LazySource, Source

CONFIG = NexmarkConfig(events_num=101, generators=2)
FIELDS = [("bid", ("price", "auction")), ("event_type", None)]


def test_protocols() -> None:
    assert isinstance(NexmarkSource(CONFIG), Source)
    assert isinstance(NexmarkSource(CONFIG), LazySource)


def test_splits_are_the_generators() -> None:
    source = NexmarkSource(CONFIG)
    for number in range(2):
        made = NexmarkGenerator(CONFIG, number).batch(0, 50 + number)
        assert drain(source, 7, split=number).frame.equals(made, null_equal=True)


def test_a_generator_is_dealt_to_splits_by_turns() -> None:
    source = NexmarkSource(NexmarkConfig(events_num=101), splits_per_generator=2)
    made = NexmarkGenerator(NexmarkConfig(events_num=101)).batch(0, 101)
    for turn in range(2):
        assert drain(source, 9, split=turn).frame.equals(made.gather_every(2, turn), null_equal=True)


def test_positions_and_order_of_columns() -> None:
    source = NexmarkSource(CONFIG)
    read = check_positions(source, 20, FIELDS).frame
    assert read.columns == ["bid", "event_type"]
    assert [f.name for f in read.schema["bid"].fields] == ["price", "auction"]


def test_as_a_plan_the_same_events() -> None:
    source = NexmarkSource(CONFIG, splits_per_generator=2)
    whole = pl.concat([drain(source, fields=FIELDS, split=n).frame for n in range(4)])
    plan = source.lazy(FIELDS)
    assert plan.collect().equals(whole, null_equal=True)
    assert plan.select("event_type").head(3).collect().equals(whole.select("event_type").head(3))
    bids = whole.filter(pl.col("event_type") == 2)
    assert plan.filter(pl.col("event_type") == 2).collect().equals(bids, null_equal=True)


def test_events_come_when_they_are_due() -> None:
    source = NexmarkSource(CONFIG, rate_limit=10.0, origin=100.0)
    now = [100.0]
    part_reader = source.open(source.splits()[1], {}, None)
    assert isinstance(part_reader, NexmarkReader)
    reader = NexmarkReader(part_reader._part, {}, part_reader.schedule, clock=lambda: now[0])
    # Generator 1 makes every second event of the stream: numbers 1, 3, 5, … are due at 100.1, 100.3, …
    chunk = reader.read(10)
    assert chunk.frame is None
    assert chunk.wait == pytest.approx(0.1)
    now[0] = 100.1
    assert reader.read(10).frame.height == 1
    assert reader.read(10).wait == pytest.approx(0.2)
    now[0] = 101.0
    assert reader.read(2).frame.height == 2
    assert reader.read(10).frame.height == 2
    assert reader.schedule is not None
    assert reader.schedule.times(0, 3).tolist() == pytest.approx([100.1, 100.3, 100.5])


def test_who_goes_on_later_starts_a_new_schedule() -> None:
    source = NexmarkSource(CONFIG, rate_limit=10.0, origin=100.0)
    schedule = source.schedule(source.splits()[0], first=40)
    assert schedule is not None
    assert schedule.due_at(40) == 100.0
    assert schedule.count_due(99.9) == 0
    assert schedule.count_due(100.0) == 1


def test_refusals() -> None:
    with pytest.raises(ConfigError):
        NexmarkSource(CONFIG, rate_limit=0.0)
    with pytest.raises(ConfigError):
        NexmarkSource(CONFIG, splits_per_generator=0)
    with pytest.raises(ConfigError, match="endless"):
        NexmarkSource(NexmarkConfig()).lazy(None)
