"""Check a source against its contract, without knowing what it reads.

Each split is read in several sizes, stopped and restarted everywhere, asked for some of its columns. The
source is made anew for every reading, as after a restart of the process.

Reads:    the source, through its readers; `lazy`, where it has that.
Not here: one reading (reading.py), the lines (protocols/source.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import polars as pl

from thalweg.base.schema import Schema
from thalweg.base.types import Struct
from thalweg.connectors.files.select import expressions, pruned
from thalweg.protocols.source import Fields, LazySource, Source, Split
from thalweg.testing.contract import broken, check, must_work
from thalweg.testing.filtered import check_filtered
from thalweg.testing.reading import Order, Reading, read_all
from thalweg.testing.tables import difference, first_difference, table_of

SIZES = (1, 7, 4096)
"""How many rows are asked for at a time."""
POSITIONS_MAX = 60
"""A split with more stops than this is restarted at some of them only."""

MakeSource = Callable[[], Source]


@dataclass(frozen=True)
class _Kit:
    make: MakeSource
    rows: int | None
    schema: Schema

    def order(self, split: Split, **how: object) -> Order:
        """What to read; the columns follow from the fields."""
        made = Order(split, self.schema.polars, rows=self.rows)
        made = replace(made, **how)  # type: ignore[arg-type]  # the attributes of Order
        return replace(made, schema=pruned(self.schema, made.fields).polars)

    def read(self, split: Split, **how: object) -> Reading:
        """A reading by a source made anew."""
        return read_all(self.make(), self.order(split, **how))


def check_source(
    make_source: MakeSource,
    expected: pl.DataFrame | None = None,
    *,
    bad_count: int = 0,
    rows: int | None = None,
) -> None:
    """Run a source against R1 to R9, D1 to D3, L1, and C1 to C2 if it takes conditions over.

    Args:
        make_source: makes the source; each call must mean the same rows.
        expected: all rows of all splits, in split order; None: any rows will do.
        bad_count: how many rows cannot be read; looked at if `expected` is given.
        rows: how many rows of each split to look at; needed for sources that do not end.

    Raises:
        ConformanceError: names the line that is broken.

    Example:
        >>> from thalweg.connectors.memory import frame_source
        >>> frame = pl.DataFrame({"a": [1, 2, 3]})
        >>> check_source(lambda: frame_source([frame, frame[:1]]), pl.concat([frame, frame[:1]]))
    """
    source = make_source()
    assert source.is_bounded or rows is not None, "a source without end needs `rows`"
    kit = _Kit(make_source, rows, source.schema)
    splits = _check_splits(kit, source)
    whole = [_check_split(kit, split) for split in splits]
    if expected is not None:
        _check_rows(whole, expected, bad_count)
    if isinstance(source, LazySource) and source.is_bounded and not any(w.bad for w in whole):
        _check_lazy(kit, [w.frame for w in whole])
    check_filtered(make_source, dict(zip((s.id for s in splits), whole, strict=True)), rows)


def _check_splits(kit: _Kit, source: Source) -> list[Split]:
    splits = list(source.splits())
    ids = [s.id for s in splits]
    check(len(set(ids)) == len(ids), "D1", "splits()", found=f"ids {ids}")
    for again in (source.splits(), kit.make().splits()):
        listed = [s.id for s in again][: len(ids)]
        check(listed == ids, "D1", "splits() once more", expected=ids, found=listed)
    remade = []
    for split in splits:
        with must_work("D2", f'split "{split.id}" to JSON and back'):
            data = json.loads(json.dumps(dict(split.data), allow_nan=False))
        check(data == dict(split.data), "D2", f'split "{split.id}" to JSON and back', found=data)
        remade.append(Split(split.id, data))
    return remade


def _check_split(kit: _Kit, split: Split) -> Reading:
    """Everything about one split; what it gives."""
    _check_close(kit, split)
    whole = kit.read(split)
    if kit.rows is None:
        check(whole.ended, "D3", str(kit.order(split)))
    if kit.make().replay == "exact":
        for size in SIZES:
            _check_same("R1", kit, split, whole, rows_max=size)
        _check_restarts(kit, split, whole)
        _check_neighbours(kit, split, whole)
    for fields in _choices(kit.schema):
        _check_fields(kit, split, whole, fields)
    return whole


def _check_same(line: str, kit: _Kit, split: Split, whole: Reading, **how: object) -> Reading:
    """Another reading gives the same rows, offsets and bad rows."""
    order = kit.order(split, most=len(whole.offsets), **how)
    found = read_all(kit.make(), order)
    _compare(line, str(order), found, whole, kit.rows)
    return found


def _compare(line: str, what: str, found: Reading, wanted: Reading, rows: int | None) -> None:
    ours, theirs = found.frame, wanted.frame
    if rows is not None:
        least = min(rows, ours.height, theirs.height)
        ours, theirs = ours[:least], theirs[:least]
    wrong = first_difference(ours, theirs)
    if wrong is not None:
        raise broken(line, what, found=wrong)
    least = ours.height
    check(
        found.offsets[:least] == wanted.offsets[:least],
        line,
        what,
        expected=f"offsets {wanted.offsets[:20]}",
        found=f"offsets {found.offsets[:20]}",
    )
    if rows is None:
        check(found.bad == wanted.bad, line, what, expected=f"bad {wanted.bad}", found=f"bad {found.bad}")


def _check_restarts(kit: _Kit, split: Split, whole: Reading) -> None:
    """Go on from every position, and from a position reached after a restart."""
    slow = kit.read(split, rows_max=1, most=len(whole.offsets))
    step = -(-len(slow.stops) // POSITIONS_MAX)
    for position, rows, bad in slow.stops[::step]:
        if kit.rows is not None and rows >= kit.rows:
            continue
        left = None if kit.rows is None else kit.rows - rows
        order = kit.order(split, rows_max=5, position=position, rows=left, most=len(whole.offsets))
        _compare("R2", str(order), read_all(kit.make(), order), _from(whole, rows, bad), kit.rows)
    for size in (1, 3):
        _check_same("R2", kit, split, whole, rows_max=size, hops=True)


def _from(whole: Reading, rows: int, bad: int) -> Reading:
    """What is left of a reading after some rows."""
    return Reading(whole.frame[rows:], whole.offsets[rows:], whole.bad[bad:])


def _check_close(kit: _Kit, split: Split) -> None:
    with must_work("R8", f'split "{split.id}": close() twice, before any read'):
        reader = kit.make().open(split, {}, None)
        reader.close()
        reader.close()
    reader = kit.make().open(split, {}, None)
    reader.read(1)
    with must_work("R8", f'split "{split.id}": close() twice, after a read'):
        reader.close()
        reader.close()


def _check_neighbours(kit: _Kit, split: Split, whole: Reading) -> None:
    """Two readers of one source, one of which reads and closes in between."""
    source = kit.make()
    first, second = (source.open(split, {}, None) for _ in range(2))
    try:
        before = dict(first.position)
        second.read(2)
        check(
            dict(first.position) == before,
            "R4",
            "another reader reads",
            expected=before,
            found=first.position,
        )
        second.close()
        with must_work("R8", "read after another reader was closed"):
            frame = first.read(4096).frame
        if frame is not None:
            wrong = first_difference(frame, whole.frame[: frame.height])
            check(wrong is None, "R8", "read after another reader was closed", found=wrong)
    finally:
        first.close()
        second.close()


# Columns -----------------------------------------------------------------------------------------


def _choices(schema: Schema) -> Iterator[Fields]:
    """Some ways to ask for columns: backwards, each by itself, every other one, members of structs."""
    names = list(schema.names)
    everything: list[tuple[str, tuple[str, ...] | None]] = [(n, None) for n in names]
    yield everything
    yield everything[::-1]
    yield from ([pair] for pair in everything[:8])
    if len(names) > 2:
        yield everything[::2]
    for field in schema:
        if isinstance(field.type, Struct):
            members = tuple(f.name for f in field.type.fields)
            yield [(field.name, members[::-1]), *(p for p in everything if p[0] != field.name)]
            yield [(field.name, members[:1])]


def _select(frame: pl.DataFrame, schema: Schema, fields: Fields) -> pl.DataFrame:
    return frame.select(expressions(pruned(schema, fields), frame.schema))


def _check_fields(kit: _Kit, split: Split, whole: Reading, fields: Fields) -> None:
    order = kit.order(split, fields=fields, most=len(whole.offsets) + len(whole.bad))
    found = read_all(kit.make(), order)
    if kit.make().replay != "exact":
        return
    rows = found.frame.height if kit.rows is None else min(found.frame.height, whole.frame.height)
    wanted = _select(whole.frame, kit.schema, fields)
    if found.bad != whole.bad:
        # a reader need not look at fields that nobody asked for, and may then find fewer bad rows
        kept = set(whole.offsets)
        known = pl.Series([o in kept for o in found.offsets], dtype=pl.Boolean)
        wrong = first_difference(found.frame.filter(known), wanted)
    else:
        wrong = first_difference(found.frame[:rows], wanted[:rows])
    check(wrong is None, "R5", str(order), found=wrong)


# The whole source --------------------------------------------------------------------------------


def _check_rows(whole: list[Reading], expected: pl.DataFrame, bad_count: int) -> None:
    found = pl.concat([w.frame for w in whole]) if whole else expected.clear()
    wrong = difference(table_of(found), table_of(expected))
    check(wrong is None, "R6", "all rows of all splits", found=wrong)
    bad = sum(len(w.bad) for w in whole)
    check(bad == bad_count, "R6", "all bad rows of all splits", expected=bad_count, found=bad)
    order = first_difference(found, expected)
    check(order is None, "R1", "all rows of all splits, in their order", found=order)


def _check_lazy(kit: _Kit, frames: list[pl.DataFrame]) -> None:
    read = pl.concat(frames) if frames else kit.schema.polars.to_frame()
    for fields in (None, *_choices(kit.schema)):
        source = kit.make()
        assert isinstance(source, LazySource), "the source was lazy a moment ago"
        what = "lazy()" if fields is None else f"lazy({list(fields)})"
        found = source.lazy(fields).collect()
        wanted = read if fields is None else _select(read, kit.schema, fields)
        wrong = first_difference(found, wanted)
        check(wrong is None, "L1", what, found=wrong)
