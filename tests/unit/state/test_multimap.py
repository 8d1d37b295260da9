"""Rows by key: a model of lists must say the same, whatever comes, goes and is restored in between."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest

from thalweg.checkpoint.increments import composed, of_task
from thalweg.columnar.buffers import NO_WORDS
from thalweg.protocols.increments import GONE, ROW
from thalweg.protocols.state import MultimapSpec
from thalweg.state.multimap import Multimap
from thalweg.testing.increments import Followed
from thalweg.testing.tables import difference, table_of

COLUMNS: dict[str, pl.DataType] = {"k": pl.Int64(), "s": pl.String(), "v": pl.Float64()}
TEXTS = ["a", "a text of more than twelve bytes", None]


def frame(r: Random, count: int) -> pl.DataFrame:
    rows = [(r.randrange(4), r.choice(TEXTS), r.choice([0.5, None, 2.0])) for _ in range(count)]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def add(state: Multimap, rows: pl.DataFrame, weights: Any = NO_WORDS) -> Any:
    keys = rows.select(state.spec.key) if state.spec.key else pl.DataFrame(height=rows.height)
    return state.add(rows, state.slots(keys), weights)


def found(state: Multimap, key: int) -> Counter[Any]:
    """The rows of a key, each as often as its weight says."""
    slots = state.find(pl.DataFrame({"k": [key]}))
    rows = [r for _, part in state.pairs(slots, 3) for r in part.tolist()]
    numbers = np.array(rows, np.int64)
    held = zip(state.frame(numbers).rows(), state.weights(numbers).tolist(), strict=True)
    total: Counter[Any] = Counter()
    for row, weight in held:
        total[row] += weight
    return total


def restored(state: Multimap) -> Multimap:
    dump = state.dump()
    other = Multimap(state.spec)
    other.load(dump[dump.height // 2 :])
    other.load(dump[: dump.height // 2])
    return other


@pytest.mark.parametrize("key", [("k",), ()])
@pytest.mark.parametrize("is_updating", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_rows_come_and_go(seed: int, is_updating: bool, key: tuple[str, ...]) -> None:
    r = Random(seed)
    state = Multimap(MultimapSpec("kit", COLUMNS, key, is_updating=is_updating, counters=("n",)))
    model: Counter[Any] = Counter()
    for _ in range(12):
        rows = frame(r, r.randrange(7))
        numbers = add(state, rows)
        state.counter("n")[numbers] = 7
        model.update(rows.rows())
        live = state.live()
        gone = live[np.array([r.random() < 0.3 for _ in live], dtype=bool)]
        weights = state.weights(gone).tolist()
        model.subtract(dict(zip(state.frame(gone).rows(), weights, strict=True)) if is_updating else {})
        if not is_updating:
            model.subtract(state.frame(gone).rows())
        state.free(gone)
        if r.random() < 0.4:
            state = restored(state)
        live = state.live()
        assert state.count == len(live)
        assert set(state.counter("n")[live].tolist()) <= {7}
        total: Counter[Any] = Counter()
        for row, weight in zip(state.frame(live).rows(), state.weights(live).tolist(), strict=True):
            total[row] += weight
        assert total == +model
        for k in range(5) if key else ():
            assert found(state, k) == Counter({row: n for row, n in model.items() if row[0] == k and n})


def test_totals_are_sums_of_weights() -> None:
    state = Multimap(MultimapSpec("kit", COLUMNS, ("k",)))
    rows = pl.DataFrame([(1, "a", 0.5), (1, "a", 0.5), (2, "b", None)], schema=COLUMNS, orient="row")
    numbers = add(state, rows, np.array([2, 1, -1]))
    assert numbers[0] == numbers[1]
    assert state.totals[state.find(pl.DataFrame({"k": [1, 2]}))].tolist() == [3, -1]
    add(state, rows[2:], np.array([1]))
    assert state.weights(numbers).tolist() == [3, 3, 0]


def test_memory_of_rows_that_have_gone_is_given_back() -> None:
    state = Multimap(MultimapSpec("kit", COLUMNS, ("k",), is_updating=False))
    whole = frame(Random(1), 30_000)
    first, second = add(state, whole[:20_000]), add(state, whole[20_000:])
    state.free(first)
    before = state.nbytes
    state.compact()
    assert state.nbytes < before / 2
    live = state.live()
    assert len(live) == len(second) == 10_000
    assert Counter(state.frame(live).rows()) == Counter(whole[20_000:].rows())
    assert sum(found(state, 2).values()) == whole[20_000:].filter(pl.col("k") == 2).height


def test_rows_that_are_never_freed_need_no_owner() -> None:
    spec = MultimapSpec("kit", COLUMNS, ("k",), is_updating=False, forgets=False)
    state = Multimap(spec)
    rows = frame(Random(2), 50)
    for start in range(0, 50, 7):
        add(state, rows[start : start + 7])
    state = restored(state)
    assert Counter(state.frame(state.live()).rows()) == Counter(rows.rows())
    assert found(state, 3) == Counter(rows.filter(pl.col("k") == 3).rows())
    state.compact()
    assert state.count == 50


def test_a_hot_key_comes_in_bounded_parts() -> None:
    state = Multimap(MultimapSpec("kit", {"k": pl.Int64()}, ("k",), is_updating=False))
    add(state, pl.DataFrame({"k": [1] * 1000}))
    slots = state.find(pl.DataFrame({"k": [1, 2, 1]}))
    parts = list(state.pairs(slots, 64))
    assert max(len(places) for places, _ in parts) == 64
    assert Counter(p for places, _ in parts for p in places.tolist()) == {0: 1000, 2: 1000}


@pytest.mark.parametrize(("is_updating", "forgets"), [(True, True), (False, True), (False, False)])
@pytest.mark.parametrize("seed", range(6))
def test_increments_make_the_state(seed: int, is_updating: bool, forgets: bool) -> None:
    """Whatever comes, goes, changes, is compacted and comes again between two of them."""
    r = Random(seed)
    counters = ("n",) if forgets else ()
    spec = MultimapSpec("kit", COLUMNS, ("k",), is_updating, counters, forgets=forgets)
    state = Multimap(spec)
    followed = Followed(state, spec)
    for _ in range(40):
        rows = add(state, frame(r, r.choice([0, 3, 9, 3000])))
        if forgets and len(rows):
            some = rows[:: r.choice([1, 2, 7])]
            state.touch(some)
            state.counter("n")[some] += 1
        live = state.live()
        if forgets and r.random() < 0.6:
            state.free(live[np.random.default_rng(seed).random(len(live)) < r.random()])
        state.compact()
        if r.random() < 0.5:
            assert followed.wrong() is None
            assert not state.changes().height


def test_an_increment_has_the_rows_that_changed_and_no_others() -> None:
    spec = MultimapSpec("kit", COLUMNS, ("k",), is_updating=False, counters=("n",))
    state = Multimap(spec)
    rows = add(state, frame(Random(1), 1000))
    state.track(whole=False)
    add(state, frame(Random(2), 2))
    state.touch(rows[:3])
    state.counter("n")[rows[:3]] = 5
    state.free(rows[10:14])
    found = state.changes()
    gone = found.filter(GONE)
    assert (found.height, gone.height) == (9, 4)
    assert gone[ROW].to_list() == [10, 11, 12, 13]


@pytest.mark.parametrize("is_updating", [True, False])
def test_increments_go_on_after_a_restore(is_updating: bool) -> None:
    spec = MultimapSpec("kit", COLUMNS, ("k",), is_updating=is_updating, counters=("n",))
    state = Multimap(spec)
    followed = Followed(state, spec)
    add(state, frame(Random(1), 50))
    state.free(state.live()[5:20].copy())
    assert followed.wrong() is None
    first = followed.last
    other = Multimap(spec)
    other.load(composed(spec.identity, [first]))
    other.track(whole=False)
    add(other, frame(Random(2), 10))
    other.free(other.live()[::3].copy())
    whole = composed(spec.identity, [first, of_task(other.changes(), spec.identity, 0)])
    dump = other.dump()
    assert difference(table_of(whole.select(dump.columns)), table_of(dump)) is None
