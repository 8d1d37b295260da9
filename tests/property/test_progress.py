"""Laws of progress: cuts of batches, order of announcements, restarts, windows against a plain definition."""

from __future__ import annotations

import copy

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from thalweg.progress import (
    IDLE,
    Advance,
    Meeting,
    SplitClock,
    SplitState,
    WatermarkMerge,
    WatermarkOwner,
    WindowSpec,
    minus,
)

TIMES = st.integers(-60, 60)
AHEAD_MAX = 20


# One split ----------------------------------------------------------------------------------------

ROWS = st.lists(st.tuples(TIMES, TIMES), max_size=14)  # (time, arrival)


def _advance(clock: SplitClock, rows: list[tuple[int, int]], bound: int, live: bool) -> Advance:
    times = np.array([t for t, _ in rows], np.int64)
    arrival = np.array([a for _, a in rows], np.int64) if live else None
    return clock.advance(minus(times, bound), times, arrival)


def _by_hand(rows: list[tuple[int, int]], bound: int, live: bool, start: int | None) -> list[int | None]:
    """The watermark before each row and, at the end, after all."""
    marks = [start]
    for time, arrival in rows:
        moves = not (live and time > arrival + AHEAD_MAX)
        known = [m for m in (marks[-1], time - bound if moves else None) if m is not None]
        marks.append(max(known, default=None))
    return marks


@given(ROWS, st.integers(-3, 15), st.booleans(), st.none() | TIMES, st.data())
def test_cuts_change_neither_watermark_nor_verdict(
    rows: list[tuple[int, int]], bound: int, live: bool, start: int | None, data: st.DataObject
) -> None:
    marks = _by_hand(rows, bound, live, start)
    clock = SplitClock(AHEAD_MAX)
    clock.start_at(start)
    at = 0
    while at < len(rows):
        size = data.draw(st.integers(1, len(rows) - at))
        moved = _advance(clock, rows[at : at + size], bound, live)
        expected = marks[at : at + size]
        late = [m is not None and t < m for (t, _), m in zip(rows[at : at + size], expected, strict=True)]
        assert moved.punctual == (not any(late))
        if moved.before is not None:
            known = [True] * size if moved.known is None else moved.known.tolist()
            found = [int(w) if k else None for w, k in zip(moved.before, known, strict=True)]
            assert found == expected
        at += size
        assert moved.after == clock.current == marks[at]
        clock = SplitClock.from_data(clock.to_data())
    assert clock.ahead_count == sum(live and t > a + AHEAD_MAX for t, a in rows)


# Merging ------------------------------------------------------------------------------------------

CHANNELS = 3
ANNOUNCED = st.tuples(st.integers(0, CHANNELS - 1), TIMES | st.just(IDLE) | st.just("end"))


def _announce(merge: WatermarkMerge, event: tuple[int, object]) -> tuple[object, ...]:
    channel, what = event
    if merge._ended[channel]:
        return ()
    if what == "end":
        return merge.end(channel)
    return merge.update(channel, what)  # type: ignore[arg-type]


def _state(merge: WatermarkMerge) -> tuple[object, ...]:
    return merge.time, merge.is_idle, merge.is_ended, merge.held_by()


@given(st.lists(ANNOUNCED, max_size=20))
def test_the_merge_is_monotone_and_tells_all_that_changes(events: list[tuple[int, object]]) -> None:
    merge, heard, heard_idle = WatermarkMerge(CHANNELS), None, False
    for event in events:
        last = merge.time
        for said in _announce(merge, event):
            heard_idle = said is IDLE
            if said is not IDLE:
                heard = said
        assert heard == merge.time
        assert heard_idle == merge.is_idle or merge.is_ended
        assert last is None or (merge.time is not None and merge.time >= last)


@given(st.lists(ANNOUNCED, max_size=12), ANNOUNCED, ANNOUNCED)
def test_updates_of_different_channels_commute(
    events: list[tuple[int, object]], one: tuple[int, object], other: tuple[int, object]
) -> None:
    merge = WatermarkMerge(CHANNELS)
    for event in events:
        _announce(merge, event)
    wakes = any(merge._idle[c] and what not in (IDLE, "end") for c, what in (one, other))
    if one[0] == other[0] or wakes:
        return
    twin = copy.deepcopy(merge)
    for event in (one, other):
        _announce(merge, event)
    for event in (other, one):
        _announce(twin, event)
    assert _state(merge) == _state(twin)


