"""Check a state backend: each kind against a dictionary that does the same slowly.

Random keys come, change, go and come back; what the state says must be what the dictionary says.

Reads:    the state, through the methods of its kind.
Not here: the row store's own script (row_states.py), reads (read_states.py), the lines (protocols/state.py).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from random import Random
from typing import Any, Literal

import numpy as np
import polars as pl

from thalweg.columnar.cells import take
from thalweg.columnar.key_cells import KeyCells
from thalweg.columnar.keys import KeyCodec
from thalweg.columnar.trees import Trees
from thalweg.protocols.state import ColumnSpec, ColumnsSpec, StateSpec
from thalweg.testing.contract import check
from thalweg.testing.increments import Followed
from thalweg.testing.read_states import check_read
from thalweg.testing.row_states import check_rows
from thalweg.testing.tables import first_difference, rows_of

MakeState = Callable[[StateSpec], Any]
Key = tuple[Hashable, ...]
Kind = Literal["columns", "brief", "rows"]

_COLUMNS = {
    "n": ColumnSpec("int64", 5),
    "f": ColumnSpec("float64", 0.5),
    "b": ColumnSpec("bool", True),
    "t": ColumnSpec("bytes", b"start"),
    "o": ColumnSpec("bytes", None),
}
_INITIAL: tuple[Hashable, ...] = (5, 0.5, True, b"start", None)
_LONG = "a text of more than twelve bytes"
_KEYS: tuple[tuple[dict[str, pl.DataType], list[list[Any]]], ...] = (
    ({"k": pl.Int64()}, [[0, -1, 1, None, 2**63 - 1, -(2**63)]]),
    ({"s": pl.String(), "n": pl.Int64()}, [["", "a", _LONG, _LONG + "!", None], [0, 1, None]]),
    ({"x": pl.Float64()}, [[0.0, -0.0, 1.5, float("nan"), float("inf"), None]]),
    ({"d": pl.Datetime("us"), "b": pl.Boolean()}, [[0, 1, None], [True, False, None]]),
    (
        {"m": pl.Decimal(38, 2)},
        [["0", "-0.01", "0.01", "92233720368547758.08", "-92233720368547758.1", None]],
    ),
    ({"u": pl.UInt64()}, [[0, 1, 2**63, 2**64 - 1, None]]),
    (
        {"y": pl.Binary()},
        [[b"", b"a", b"ab", b"\xff", bytes(13), bytes(14), b"a longer value 1", b"a longer value 2"]],
    ),
)
_ROUNDS = 12


def check_state(make_state: MakeState, kinds: Sequence[Kind] = ("columns", "rows"), *, seed: int = 0) -> None:
    """Run the kinds of state of a backend against S1 to S23.

    Args:
        make_state: makes empty state as declared.
        kinds: which kinds to look at; `brief`: columns whose slots hold until the next call only.
        seed: chooses keys and values.

    Raises:
        ConformanceError: names the line that is broken.

    Example:
        >>> from thalweg.state.rows import Rows
        >>> check_state(lambda spec: Rows(spec), ["rows"])
    """
    r = Random(seed)  # noqa: S311 - no secret
    for is_brief in (kind == "brief" for kind in kinds if kind != "rows"):
        for key, values in _KEYS:
            _Script(make_state, ColumnsSpec("kit", key, _COLUMNS, is_brief=is_brief), values, r).run()
        _check_no_key(make_state)
        _check_growth(make_state)
        _check_memory(make_state)
    if "rows" in kinds:
        check_rows(make_state, r)


class _Script:
    """Random calls on a state, and the same on a dictionary."""

    def __init__(self, make: MakeState, spec: ColumnsSpec, values: list[list[Any]], r: Random) -> None:
        self._make, self._spec, self._values, self._r = make, spec, values, r
        self._state = make(spec)
        self._followed = Followed(self._state, spec)
        self._model: dict[Key, tuple[Hashable, ...]] = {}
        self._what = f"key {', '.join(f'{n} {t}' for n, t in spec.key.items())}"

    def run(self) -> None:
        for number in range(_ROUNDS):
            frame = self._frame(self._r.randrange(9))
            self._find(frame)
            slots = self._insert(frame)
            self._look("S4")
            if self._spec.is_brief:
                # a look at all keys is the end of other slots
                slots = self._state.slots(frame)
            self._write(frame, slots, number)
            self._look("S4")
            if self._r.random() < 0.5:
                self._follow()
            self._forget()
            self._touch(number)
            self._compact()
            if self._r.random() < 0.5:
                self._follow()
            if self._r.random() < 0.5:
                self._restore()

    def _frame(self, count: int) -> pl.DataFrame:
        columns = {
            name: pl.Series([self._r.choice(values) for _ in range(count)], dtype=_storage(held)).cast(held)
            for (name, held), values in zip(self._spec.key.items(), self._values, strict=True)
        }
        return pl.DataFrame(columns)

    def _find(self, frame: pl.DataFrame) -> None:
        what, count = f"{self._what}: find", self._state.count
        found = [int(s) for s in self._state.find(frame)]
        keys = list(rows_of(frame))
        wanted = [k in self._model for k in keys]
        check([s >= 0 for s in found] == wanted, "S2", what, expected=wanted, found=found)
        check(self._state.count == count, "S2", what, expected=count, found=self._state.count)

    def _parts(self) -> Iterator[Any]:
        """The slots of all keys: of brief columns a few at a time."""
        count = self._r.randint(1, 4)
        for slots in self._state.parts(count):
            check(len(slots) <= count, "S21", f"{self._what}: parts", expected=count, found=len(slots))
            yield slots

    def _insert(self, frame: pl.DataFrame) -> Any:
        keys = list(rows_of(frame))
        new = list(dict.fromkeys(k for k in keys if k not in self._model))
        is_added = not self._spec.is_brief and len(new) == len(keys) and self._r.random() < 0.5
        what = f"{self._what}: {'add' if is_added else 'slots'}"
        slots = self._state.add(frame) if is_added else self._state.slots(frame)
        check(not is_added or len(set(slots.tolist())) == len(keys), "S23", what, found=slots.tolist())
        by_key: dict[Key, int] = {}
        for key, slot in zip(keys, slots, strict=True):
            same = by_key.setdefault(key, int(slot)) == int(slot)
            check(same, "S1", what, expected=f"one slot for {key}", found=[int(s) for s in slots])
        check(len(set(by_key.values())) == len(by_key), "S1", what, found=by_key)
        named = [by_key[k] for k in new]
        last = [int(s) for s in self._state.last_new]
        check(last == named, "S8", f"{self._what}: last_new", expected=named, found=last)
        for key in new:
            self._model[key] = _INITIAL
        values = self._values_at([by_key[k] for k in new])
        check(values == [_INITIAL] * len(new), "S3", what, expected=_INITIAL, found=values)
        found, made = ([int(s) for s in a] for a in (self._state.find(frame), slots))
        check(found == made, "S2", f"{self._what}: find after slots", expected=made, found=found)
        if KeyCells.can_hold(self._spec.key) and not self._spec.is_brief:
            found = self._state.slots_of(KeyCodec(self._spec.key).encode(frame)).tolist()
            check(found == made, "S17", f"{self._what}: slots_of", expected=made, found=found)
        return slots

    def _write(self, frame: pl.DataFrame, slots: Any, number: int) -> None:
        """Give the first key other values."""
        if not frame.height:
            return
        slot, text = int(slots[0]), f"value number {number}".encode()
        code = self._state.dictionary("o").encode(pl.Series([text]))[0]
        is_even, half = number % 2 == 0, number / 2
        for name, value in {"n": number, "f": half, "b": is_even, "o": code}.items():
            self._state.column(name)[slot] = value
        self._check_cells(slot)
        self._model[next(iter(rows_of(frame)))] = (number, half, is_even, b"start", text)

    def _check_cells(self, slot: int) -> None:
        """Each cell is the value of its column, as 64 bits."""
        cells = take(self._state.addresses, np.array([slot]))[:, 0]
        for cell, (name, column) in zip(cells, self._spec.columns.items(), strict=True):
            value = self._state.column(name)[slot]
            word = value.view(np.int64) if column.kind == "float64" else int(value)
            check(
                cell == word,
                "S16",
                f"{self._what}: at the address of {name}",
                expected=int(word),
                found=int(cell),
            )

    def _forget(self) -> None:
        gone = [k for k in self._model if self._r.random() < 0.3]
        for slots in self._parts() if self._spec.is_brief else [self._state.live()]:
            by_key = dict(zip(rows_of(self._state.keys(slots)), slots.tolist(), strict=True))
            self._state.free(np.array([by_key[k] for k in gone if k in by_key], dtype=np.int64))
        for key in gone:
            del self._model[key]
        self._look("S5")

    def _touch(self, number: int) -> None:
        """Write to a slot that `slots` has not given."""
        some = next(self._parts(), np.empty(0, np.int64))[:1]
        if len(some):
            self._state.touch(some)
            self._state.column("n")[some] = -number
            key = next(iter(rows_of(self._state.keys(some))))
            self._model[key] = (-number, *self._model[key][1:])

    def _follow(self) -> None:
        """Take an increment, and then another of nothing but reads."""
        self._check_contents("S6", f"{self._what}: dump", list(rows_of(self._state.dump())))
        wrong = self._followed.wrong()
        check(wrong is None, "S19", f"{self._what}: changes", found=wrong)
        for slots in self._parts():
            self._state.find(self._state.keys(slots))
        check_read(self._state, list(self._spec.key), self._what)
        again = self._state.changes()
        check(not again.height, "S20", f"{self._what}: changes after reads", expected="no row", found=again)

    def _compact(self) -> None:
        self._state.compact()
        self._look("S7")

    def _restore(self) -> None:
        """Go on with state that was loaded, in two parts and backwards."""
        what, dump = f"{self._what}: dump and load", self._state.dump()
        names = [*self._spec.key, *(self._spec.stored(c) for c in self._spec.columns)]
        check(dump.columns == names, "S6", what, expected=names, found=dump.columns)
        self._check_contents("S6", what, list(rows_of(dump)))
        other, half = self._make(self._spec), dump.height // 2
        other.load(dump[half:].reverse())
        other.load(dump[:half])
        self._state, self._followed = other, Followed(other, self._spec)
        self._look("S6")
        wrong = first_difference(other.dump(), dump)
        check(wrong is None, "S10", f"{self._what}: the dump of state that was loaded", found=wrong)

    def _values_at(self, slots: list[int]) -> list[tuple[Hashable, ...]]:
        at = np.array(slots, dtype=np.int64)
        columns: list[list[Any]] = []
        for name, column in self._spec.columns.items():
            array = self._state.column(name)
            at_least = self._state.capacity
            what = f'{self._what}: column("{name}")'
            check(len(array) >= at_least, "S4", what, expected=at_least, found=len(array))
            if column.kind == "bytes":
                columns.append(self._state.dictionary(name).decode(array[at], pl.Binary(), name).to_list())
            else:
                columns.append(array[at].tolist())
        return list(zip(*columns, strict=True))

    def _look(self, line: str) -> None:
        """Everything that the state says, against the dictionary."""
        if not self._spec.is_brief:
            self._look_at_live(line)
        rows: list[Key] = []
        for slots in self._parts():
            keys = rows_of(self._state.keys(slots))
            rows += [(*k, *v) for k, v in zip(keys, self._values_at(slots.tolist()), strict=True)]
        self._check_contents(line if self._spec.is_brief else "S21", f"{self._what}: parts", rows)
        check(self._state.count == len(rows), "S8", f"{self._what}: count", found=self._state.count)

    def _look_at_live(self, line: str) -> None:
        live = self._state.live()
        numbers = live.tolist()
        check(numbers == sorted(set(numbers)), "S8", f"{self._what}: live", found=numbers)
        check(self._state.count == len(numbers), "S8", f"{self._what}: count", found=self._state.count)
        keys = self._state.keys(live)
        check(dict(keys.schema) == dict(self._spec.key), "S8", f"{self._what}: keys", found=dict(keys.schema))
        rows = [(*k, *v) for k, v in zip(rows_of(keys), self._values_at(numbers), strict=True)]
        self._check_contents(line, self._what, rows)
        self._check_words(live, keys)

    def _check_words(self, live: Any, keys: pl.DataFrame) -> None:
        """Words of one key column, and of all, tell slots apart as their values do."""
        for names in (*([n] for n in keys.columns), keys.columns):
            what = f"{self._what}: words of {', '.join(names)}"
            words = [tuple(w) for w in self._state.words(live, names).tolist()]
            values = list(rows_of(keys.select(names)))
            pairs = len(set(zip(words, values, strict=True)))
            alike = len(set(words)) == len(set(values)) == pairs
            check(alike, "S15", what, expected=values, found=words)
            if len(names) == 1 and keys.schema[names[0]] == pl.Int64:
                own = [w[0] for w, v in zip(words, values, strict=True) if v != (None,)]
                expected = [v[0] for v in values if v != (None,)]
                check(own == expected, "S15", what, expected=expected, found=own)

        self._check_order(live, keys)

    def _check_order(self, live: Any, keys: pl.DataFrame) -> None:
        """A tree of all slots lists them as a sort of the keys does."""
        down, nulls_first = self._r.random() < 0.5, self._r.random() < 0.5
        trees, owners = Trees(), np.zeros(len(live), np.int64)
        trees.add(live, owners, self._state.order([(n, down, nulls_first) for n in keys.columns]))
        found = self._state.keys(trees.members(np.zeros(1, np.int64))[0])
        # NaN is above everything, as text and numbers have their own order
        expected = keys.sort(keys.columns, descending=down, nulls_last=not nulls_first)
        same = list(rows_of(found)) == list(rows_of(expected))
        check(same, "S18", f"{self._what}: order", expected=expected, found=found)

    def _check_contents(self, line: str, what: str, rows: list[Key]) -> None:
        width = len(self._spec.key)
        found = {row[:width]: row[width:] for row in rows}
        check(len(found) == len(rows), line, what, expected="each key once", found=rows)
        check(found == self._model, line, what, expected=self._model, found=found)


def _storage(held: pl.DataType) -> pl.DataType:
    if isinstance(held, pl.Decimal):
        return pl.String()
    return pl.Int64() if isinstance(held, pl.Datetime) else held


def _check_no_key(make: MakeState) -> None:
    state = make(ColumnsSpec("total", {}, {"n": ColumnSpec("int64")}))
    slots = state.slots(pl.DataFrame(height=3))
    check(len(slots) == 3 and len(set(slots.tolist())) == 1, "S1", "no key: slots", found=slots)
    np.add.at(state.column("n"), slots, 1)
    dump = state.dump()
    check(dump.to_dict(as_series=False) == {"n": [3]}, "S6", "no key: dump", found=dump)
    other = make(ColumnsSpec("total", {}, {"n": ColumnSpec("int64")}))
    other.load(dump)
    check(other.dump().equals(dump), "S6", "no key: dump and load", expected=dump, found=other.dump())


def _check_growth(make: MakeState) -> None:
    """Values of the first keys stay while thousands come."""
    state = make(ColumnsSpec("growth", {"k": pl.Int64()}, {"n": ColumnSpec("int64", -1)}))
    for start in range(0, 6000, 1500):
        slots = state.slots(pl.DataFrame({"k": range(start, start + 1500)}))
        state.column("n")[slots] = np.arange(start, start + 1500)
    found = state.find(pl.DataFrame({"k": range(6000)}))
    check(bool((found >= 0).all()), "S4", "6000 keys: find", found=f"{int((found < 0).sum())} are missing")
    kept = bool((state.column("n")[found] == np.arange(6000)).all())
    check(kept, "S4", "6000 keys: values", found="other values")


def _check_memory(make: MakeState) -> None:
    """Keys that come and go need no more memory than those that are there at once."""
    spec = ColumnsSpec("passing", {"s": pl.String()}, {"o": ColumnSpec("bytes", None)})
    state, sizes = make(spec), []
    for start in range(0, 16_000, 1000):
        numbers = range(start, start + 1000)
        slots = state.slots(pl.DataFrame({"s": [f"session number {i:>20}" for i in numbers]}))
        codes = state.dictionary("o").encode(pl.Series([f"value number {i:>20}".encode() for i in numbers]))
        state.column("o")[slots] = codes
        state.free(slots)
        state.compact()
        sizes.append(state.nbytes)
    check(max(sizes[4:]) <= max(sizes[:4]), "S9", "16000 keys that come and go", found=f"bytes {sizes}")
