"""Put the increments of a state together again, as one frame or part by part.

Not here: what an increment is (protocols/increments.py), where it is kept (history.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import polars as pl

from thalweg.protocols.increments import GONE, TASK, Identity

_ORDER, _UNTIL = "__state_order", "__state_until"


def composed(identity: Identity, frames: Sequence[pl.DataFrame], *, keeps_gone: bool = False) -> pl.DataFrame:
    """The rows of some increments, given in order.

    Args:
        identity: what makes a row the same row.
        frames: the increments, the oldest first; at least one.
        keeps_gone: whether the result is an increment itself, for others before it; otherwise it is the
            whole state, without marks of what has gone.

    Example:
        >>> first = pl.DataFrame({"user": ["a", "b", "c"], "n": [1, 2, 3]})
        >>> later = pl.DataFrame({"user": ["a", "b"], "n": [None, 5], GONE: [True, False]})
        >>> composed(Identity("row", ("user",)), [first, later]).rows()
        [('c', 3), ('b', 5)]
    """
    frames = [f for f in frames if f.height] or list(frames[:1])
    if len(frames) == 1:
        return frames[0] if keeps_gone else _without_gone(frames[0])
    if identity.change == "added":
        return pl.concat(frames)
    if identity.change == "group":
        return _by_group(identity, frames, keeps_gone=keeps_gone)
    if not identity.columns:
        return frames[-1] if keeps_gone else _without_gone(frames[-1])
    changes = pl.concat(frames[1:], how="diagonal")
    last = changes.unique(list(identity.columns), keep="last", maintain_order=True)
    # the first is by far the largest where it is the whole state: it is not sorted, only looked through
    names = list(identity.columns)
    rest = frames[0].join(last.select(names), on=names, how="anti", nulls_equal=True, maintain_order="left")
    if GONE in rest.columns:
        rest = rest.unique(names, keep="last", maintain_order=True)
    whole = pl.concat([rest, last], how="diagonal")
    return _marked(whole) if keeps_gone else _without_gone(whole)


def surviving(
    identity: Identity, pieces: Sequence[Iterable[Callable[[], pl.DataFrame]]]
) -> Iterator[pl.DataFrame]:
    """The whole state that some increments make, part by part: never more than one is in memory.

    The newest come first, so that of an older one only those rows count that no newer one speaks of.

    Args:
        identity: what makes a row the same row.
        pieces: the increments, the oldest first, each as functions that give its parts.

    Example:
        >>> first = pl.DataFrame({"user": ["a", "b", "c"], "n": [1, 2, 3]})
        >>> later = pl.DataFrame({"user": ["a", "b"], "n": [None, 5], GONE: [True, False]})
        >>> parts = surviving(Identity("row", ("user",)), [[lambda: first], [lambda: later]])
        >>> [frame.rows() for frame in parts]
        [[('b', 5)], [('c', 3)]]
    """
    names = list(identity.columns)
    newer: pl.DataFrame | None = None
    for number in reversed(range(len(pieces))):
        spoken_of = [newer] if newer is not None else []
        for part in pieces[number]:
            frame = part()
            live = _without_gone(frame)
            if newer is not None and names:
                live = live.join(newer, on=names, how="anti", nulls_equal=True, maintain_order="left")
            yield live
            if number and identity.change != "added":
                told = frame if identity.change == "row" else _gone_of(frame)
                spoken_of.append(told.select(names) if names else told)
        if not names and identity.change == "row" and any(f.height for f in spoken_of):
            # there is one row, and this is the last word on it
            return
        if number and spoken_of and names:
            newer = pl.concat(spoken_of).unique(names)


def _gone_of(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter(GONE) if GONE in frame.columns else frame.clear()


def _by_group(identity: Identity, frames: Sequence[pl.DataFrame], *, keeps_gone: bool) -> pl.DataFrame:
    names = list(identity.columns)
    every = pl.concat(
        [_marked(f).with_columns(pl.lit(n).alias(_ORDER)) for n, f in enumerate(frames)], how="diagonal"
    )
    gone = every.filter(GONE)
    until = gone.group_by(names).agg(pl.col(_ORDER).max().alias(_UNTIL))
    rows = every.filter(~pl.col(GONE)).join(
        until, on=names, how="left", nulls_equal=True, maintain_order="left"
    )
    # what was added after its group had gone, or in the same increment, is there
    rows = rows.filter(pl.col(_UNTIL).is_null() | (pl.col(_ORDER) >= pl.col(_UNTIL))).drop(_UNTIL)
    if keeps_gone:
        rows = pl.concat([gone.unique(names, maintain_order=True), rows])
        return rows.drop(_ORDER)
    return rows.drop(_ORDER, GONE)


def _marked(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with a mark in each row, whether it has gone."""
    if GONE not in frame.columns:
        return frame.with_columns(pl.lit(False).alias(GONE))
    return frame.with_columns(pl.col(GONE).fill_null(value=False))


def _without_gone(frame: pl.DataFrame) -> pl.DataFrame:
    if GONE not in frame.columns:
        return frame
    return frame.filter(~pl.col(GONE).fill_null(value=False)).drop(GONE)


def of_task(frame: pl.DataFrame, identity: Identity, task: int) -> pl.DataFrame:
    """An increment of one task, which says so where row numbers or groups are the task's own."""
    if not identity.is_of_task:
        return frame
    return frame.with_columns(pl.lit(task, pl.Int32()).alias(TASK))
