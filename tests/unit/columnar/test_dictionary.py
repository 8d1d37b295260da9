"""The dictionary against a dict: short and long values, growth, forgetting, collisions."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.columnar.dictionary import Dictionary

M = 2**64 - 1
VALUE = st.none() | st.sampled_from([b"", b"a", b"\x00", b"\x00\x00", b"twelve bytes", b"thirteen byte"])
VALUE |= st.binary(max_size=40)


def column(values: list[bytes | None]) -> pl.Series:
    return pl.Series(values, dtype=pl.Binary)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_against_a_dict(data: st.DataObject) -> None:
    words, model = Dictionary(), dict[bytes | None, int]({None: -1})
    for _ in range(data.draw(st.integers(1, 5))):
        batch = data.draw(st.lists(VALUE, max_size=12))
        assert words.find(column(batch)).tolist() == [model.get(v, -2) for v in batch]
        for value, code in zip(batch, words.encode(column(batch)).tolist(), strict=True):
            assert model.setdefault(value, code) == code
        live = (
            data.draw(st.lists(st.sampled_from(list(model)), unique=True))
            if data.draw(st.booleans())
            else model
        )
        if live is not model:
            model = {None: -1} | {v: model[v] for v in live}
            words.retain(np.array(list(model.values())))
        assert words.count == len(model) - 1 == len(set(model.values())) - 1
        assert words.decode(np.array(list(model.values())), pl.Binary()).to_list() == list(model)
        assert words.find(column(list(model))).tolist() == list(model.values())


def test_growth_of_entries_and_bytes() -> None:
    texts = [f"{'long text ' * (i % 30)}{i}" for i in range(6000)]
    words = Dictionary()
    assert words.encode(pl.Series(texts)).tolist() == list(range(6000))
    assert words.encode(pl.Series(texts[::-1])).tolist() == list(range(6000))[::-1]
    assert words.decode(np.arange(6000), pl.String()).to_list() == texts


def test_memory_of_forgotten_values_is_used_again() -> None:
    words = Dictionary()
    sizes = set()
    for start in range(0, 20_000, 1000):
        codes = words.encode(pl.Series([f"session number {i:>30}" for i in range(start, start + 1000)]))
        words.retain(codes[:10])
        sizes.add(words.nbytes)
    assert words.count == 10
    assert max(sizes) < 200_000


def test_equal_hashes_are_not_equal_values() -> None:
    def mix(state: int, word: int) -> int:
        x = (state ^ word) * 0xBF58476D1CE4E5B9 & M
        x ^= x >> 29
        x = x * 0x94D049BB133111EB & M
        return x ^ x >> 32

    # All start alike and have 16 bytes; the last word undoes what the word before it did.
    start = mix(0, 16 | int.from_bytes(b"same", "little") << 32)
    values = [b"same" + i.to_bytes(4, "little") for i in range(30)]
    states = [mix(start, int.from_bytes(v, "little")) for v in values]
    values = [v + (s ^ states[0]).to_bytes(8, "little") for v, s in zip(values, states, strict=True)]
    words = Dictionary()
    assert words.encode(column(list(values))).tolist() == list(range(30))
    words.retain(np.arange(0, 30, 3))
    assert words.find(column(list(values))).tolist() == [i if i % 3 == 0 else -2 for i in range(30)]


def test_what_was_decoded_survives_later_changes() -> None:
    words = Dictionary()
    codes = words.encode(pl.Series(["a text of more than twelve bytes", "b"]))
    before = words.decode(codes, pl.String())
    words.retain(np.empty(0, dtype=np.int64))
    words.encode(pl.Series(["another text that takes the place of the first"]))
    assert before.to_list() == ["a text of more than twelve bytes", "b"]


def test_no_rows() -> None:
    words = Dictionary()
    assert len(words.encode(pl.Series([], dtype=pl.String))) == 0
    assert words.decode(np.empty(0, dtype=np.int64), pl.String()).to_list() == []
