"""Exported columns hold their buffers as long as Polars needs them, and letting go disturbs nobody."""

from __future__ import annotations

import subprocess
import sys
import threading
import weakref
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from thalweg.columnar.arrow import Array, Column, from_series, to_frame, to_series, words_to_series
from thalweg.columnar.places import locate
from thalweg.errors import TypeMismatch

Seen = list["weakref.ref[Array]"]


def flat(rows: int, seen: Seen) -> Column:
    return Column("l", rows, [None, _seen(np.arange(rows), seen)])


def nullable(rows: int, seen: Seen) -> Column:
    bits = _seen(np.full((rows + 7) // 8, 0b10110111, dtype=np.uint8), seen)
    return Column("l", rows, [bits, _seen(np.arange(rows), seen)])


def nested(rows: int, seen: Seen) -> Column:
    offsets = _seen(np.arange(rows + 1), seen)
    text = Column("U", rows, [None, offsets, _seen(np.full(rows, 97, dtype=np.uint8), seen)])
    inner = Column("+s", rows, [None], [("number", nullable(rows, seen)), ("text", text)])
    return Column("+s", rows, [None], [("inner", inner), ("number", flat(rows, seen))])


def _seen(array: Array, seen: Seen) -> Array:
    seen.append(weakref.ref(array))
    return array


def alive(seen: Seen) -> int:
    # What Polars drops without Python's lock goes with its next call.
    len(pl.Series([0]))
    return sum(reference() is not None for reference in seen)


KINDS = pytest.mark.parametrize("kind", [flat, nullable, nested])
Kind = Callable[[int, Seen], Column]


@KINDS
def test_an_exception_on_its_way_stays_what_it_is(kind: Kind) -> None:
    seen: Seen = []
    with pytest.raises(KeyError, match="mine"):
        [to_series("x", kind(100, seen)), {}["mine"]]
    assert alive(seen) == 0


@KINDS
def test_buffers_go_with_the_last_part_of_a_column(kind: Kind) -> None:
    seen: Seen = []
    column = to_series("x", kind(100, seen))
    expected = column.to_list()
    part = column[3:5]
    del column
    assert alive(seen) == len(seen)
    assert part.to_list() == expected[3:5]
    del part
    assert alive(seen) == 0


def test_a_member_holds_what_it_needs() -> None:
    seen: Seen = []
    member = to_series("x", nested(20, seen)).struct.field("inner").struct.field("number")
    assert alive(seen) > 0
    assert member.null_count() == 5
    assert member.drop_nulls()[-1] == 18
    del member
    assert alive(seen) == 0


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_polars_lets_go_on_its_own_threads(engine: str) -> None:
    seen: Seen = []
    frames = [pl.LazyFrame([to_series("x", nested(2000, seen))]) for _ in range(4)]
    number = pl.col("x").struct.field("number")
    sums = [frame.select(number.sum()) for frame in frames]
    del frames
    found = [frame.item() for frame in pl.collect_all(sums, engine=engine)]  # type: ignore[call-overload]
    del sums
    assert found == [sum(range(2000))] * 4
    assert alive(seen) == 0


def test_threads_share_nothing() -> None:
    seen: Seen = []
    wrong: list[int] = []

    def work() -> None:
        mine: Seen = []
        for rows in range(1, 30):
            column = to_series("x", nested(rows, mine))
            words = from_series(column.struct.field("inner").struct.field("text")).buffers[1]
            if column.struct.field("number").sum() != sum(range(rows)) or words is None or len(words) != rows:
                wrong.append(rows)
        seen.extend(mine)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert alive(seen) == 0


ENDING = """
import sys, threading
import numpy as np, polars as pl
from thalweg.columnar.arrow import Column, from_series, to_series

def made(rows=500):
    member = Column("l", rows, [np.full((rows + 7) // 8, 255, np.uint8), np.arange(rows)])
    return to_series("x", Column("+s", rows, [None], [("a", member)]))

def spin():
    while True:
        made().to_frame().lazy().select(pl.col("x").struct.field("a").sum()).collect()
        turned.set()

turned = threading.Event()
held, seen = made(), from_series(made().struct.field("a"))
threading.Thread(target=spin, daemon=True).start()
turned.wait(30)
assert not {"numba", "llvmlite"} & sys.modules.keys()
"""


@pytest.mark.slow
def test_nothing_happens_at_exit_and_no_compiler_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_layouts_at_odds_with_memory() -> None:
    every_second, shifted = np.arange(6)[::2], np.arange(17, dtype=np.uint8)[1:].view(np.int64)
    assert to_series("x", Column("l", 3, [None, every_second])).to_list() == [0, 2, 4]
    assert to_series("x", Column("l", 2, [None, shifted])).to_list() == shifted.tolist()
    assert to_series("x", Column("l", 2, [None, np.arange(2).view(np.uint8)])).to_list() == [0, 1]
    assert to_series("x", Column("l", 2, [None, np.arange(9)], offset=3)).to_list() == [3, 4]
    assert to_series("x", Column("l", 2, [None, np.arange(9)])).to_list() == [0, 1]


@KINDS
@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows(kind: Kind, rows: int) -> None:
    assert to_series("x", kind(rows, [])).len() == rows


def test_lists_and_equal_members_with_other_names() -> None:
    pair = Column("+s", 3, [None], [("a", flat(3, [])), ("b", flat(3, []))])
    lists = Column("+L", 2, [None, np.array([0, 1, 3])], [("item", pair)])
    expected = [[{"a": 0, "b": 0}], [{"a": 1, "b": 1}, {"a": 2, "b": 2}]]
    assert to_series("x", lists).to_list() == expected
    other = Column("+s", 3, [None], [("c", flat(3, [])), ("a", flat(3, []))])
    assert to_series("x", other).struct.fields == ["c", "a"]


@pytest.mark.parametrize("rows", [3, 300])
@pytest.mark.parametrize("dtype", [pl.Int8(), pl.Boolean(), pl.Date(), pl.Time(), pl.Datetime("ms", "UTC")])
def test_words_become_columns(rows: int, dtype: pl.DataType) -> None:
    expected = pl.Series("x", [1, 0, None] * (rows // 3)).cast(dtype)
    kind = {pl.Int8: np.int8, pl.Boolean: np.bool_, pl.Date: np.int32}.get(type(dtype), np.int64)
    values, valid = np.array([1, 0, 0] * (rows // 3), dtype=kind), np.arange(rows) % 3 != 2
    found = words_to_series("x", dtype, values, valid)
    assert found.equals(expected, check_dtypes=True, check_names=True)
    full = words_to_series("x", dtype, values, None)
    assert full.equals(expected.fill_null(pl.Series([0]).cast(dtype)[0]), check_dtypes=True)


@pytest.mark.parametrize("start", [0, 1, 7, 8, 13])
def test_places_survive_their_column(start: int) -> None:
    texts = [f"text number {i} of many" if i % 3 else None for i in range(50)]
    place = locate(pl.Series(texts)[start:])
    alive([])
    assert place.validity is not None
    assert place.validity.tolist() == [text is not None for text in texts[start:]]
    lengths = np.where(place.validity, place.words()[:, 0] & 0xFFFFFFFF, 0)
    assert lengths.tolist() == [len(text or "") for text in texts[start:]]


def test_columns_of_objects_have_no_place() -> None:
    with pytest.raises(TypeMismatch, match="has no flat buffers"):
        locate(pl.Series([object()], dtype=pl.Object))


def test_a_frame_of_columns() -> None:
    columns = [pl.Series("a", [1, 2]), pl.Series("b", ["x", None])]
    assert to_frame(columns).equals(pl.DataFrame(columns))