# The owner ----------------------------------------------------------------------------------------


def _step(owner: WatermarkOwner, kind: str, split: str, mark: int) -> None:
    """One event, where it fits the state of the split."""
    states = {d["name"]: d["state"] for d in owner.to_data()["splits"]}
    if kind == "add" and split not in states:
        owner.add_split(split)
    elif kind == "open" and split in owner.openable():
        owner.open(split)
    elif kind == "report" and states.get(split) == "active":
        owner.report(split, mark)
    elif kind == "idle" and states.get(split) == "active":
        owner.idle(split)
    elif kind == "wake" and states.get(split) == "idle":
        assert owner.wake(split) == owner.watermark_of(split)
    elif kind == "finish" and split in states:
        owner.finish(split)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["add", "open", "open", "report", "report", "report", "idle", "wake", "finish"]),
        st.sampled_from("ABC"),
        TIMES,
    ),
    max_size=40,
)


@given(EVENTS, st.booleans(), st.integers(0, 40))
def test_every_split_that_may_bring_rows_is_at_or_after_what_is_published(
    events: list[tuple[str, str, int]], ordered: bool, cut: int
) -> None:
    owner = WatermarkOwner(ordered=ordered)
    owner.add_split("A")
    owner.open("A")
    for at, event in enumerate(events):
        last = owner.published
        if at == cut:
            owner = WatermarkOwner.from_data(owner.to_data())
        _step(owner, *event)
        now = owner.published
        assert last is None or (now is not None and now >= last)
        splits = owner.to_data()["splits"]
        may_bring = [s for s in splits if s["state"] == "active" or (s["state"] == "known" and not ordered)]
        assert all(now is None or (s["mark"] is not None and s["mark"] >= now) for s in may_bring)
        if may_bring and now is not None:
            # Nothing is held back that need not be: the minimum is what is published.
            assert min(s["mark"] for s in may_bring if s["mark"] is not None) == now
            assert set(owner.held_by()) == {s["name"] for s in may_bring if s["mark"] == now}
        paused = owner.paused(0)
        assert paused.isdisjoint(owner.held_by())


@given(EVENTS, st.booleans(), st.integers(0, 39))
def test_a_restored_owner_goes_on_in_the_same_way(
    events: list[tuple[str, str, int]], ordered: bool, cut: int
) -> None:
    owner = WatermarkOwner(ordered=ordered)
    owner.add_split("A")
    owner.open("A")
    for event in events[:cut]:
        _step(owner, *event)
    restored = WatermarkOwner.from_data(owner.to_data())
    for event in events[cut:]:
        _step(owner, *event)
        _step(restored, *event)
        assert restored.to_data() == owner.to_data()
        assert restored.is_idle == owner.is_idle


# Fixed windows ------------------------------------------------------------------------------------


@st.composite
def _specs(draw: st.DrawFn) -> WindowSpec:
    kind = draw(st.sampled_from(["tumbling", "hopping", "cumulating"]))
    offset = draw(st.integers(-9, 9))
    slide = draw(st.integers(1, 7))
    if kind == "tumbling":
        return WindowSpec.tumbling(slide, offset)
    if kind == "hopping":
        return WindowSpec.hopping(draw(st.integers(slide, 20)), slide, offset)
    return WindowSpec.cumulating(slide * draw(st.integers(1, 4)), slide, offset)


def _windows_by_hand(spec: WindowSpec, time: int) -> list[tuple[int, int]]:
    """Every window that holds `time`, found by trying all of them near it, by end."""
    found = []
    for k in range(-120, 121):
        if spec.kind == "cumulating":
            start = spec.offset_us + k * spec.size_us
            ends = range(start + spec.slide_us, start + spec.size_us + 1, spec.slide_us)
        else:
            start = spec.offset_us + k * spec.slide_us
            ends = range(start + spec.size_us, start + spec.size_us + 1)
        found += [(start, end) for end in ends if start <= time < end]
    return sorted(found, key=lambda window: window[1])


