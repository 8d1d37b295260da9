"""What part of the stream is asked for, and how it is cut, never changes an event."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.connectors.nexmark import PROFILES, NexmarkConfig, NexmarkGenerator, envelope_schema
from thalweg.connectors.nexmark.layout import KINDS, MEMBERS
from thalweg.errors import ConfigError

T0_US = 1_767_225_600_000_000
TOTAL = 300
SHUFFLED = NexmarkGenerator(NexmarkConfig(events_num=TOTAL, out_of_order_group_size=30), 0)


def ids_of(frame: pl.DataFrame, column: str) -> list[int]:
    return frame[column].struct.field("id").drop_nulls().to_list()


def test_schema_and_nulls() -> None:
    frame = SHUFFLED.batch(0, TOTAL)
    assert frame.schema == envelope_schema()
    for name, kind in KINDS.items():
        present = frame["event_type"] == kind
        assert frame[name].is_not_null().equals(present.alias(name))
        for member in MEMBERS[name]:
            assert frame[name].struct.field(member).is_not_null().equals(present.alias(member))


@settings(max_examples=15)
@given(st.lists(st.integers(0, TOTAL), max_size=5))
def test_cuts_never_matter(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), TOTAL]
    parts = [SHUFFLED.batch(a, b - a) for a, b in itertools.pairwise(edges)]
    assert pl.concat(parts).equals(SHUFFLED.batch(0, TOTAL))


def test_long_batches_are_built_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = SHUFFLED.batch(10, 250)
    monkeypatch.setattr("thalweg.connectors.nexmark.build._ROWS_MAX", 64)
    assert SHUFFLED.batch(10, 250).equals(whole)


@settings(max_examples=30)
@given(st.data())
def test_pruning_never_changes_what_is_left(data: st.DataObject) -> None:
    columns = data.draw(st.sets(st.sampled_from(["event_type", *KINDS]), min_size=1))
    fields = {n: data.draw(st.sets(st.sampled_from(list(MEMBERS[n])))) for n in sorted(columns & set(KINDS))}
    whole, part = SHUFFLED.batch(0, 120), SHUFFLED.batch(0, 120, columns, fields)
    assert part.columns == [c for c in whole.columns if c in columns]
    for name, members in fields.items():
        assert part[name].is_null().equals(whole[name].is_null())
        assert {field.name for field in part.schema[name].fields} == members  # type: ignore[attr-defined]
        for member in members:
            assert part[name].struct.field(member).equals(whole[name].struct.field(member))


def test_a_struct_of_which_nothing_is_needed_has_no_members() -> None:
    frame = SHUFFLED.batch(0, 60, ["event_type", "person"], {"person": []})
    assert frame.schema == {"event_type": pl.Int64(), "person": pl.Struct([])}
    assert frame["person"].is_not_null().equals((frame["event_type"] == 0).alias("person"))


def test_empty_batches() -> None:
    assert SHUFFLED.batch(5, 0).schema == envelope_schema()
    assert SHUFFLED.batch(5, 0).height == 0
    assert SHUFFLED.batch(5, 3, []).shape == (3, 0)
    assert len(SHUFFLED.times(5, 0)) == 0


def test_times_are_the_event_times() -> None:
    frame = SHUFFLED.batch(30, 200)
    time = pl.coalesce(pl.col(name).struct.field("dateTime") for name in KINDS)
    assert frame.select(time.cast(pl.Int64)).to_series().to_list() == SHUFFLED.times(30, 200).tolist()


def test_times_of_the_window_profile() -> None:
    times = NexmarkGenerator(PROFILES["W"], 0).times(0, 1_000_000)
    assert (times[:3] - T0_US).tolist() == [2_000, 4_000, 6_000]
    assert times[-1] - T0_US == 2_000_000_000
    assert (np.diff(times) == 2_000).all()


def test_event_times_are_cut_to_milliseconds() -> None:
    times = NexmarkGenerator(PROFILES["S"], 0).times(0, 30)
    assert (times - T0_US).tolist() == [number // 10 * 1000 for number in range(1, 31)]


def test_generators_make_disjoint_ids_over_the_same_time() -> None:
    config = NexmarkConfig(events_num=80_007, generators=8)
    generators = [NexmarkGenerator(config, i) for i in range(8)]
    assert [g.count for g in generators] == [10_000] * 7 + [10_007]
    frames = [g.batch(0, g.count or 0, fields={n: ["id"] for n in ("person", "auction")}) for g in generators]
    for name in ("person", "auction"):
        ids = [i for frame in frames for i in ids_of(frame, name)]
        assert len(ids) == len(set(ids))
    assert len({tuple(g.times(0, 10_000)) for g in generators}) == 1


def test_generators_split_the_ids_of_one_generator() -> None:
    one = NexmarkGenerator(NexmarkConfig(events_num=1000), 0).batch(0, 1000)
    config = NexmarkConfig(events_num=1000, generators=4)
    four = pl.concat([NexmarkGenerator(config, i).batch(0, 250) for i in range(4)])
    for name in ("person", "auction"):
        assert ids_of(four, name) == ids_of(one, name)


def test_disorder_only_moves_events() -> None:
    count = 5_000
    ordered = NexmarkGenerator(NexmarkConfig(events_num=count), 0).batch(0, count)
    config = NexmarkConfig(events_num=count, out_of_order_group_size=1000)
    places = np.arange(1, count + 1)
    numbers = places // 1000 * 1000 + places * 953 % 1000
    assert sorted(numbers) == places.tolist()
    assert NexmarkGenerator(config, 0).batch(0, count).equals(ordered[numbers - 1])


def test_disorder_stays_within_its_group() -> None:
    times = NexmarkGenerator(PROFILES["D"], 0).times(0, 10_000)
    numbers = (times - T0_US) // 5_000
    assert (numbers // 1000 == np.arange(1, 10_001) // 1000).all()
    assert (np.maximum.accumulate(times) - times).max() > 4_000_000


def test_an_endless_stream_goes_on() -> None:
    config = NexmarkConfig(generators=2)
    first, second = (NexmarkGenerator(config, i) for i in range(2))
    assert first.count is None
    fields = {"person": ["id"], "auction": ["id"]}
    far = first.batch(10**12, 100, fields=fields)
    assert ids_of(far, "person") == [1000 + 2 * 10**10 + i for i in (1, 2)]
    assert ids_of(second.batch(0, 100, fields=fields), "person")[0] > 10**12


def test_another_seed_makes_other_events() -> None:
    a, b = (NexmarkGenerator(NexmarkConfig(events_num=100, seed=s), 0).batch(0, 100) for s in (1, 2))
    assert ids_of(a, "auction") == ids_of(b, "auction")
    assert not a.equals(b)


def test_bidder_offset_moves_bidders_only() -> None:
    fields = {"bid": ["auction", "bidder"]}
    a, b = (
        NexmarkGenerator(NexmarkConfig(events_num=100, bidder_offset=n), 0).batch(0, 100, ["bid"], fields)[
            "bid"
        ]
        for n in (1000, 2000)
    )
    assert a.struct.field("auction").equals(b.struct.field("auction"))
    assert (b.struct.field("bidder") - a.struct.field("bidder")).drop_nulls().unique().to_list() == [1000]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"events_num": 0}, '"events_num" is out of range'),
        ({"events_num": 3, "generators": 4}, "fewer events than generators"),
        ({"first_event_rate": 0}, '"first_event_rate" is out of range'),
        ({"first_event_rate": 0.5}, '"first_event_rate" takes a whole number'),
        ({"generators": True}, '"generators" takes a whole number'),
        ({"next_event_rate": 1}, "rate of a Nexmark stream cannot change"),
        ({"person_proportion": 0}, '"person_proportion" is out of range'),
        ({"out_of_order_group_size": 1906}, "would repeat events"),
        ({"base_time_ms": 10**18}, '"base_time_ms" is out of range'),
        ({"seed": "1"}, '"seed" takes a whole number'),
    ],
)
def test_options_that_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        NexmarkConfig(**options)  # type: ignore[arg-type]
    assert caught.value.code == "nexmark-config"


@pytest.mark.parametrize(
    ("columns", "fields", "hint"),
    [
        (["bids"], None, 'did you mean "bid"?'),
        (None, {"bid": ["auctoin"]}, 'did you mean "auction"?'),
        (None, {"event_type": []}, None),
    ],
)
def test_columns_that_do_not_exist(
    columns: list[str] | None, fields: dict[str, list[str]] | None, hint: str | None
) -> None:
    with pytest.raises(ConfigError, match="the Nexmark envelope has no") as caught:
        SHUFFLED.batch(0, 1, columns, fields)
    assert (caught.value.code, caught.value.hint) == ("nexmark-column", hint)


@pytest.mark.parametrize(("start", "count"), [(-1, 2), (0, -1), (TOTAL - 1, 2)])
def test_events_that_do_not_exist(start: int, count: int) -> None:
    for ask in (SHUFFLED.batch, SHUFFLED.times):
        with pytest.raises(ConfigError, match="does not have these events") as caught:
            ask(start, count)
        assert caught.value.code == "nexmark-range"


@pytest.mark.parametrize("index", [-1, 1])
def test_generators_that_do_not_exist(index: int) -> None:
    with pytest.raises(ConfigError, match="has no generator"):
        NexmarkGenerator(NexmarkConfig(), index)
