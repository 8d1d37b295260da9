"""The indexes of keys against a dict: growth, reuse, removal, collisions, widening."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.columnar.code_index import CodeIndex
from thalweg.columnar.index import KeyIndex
from thalweg.columnar.keys import KeyCodec

M = 2**64 - 1
EXTREMES = [0, 1, -1, 2**63 - 1, -(2**63)]


def rows(keys: Iterable[tuple[int, ...]], width: int) -> np.ndarray:
    return np.array(list(keys), dtype=np.int64).reshape(-1, width)


def check(index: KeyIndex | CodeIndex, model: dict[tuple[int, ...], int]) -> None:
    """The index holds exactly the model."""
    assert index.count == len(model)
    assert index.live().tolist() == sorted(model.values())
    keys = list(model)
    assert index.find(rows(keys, index.width)).tolist() == list(model.values())
    assert [tuple(r) for r in index.rows(np.array(list(model.values()), dtype=np.int64)).tolist()] == keys


@settings(deadline=None, max_examples=30)
@given(st.data(), st.integers(1, 3))
def test_against_a_dict(data: st.DataObject, width: int) -> None:
    key = st.tuples(*[st.integers(0, 3) | st.sampled_from(EXTREMES)] * width)
    follow_a_dict(KeyIndex(width), data, key)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_codes_against_a_dict(data: st.DataObject) -> None:
    follow_a_dict(CodeIndex(), data, st.tuples(st.integers(-1, 5) | st.sampled_from([1022, 1023, 9000])))


def follow_a_dict(
    index: KeyIndex | CodeIndex, data: st.DataObject, key: st.SearchStrategy[tuple[int, ...]]
) -> None:
    """Insert and free keys, and look at everything each time."""
    model = dict[tuple[int, ...], int]()
    for _ in range(data.draw(st.integers(1, 6))):
        batch = data.draw(st.lists(key, max_size=12))
        new = [k for k in dict.fromkeys(batch) if k not in model]
        if data.draw(st.booleans()):
            batch = new
            slots = index.append(rows(batch, index.width)).tolist()
        else:
            slots = index.insert(rows(batch, index.width)).tolist()
        assert index.last_new == len(new)
        for k, slot in zip(batch, slots, strict=True):
            assert model.setdefault(k, slot) == slot
        assert index.new_slots.tolist() == [model[k] for k in new]
        assert len(set(model.values())) == len(model)
        check(index, model)
        if model and data.draw(st.booleans()):
            # and what is not found in between
            more = [k for k in data.draw(st.lists(key, max_size=3, unique=True)) if k not in model]
            model.update(zip(more, index.append(rows(more, index.width)).tolist(), strict=True))
            index.free(np.array([model.pop(k) for k in more[:1]], dtype=np.int64))
        if model:
            dead = data.draw(st.lists(st.sampled_from(sorted(model)), unique=True))
            index.free(np.array([model.pop(k) for k in dead], dtype=np.int64))
            assert (index.find(rows(dead, index.width)) == -1).all()
            check(index, model)


def test_codes_without_a_slot_are_not_found() -> None:
    """-2 is what a dictionary says of a text that it has never met."""
    index = CodeIndex()
    index.insert(rows([(0,), (-1,)], 1))
    assert index.find(rows([(-2,), (-1,), (0,), (1,), (2**40,)], 1)).tolist() == [-1, 1, 0, -1, -1]


@pytest.mark.parametrize("count", [10, 5000])
def test_room_for_codes_is_made_before_they_come(count: int) -> None:
    index = CodeIndex()
    index.reserve(count)
    before = index.capacity, index.nbytes
    keys = np.arange(-1, count - 1).reshape(-1, 1)
    assert index.insert(keys).tolist() == list(range(count))
    assert (index.capacity, index.nbytes) == before


def test_a_key_of_one_text_is_numbered_by_its_code() -> None:
    codec = KeyCodec({"k": pl.String()})
    assert isinstance(codec.new_index(), CodeIndex)
    for others in ({"n": pl.Int64()}, {"k": pl.String(), "n": pl.Int64()}, {"d": pl.Decimal(9, 2)}, {}):
        assert isinstance(KeyCodec(others).new_index(), KeyIndex)


def test_texts_whose_codes_are_used_again_find_their_own_slots() -> None:
    """A dictionary that has forgotten texts gives their codes to others."""
    codec = KeyCodec({"k": pl.String()})
    index = codec.new_index()
    first = pl.DataFrame({"k": [*"abcdefgh", None]})
    slots = index.insert(codec.encode(first))
    index.free(slots[:6])
    codec.compact(index.rows(index.live()))
    second = pl.DataFrame({"k": ["h", "x", "y", "a", None, "g"]})
    found = index.insert(codec.encode(second))
    assert codec.decode(index.rows(found)).equals(second)
    assert index.count == 6 == len(set(found.tolist()))


@pytest.mark.parametrize("index", [KeyIndex(1), KeyIndex(2), CodeIndex()])
def test_growth_keeps_slots(index: KeyIndex | CodeIndex) -> None:
    keys = np.arange(5000 * index.width, dtype=np.int64).reshape(-1, index.width) * 977
    assert index.insert(keys).tolist() == list(range(5000))
    assert index.capacity >= index.high == index.count == 5000
    assert index.find(keys).tolist() == list(range(5000))
    assert index.find(keys + 1).max() == -1


@pytest.mark.parametrize("index", [KeyIndex(1), CodeIndex()])
def test_freed_slots_are_used_again(index: KeyIndex | CodeIndex) -> None:
    for start in range(0, 100_000, 1000):
        slots = index.insert(np.arange(start, start + 1000).reshape(-1, 1))
        index.free(slots)
    assert (index.high, index.count, index.capacity) == (1000, 0, 1024)


def colliding_keys(count: int, at: int) -> np.ndarray:
    """Keys of one word whose search begins at one place of the smallest table."""
    keys = np.arange(count * 4000, dtype=np.uint64)
    mixed = keys * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    found = keys[(mixed >> np.uint64(32)) & np.uint64(2047) == at][:count]
    return found.astype(np.int64).reshape(-1, 1)


@pytest.mark.parametrize("at", [5, 2046])
def test_colliding_keys_survive_removals_between_them(at: int) -> None:
    """Also where the chain of places wraps around the end of the table."""
    keys = colliding_keys(40, at)
    for first in range(0, 40, 7):
        index = KeyIndex(1)
        slots = index.insert(keys)
        index.insert(np.arange(-300, 0).reshape(-1, 1))
        gone = np.arange(40) % 7 == first % 7
        index.free(slots[gone])
        assert index.find(keys).tolist() == np.where(gone, -1, slots).tolist()
        assert index.find(np.arange(-300, 0).reshape(-1, 1)).tolist() == list(range(40, 340))


def test_equal_hashes_are_not_equal_keys() -> None:
    def half(word: int) -> int:
        state = word * 0xBF58476D1CE4E5B9 & M
        return state ^ state >> 32

    second = [half(k) ^ half(0) for k in range(50)]
    keys = np.array(
        [[k, np.array(s, dtype=np.uint64).view(np.int64)] for k, s in enumerate(second)], dtype=np.int64
    )
    index = KeyIndex(2)
    assert index.insert(keys).tolist() == list(range(50))
    index.free(np.arange(0, 50, 2))
    assert index.find(keys).tolist() == [-1 if k % 2 == 0 else k for k in range(50)]


def test_wider_keys_keep_earlier_ones() -> None:
    index = KeyIndex(1)
    index.insert(rows([(5,), (6,)], 1))
    assert index.insert(rows([(6, 0), (6, 1), (5, 0)], 2)).tolist() == [1, 2, 0]
    assert index.width == 2
    assert index.rows(np.array([1])).tolist() == [[6, 0]]
    index.free(np.array([0]))
    assert index.find(rows([(5, 0), (6, 0)], 2)).tolist() == [-1, 1]


@pytest.mark.parametrize("index", [KeyIndex(1), CodeIndex()])
def test_freeing_what_is_not_in_use_is_a_defect(index: KeyIndex | CodeIndex) -> None:
    slots = index.insert(rows([(1,), (2,)], 1))
    with pytest.raises(AssertionError, match="only slots in use"):
        index.free(np.array([slots[0], slots[0]]))
    with pytest.raises(AssertionError, match="only slots in use"):
        index.free(np.array([77]))


@pytest.mark.parametrize("index", [KeyIndex(2), CodeIndex()])
def test_no_rows(index: KeyIndex | CodeIndex) -> None:
    assert len(index.insert(np.empty((0, index.width), dtype=np.int64))) == 0
    assert len(index.find(np.empty((0, index.width), dtype=np.int64))) == 0
    index.free(np.empty(0, dtype=np.int64))
    assert index.count == index.high == 0