@given(_specs(), TIMES)
def test_windows_and_panes_agree_with_a_plain_definition(spec: WindowSpec, time: int) -> None:
    expected = _windows_by_hand(spec, time)
    pane = spec.pane_start(time)
    assert pane <= time < pane + spec.pane_us
    assert [(spec.window_start(e), e) for e in spec.ends(time)] == expected
    assert list(spec.ends(pane)) == list(spec.ends(time))
    assert spec.window_count(time) == len(expected)
    assert all(pane in spec.panes(end) for _, end in expected)
    assert all(
        spec.panes(end)[0] == start and len(spec.panes(end)) * spec.pane_us == end - start
        for start, end in expected
    )
    row = np.array([time])
    scalars = spec.pane_start(time), spec.first_end(time), spec.last_end(time), spec.window_count(time)
    assert [f(row).tolist() for f in (spec.pane_start, spec.first_end, spec.last_end, spec.window_count)] == [
        [value] for value in scalars
    ]


@given(_specs(), TIMES)
def test_a_watermark_closes_a_window_exactly_when_it_reaches_the_end(
    spec: WindowSpec, watermark: int
) -> None:
    closed = spec.closed_end(watermark)
    assert closed <= watermark < closed + spec.slide_us
    assert spec.window_start(closed) <= closed - spec.pane_us


@given(_specs(), st.lists(st.tuples(TIMES, st.none() | TIMES), max_size=8), st.integers(-5, 15))
def test_lateness_is_judged_for_each_row_and_window(
    spec: WindowSpec, rows: list[tuple[int, int | None]], slack: int
) -> None:
    times = np.array([t for t, _ in rows], np.int64)
    before = np.array([0 if w is None else w for _, w in rows], np.int64)
    known = np.array([w is not None for _, w in rows], np.bool_)
    verdict = spec.judge(times, before, known, slack)
    pairs = []
    for at, (time, mark) in enumerate(rows):
        ends = [end for _, end in _windows_by_hand(spec, time)]
        still_open = [end for end in ends if mark is None or end > mark - slack]
        pairs += [(at, end) for end in ends if end not in still_open]
        assert bool(verdict.is_late[at]) == (not still_open)
        assert int(verdict.first_open[at]) == (still_open[0] if still_open else ends[-1] + spec.slide_us)
    found_rows, found_ends = spec.missed_pairs(times, verdict)
    assert list(zip(found_rows.tolist(), found_ends.tolist(), strict=True)) == pairs
    assert verdict.missed_count == len(pairs)


# Sources that meet --------------------------------------------------------------------------------

SPLITS = ("a", "b")
MEETING = st.tuples(
    st.integers(0, 2), st.sampled_from(SPLITS), st.sampled_from(["report", "idle", "wake", "finish"]), TIMES
)


@given(st.lists(MEETING, max_size=40))
def test_no_split_of_sources_that_meet_starts_before_what_was_announced(
    events: list[tuple[int, str, str, int]],
) -> None:
    owners = [WatermarkOwner() for _ in range(3)]
    meeting = Meeting(owners)
    said: list[int | None] = [None] * 3
    for owner in owners:
        for name in SPLITS:
            owner.add_split(name)
            owner.open(name)
        owner.all_known()
    for number, split, what, time in events:
        owner = owners[number]
        if split not in owner.unfinished:
            continue
        if what == "report" and owner.state_of(split) is SplitState.IDLE:
            what = "wake"
        if what == "report":
            # a split's watermark is never before where it started
            owner.report(split, max(t for t in (time, owner.watermark_of(split)) if t is not None))
        elif what == "wake":
            meeting.catch_up(owner)
            start = owner.wake(split)
            assert said[number] is None or (start is not None and start >= said[number])
        else:
            owner.idle(split) if what == "idle" else owner.finish(split)
        for i, other in enumerate(owners):
            before, said[i] = said[i], meeting.announced(other)
            assert before is None or (said[i] is not None and said[i] >= before), "it never falls"
        _check_silent_ones(owners, meeting)


def _check_silent_ones(owners: list[WatermarkOwner], meeting: Meeting) -> None:
    """An idle source is never the one that holds the others back."""
    going = [o for o in owners if not o.is_idle and not o.is_ended]
    known = [o.published for o in going]
    if not going or None in known:
        return
    lowest = min(t for t in known if t is not None)
    for owner in owners:
        announced = meeting.announced(owner)
        if owner.is_idle:
            assert announced is not None
            assert announced >= lowest
