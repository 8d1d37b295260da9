"""The columns state against a dict: slots, initial values, removal, dump and load."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.base.codecs import codec_of
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, StateSpec, StoredState
from thalweg.protocols.state import KeyedColumns as KeyedColumnsProtocol
from thalweg.state.memory import KeyedColumns

COLUMNS = {
    "n": ColumnSpec("int64", 5),
    "f": ColumnSpec("float64", 0.5),
    "b": ColumnSpec("bool", True),
    "t": ColumnSpec("bytes", b"start"),
    "o": ColumnSpec("bytes", None),
}
INITIAL = (5, 0.5, True, b"start", None)
KEY = {"s": pl.String(), "n": pl.Int64()}
SPEC = ColumnsSpec("all", KEY, COLUMNS)


def frame(keys: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(keys, schema=KEY, orient="row")


def contents(state: KeyedColumns) -> dict[Any, Any]:
    """What a dump says, as a dict."""
    rows = state.dump().rows()
    assert len({r[:2] for r in rows}) == len(rows)
    return {r[:2]: r[2:] for r in rows}


def write(state: KeyedColumns, slots: np.ndarray, number: int) -> tuple[Any, ...]:
    """Give every column of some slots a value that says `number`."""
    text = f"value number {number}".encode()
    code = state.dictionary("o").encode(pl.Series([text]))[0]
    for name, value in {"n": number, "f": number / 2, "b": number % 2 == 0, "o": code}.items():
        state.column(name)[slots] = value
    return (number, number / 2, number % 2 == 0, b"start", text)


KEYS = st.tuples(
    st.none() | st.sampled_from(["", "a", "a text of more than twelve bytes"]),
    st.none() | st.sampled_from([0, 1, -(2**63)]),
)


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(st.data())
def test_against_a_dict(data: st.DataObject) -> None:
    state, model = KeyedColumns(SPEC), dict[Any, Any]()
    for step in range(data.draw(st.integers(1, 5))):
        batch = data.draw(st.lists(KEYS, max_size=8))
        found = state.find(frame(batch))
        assert [f >= 0 for f in found] == [k in model for k in batch]
        slots = state.slots(frame(batch))
        assert len(state.last_new) == len(set(batch) - set(model))
        for k in batch:
            model.setdefault(k, INITIAL)
        assert contents(state) == model
        assert state.keys(slots).rows() == batch
        if batch:
            model[batch[0]] = write(state, slots[:1], step)
        dead = data.draw(st.lists(st.sampled_from(list(model)), unique=True)) if model else []
        state.free(state.find(frame(dead)))
        model = {k: v for k, v in model.items() if k not in dead}
        if data.draw(st.booleans()):
            state.compact()
        if data.draw(st.booleans()):
            state = restored(state)
        assert contents(state) == model
        assert state.count == len(state.live()) == len(model)


def restored(state: KeyedColumns) -> KeyedColumns:
    """The same state in another object; the dump does not depend on its history."""
    dump, other = state.dump(), KeyedColumns(state.spec)
    # In two parts and backwards, as after a rescale.
    other.load(dump[dump.height // 2 :].reverse())
    other.load(dump[: dump.height // 2])
    assert other.dump().schema == dump.schema
    assert other.dump().equals(dump)
    return other


def test_growth_keeps_values_and_fills_initials() -> None:
    state = KeyedColumns(SPEC)
    first = state.slots(frame([("a", 1)]))
    write(state, first, 7)
    many = [(f"a text of some length {i}", i) for i in range(5000)]
    slots = state.slots(frame(many))
    assert state.column("n")[first].tolist() == [7]
    assert (state.column("n")[slots] == 5).all()
    assert len(state.column("f")) >= state.capacity >= state.count == 5001
    assert contents(restored(state)) == contents(state)


def test_objects_beside_words_grow_with_them() -> None:
    """Words are given room ahead; each step needs room for objects all the same."""
    columns = {"n": ColumnSpec("int64"), "list": ColumnSpec("object", None, codec_of(list[int]))}
    state = KeyedColumns(ColumnsSpec("both", {"k": pl.Int64()}, columns))
    for first in range(0, 300_000, 30_000):
        slots = state.slots(pl.DataFrame({"k": range(first, first + 30_000)}))
        state.column("n")[slots] = state.column("list")[slots] = first
    assert state.column("list")[state.slots(pl.DataFrame({"k": [7, 299_999]}))].tolist() == [0, 270_000]


def test_a_freed_slot_begins_anew() -> None:
    state = KeyedColumns(SPEC)
    slots = state.slots(frame([("a", 1), ("b", 2)]))
    write(state, slots, 3)
    state.free(slots[:1])
    again = state.slots(frame([("c", 3)]))
    assert again.tolist() == slots[:1].tolist()
    assert contents(state)["c", 3] == INITIAL


def test_memory_of_passing_keys_is_given_back() -> None:
    state = KeyedColumns(SPEC)
    sizes = []
    for start in range(0, 20_000, 1000):
        slots = state.slots(frame([(f"session number {i:>20}", i) for i in range(start, start + 1000)]))
        write(state, slots, start)
        state.free(slots)
        state.compact()
        sizes.append(state.nbytes)
    assert max(sizes[5:]) <= max(sizes[:5])


def test_no_key_is_one_slot() -> None:
    state = KeyedColumns(ColumnsSpec("total", {}, {"n": ColumnSpec("int64")}))
    slots = state.slots(pl.DataFrame({"x": [1, 2, 3]}))
    assert slots.tolist() == [0, 0, 0]
    np.add.at(state.column("n"), slots, 1)
    assert state.dump().to_dict(as_series=False) == {"n": [3]}
    assert restored(state).column("n")[0] == 3


def test_a_key_may_be_named_like_a_column() -> None:
    state = KeyedColumns(SPEC)
    state.slots(frame([("a", 1)]))
    assert state.dump().columns == ["s", "n", "__state_n", "f", "b", "t", "o"]


def test_empty_dump_has_its_schema() -> None:
    state = KeyedColumns(SPEC)
    dump = state.dump()
    assert dump.height == 0
    full = KeyedColumns(SPEC)
    full.slots(frame([("a", 1)]))
    assert dump.schema == full.dump().schema
    state.load(dump)
    assert state.count == 0


@pytest.mark.parametrize("keys", [[1, 2, 3], [3, 2, 1], [2, 9, 1, 3]])
def test_dump_order_depends_on_rows_alone(keys: list[int]) -> None:
    state = KeyedColumns(ColumnsSpec("x", {"k": pl.Int64()}))
    slots = state.slots(pl.DataFrame({"k": keys}))
    state.free(slots[np.array(keys) == 9])
    expected = KeyedColumns(state.spec)
    expected.slots(pl.DataFrame({"k": [1, 2, 3]}))
    assert state.dump().equals(expected.dump())


def test_it_is_what_the_protocols_say() -> None:
    state: KeyedColumnsProtocol = KeyedColumns(SPEC)
    stored: StoredState = KeyedColumns(SPEC)
    spec: StateSpec = SPEC
    assert (spec.name, spec.scope, state.count, stored.dump().height) == ("all", "keyed", 0, 0)
